"""`exact_match` and `contains`: comparing text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from evalkit.evals.scorers.arguments import ComparingArguments, TextList
from evalkit.evals.scorers.base import Score, ScorerConfigError
from evalkit.evals.scorers.normalise import Step, normaliser
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

if TYPE_CHECKING:
    from evalkit.evals.case import Answer, Case

__all__ = ["Contains", "ContainsArguments", "ExactMatch", "ExactMatchArguments", "check_one_value"]


def check_one_value(case: Case) -> str | None:
    """Why a case's `expected` is no single value."""
    if case.expected is None:
        return NO_EXPECTED
    if isinstance(case.expected, (list, dict)):
        return f"has an `expected` that is not one text or number: {shown(case.expected)}"
    return None


class ExactMatchArguments(ComparingArguments):
    """Arguments of `exact_match`."""

    main: ClassVar[str | None] = "expected"

    strip: bool = True
    """Ignore whitespace around the answer and around `expected`."""
    ignore_case: bool = False
    """Ignore the difference between upper and lower case."""
    normalize: list[Step] = Field([])
    """Further differences to ignore, on both sides."""


class ExactMatch:
    """The whole text equals `expected`."""

    version = "1"
    Arguments = ExactMatchArguments

    def __init__(self, args: ExactMatchArguments) -> None:
        self._normalise = normaliser(
            strip=args.strip, ignore_case=args.ignore_case, steps=frozenset(args.normalize)
        )

    def check(self, case: Case) -> str | None:
        """`expected` is one text, number or boolean."""
        return check_one_value(case)

    def score(self, case: Case, answer: Answer) -> Score:
        """1 when the texts are equal."""
        text = text_of(answer)
        if text is None:
            return unread(NO_TEXT)
        expected = label_text(case.expected)
        got = self._normalise(text)
        if got == self._normalise(expected):
            return Score(1.0, None, excerpt(got), as_label(expected))
        return Score(0.0, mismatch(got, expected), excerpt(got), as_label(got))


class ContainsArguments(ComparingArguments):
    """Arguments of `contains`."""

    main: ClassVar[str | None] = "all"

    any: TextList | None = None
    """At least one of these occurs."""
    all: TextList | None = None
    """Each of these occurs."""
    ignore_case: bool = False
    """Ignore the difference between upper and lower case."""


class Contains:
    """The text contains given texts; without `any` and `all`, each text of the case's `expected`."""

    version = "1"
    Arguments = ContainsArguments

    def __init__(self, args: ContainsArguments) -> None:
        self._own = args.any is not None or args.all is not None
        if self._own and args.expected is not None:
            raise ScorerConfigError(
                "expected", "`expected` is not used beside `any` and `all`", "keep one of them"
            )
        self._ignore_case = args.ignore_case
        self._any = [self._fold(text) for text in args.any or ()]
        self._all = [self._fold(text) for text in args.all or ()]

    def _fold(self, text: str) -> str:
        return text.casefold() if self._ignore_case else text

    def check(self, case: Case) -> str | None:
        """`expected` is a text or a list of texts, where it is used."""
        if self._own:
            return None
        expected = case.expected
        if expected is None:
            return NO_EXPECTED
        texts = expected if isinstance(expected, list) else [expected]
        if texts and all(isinstance(text, (str, int, float)) and text != "" for text in texts):
            return None
        return f"has an `expected` that is not text to look for: {shown(expected)}"

    def score(self, case: Case, answer: Answer) -> Score:
        """1 when all of `all` and one of `any` occur."""
        text = text_of(answer)
        if text is None:
            return unread(NO_TEXT)
        if self._own:
            required = self._all
        else:
            expected = case.expected if isinstance(case.expected, list) else [case.expected]
            required = [self._fold(label_text(item)) for item in expected]
        folded = self._fold(text)
        missing = [item for item in required if item not in folded]
        if missing:
            return Score(0.0, f"does not contain {', '.join(map(shown, missing[:5]))}")
        if self._any and not any(item in folded for item in self._any):
            return Score(0.0, f"contains none of {', '.join(map(shown, self._any[:5]))}")
        return Score(1.0)
