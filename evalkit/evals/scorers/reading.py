"""How scorers read an answer and show what they read.

A model may write anything, of any length: the first `MAX_CHARS` characters of a text are considered.
"""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from evalkit.evals.scorers.base import Score

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalkit.evals.case import Answer

__all__ = [
    "MAX_CHARS",
    "MAX_LABEL_CHARS",
    "NO_EXPECTED",
    "NO_TEXT",
    "as_label",
    "excerpt",
    "label_text",
    "last",
    "mismatch",
    "shown",
    "text_of",
    "unread",
]

MAX_CHARS = 1 << 20
"""Characters of an answer that scorers look at; what follows is ignored."""

MAX_LABEL_CHARS = 200
"""A longer text is prose, not a class: it gets no label, and metrics keep no copy of it."""

T = TypeVar("T")

MAX_GOT_CHARS = 1000
MAX_SHOWN_CHARS = 80

NO_TEXT = "the answer has no text"
NO_EXPECTED = "has no `expected` to compare with"


def text_of(answer: Answer) -> str | None:
    """The part of the answer's text that is considered; None when it has none."""
    text = answer.output
    return text[:MAX_CHARS] if text is not None and len(text) > MAX_CHARS else text


def last(items: Iterable[T]) -> T | None:
    """The last item, or None when there is none; the others are not kept."""
    kept = deque(items, maxlen=1)
    return kept[0] if kept else None


def label_text(value: Any) -> str:
    """A value as the name of a class: text as it is, everything else as JSON (`true`, `3`, `null`).

    Compare `Score.label` with `label_text(case.expected)`.
    """
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def as_label(value: Any) -> str | None:
    """`label_text`, or None for what is too long to be a class."""
    text = label_text(value)
    return text if len(text) <= MAX_LABEL_CHARS else None


def excerpt(text: str, limit: int = MAX_GOT_CHARS) -> str:
    """The start of a text, with `…` where something was left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shown(value: Any) -> str:
    """A value inside a sentence: quoted, on one line, shortened. Never raises."""
    if isinstance(value, str):
        return repr(excerpt(value, MAX_SHOWN_CHARS))
    try:
        return excerpt(json.dumps(value, ensure_ascii=False, default=str), MAX_SHOWN_CHARS)
    except (ValueError, TypeError, RecursionError):  # nested too deeply, or keys that JSON does not have
        return f"a {type(value).__name__}"


def mismatch(got: Any, expected: Any) -> str:
    """The reason of every comparison that failed."""
    return f"got {shown(got)}, expected {shown(expected)}"


def unread(reason: str) -> Score:
    """Nothing could be read from the answer."""
    return Score(0.0, reason, extracted=False)
