"""Tests and intervals for two sets of scores on the same cases."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, fsum, lgamma, log, sqrt
from typing import TYPE_CHECKING

from evalkit.evals.stats.means import is_constant, mean_of, standard_error, t_interval
from evalkit.evals.stats.proportions import wilson

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = [
    "McNemar",
    "PairedDifference",
    "SignFlip",
    "mcnemar",
    "newcombe_paired",
    "paired_t",
    "sign_flip",
]

EXACT_UP_TO = 16
FLIPS = 20_000
CHUNK = 4_000_000
"""Signs drawn at once: about 32 MB."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """p-values of the hypothesis that a case on which the two differ favours either with equal chance."""

    one_sided: float
    """Exact; small when the candidate is worse."""
    two_sided: float
    """Exact."""
    mid_p_one_sided: float
    mid_p_two_sided: float
    """Mid-p counts the observed table half: closer to the nominal level, no guarantee (Fagerland et al. 2013)."""


def mcnemar(only_baseline_right: int, only_candidate_right: int) -> McNemar:
    """McNemar's test on the discordant pairs: only_baseline_right ~ Binomial(both, 1/2) if nothing changed.

    Raises:
        ValueError: for negative counts.
    """
    worse, better = only_baseline_right, only_candidate_right
    if worse < 0 or better < 0:
        raise ValueError("counts of cases cannot be negative")
    n = worse + better
    if n == 0:
        return McNemar(1.0, 1.0, 1.0, 1.0)
    one_sided = _at_least(worse, n)
    two_sided = min(1.0, 2 * _at_least(max(worse, better), n))
    observed = exp(lgamma(n + 1) - lgamma(worse + 1) - lgamma(better + 1) - n * log(2))
    # When the counts are equal both tails hold the observed table, and 2·tail is above 1.
    mid_two_sided = 1.0 if worse == better else two_sided - observed
    return McNemar(one_sided, two_sided, one_sided - observed / 2, mid_two_sided)


def _at_least(count: int, n: int) -> float:
    """P(X ≥ count) for X ~ Binomial(n, 1/2)."""
    from scipy.special import betainc

    return 1.0 if count == 0 else float(betainc(count, n - count + 1, 0.5))


@dataclass(frozen=True, slots=True)
class SignFlip:
    """p-values of a sign-flip permutation test of per-case differences, candidate less baseline."""

    one_sided: float
    """Small when the candidate is worse."""
    two_sided: float
    exact: bool
    """Whether every flip was counted, or `FLIPS` random ones."""


def sign_flip(
    differences: Sequence[float],
    *,
    clusters: Sequence[Hashable | None] | None = None,
    seed: int = 0,
    flips: int = FLIPS,
) -> SignFlip:
    """The sign-flip permutation test (Fisher 1935; Dwass 1957 for random flips).

    If nothing changed, each difference is as likely as its opposite. All 2^m sign patterns of the m non-zero
    differences are counted up to m = 16, otherwise `flips` random ones, with (1 + hits)/(1 + flips) as p-value, which
    is never 0. Cases in one cluster flip together: their differences are added up first.

    Args:
        differences: candidate less baseline, one a case.
        clusters: the cluster of each case, None for a case on its own.
        seed: of the random flips.
        flips: how many random flips.
    """
    sums = sorted(d for d in _summed(differences, clusters) if d != 0)
    if not sums:
        return SignFlip(1.0, 1.0, exact=True)
    observed = fsum(sums)
    # Sums that agree in exact arithmetic may differ in the last bits; they must count as ties.
    tie = 1e-9 * fsum(map(abs, sums))
    if len(sums) <= EXACT_UP_TO:
        totals = [0.0]
        for value in sums:
            totals = [total + sign for total in totals for sign in (value, -value)]
        low = sum(1 for total in totals if total <= observed + tie)
        far = sum(1 for total in totals if abs(total) >= abs(observed) - tie)
        return SignFlip(low / len(totals), far / len(totals), exact=True)
    low, far = _random_flips(sums, observed, tie, seed, flips)
    return SignFlip((1 + low) / (1 + flips), (1 + far) / (1 + flips), exact=False)


def _summed(differences: Sequence[float], clusters: Sequence[Hashable | None] | None) -> list[float]:
    if clusters is None:
        return list(differences)
    alone: list[float] = []
    members: dict[Hashable, list[float]] = {}
    for difference, cluster in zip(differences, clusters, strict=True):
        if cluster is None:
            alone.append(difference)
        else:
            members.setdefault(cluster, []).append(difference)
    return alone + [fsum(group) for group in members.values()]


def _random_flips(sums: list[float], observed: float, tie: float, seed: int, flips: int) -> tuple[int, int]:
    """How many random sign patterns lie at or below the observed sum, and how many as far from 0."""
    import numpy as np

    rng = np.random.default_rng(seed)
    values = np.asarray(sums)
    low = far = 0
    rows = max(1, CHUNK // len(values))
    for start in range(0, flips, rows):
        size = (min(rows, flips - start), -(-len(values) // 8))
        kept = np.unpackbits(rng.integers(0, 256, size=size, dtype=np.uint8), axis=1, count=len(values))
        totals = 2 * (kept @ values) - values.sum()
        low += int(np.count_nonzero(totals <= observed + tie))
        far += int(np.count_nonzero(np.abs(totals) >= abs(observed) - tie))
    return low, far


def newcombe_paired(
    both_right: int,
    only_candidate_right: int,
    only_baseline_right: int,
    neither_right: int,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """The interval of a difference of paired shares, candidate less baseline (Newcombe 1998, method 10).

    Wilson limits of both shares are squared and added, with the correlation φ of the pairs, whose numerator is
    reduced by n/2 when positive.

    Raises:
        ValueError: without any pair, or for negative counts.
    """
    a, b, c, d = both_right, only_candidate_right, only_baseline_right, neither_right
    n = a + b + c + d
    if min(a, b, c, d) < 0 or n == 0:
        raise ValueError("a paired interval needs at least one pair, and no negative count")
    first, second = (a + b) / n, (a + c) / n
    low1, high1 = wilson(a + b, n, confidence)
    low2, high2 = wilson(a + c, n, confidence)
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    covariance: float = a * d - b * c
    if covariance > 0:
        covariance = max(0.0, covariance - n / 2)
    phi = covariance / sqrt(margins) if margins else 0.0
    below = _square_and_add(first - low1, high2 - second, phi)
    above = _square_and_add(high1 - first, second - low2, phi)
    difference = first - second
    return max(-1.0, difference - below), min(1.0, difference + above)


def _square_and_add(x: float, y: float, phi: float) -> float:
    return sqrt(max(0.0, x * x - 2 * phi * x * y + y * y))


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """A mean difference, candidate less baseline. The last three are None for one pair, or differences all equal."""

    mean: float
    standard_error: float | None
    low: float | None
    high: float | None


def paired_t(
    baseline: Sequence[float], candidate: Sequence[float], confidence: float = 0.95
) -> PairedDifference:
    """The paired t interval.

    Raises:
        ValueError: without any pair, or when lengths differ.
    """
    differences = [c - b for b, c in zip(baseline, candidate, strict=True)]
    if not differences:
        raise ValueError("a paired interval needs at least one pair")
    interval = None if is_constant(differences) else t_interval(differences, confidence)
    low, high = interval or (None, None)
    return PairedDifference(mean_of(differences), standard_error(differences), low, high)
