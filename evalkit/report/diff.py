"""What differs between two short texts, word by word."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Final

__all__ = ["Segments", "word_diff"]

Segments = list[tuple[str, bool]]
"""Pieces of one text, each with whether it differs from the other text."""

_WORDS: Final = re.compile(r"\s+|\w+|[^\w\s]")
_MAX_CHARACTERS: Final = 400
_LEAST_RATIO: Final = 0.4
"""Below this likeness everything would be marked, which shows nothing."""


def word_diff(left: str, right: str) -> tuple[Segments, Segments] | None:
    """Both texts in pieces; None where marking pieces would not help: equal, long or unlike texts.

    Words are runs of letters and digits, single signs, and runs of blanks. The pieces of each side join to its text.
    """
    if left == right or not left or not right or len(left) > _MAX_CHARACTERS or len(right) > _MAX_CHARACTERS:
        return None
    words, others = _WORDS.findall(left), _WORDS.findall(right)
    matcher = SequenceMatcher(None, words, others, autojunk=False)
    if matcher.ratio() < _LEAST_RATIO:
        return None
    before: Segments = []
    after: Segments = []
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        _append(before, "".join(words[start:end]), differs=kind != "equal")
        _append(after, "".join(others[other_start:other_end]), differs=kind != "equal")
    return before, after


def _append(segments: Segments, text: str, *, differs: bool) -> None:
    if text:
        segments.append((text, differs))
