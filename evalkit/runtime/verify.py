"""What a bundle claims about its own content, computed again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import Location, Problem
from evalkit.runtime.digest import digest
from evalkit.runtime.refs import Ref
from evalkit.runtime.template import problem_of_template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.runtime.bundle import Bundle

__all__ = ["problems_of_bundle"]


def problems_of_bundle(bundle: Bundle) -> Iterator[Problem]:
    """What does not hold in a bundle that could be read: digests of entries, prompts and tools, templates.

    Reading it has shown already that it is whole. Whoever made it may still have made it wrong.
    """
    document = bundle.document
    place = Location(bundle.where)
    for text, entry in document["entries"].items():
        ref = Ref.parse(text)
        computed = bundle.config(ref).digest if ref else None
        if computed != entry["digest"]:
            message = f"{text} names the digest {entry['digest']}, and its content has {computed}"
            yield Problem("EK702", message, place)
    for kind in ("prompts", "tools"):
        for text, item in document[kind].items():
            if digest({key: value for key, value in item.items() if key != "digest"}) != item.get("digest"):
                yield Problem("EK702", f"{text} has another content than its digest names", place)
    for text, prompt in document["prompts"].items():
        for number, message in enumerate(prompt["messages"], 1):
            wrong = problem_of_template(message["content"], prompt["variables"])
            if wrong is not None:
                code, what, line = wrong
                yield Problem(code, f"{text} message {number}, line {line}: {what}", place)
