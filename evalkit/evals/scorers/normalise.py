"""Making two spellings of one answer equal, on both sides of a comparison."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["Step", "normaliser"]

Step = Literal["unicode", "punctuation", "articles", "whitespace", "final_stop"]
"""What `normalize` can do:

- `unicode`: NFKC, so that full-width and composed characters equal their plain forms
- `punctuation`: everything that is no letter, digit or space is dropped
- `articles`: the English words a, an and the are dropped
- `whitespace`: runs of whitespace become one space
- `final_stop`: one full stop at the end is dropped
"""

_PUNCTUATION = re.compile(r"[^\w\s]|_")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b", re.IGNORECASE)


def _unicode(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _punctuation(text: str) -> str:
    return _PUNCTUATION.sub("", text)


def _articles(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text).split())


def _whitespace(text: str) -> str:
    return " ".join(text.split())


def _final_stop(text: str) -> str:
    text = text.rstrip()
    return text[:-1].rstrip() if text.endswith(".") else text


_STEPS: dict[Step, Callable[[str], str]] = {
    "unicode": _unicode,
    "punctuation": _punctuation,
    "articles": _articles,
    "whitespace": _whitespace,
    "final_stop": _final_stop,
}


def normaliser(*, strip: bool, ignore_case: bool, steps: Collection[Step]) -> Callable[[str], str]:
    """One function that does what is asked, in a fixed order: the order in which a suite names steps is no setting."""
    chain: list[Callable[[str], str]] = [_STEPS[step] for step in get_args(Step) if step in steps]
    if strip:
        chain.insert(0, str.strip)
    if ignore_case:
        chain.insert(0, str.casefold)
    if strip and len(chain) > 1:
        chain.append(str.strip)  # a dropped mark may leave a space at the edge
    if len(chain) == 1:
        return chain[0]

    def apply(text: str) -> str:
        for step in chain:
            text = step(text)
        return text

    return apply
