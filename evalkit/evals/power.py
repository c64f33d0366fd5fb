"""What a suite can decide with the cases that it has, and how many it would need. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from evalkit.evals.stats import smallest_passing_n, wilson_lower
from evalkit.evals.stats.power import (
    detectable_drop,
    fewest,
    mcnemar_power,
    non_inferior_power,
    pairs_for_drop,
    pairs_for_non_inferior,
)
from evalkit.evals.stats.size import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.evals.checks.examine import CaseSummary
    from evalkit.evals.suite import Suite

__all__ = ["Chances", "Design", "Figures", "Power", "power_of", "verdict_chances"]

SHOWN_CORRELATIONS = (0.1, 0.3, 1.0)
PRECISION = 1_000


@dataclass(frozen=True, slots=True)
class Chances:
    """How often a candidate of a known true score gets each verdict from `min_score`. They add up to 1."""

    truth: float
    passes: float
    inconclusive: float
    fails: float


@dataclass(frozen=True, slots=True)
class Design:
    """How far cases that come in clusters are from independent ones (Kish 1965)."""

    clusters: int
    """Independent units: clusters, and cases that are in none."""
    mean_size: float
    """Cases of the cluster that a random case is in: Σm²/Σm."""
    effects: dict[float, float]
    """By correlation r within a cluster: the design effect 1 + (mean_size - 1)r, by which the cases are divided."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a number of independent pass/fail cases decides."""

    cases: int
    needed_right: int | None
    """The fewest right with which `min_score` passes; None where not even all are enough, or without the rule."""
    chances: tuple[Chances, ...]
    """By true score, the lowest first; empty without `min_score`."""
    passes_from: float | None
    """The true score, to 0.001, from which a candidate passes with the wanted chance; None where none does."""
    detectable_drop: float | None
    """Against a baseline, the smallest true drop that is found with the wanted chance; None where none is."""
    finds_drop: float
    """The chance that the drop in question is found."""
    equal_is_shown: float | None
    """The chance that an equal candidate passes `non_inferior`; None without the rule."""


@dataclass(frozen=True, slots=True)
class Power:
    """What a suite can decide, and what it would need."""

    suite: str
    cases: int
    repeats: int
    min_score: float | None
    lower_bound_required: float | None
    non_inferior: float | None
    min_cases: int
    """The fewest scored cases that the gate judges at all."""
    drop: float
    discordant: float
    power: float
    smallest_passing: int | None
    """The fewest cases with which a perfect score passes; None when no number is enough."""
    good_truth: float | None
    """A true score halfway between `min_score` and 1: a candidate that ought to pass."""
    cases_for_good: int | None
    """About the fewest cases with which it passes with the wanted chance; None above a million."""
    cases_for_drop: int | None
    """Shared cases with which the drop is found with the wanted chance."""
    cases_for_non_inferior: int | None
    """Shared cases with which an equal candidate passes `non_inferior` with the wanted chance."""
    figures: Figures
    """With every case independent of the others."""
    design: Design | None
    """None where no cases share a cluster."""
    figures_at_worst: Figures | None
    """With cases of a cluster that stand or fall together: as many cases as the design effect leaves."""
    slices: dict[str, tuple[int, int]]
    """By tag with a floor: cases there are, and cases needed (`slice_min_cases`)."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, in field order."""
        return asdict(self)


def power_of(
    suite: Suite,
    cases: CaseSummary,
    *,
    ref: str,
    drop: float = 0.05,
    discordant: float = 0.06,
    power: float = 0.8,
) -> Power:
    """What a suite decides.

    Args:
        suite: whose gate.
        cases: its cases, at least one.
        ref: how it is called.
        drop: the true drop against a baseline that ought to be found.
        discordant: the share of cases on which a candidate and its baseline differ, either way.
        power: the chance with which a thing ought to be found.

    Raises:
        ValueError: for numbers outside (0, 1).
    """
    if not all(0 < value < 1 for value in (drop, discordant, power)):
        raise ValueError("drop, discordant and power lie between 0 and 1")
    gate = suite.gate
    question = _Question(suite, drop, discordant, power)
    design = _design(cases)
    at_worst = max(1, int(cases.count / design.effects[1.0])) if design else None
    good = None if gate.min_score is None else (1 + gate.min_score) / 2
    right = good or 0.9
    return Power(
        suite=ref,
        cases=cases.count,
        repeats=suite.repeats,
        min_score=gate.min_score,
        lower_bound_required=gate.lower_bound_required,
        non_inferior=gate.non_inferior,
        min_cases=gate.cases_needed,
        drop=drop,
        discordant=discordant,
        power=power,
        smallest_passing=gate.smallest_passing_n,
        good_truth=good,
        cases_for_good=None if good is None else question.cases_for(good),
        cases_for_drop=pairs_for_drop(drop, discordant, power=power),
        cases_for_non_inferior=None
        if gate.non_inferior is None
        else pairs_for_non_inferior(discordant, gate.non_inferior, right, power=power),
        figures=question.figures(cases.count),
        design=design,
        figures_at_worst=None if at_worst is None else question.figures(at_worst),
        slices={tag: (cases.tags[tag], gate.slice_min_cases) for tag in sorted(gate.slices)},
    )


