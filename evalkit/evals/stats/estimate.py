"""One score with the interval that fits its data."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum, isfinite
from typing import TYPE_CHECKING, Literal

from evalkit.evals.stats.bootstrap import Bounds, bootstrap_t
from evalkit.evals.stats.means import (
    clustered_standard_error,
    count_clusters,
    is_constant,
    standard_error,
    t_quantile,
)
from evalkit.evals.stats.proportions import one_sided, wilson, wilson_lower

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy as np

__all__ = ["Estimate", "Method", "estimate", "estimate_from_bootstrap"]

Method = Literal[
    "none", "Wilson", "Wilson on the mean", "t", "bootstrap-t", "cluster-robust t", "BCa bootstrap"
]

T_FROM_N = 30
MIN_CLUSTERS = 5
FEW_CLUSTERS = 20


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score in [0, 1] and how well it is known. A bound that cannot be known is None; low and high never meet."""

    mean: float | None
    """None when nothing was scored."""
    n: int
    """Cases that were scored."""
    low: float | None
    high: float | None
    """The two-sided interval, by default at 95 %."""
    lower_one_sided: float | None
    """The true score lies above it with the same confidence: what the gate judges."""
    method: Method
    notes: tuple[str, ...] = ()
    """What a reader should know about the interval, in plain words."""
    standard_error: float | None = None
    """None where the method has none (Wilson)."""
    clusters: int | None = None
    """Independent units, where cases come in clusters."""


def estimate(
    values: Sequence[float],
    *,
    clusters: Sequence[Hashable | None] | None = None,
    confidence: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """The mean of one score a case, with the interval that fits.

    - cases in clusters: cluster-robust t with G - 1 degrees of freedom; no interval below 5 clusters, a note
      below 20. The standard error is never below the one for independent cases: few clusters show less spread by
      luck more often than by nature.
    - every score 0 or 1: Wilson.
    - graded, 30 cases or more: t. Fewer: bootstrap-t if a generator is given, else Wilson on the mean. Without any
      spread: Wilson on the mean.

    Beyond these textbook rules, no interval claims more than a perfect run would: the lower limits are at most
    n/(n + z²), Wilson's for n of n (clusters count as one case), and the upper ones at least z²/(n + z²). Without
    that, 40 graded scores of 0.99 would be better evidence than 40 perfect ones.

    Args:
        values: in [0, 1], one a case; repeats are averaged first. A list, tuple or array('d').
        clusters: the cluster of each case, None for a case on its own.
        confidence: of the two-sided interval, and of the one-sided bound.
        rng: for bootstrap-t.

    Raises:
        ValueError: for a score outside [0, 1] or not finite, or when lengths differ.
    """
    n = len(values)
    if clusters is not None and len(clusters) != n:
        raise ValueError(f"{n} scores but {len(clusters)} clusters")
    if n == 0:
        return Estimate(None, 0, None, None, None, "none", ("nothing was scored",))
    total = fsum(values)
    if not isfinite(total) or min(values) < 0 or max(values) > 1:
        raise ValueError("scores must be finite and lie between 0 and 1")
    mean = total / n
    groups = count_clusters(clusters) if clusters is not None else n
    if clusters is not None and groups < n:
        return _clustered(values, clusters, mean, groups, confidence)
    if values.count(1.0) + values.count(0.0) == n:
        return _wilson(mean, n, confidence, "Wilson")
    error = standard_error(values)
    if error is None:
        equal = ("all scores are equal",) if n > 1 else ()
        return _wilson(mean, n, confidence, "Wilson on the mean", notes=equal)
    if n >= T_FROM_N:
        return _from_bounds(mean, n, _t_bounds(mean, error, n - 1, confidence), "t", confidence)
    bounds = bootstrap_t(values, rng=rng, confidence=confidence) if rng is not None else None
    if bounds is not None:
        return _from_bounds(mean, n, bounds, "bootstrap-t", confidence)
    return _wilson(mean, n, confidence, "Wilson on the mean")


def estimate_from_bootstrap(
    value: float | None, n: int, bounds: Bounds | None, *, units: int | None = None, confidence: float = 0.95
) -> Estimate:
    """The estimate of a metric that is no mean of cases, such as F1, from its BCa interval.

    Args:
        value: the metric; None when it is undefined.
        n: cases it is computed from.
        bounds: None where the bootstrap knows nothing, as for a perfect score: then Wilson on the value.
        units: independent units, where cases come in clusters.
        confidence: the one that the bounds were made with.
    """
    if value is None or n == 0:
        return Estimate(None, n, None, None, None, "none", ("the metric is undefined for these cases",))
    groups = units if units is not None and units < n else None
    if groups is not None and groups < MIN_CLUSTERS:
        return _too_few_clusters(value, n, groups)
    if bounds is None:
        return _wilson(value, n, confidence, "Wilson on the mean", units=groups)
    return _from_bounds(value, n, bounds, "BCa bootstrap", confidence, units=groups)


def _clustered(
    values: Sequence[float],
    clusters: Sequence[Hashable | None],
    mean: float,
    groups: int,
    confidence: float,
) -> Estimate:
    n = len(values)
    if groups < MIN_CLUSTERS:
        return _too_few_clusters(mean, n, groups)
    if is_constant(values):
        note = "all scores are equal: each cluster counts as one case"
        return _wilson(mean, n, confidence, "Wilson on the mean", notes=(note,), units=groups)
    robust = clustered_standard_error(values, clusters) or 0.0
    error = max(robust, standard_error(values) or 0.0)
    bounds = _t_bounds(mean, error, groups - 1, confidence)
    return _from_bounds(mean, n, bounds, "cluster-robust t", confidence, units=groups)


def _too_few_clusters(mean: float, n: int, groups: int) -> Estimate:
    note = f"the {n} cases come in {groups} clusters; an interval needs at least {MIN_CLUSTERS}"
    return Estimate(mean, n, None, None, None, "none", (note,), clusters=groups)


def _t_bounds(mean: float, error: float, degrees: int, confidence: float) -> Bounds:
    half = t_quantile(0.5 + confidence / 2, degrees) * error
    return Bounds(mean - half, mean + half, mean - t_quantile(confidence, degrees) * error, error)


def _wilson(
    mean: float,
    n: int,
    confidence: float,
    method: Method,
    *,
    notes: tuple[str, ...] = (),
    units: int | None = None,
) -> Estimate:
    effective = units or n
    low, high = wilson(mean * effective, effective, confidence)
    lower = wilson_lower(mean * effective, effective, confidence)
    return Estimate(mean, n, low, high, lower, method, (*notes, *_few(units)), clusters=units)


def _from_bounds(
    mean: float, n: int, bounds: Bounds, method: Method, confidence: float, *, units: int | None = None
) -> Estimate:
    """Cut to [0, 1], and to what a perfect and a worthless run of the same size would be known to."""
    effective = units or n
    perfect = wilson(effective, effective, confidence)[0]
    worthless = wilson(0, effective, confidence)[1]
    perfect_one_sided = wilson(effective, effective, one_sided(confidence))[0]
    return Estimate(
        mean,
        n,
        low=max(0.0, min(bounds.low, perfect)),
        high=min(1.0, max(bounds.high, worthless)),
        lower_one_sided=max(0.0, min(bounds.lower_one_sided, perfect_one_sided)),
        method=method,
        notes=_few(units),
        standard_error=bounds.standard_error,
        clusters=units,
    )


def _few(units: int | None) -> tuple[str, ...]:
    if units is None or units >= FEW_CLUSTERS:
        return ()
    return (f"{units} clusters are few: the interval is rough below {FEW_CLUSTERS}",)
