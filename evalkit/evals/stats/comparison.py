"""A candidate against a baseline, case by case."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING

from evalkit.evals.stats.means import (
    NO_SPREAD,
    clustered_standard_error,
    count_clusters,
    is_constant,
    mean_of,
    standard_error,
    t_quantile,
)
from evalkit.evals.stats.paired import FLIPS, mcnemar, newcombe_paired, sign_flip
from evalkit.evals.stats.proportions import one_sided, wilson

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from typing import TypeAlias

    Limits: TypeAlias = tuple[float, float, float]  # the two-sided interval, and the one-sided lower bound

__all__ = ["ALPHA", "MIN_NET_LOSSES", "Comparison", "compare"]

ALPHA = 0.05
"""One-sided level at which a candidate counts as worse."""

MIN_NET_LOSSES = 5
"""Fewer pass/fail cases lost on balance are never significant: at best 4 to 0, p = 1/16."""

MIN_CLUSTERS = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed between a baseline and a candidate, over the cases that both have a score for."""

    n: int
    """Cases in both."""
    unpaired: int = 0
    """Cases with a score in only one of the two: left out, and counted here."""
    baseline_mean: float | None = None
    candidate_mean: float | None = None
    """Over the shared cases; None without any."""
    difference: float | None = None
    """Candidate less baseline."""
    low: float | None = None
    high: float | None = None
    """95 % interval of the difference; None where it cannot be known."""
    lower_one_sided: float | None = None
    """The true difference lies above it with 95 % confidence: what non-inferiority is judged by."""
    method: str = "none"
    """How the interval was made."""
    p_value: float | None = None
    """One-sided: small when the candidate is worse."""
    mid_p: float | None = None
    """McNemar's mid-p, for information; None where another test is used."""
    test: str = "none"
    """How the p-value was made."""
    only_baseline_right: int | None = None
    only_candidate_right: int | None = None
    """Flipped cases, where every score is 0 or 1; None for graded scores."""
    worse: tuple[str, ...] = ()
    better: tuple[str, ...] = ()
    """Ids of every case that scores lower, and higher, than in the baseline: the largest change first."""
    clusters: int | None = None
    """Independent units, where cases come in clusters."""
    notes: tuple[str, ...] = ()

    @property
    def significantly_worse(self) -> bool:
        """Whether chance alone would make the candidate look this bad in at most 5 % of comparisons."""
        return self.p_value is not None and self.p_value <= ALPHA

    @property
    def drop(self) -> float:
        """How far the score fell; 0 if it did not."""
        return max(0.0, -(self.difference or 0.0))


def compare(
    candidate: Mapping[str, float],
    baseline: Mapping[str, float],
    clusters: Mapping[str, Hashable | None] | None = None,
    *,
    seed: int = 0,
) -> Comparison:
    """Pair the scores of two runs of one suite by case id, and compare them.

    Pass/fail scores: exact one-sided McNemar, and Newcombe's paired interval. Graded scores, and any in clusters:
    sign-flip permutation test (whole clusters flipped), and the paired t interval (cluster-robust).

    Args:
        candidate: score by case id, in [0, 1].
        baseline: the same.
        clusters: by case id; a case that is missing or None is on its own.
        seed: for the random sign flips that more than 16 changed cases need.
    """
    shared = sorted(candidate.keys() & baseline.keys())
    unpaired = len(candidate.keys() ^ baseline.keys())
    if not shared:
        return Comparison(0, unpaired, notes=("the two runs share no scored case",))
    new = [candidate[case] for case in shared]
    old = [baseline[case] for case in shared]
    # What differs by rounding alone has not changed.
    differences = [c - b if abs(c - b) > NO_SPREAD else 0.0 for c, b in zip(new, old, strict=True)]
    order = sorted(range(len(shared)), key=lambda i: (-abs(differences[i]), shared[i]))
    groups = [clusters.get(case) for case in shared] if clusters else None
    units = count_clusters(groups) if groups is not None else len(shared)
    clustered = groups is not None and units < len(shared)
    is_binary = all(score in (0, 1) for score in (*new, *old))
    lost = sum(1 for d in differences if d < 0)
    gained = sum(1 for d in differences if d > 0)
    mid_p: float | None = None
    limits: Limits | None
    notes: tuple[str, ...] = ()
    if is_binary and not clustered:
        both = sum(1 for c, b in zip(new, old, strict=True) if c == b == 1)
        result = mcnemar(lost, gained)
        p_value, mid_p, test = result.one_sided, result.mid_p_one_sided, "exact one-sided McNemar"
        table = (both, gained, lost, len(shared) - both - lost - gained)
        limits = (*newcombe_paired(*table), newcombe_paired(*table, confidence=one_sided(1 - ALPHA))[0])
        method = "Newcombe paired"
    else:
        groups = groups if clustered else None
        flipped = sign_flip(differences, clusters=groups, seed=seed)
        how = "exact" if flipped.exact else f"{FLIPS:,} flips, seed {seed}"
        p_value, test = flipped.one_sided, f"sign-flip permutation, {how}"
        limits, method, notes = _graded_interval(differences, groups, units)
    return Comparison(
        n=len(shared),
        unpaired=unpaired,
        baseline_mean=mean_of(old),
        candidate_mean=mean_of(new),
        difference=fsum(differences) / len(differences),
        low=limits[0] if limits else None,
        high=limits[1] if limits else None,
        lower_one_sided=limits[2] if limits else None,
        method=method,
        p_value=p_value,
        mid_p=mid_p,
        test=test,
        only_baseline_right=lost if is_binary else None,
        only_candidate_right=gained if is_binary else None,
        worse=tuple(shared[i] for i in order if differences[i] < 0),
        better=tuple(shared[i] for i in order if differences[i] > 0),
        clusters=units if clustered else None,
        notes=notes,
    )


def _graded_interval(
    differences: Sequence[float], groups: Sequence[Hashable | None] | None, units: int
) -> tuple[Limits | None, str, tuple[str, ...]]:
    """Limits of the mean difference, how they were made, and what to know about them."""
    mean = mean_of(differences)
    if groups is not None and units < MIN_CLUSTERS:
        note = f"the shared cases come in {units} clusters; an interval needs at least {MIN_CLUSTERS}"
        return None, "none", (note,)
    if is_constant(differences):
        # Nothing moved, or all by the same amount: what is left is a change too rare to have shown up.
        rare = wilson(0, units)[1]
        rare_one_sided = wilson(0, units, one_sided(1 - ALPHA))[1]
        limits = (max(-1.0, mean - rare), min(1.0, mean + rare), max(-1.0, mean - rare_one_sided))
        return limits, "all differences are equal", ()
    error = standard_error(differences) or 0.0
    method = "paired t"
    if groups is not None:
        error = max(error, clustered_standard_error(differences, groups) or 0.0)
        method = "cluster-robust paired t"
    half = t_quantile(0.975, units - 1) * error
    lowest = max(-1.0, mean - t_quantile(1 - ALPHA, units - 1) * error)
    return (max(-1.0, mean - half), min(1.0, mean + half), lowest), method, ()
