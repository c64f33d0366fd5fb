"""What a scorer is: a pure function of a case and an answer, to a number in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from evalkit.evals.case import Answer, Case

__all__ = ["Score", "Scorer", "ScorerConfigError"]


@dataclass(slots=True)
class Score:
    """The judgement of one scorer on one answer."""

    value: float
    """In [0, 1]; 1 is best."""
    reason: str | None = None
    """Why it is below 1, in a few words a reader of the report understands: `got 'x', expected 'y'`."""
    got: Any = None
    """What was read from the answer (the extracted text, the number, the label): shown beside `expected`."""
    label: str | None = None
    """The predicted class, for precision, recall and F1; None where the scorer predicts no class."""
    extracted: bool = True
    """False when nothing could be read from the answer. Such an answer scores 0 and is counted apart."""


class ScorerConfigError(ValueError):
    """An argument of a scorer is wrong. `argument` names it; the message says what it should be."""

    def __init__(self, argument: str | None, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument
        self.hint = hint


class Scorer(Protocol):
    """Scorers are immutable once built, and validated when they are built: before the first request."""

    version: str
    """Raised whenever the same answer could score differently: part of the measurement digest."""

    def check(self, case: Case) -> str | None:
        """Why this case cannot be scored (no `expected`, one of the wrong type), or None. Called before any request."""

    def score(self, case: Case, answer: Answer) -> Score:
        """Judge the answer. Never raises for anything a model can write."""
