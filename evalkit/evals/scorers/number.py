"""Reading numbers from text, and `numeric`: comparing them within a tolerance.

Numbers are read as people write them in English text: `1,234.5`, `-$5`, `3e8`, `.5`, `75%` (as 75). Comparison is
decimal, so 0.1 + 0.2 equals 0.3 where a model writes 0.3.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from evalkit.evals.scorers.arguments import ComparingArguments
from evalkit.evals.scorers.base import Score
from evalkit.evals.scorers.reading import NO_EXPECTED, NO_TEXT, last, shown, text_of, unread

if TYPE_CHECKING:
    from evalkit.evals.case import Answer, Case

__all__ = [
    "Numeric",
    "NumericArguments",
    "Tolerance",
    "as_decimal",
    "check_number",
    "find_number",
    "number_text",
    "parse_number",
]

MAX_DIGITS = 400
"""A longer run of digits is no number: a double has at most 309 before the point."""

_CURRENCY = "$€£¥₹"
_NUMBER = re.compile(
    rf"((?<![\w)])[-+\u2212])?(?:[{_CURRENCY}]([-+\u2212])?)?"  # a hyphen after a word is a hyphen: 12-15, A-4
    r"((?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
    r"([eE][-+]?[0-9]{1,3}(?![0-9A-Za-z]))?"
)
_PLAIN = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_DROPPED = str.maketrans({"\u2212": "-", ",": None, **dict.fromkeys(_CURRENCY)})


def parse_number(text: str) -> Decimal | None:
    """The number that the whole text is, or None.

    Commas, currency signs, a percent sign and a full stop at the end are dropped.
    """
    text = text.strip()
    if len(text) > MAX_DIGITS:
        return None
    text = text.translate(_DROPPED).removesuffix(".").removesuffix("%").strip()
    return Decimal(text) if _PLAIN.fullmatch(text) else None


def find_number(text: str, which: Literal["first", "last"]) -> Decimal | None:
    """The first or last number inside a text, or None."""
    found = _NUMBER.search(text) if which == "first" else last(_NUMBER.finditer(text))
    if found is None or len(found[0]) > MAX_DIGITS:
        return None
    number = Decimal(found[3].replace(",", "") + (found[4] or ""))
    sign = found[1] or found[2]
    return -number if sign in ("-", "\u2212") else number


def as_decimal(value: Any) -> Decimal | None:
    """A number of a case or of a JSON document; text that is a number counts, a boolean does not."""
    if isinstance(value, str):
        return parse_number(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    number = Decimal(value) if isinstance(value, int) else Decimal(repr(value))
    return number if number.is_finite() and abs(number.adjusted()) <= MAX_DIGITS else None


def number_text(number: Decimal) -> str:
    """The shortest usual way to write it: `18`, `0.5`, `1E+30`."""
    number = number.normalize()
    return f"{number:f}" if -7 <= number.adjusted() < 16 else str(number)


def check_number(case: Case) -> str | None:
    """Why a case's `expected` is no number."""
    if case.expected is None:
        return NO_EXPECTED
    if as_decimal(case.expected) is None:
        return f"has an `expected` that is not a number: {shown(case.expected)}"
    return None


class Tolerance:
    """How far from `expected` a number may be: the larger of both allowances.

    |got - expected| <= max(abs_tol, rel_tol * |expected|)

    Like `math.isclose` (PEP 485), but relative to `expected` alone, which is known to be right.
    """

    __slots__ = ("_absolute", "_relative")

    def __init__(self, abs_tol: float, rel_tol: float) -> None:
        self._absolute = Decimal(repr(abs_tol))
        self._relative = Decimal(repr(rel_tol))

    def accepts(self, got: Decimal, expected: Decimal) -> bool:
        """Whether `got` is near enough."""
        if got == expected:
            return True
        return abs(got - expected) <= max(self._absolute, self._relative * abs(expected))


class NumericArguments(ComparingArguments):
    """Arguments of `numeric`."""

    match: Literal["first", "last"] = "last"
    """Which number of the text is the answer."""
    abs_tol: float = Field(0.0, ge=0, allow_inf_nan=False)
    """The largest allowed difference."""
    rel_tol: float = Field(0.0, ge=0, allow_inf_nan=False)
    """The largest allowed difference as a share of `expected`: 0.01 is one percent."""


class Numeric:
    """A number in the text equals `expected`, within tolerances."""

    version = "1"
    Arguments = NumericArguments

    def __init__(self, args: NumericArguments) -> None:
        self._which = args.match
        self._tolerance = Tolerance(args.abs_tol, args.rel_tol)

    def check(self, case: Case) -> str | None:
        """`expected` is a number, or text that is one."""
        return check_number(case)

    def score(self, case: Case, answer: Answer) -> Score:
        """1 when the number read is near enough."""
        text = text_of(answer)
        if text is None:
            return unread(NO_TEXT)
        got = find_number(text, self._which)
        expected = as_decimal(case.expected)
        if got is None or expected is None:
            return unread("no number in the answer")
        written = number_text(got)
        if self._tolerance.accepts(got, expected):
            return Score(1.0, None, written)
        return Score(0.0, f"got {written}, expected {number_text(expected)}", written)
