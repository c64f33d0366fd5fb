"""Which evaluations are needed, in how many parts. Pure: what is there to ask, and what is known, is handed in.

Evidence accumulates: a config that was measured is not measured again because it failed, or because that was
inconclusive. Somebody asks for one more run of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from evalkit.runtime.refs import Ref

    Known: TypeAlias = Callable[[str, str], bool]
    """Whether there is a run that promotes, of a generation digest and a measurement digest."""

__all__ = ["MAX_JOBS", "SHARD_SIZE", "Evaluation", "Left", "Needs", "Question", "Wanted", "needs"]

MAX_JOBS = 256
"""Jobs that one matrix of GitHub Actions may have."""
SHARD_SIZE = 500
"""Answers that one part asks for, unless that makes too many parts."""


@dataclass(frozen=True, slots=True)
class Question:
    """An entry that a suite could measure."""

    entry: Ref
    suite: Ref
    generation_digest: str
    measurement_digest: str
    cases: int
    repeats: int
    provider: str
    estimated_cost_usd: float | None = None
    """About what the entry's own answers cost, if each is as long as it may be; None if that is not known."""

    @property
    def key(self) -> str:
        """What is measured, by what: the name of its artifacts."""
        return "-".join(
            digest.removeprefix("sha256:")[:16]
            for digest in (self.generation_digest, self.measurement_digest)
        )

    @property
    def answers(self) -> int:
        """How many are asked for."""
        return self.cases * self.repeats

    def parts(self, size: int) -> int:
        """Parts of at most `size` answers, as far as cases can be parted."""
        return max(1, min(self.cases, -(-self.answers // size)))


@dataclass(frozen=True, slots=True)
class Left:
    """What is not evaluated now, and why."""

    entry: str
    """`support-triage@v14`; the name alone where no version can be told."""
    suite: str | None
    """None: it is the same for every suite."""
    reason: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What could be evaluated, before anything is asked about what was measured."""

    questions: Sequence[Question]
    after_merge: Sequence[Left] = ()
    left_out: Sequence[Left] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation that is needed."""

    question: Question
    shards: int


@dataclass(frozen=True, slots=True)
class Needs:
    """The evaluations that are needed, and those that are not."""

    evaluations: tuple[Evaluation, ...]
    after_merge: tuple[Left, ...]
    left_out: tuple[Left, ...]
    shard_size: int
    """Answers in a part, at most: as asked for, or more where that made too many parts."""

    @property
    def jobs(self) -> int:
        """Parts of all evaluations together."""
        return sum(one.shards for one in self.evaluations)


def needs(
    wanted: Wanted,
    known: Known,
    *,
    again: Collection[Ref] = (),
    shard_size: int = SHARD_SIZE,
    jobs: int = MAX_JOBS,
) -> Needs:
    """What to evaluate.

    Args:
        wanted: what could be evaluated, in the order of importance.
        known: whether a run that promotes is there; asked once for each pair of digests.
        again: entries that are measured once more in any case.
        shard_size: answers in a part, from 1.
        jobs: parts at most, from 1. Parts grow until they are so few; with more evaluations than that, the last
            ones are left out.
    """
    chosen: dict[str, Question] = {}
    left_out = list(wanted.left_out)
    answers: dict[tuple[str, str], bool] = {}
    for one in wanted.questions:
        digests = (one.generation_digest, one.measurement_digest)
        if one.key in chosen:
            first = chosen[one.key]
            same = f"{first.entry} on {first.suite}" if first.suite != one.suite else str(first.entry)
            left_out.append(
                _not_now(one, f"its config and the cases are those of {same}, which is evaluated")
            )
            continue
        if one.entry not in again:
            if digests not in answers:
                answers[digests] = known(*digests)
            if answers[digests]:
                reason = f"CI has measured it; runs add up, and --again {one.entry} asks for one more"
                left_out.append(_not_now(one, reason))
                continue
        chosen[one.key] = one
    kept = list(chosen.values())
    over = f"more than {jobs} are needed; plan again when these are done"
    left_out.extend(_not_now(one, over) for one in kept[jobs:])
    kept = kept[:jobs]
    size = _size(kept, shard_size, jobs)
    return Needs(
        evaluations=tuple(Evaluation(one, one.parts(size)) for one in kept),
        after_merge=tuple(wanted.after_merge),
        left_out=tuple(left_out),
        shard_size=size,
    )


def _not_now(question: Question, reason: str) -> Left:
    return Left(str(question.entry), str(question.suite), reason)


def _size(kept: Sequence[Question], wanted: int, jobs: int) -> int:
    """The smallest size, from the one that is wanted, at which there are no more parts than jobs."""

    def fits(size: int) -> bool:
        return sum(one.parts(size) for one in kept) <= jobs

    if fits(wanted):
        return wanted
    low, high = wanted, max(one.answers for one in kept)  # at `high` each is one part
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high
