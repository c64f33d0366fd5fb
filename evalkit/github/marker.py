"""The hidden first line of every text that evalkit writes on the forge, by which it finds that text again.

It is a comment of HTML with JSON in it. Whoever can write on the forge can write such a line too: a marker counts only
together with the author of the text.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Final

__all__ = ["Marker", "encode", "parse"]

_OPENING: Final = "<!-- evalkit:v1 "
_CLOSING: Final = " -->"
_LONGEST: Final = 4_000


@dataclass(frozen=True, slots=True)
class Marker:
    """What a text is about."""

    kind: str
    """`promotion`, `rollback`, `evaluation`, …: one text of a kind for each subject."""
    entry: str | None = None
    version: str | None = None
    target: str | None = None
    """`staging`, `production`, …."""
    digest: str | None = None
    """Of what the text was made from: unchanged, so is the text."""
    commit: str | None = None
    """The commit that evalkit itself last put on the branch: another head is a person's."""
    base: str | None = None
    """The commit of the default branch that this commit was made for."""


def encode(marker: Marker, body: str = "") -> str:
    """A text with the marker as its first line."""
    given = {key: value for key, value in asdict(marker).items() if value is not None}
    text = json.dumps(given, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    # Nothing in it can end the comment; JSON reads the escapes as the same characters.
    for sign, escape in (("--", r"\u002d\u002d"), ("<", r"\u003c"), (">", r"\u003e")):
        text = text.replace(sign, escape)
    return f"{_OPENING}{text}{_CLOSING}\n{body}"


def parse(body: str) -> Marker | None:
    """The marker of a text; None if its first line is none. Keys of a later evalkit are passed over."""
    line = body.removeprefix("\ufeff").partition("\n")[0].rstrip()
    if len(line) > _LONGEST or not (line.startswith(_OPENING) and line.endswith(_CLOSING)):
        return None
    try:
        given = json.loads(line.removeprefix(_OPENING).removesuffix(_CLOSING))
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict):
        return None
    known = {field.name: given[field.name] for field in fields(Marker) if field.name in given}
    if "kind" not in known or not all(isinstance(value, str) for value in known.values()):
        return None
    return Marker(**known)
