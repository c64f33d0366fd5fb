"""`regex` and `regex_extract`: regular expressions that cannot hang the run.

The `regex` package reads Python's syntax and, unlike `re`, can give up: a pattern with nested repeats takes
exponential time on some texts, and the text is a model's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from evalkit.evals.scorers.arguments import ComparingArguments, Text
from evalkit.evals.scorers.base import Score, ScorerConfigError
from evalkit.evals.scorers.normalise import Step, normaliser
from evalkit.evals.scorers.number import Tolerance, as_decimal, check_number, number_text, parse_number
from evalkit.evals.scorers.reading import (
    NO_EXPECTED,
    NO_TEXT,
    as_label,
    excerpt,
    label_text,
    mismatch,
    shown,
    text_of,
    unread,
)
from evalkit.evals.scorers.text import check_one_value
from evalkit.evals.scorers.unmeasurable import Unmeasurable

if TYPE_CHECKING:
    from evalkit.evals.case import Answer, Case

__all__ = ["TIMEOUT_S", "Regex", "RegexArguments", "RegexExtract", "RegexExtractArguments"]

TIMEOUT_S = 2.0
"""Seconds that one pattern may take on one answer."""


@lru_cache(maxsize=1024)
def _compiled(pattern: str, ignore_case: bool, multiline: bool, dotall: bool) -> Any:
    import regex

    flags = ignore_case * regex.IGNORECASE | multiline * regex.MULTILINE | dotall * regex.DOTALL
    return regex.compile(pattern, flags)


def _fault(pattern: str, ignore_case: bool, multiline: bool, dotall: bool) -> str | None:
    import regex

    try:
        _compiled(pattern, ignore_case, multiline, dotall)
    except regex.error as error:
        return f"{error.msg}" + ("" if error.pos is None else f" at character {error.pos + 1}")
    except (
        ValueError,
        OverflowError,
        RecursionError,
    ) as error:  # flags that exclude each other, huge repeats
        return str(error)
    return None


def _valid(pattern: str) -> str:
    """Checked beside the other arguments, so that a wrong one of these does not hide it."""
    fault = _fault(pattern, ignore_case=False, multiline=False, dotall=False)
    if fault is not None:
        message = "is no valid regular expression: {reason}"
        raise PydanticCustomError("regular_expression", message, {"reason": fault})
    return pattern


Pattern = Annotated[Text, AfterValidator(_valid)]


class PatternArguments(ComparingArguments):
    """What both scorers take."""

    main: ClassVar[str | None] = "pattern"

    ignore_case: bool = False
    """Ignore the difference between upper and lower case."""
    multiline: bool = False
    """`^` and `$` match at every line, not only at the ends of the text."""
    dotall: bool = False
    """`.` matches a line break too."""


def _compile(pattern: str, args: PatternArguments) -> Any:
    """A compiled pattern, or `ScorerConfigError`."""
    fault = _fault(pattern, args.ignore_case, args.multiline, args.dotall)
    if fault is not None:
        raise ScorerConfigError("pattern", f"`pattern` is no valid regular expression: {fault}")
    return _compiled(pattern, args.ignore_case, args.multiline, args.dotall)


def _too_slow() -> Unmeasurable:
    return Unmeasurable(f"the pattern took more than {TIMEOUT_S:g} s on this answer: make it simpler")


class RegexArguments(PatternArguments):
    """Arguments of `regex`."""

    pattern: Pattern | None = None
    """Searched anywhere in the text; by default the case's `expected` is the pattern."""


class Regex:
    """A regular expression matches somewhere in the text."""

    version = "1"
    Arguments = RegexArguments

    def __init__(self, args: RegexArguments) -> None:
        self._args = args
        if args.pattern is not None and args.expected is not None:
            raise ScorerConfigError("expected", "`expected` is not used beside `pattern`", "keep one of them")
        self._pattern = None if args.pattern is None else _compile(args.pattern, args)

    def check(self, case: Case) -> str | None:
        """`expected` is a pattern, where it is used."""
        if self._pattern is not None:
            return None
        if not isinstance(case.expected, str):
            return NO_EXPECTED if case.expected is None else "has an `expected` that is no pattern (text)"
        try:
            _compile(case.expected, self._args)
        except ScorerConfigError as error:
            return f"has an `expected` that cannot be used: {error}"
        return None

    def score(self, case: Case, answer: Answer) -> Score:
        """1 when it matches."""
        text = text_of(answer)
        if text is None:
            return unread(NO_TEXT)
        pattern = self._pattern if self._pattern is not None else _compile(case.expected, self._args)
        try:
            found = pattern.search(text, timeout=TIMEOUT_S)
        except TimeoutError:
            raise _too_slow() from None
        if found is None:
            return Score(0.0, f"{shown(pattern.pattern)} matches nothing")
        return Score(1.0, None, excerpt(found[0]))


