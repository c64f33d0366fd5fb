"""What the gate is told, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.evals.record import Verdict
    from evalkit.evals.stats import Comparison, Estimate

__all__ = ["Judgement", "Measured", "SliceJudgement", "SliceMeasured", "worst"]

SEVERITY: dict[Verdict, int] = {"pass": 0, "inconclusive": 1, "fail": 2}


def worst(left: Verdict, right: Verdict) -> Verdict:
    """The worse of two verdicts, in the order pass, inconclusive, fail."""
    return max(left, right, key=SEVERITY.__getitem__)


@dataclass(frozen=True, slots=True)
class SliceMeasured:
    """The cases that carry one tag."""

    cases: int
    scored: int
    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything about a run that a gate may judge.

    Raises:
        ValueError: for counts that cannot be.
    """

    cases: int
    """Cases asked for, not multiplied by repeats."""
    scored: int
    """Cases with a score."""
    errors: int
    """Cases that could not be measured. Cases that are neither scored nor counted here are taken as such, too."""
    estimate: Estimate
    """Of the primary metric."""
    primary: str = "mean"
    """The primary metric's name."""
    must_pass_failed: tuple[str, ...] | list[str] = ()
    """Ids of `must_pass` cases that were scored below 1."""
    must_pass_unscored: tuple[str, ...] | list[str] = ()
    slices: Mapping[str, SliceMeasured] = field(default_factory=dict)
    """By tag: those of the suite's tags, or only those with a floor."""
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    """None when no latency is known."""
    mean_cost_usd: float | None = None
    """A case, its repeats together. None unless every scored answer has a cost."""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """At least those that the gate has floors for. None where undefined."""
    comparison: Comparison | None = None
    """With the baseline, if there is one."""
    baseline_missing: str | None = None
    """Why there is no comparison although one is needed, as a clause: `support-triage@v13 has no scores`."""

    def __post_init__(self) -> None:
        if not 0 <= self.scored <= self.cases or self.errors < 0:
            raise ValueError(
                f"impossible counts: {self.cases} cases, {self.scored} scored, {self.errors} errors"
            )

    @property
    def unmeasured(self) -> int:
        """Cases without a score, whatever the reason."""
        return max(self.errors, self.cases - self.scored)


@dataclass(frozen=True, slots=True)
class SliceJudgement:
    """The verdict on a slice with a floor."""

    floor: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict that says why."""

    verdict: Verdict
    reasons: list[str]
    """In plain words, the deciding one first. Never empty."""
    missing_cases: int | None = None
    """How many more cases, at the same scores, would settle an inconclusive verdict; None where no number would."""
    slices: dict[str, SliceJudgement] = field(default_factory=dict)
    """By tag: the slices with a floor, and no others."""
    shadow: list[str] = field(default_factory=list)
    """What the shadow rules would say: `shadow: would fail because …`. No part of the verdict."""