def verdict_chances(truth: float, n: int, needed: int | None, reaches: int) -> Chances:
    """The chances of each verdict, by the binomial distribution of how many of `n` cases are right.

    Args:
        truth: the true score.
        n: independent pass/fail cases.
        needed: how many right pass; None where not even all do.
        reaches: how many right reach the threshold; fewer fail.
    """
    from scipy.stats import binom

    passes = 0.0 if needed is None else float(binom.sf(needed - 1, n, truth))
    fails = float(binom.cdf(reaches - 1, n, truth))
    return Chances(truth, passes, max(0.0, 1 - passes - fails), fails)


class _Question:
    def __init__(self, suite: Suite, drop: float, discordant: float, power: float) -> None:
        self.gate, self.drop, self.discordant, self.power = suite.gate, drop, discordant, power

    def figures(self, n: int) -> Figures:
        threshold, margin = self.gate.min_score, self.gate.non_inferior
        shares = max(self.drop, self.discordant)
        lost, gained = (shares + self.drop) / 2, (shares - self.drop) / 2
        return Figures(
            cases=n,
            needed_right=self.needed(n),
            chances=() if threshold is None else tuple(self.chances(q, n) for q in self._truths(threshold)),
            passes_from=self._passes_from(n),
            detectable_drop=detectable_drop(n, self.discordant, power=self.power),
            finds_drop=mcnemar_power(n, lost, gained),
            equal_is_shown=None
            if margin is None
            else non_inferior_power(n, self.discordant, margin, (1 + threshold) / 2 if threshold else 0.9),
        )

    def needed(self, n: int) -> int | None:
        """How many of n must be right to pass."""
        threshold, bound = self.gate.min_score, self.gate.lower_bound_required
        if threshold is None or bound is None or n < self.gate.cases_needed:
            return None
        enough: Callable[[int], bool] = lambda k: wilson_lower(k, n) >= bound - TOLERANCE  # noqa: E731 - said once
        low, high = self.reaches(n) - 1, n + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high if high <= n else None

    def reaches(self, n: int) -> int:
        """How many of n must be right to reach the threshold."""
        return max(0, ceil(((self.gate.min_score or 0) - TOLERANCE) * n))

    def chances(self, truth: float, n: int) -> Chances:
        """Of a candidate of this true score; where the gate does not judge n cases, nothing is decided."""
        if n < self.gate.cases_needed:
            return Chances(truth, 0.0, 1.0, 0.0)
        return verdict_chances(truth, n, self.needed(n), self.reaches(n))

    def cases_for(self, truth: float) -> int | None:
        """About the fewest cases with which a candidate of this true score passes with the wanted chance."""
        gate = self.gate
        if gate.min_score is None:
            return None
        start = smallest_passing_n(gate.min_score, gate.slack, strict=gate.strict)
        if start is None:
            return None
        return fewest(max(start, gate.cases_needed), lambda n: self.chances(truth, n).passes >= self.power)

    def _truths(self, threshold: float) -> list[float]:
        """True scores around the threshold, a slack apart, and one that ought to pass."""
        step = self.gate.slack or 0.05
        below = [threshold - 2 * step, threshold - step, threshold]
        above = [min(threshold + step, (1 + threshold) / 2), (1 + (1 + threshold) / 2) / 2]
        return sorted({round(q, 4) for q in (*below, *above) if 0 < q < 1})

    def _passes_from(self, n: int) -> float | None:
        if self.needed(n) is None:
            return None
        low, high = 0, PRECISION
        while high - low > 1:
            middle = (low + high) // 2
            found = self.chances(middle / PRECISION, n).passes >= self.power
            low, high = (low, middle) if found else (middle, high)
        return high / PRECISION


def _design(cases: CaseSummary) -> Design | None:
    alone = cases.count - cases.clusters.total()
    units = len(cases.clusters) + alone
    if units >= cases.count:
        return None
    size = (sum(m * m for m in cases.clusters.values()) + alone) / cases.count
    return Design(units, size, {rho: 1 + (size - 1) * rho for rho in SHOWN_CORRELATIONS})
