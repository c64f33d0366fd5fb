"""How many cases a rule needs."""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING

from evalkit.evals.stats.means import t_quantile
from evalkit.evals.stats.proportions import normal_quantile

if TYPE_CHECKING:
    from evalkit.evals.stats.estimate import Estimate

__all__ = [
    "TOLERANCE",
    "cases_to_settle",
    "lower_bound_required",
    "pairs_to_detect",
    "pairs_to_rule_out",
    "smallest_passing_n",
]

TOLERANCE = 1e-9
"""Two scores closer than this are equal: 0.7 averaged over three cases must reach 0.7 whatever the rounding."""

CONFIDENCE = 0.95
DEFAULT_SLACK = 0.05


def lower_bound_required(threshold: float, slack: float = DEFAULT_SLACK, *, strict: bool = False) -> float:
    """What the one-sided lower bound must reach: the threshold less the slack, or the threshold itself if strict."""
    return threshold if strict else max(0.0, round(threshold - slack, 12))


def smallest_passing_n(threshold: float, slack: float = DEFAULT_SLACK, *, strict: bool = False) -> int | None:
    """The fewest cases with which a perfect score can pass: z²T/(1 - T), T the lower bound required.

    That is where Wilson's one-sided bound for n of n, n/(n + z²), reaches T. Clusters count as one case.

    Returns:
        At least 1; None when no number is enough (a strict threshold of 1).
    """
    bound = lower_bound_required(threshold, slack, strict=strict)
    return None if bound >= 1 else max(1, ceil(_perfect_units(bound) - 1e-6))


def _perfect_units(bound: float) -> float:
    z = normal_quantile(CONFIDENCE)
    return z * z * bound / (1 - bound)


def cases_to_settle(estimate: Estimate, bound: float) -> int | None:
    """How many cases in all, at the same score and spread, would lift the one-sided lower bound to `bound`.

    Wilson: n = z²B(1 - B)/(p - B)². Otherwise the bound's distance shrinks with √n, and n is at least what a
    perfect score needs. With clusters, cases come in clusters of the same size as so far.

    Returns:
        None when no number would: the score is not above the bound, or there is no interval to start from.
    """
    if estimate.mean is None or estimate.lower_one_sided is None or estimate.mean - bound <= TOLERANCE:
        return None
    units = estimate.clusters or estimate.n
    distance = estimate.mean - bound
    if estimate.standard_error is None:
        z = normal_quantile(CONFIDENCE)
        wanted = z * z * bound * (1 - bound) / distance**2
    else:
        half = t_quantile(CONFIDENCE, max(1, units - 1)) * estimate.standard_error
        wanted = max(units * (half / distance) ** 2, _perfect_units(bound))
    return max(1, ceil(ceil(wanted - 1e-6) * estimate.n / units - 1e-6))


def pairs_to_detect(drop: float, discordant: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """About how many paired cases are needed to find a true drop: (z_0.95 + z_0.80)² (b + c - (b - c)²)/drop².

    The factor is 6.18 for the one-sided 5 % test at 80 % power (Connor 1987, without his small correction). An
    approximation: the exact test needs a few more at small n.

    Args:
        drop: the drop in the score, b - c, in (0, 1].
        discordant: the share of cases on which the two differ, b + c, at least `drop`.
        alpha: the one-sided level of the test.
        power: the chance to find the drop.

    Raises:
        ValueError: when `drop` is not positive or exceeds `discordant`.
    """
    if not 0 < drop <= discordant <= 1:
        raise ValueError("a drop lies above 0 and cannot exceed the share of cases that differ")
    factor = (normal_quantile(1 - alpha) + normal_quantile(power)) ** 2
    return max(1, ceil(factor * (discordant - drop**2) / drop**2))


def pairs_to_rule_out(difference: float, lower: float, n: int, margin: float) -> int | None:
    """About how many paired cases, at the same difference, would lift its lower bound above -margin.

    The distance of the bound shrinks with √n: n·((difference - lower)/(difference + margin))², rounded up past the
    margin itself. An approximation, for Newcombe's interval is not symmetric.

    Args:
        difference: candidate less baseline, as observed.
        lower: its lower bound over `n` cases.
        n: shared cases so far, at least 1.
        margin: the loss to rule out, above 0.

    Returns:
        None when no number would: the observed loss reaches the margin.
    """
    distance = difference + margin
    if distance <= TOLERANCE:
        return None
    return floor(n * ((difference - lower) / distance) ** 2) + 1
