"""Intervals for a share of cases that pass."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

__all__ = ["clopper_pearson", "normal_cdf", "normal_quantile", "one_sided", "wilson", "wilson_lower"]


def normal_quantile(probability: float) -> float:
    """The standard normal quantile, for a probability strictly between 0 and 1."""
    return NormalDist().inv_cdf(probability)


def normal_cdf(z: float) -> float:
    """The standard normal distribution function."""
    return NormalDist().cdf(z)


def one_sided(confidence: float) -> float:
    """The two-sided confidence whose lower limit is the one-sided lower bound at `confidence`: 0.95 gives 0.90."""
    if not 0.5 < confidence < 1:
        raise ValueError(f"a confidence must lie above 0.5 and below 1, not {confidence}")
    return 2 * confidence - 1


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval (Wilson 1927; recommended by Brown, Cai and DasGupta 2001).

    Args:
        successes: from 0 to n. A fractional sum of graded scores in [0, 1] is allowed: their variance is at most
            that of pass/fail cases with the same mean, so the interval is then wider than it need be.
        n: cases, at least 1.
        confidence: two-sided, in (0, 1).

    Returns:
        Lower and upper limit in [0, 1]; never equal.

    Raises:
        ValueError: for counts that cannot be.
    """
    _require_counts(successes, n)
    z = normal_quantile(0.5 + confidence / 2)
    share = successes / n
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    # The limits at the edges are exact: rounding must not move them off 0 and 1.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def wilson_lower(successes: float, n: int, confidence: float = 0.95) -> float:
    """The one-sided lower Wilson bound: the true share lies above it with about this confidence.

    "About": the one-sided bound is too high a little more often than promised (Cai 2005). From 20 cases on, a true
    share between 0.5 and 0.95 lies below its bound at most 7.8 % of the time instead of 5 %, from 100 on 6.2 %.
    """
    return wilson(successes, n, one_sided(confidence))[0]


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval (Clopper and Pearson 1934): it covers at least as often as promised, and is wider for it.

    Raises:
        ValueError: for counts that cannot be.
    """
    from scipy.special import betaincinv

    _require_counts(successes, n)
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1 - tail))
    return low, high


def _require_counts(successes: float, n: int) -> None:
    if n < 1:
        raise ValueError("an interval needs at least one case")
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie between 0 and n = {n}, not {successes}")
