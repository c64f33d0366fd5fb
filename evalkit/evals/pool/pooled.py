"""Several runs as one: the scores of each case together, each answer once. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalkit.evals.evidence import EvidenceRun

__all__ = ["CaseScores", "Pool", "pooled"]


@dataclass(frozen=True, slots=True)
class CaseScores:
    """What the runs of a pool gave one case."""

    count: int
    """Answers that were scored."""
    total: float
    """The sum of their scores."""
    answers: tuple[float, ...] | None
    """Each score; None where the count and the sum of a run do not tell (half of two may be 0 and 1, or twice 0.5)."""

    @property
    def mean(self) -> float:
        """The case's score."""
        return self.total / self.count


@dataclass(frozen=True, slots=True)
class Pool:
    """Runs that are judged together."""

    runs: tuple[EvidenceRun, ...]
    """Oldest first."""
    repeated: tuple[EvidenceRun, ...]
    """Left out: they asked nothing, and one of `runs` measured the same."""
    scores: Mapping[str, CaseScores] | None
    """By hashed case id. None where a run's evidence does not keep them (it holds at most 256 KiB)."""

    @property
    def means(self) -> dict[str, float] | None:
        """The score of each case by its hashed id."""
        if self.scores is None:
            return None
        return {key: case.mean for key, case in self.scores.items()}


def pooled(runs: Sequence[EvidenceRun]) -> Pool:
    """The pool of some runs, the same in whatever order they come.

    Answers from the cache are no repeats: a run that asked nothing counts only if no other one measured the same. A
    run that is recorded in two files counts once.

    Raises:
        ValueError: the runs are of several configs or measurements; what they measured is not the same thing.
    """
    if len({(run.generation_digest, run.measurement_digest) for run in runs}) > 1:
        raise ValueError("runs of several configs or measurements have no pool")
    kept: list[EvidenceRun] = []
    repeated: list[EvidenceRun] = []
    for run in sorted(runs, key=lambda run: (run.asked_nothing, run.created, run.run_id)):
        if any((run.asked_nothing or run.run_id == one.run_id) and _equal(run, one) for one in kept):
            repeated.append(run)
        else:
            kept.append(run)
    kept.sort(key=lambda run: (run.created, run.run_id))
    return Pool(tuple(kept), tuple(repeated), _together(kept))


def _equal(one: EvidenceRun, other: EvidenceRun) -> bool:
    """Whether two runs measured the same, under whatever gate, primary metric and source."""
    if (one.cases, one.scored, one.errors) != (other.cases, other.scored, other.errors):
        return False
    if one.scores is not None and other.scores is not None:
        return one.scores == other.scores
    return (one.primary, one.score) == (other.primary, other.score)


def _together(runs: Sequence[EvidenceRun]) -> dict[str, CaseScores] | None:
    parts: dict[str, list[tuple[int, float]]] = {}
    for run in runs:
        if run.scores is None:
            return None
        for key, part in run.scores.items():
            parts.setdefault(key, []).append(part)
    return {key: _case(parts[key]) for key in sorted(parts)}


def _case(parts: Sequence[tuple[int, float]]) -> CaseScores:
    answers: list[float] | None = []
    for count, total in parts:
        known = _answers(count, total)
        answers = None if answers is None or known is None else [*answers, *known]
    return CaseScores(
        count=sum(count for count, _ in parts),
        total=fsum(total for _, total in parts),
        answers=None if answers is None else tuple(answers),
    )


def _answers(count: int, total: float) -> list[float] | None:
    if count == 1 or total in {0, count}:
        return [total / count] * count
    return None
