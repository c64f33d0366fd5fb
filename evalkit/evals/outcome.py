"""What becomes of a job: three results that are never mixed up. Could-not-measure is not failed, and neither is 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalkit.evals.case import Answer

__all__ = ["Answered", "Failed", "Outcome", "Unscored"]


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer came, now or (with `answer.cached`) earlier."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Failed:
    """The candidate cannot answer this case: scores 0. For `type` see `SampleError`."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Unscored:
    """Nothing was learnt about the candidate. For `type` see `SampleError`."""

    type: str
    message: str
    attempts: int
    """Requests sent for this case; 0 where the run had stopped sending."""


Outcome = Answered | Failed | Unscored
