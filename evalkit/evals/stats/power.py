"""What a number of cases can decide: exact for pass/fail cases that are independent and asked once.

Sums over every outcome, no simulation and no normal approximation (`pairs_to_detect` is the rule of thumb).
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING

from evalkit.evals.stats.comparison import ALPHA
from evalkit.evals.stats.paired import newcombe_paired
from evalkit.evals.stats.proportions import one_sided
from evalkit.evals.stats.size import TOLERANCE, pairs_to_detect

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

__all__ = [
    "detectable_drop",
    "fewest",
    "mcnemar_power",
    "non_inferior_power",
    "pairs_for_drop",
    "pairs_for_non_inferior",
]

FAR = 9
"""Standard deviations from the mean beyond which outcomes are left out: they weigh under 1e-12 together."""

MOST_CASES = 1_000_000


def mcnemar_power(n: int, lost: float, gained: float, *, alpha: float = ALPHA) -> float:
    """The chance that the exact one-sided McNemar test finds the candidate worse.

    Unconditional (Duffy 1984): the discordant pairs D ~ Binomial(n, lost + gained), those lost ~ Binomial(D,
    lost/(lost + gained)); the test finds them when P(X >= lost | D, 1/2) <= alpha.

    Args:
        n: shared cases.
        lost: true share of cases that only the baseline gets right.
        gained: true share of cases that only the candidate gets right.
        alpha: the one-sided level.

    Raises:
        ValueError: for shares that cannot be.
    """
    from scipy.stats import binom

    discordant = lost + gained
    if n < 1 or lost < 0 or gained < 0 or discordant > 1 + TOLERANCE:
        raise ValueError("shares of cases lie between 0 and 1, and there is at least one case")
    if discordant == 0:
        return 0.0
    counts = _likely(n, min(1.0, discordant))
    fewest = (
        binom.isf(alpha, counts, 0.5) + 1
    )  # P(X >= fewest) <= alpha; above D where nothing is significant
    found = binom.sf(fewest - 1, counts, lost / discordant)
    return float(binom.pmf(counts, n, min(1.0, discordant)) @ found)


def _likely(n: int, share: float) -> np.ndarray:
    """The counts of Binomial(n, share) that weigh anything."""
    import numpy as np

    spread = FAR * sqrt(n * share * (1 - share)) + FAR
    return np.arange(max(0, int(n * share - spread)), min(n, ceil(n * share + spread)) + 1)


def _shares(drop: float, discordant: float) -> tuple[float, float]:
    """Lost and gained. A drop above `discordant` is made of losses alone."""
    both = max(drop, discordant)
    return (both + drop) / 2, (both - drop) / 2


def detectable_drop(n: int, discordant: float, *, power: float = 0.8, alpha: float = ALPHA) -> float | None:
    """The smallest true drop that the test finds with this chance, to 0.0001; None when it finds none.

    Args:
        n: shared cases.
        discordant: the share of cases on which the two differ; where the drop is larger, that many differ.
        power: the chance.
        alpha: the one-sided level.
    """
    if mcnemar_power(n, 1.0, 0.0, alpha=alpha) < power:
        return None
    low, high = 0, 10_000
    while high - low > 1:
        middle = (low + high) // 2
        found = mcnemar_power(n, *_shares(middle / 10_000, discordant), alpha=alpha) >= power
        low, high = (low, middle) if found else (middle, high)
    return high / 10_000


def pairs_for_drop(drop: float, discordant: float, *, power: float = 0.8, alpha: float = ALPHA) -> int | None:
    """The shared cases with which the test finds a true drop with this chance, and with one case fewer not.

    Returns:
        None above a million.
    """
    shares = _shares(drop, discordant)
    start = pairs_to_detect(drop, sum(shares), alpha=alpha, power=power)
    return fewest(start, lambda n: mcnemar_power(n, *shares, alpha=alpha) >= power)


def non_inferior_power(n: int, discordant: float, margin: float, right: float) -> float:
    """The chance that a candidate that is exactly as good as the baseline is shown to be, by Newcombe's interval.

    Args:
        n: shared cases.
        discordant: the share of cases on which the two differ, half of them lost.
        margin: what `non_inferior` allows, above 0.
        right: the true score of both.
    """
    from scipy.stats import binom

    counts = _likely(n, discordant)
    passing = [_most_lost(n, int(count), margin, right) for count in counts]
    return float(binom.pmf(counts, n, discordant) @ binom.cdf(passing, counts, 0.5))


def _most_lost(n: int, differ: int, margin: float, right: float) -> int:
    """The most losses among the cases that differ with which a loss of the margin is still ruled out; -1 for none."""
    both = min(max(0, round(right * n - differ / 2)), n - differ)
    confidence = one_sided(1 - ALPHA)

    def passes(lost: int) -> bool:
        table = (both, differ - lost, lost, n - both - differ)
        return newcombe_paired(*table, confidence=confidence)[0] > -margin + TOLERANCE

    low, high = -1, differ + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


def pairs_for_non_inferior(
    discordant: float, margin: float, right: float, *, power: float = 0.8
) -> int | None:
    """The shared cases with which a candidate that is exactly as good passes with this chance; None above a million."""
    start = max(2, ceil(6 * discordant / margin**2))
    return fewest(start, lambda n: non_inferior_power(n, discordant, margin, right) >= power)


def fewest(start: int, enough: Callable[[int], bool]) -> int | None:
    """Where `enough` turns true, by bisection from a guess; None above a million.

    Counts are whole, so that chances are not quite monotone: a few cases about that place may lie either way.
    """
    high = max(1, start)
    while not enough(high):
        high *= 2
        if high > MOST_CASES:
            return None
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
