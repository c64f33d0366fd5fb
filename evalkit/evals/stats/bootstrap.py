"""Bootstrap intervals. The generator is always an argument, so the same call gives the same interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.evals.stats.means import mean_of, standard_error
from evalkit.evals.stats.proportions import normal_cdf, normal_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Bounds", "bca", "bootstrap_t"]

RESAMPLES = 9999
CHUNK = 4_000_000
"""Numbers held at once while resampling: about 32 MB."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval with its one-sided lower bound at the same confidence. Limits are not cut at 0 or 1."""

    low: float
    high: float
    lower_one_sided: float
    standard_error: float


def bootstrap_t(
    values: Sequence[float],
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
) -> Bounds | None:
    """The bootstrap-t interval of a mean (Efron and Tibshirani 1993, section 12.5), for small samples.

    Each resample gives t* = (mean* - mean)/se*; the limits are mean - q se with q the opposite quantiles of t*.

    Returns:
        None where it would be no use: fewer than two values, no spread, or so few distinct values that resamples
        without any spread (t* infinite) reach into the quantiles asked for.
    """
    import numpy as np

    error = standard_error(values)
    if error is None:
        return None
    mean = mean_of(values)
    data = np.sort(np.asarray(values, dtype=np.float64))  # the order of the cases must not matter
    n = len(data)
    parts = []
    for rows in _chunks(resamples, n):
        drawn = data[rng.integers(0, n, size=(rows, n))]
        shift = drawn.mean(axis=1) - mean
        errors = drawn.std(axis=1, ddof=1) / np.sqrt(n)
        flat = errors < 1e-12
        parts.append(np.where(flat, np.copysign(np.inf, shift), shift / np.where(flat, 1.0, errors)))
    ordered = np.sort(np.concatenate(parts))
    tail = (1 - confidence) / 2
    bounds = Bounds(
        low=mean - error * _quantile(ordered, 1 - tail),
        high=mean - error * _quantile(ordered, tail),
        lower_one_sided=mean - error * _quantile(ordered, confidence),
        standard_error=error,
    )
    return bounds if np.isfinite([bounds.low, bounds.high]).all() else None


def bca(
    multiplicities: Sequence[int],
    statistic: Callable[[NDArray[Any]], NDArray[np.float64]],
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
) -> Bounds | None:
    """The bias-corrected and accelerated bootstrap interval (Efron 1987), for F1, medians, ratios.

    Units (cases, or whole clusters) are counted by kind, because a suite has few kinds of outcome: resampling n
    units is then one multinomial draw, and the jackknife costs one evaluation a kind instead of one a unit, where
    `scipy.stats.bootstrap` needs n². The numbers are the same.

    Args:
        multiplicities: how many units there are of each kind, each at least 1.
        statistic: maps an array of shape (m, kinds), how often each kind was drawn, to m values. NaN where
            the statistic is undefined.
        rng: the generator to draw from.
        confidence: two-sided.
        resamples: how many to draw.

    Returns:
        None where the bootstrap knows nothing: fewer than two units, resamples that all agree or all lie on one
        side of the estimate, or more than 1 in 20 undefined.
    """
    import numpy as np

    counts = np.asarray(multiplicities, dtype=np.int64)
    n = int(counts.sum())
    if n < 2 or len(counts) < 2:
        return None
    point = float(statistic(counts[np.newaxis, :])[0])
    shares = counts / n
    drawn = np.concatenate(
        [statistic(rng.multinomial(n, shares, size=rows)) for rows in _chunks(resamples, len(counts))]
    )
    left_out = np.concatenate(
        [
            statistic(counts - np.eye(rows, len(counts), start, dtype=np.int64))
            for start, rows in _spans(len(counts))
        ]
    )
    replicas = np.sort(drawn[np.isfinite(drawn)])
    known = np.isfinite(left_out)
    if not np.isfinite(point) or len(replicas) < 0.95 * resamples or replicas[-1] - replicas[0] < 1e-12:
        return None
    # Half of the ties count as below, as in scipy.
    below = np.mean(replicas < point - 1e-12) / 2 + np.mean(replicas <= point + 1e-12) / 2
    if not 0 < below < 1:
        return None
    bias = normal_quantile(float(below))  # "z0" in the paper
    weights = counts[known] / counts[known].sum()
    deviations = float(weights @ left_out[known]) - left_out[known]
    spread = float(counts[known] @ deviations**2)
    # "a" in the paper; 0 when the jackknife shows no skewness to correct for.
    acceleration = float(counts[known] @ deviations**3) / (6 * spread**1.5) if spread > 0 else 0.0

    def limit(probability: float) -> float:
        z = bias + normal_quantile(probability)
        return _quantile(replicas, normal_cdf(bias + z / (1 - acceleration * z)))

    tail = (1 - confidence) / 2
    return Bounds(limit(tail), limit(1 - tail), limit(1 - confidence), float(replicas.std(ddof=1)))


def _quantile(ordered: NDArray[np.float64], probability: float) -> float:
    """The quantile by the (B + 1)p-th value, without interpolation between finite and infinite neighbours."""
    position = min(max(round(probability * (len(ordered) + 1)), 1), len(ordered))
    return float(ordered[position - 1])


def _chunks(total: int, width: int) -> list[int]:
    """Row counts that add up to `total`, each small enough to hold `width` numbers a row."""
    rows = max(1, CHUNK // max(1, width))
    return [min(rows, total - start) for start in range(0, total, rows)]


def _spans(width: int) -> list[tuple[int, int]]:
    """Start and length of runs of rows of a square matrix of that width."""
    spans, start = [], 0
    for rows in _chunks(width, width):
        spans.append((start, rows))
        start += rows
    return spans
