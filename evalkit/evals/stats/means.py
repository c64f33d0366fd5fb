"""Standard errors and t intervals of means, for independent cases and for cases in clusters."""

from __future__ import annotations

from math import fsum, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = [
    "clustered_standard_error",
    "count_clusters",
    "is_constant",
    "mean_of",
    "standard_error",
    "t_interval",
    "t_quantile",
]

NO_SPREAD = 1e-9
"""Scores that differ by less are the same number, rounded differently: their spread says nothing."""


def mean_of(values: Sequence[float]) -> float:
    """The mean, the same to the last bit in whatever order the values come."""
    return fsum(values) / len(values)


def is_constant(values: Sequence[float]) -> bool:
    """Whether the values show no spread at all."""
    return max(values) - min(values) < NO_SPREAD


def t_quantile(probability: float, degrees: int) -> float:
    """Student's t quantile."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def standard_error(values: Sequence[float]) -> float | None:
    """s/√n with n - 1 in the variance; None where it is unknown: one value, or no spread."""
    n = len(values)
    if n < 2 or is_constant(values):
        return None
    mean = mean_of(values)
    return sqrt(fsum((value - mean) ** 2 for value in values) / (n - 1) / n)


def t_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """The t interval of the mean, not cut at 0 or 1; None for one value, or values without spread."""
    error = standard_error(values)
    if error is None:
        return None
    mean = mean_of(values)
    half = t_quantile(0.5 + confidence / 2, len(values) - 1) * error
    return mean - half, mean + half


def count_clusters(clusters: Sequence[Hashable | None]) -> int:
    """How many independent units there are. A case whose cluster is None is a unit of its own."""
    alone = sum(1 for cluster in clusters if cluster is None)
    return alone + len({cluster for cluster in clusters if cluster is not None})


def clustered_standard_error(
    values: Sequence[float], clusters: Sequence[Hashable | None], *, small_sample: bool = True
) -> float | None:
    """The cluster-robust standard error of the mean (Miller 2024, arXiv 2411.00640, section 2.2).

    sqrt(Σ_g (Σ_{i∈g} (s_i - s̄))²) / n, times sqrt(G/(G - 1)) unless `small_sample` is off. The paper has no such
    factor; it makes clusters of one case each give the ordinary standard error.

    Args:
        values: one score a case.
        clusters: one name a case; None for a case that is a cluster of its own.
        small_sample: whether to apply the factor.

    Returns:
        None for fewer than two clusters, where the formula would say 0.
    """
    groups = count_clusters(clusters)
    if groups < 2:
        return None
    mean = mean_of(values)
    members: dict[Hashable, list[float]] = {}
    squares: list[float] = []
    for value, cluster in zip(values, clusters, strict=True):
        if cluster is None:
            squares.append((value - mean) ** 2)
        else:
            members.setdefault(cluster, []).append(value - mean)
    squares += [fsum(deviations) ** 2 for deviations in members.values()]
    error = sqrt(fsum(squares)) / len(values)
    return error * sqrt(groups / (groups - 1)) if small_sample else error