class RegexExtractArguments(PatternArguments):
    """Arguments of `regex_extract`."""

    pattern: Pattern
    """What to look for. Its first group, or all of it when it has none, is the answer."""
    group: int | str | None = None
    """Another group, by number or name; 0 is all that matched."""
    match: Literal["first", "last"] = "last"
    """Which of several matches is the answer."""
    numeric: bool = False
    """Compare as numbers: commas, currency signs and a full stop at the end are dropped, 3.0 equals 3."""
    abs_tol: float = Field(0.0, ge=0, allow_inf_nan=False)
    """With `numeric`: the largest allowed difference."""
    rel_tol: float = Field(0.0, ge=0, allow_inf_nan=False)
    """With `numeric`: the largest allowed difference as a share of `expected`."""
    strip: bool = True
    """Ignore whitespace around what was read and around `expected`."""
    normalize: list[Step] = Field(["final_stop"])
    """Further differences to ignore, on both sides."""


class RegexExtract:
    """What a pattern finds equals `expected`. Finding nothing is its own outcome: it scores 0 and is counted apart."""

    version = "1"
    Arguments = RegexExtractArguments

    def __init__(self, args: RegexExtractArguments) -> None:
        self._pattern = _compile(args.pattern, args)
        self._group = self._chosen(args.group)
        self._which = args.match
        self._numeric = args.numeric
        for name in ("abs_tol", "rel_tol"):
            if getattr(args, name) and not args.numeric:
                raise ScorerConfigError(name, f"`{name}` needs `numeric: true`")
        self._tolerance = Tolerance(args.abs_tol, args.rel_tol)
        self._normalise = normaliser(
            strip=args.strip, ignore_case=args.ignore_case, steps=frozenset(args.normalize)
        )

    def _chosen(self, group: int | str | None) -> int | str:
        if group is None:
            return 1 if self._pattern.groups else 0
        known = (
            group in self._pattern.groupindex
            if isinstance(group, str)
            else 0 <= group <= self._pattern.groups
        )
        if not known:
            raise ScorerConfigError(
                "group",
                f"`pattern` has no group {group!r}",
                f"it has {self._pattern.groups} groups; 0 is all that matched",
            )
        return group

    def check(self, case: Case) -> str | None:
        """`expected` is one text or number; a number with `numeric`."""
        return check_number(case) if self._numeric else check_one_value(case)

    def score(self, case: Case, answer: Answer) -> Score:
        """1 when what was read equals `expected`."""
        text = text_of(answer)
        if text is None:
            return unread(NO_TEXT)
        try:
            read = self._read(text)
        except TimeoutError:
            raise _too_slow() from None
        if read is None:
            return unread(f"nothing matched {shown(self._pattern.pattern)}")
        expected = label_text(case.expected)
        if self._numeric:
            return self._score_number(read, case.expected, expected)
        got = self._normalise(read)
        if got == self._normalise(expected):
            return Score(1.0, None, excerpt(got), as_label(expected))
        return Score(0.0, mismatch(got, expected), excerpt(got), as_label(got))

    def _read(self, text: str) -> str | None:
        read: str | None = None
        for found in self._pattern.finditer(text, timeout=TIMEOUT_S):
            read = found[self._group]
            if self._which == "first":
                break
        return read

    def _score_number(self, read: str, expected: Any, expected_text: str) -> Score:
        got, wanted = parse_number(read), as_decimal(expected)
        if got is None or wanted is None:
            score = unread(f"matched {shown(read)}, which is not a number")
            score.got = excerpt(read)
            return score
        written = number_text(got)
        if self._tolerance.accepts(got, wanted):
            return Score(1.0, None, written, as_label(expected_text))
        return Score(0.0, f"got {written}, expected {number_text(wanted)}", written, as_label(written))
