"""What repeats of the same case say: pass@k, pass^k, and how much of the noise lies within cases."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, fsum, sqrt
from typing import TYPE_CHECKING

from evalkit.evals.stats.means import mean_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["RepeatVariance", "pass_at_k", "pass_hat_k", "repeat_variance"]


def pass_at_k(n: int, successes: int, k: int) -> float:
    """The chance that at least one of k answers is right, unbiased from n: 1 - C(n-c, k)/C(n, k) (Chen et al. 2021).

    Raises:
        ValueError: unless 0 ≤ successes ≤ n and 1 ≤ k ≤ n.
    """
    _require(n, successes, k)
    return 1 - comb(n - successes, k) / comb(n, k)


def pass_hat_k(n: int, successes: int, k: int) -> float:
    """The chance that all of k answers are right, unbiased from n: C(c, k)/C(n, k) (pass^k; Yao et al. 2024).

    Raises:
        ValueError: unless 0 ≤ successes ≤ n and 1 ≤ k ≤ n.
    """
    _require(n, successes, k)
    return comb(successes, k) / comb(n, k)


def _require(n: int, successes: int, k: int) -> None:
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie between 0 and n = {n}, not {successes}")
    if not 1 <= k <= n:
        raise ValueError(f"k must lie between 1 and the number of repeats, {n}, not {k}")


@dataclass(frozen=True, slots=True)
class RepeatVariance:
    """The two sources of noise in a score with repeats, and what more repeats would buy."""

    cases: int
    repeats: float
    """Mean number of repeats a case (harmonic)."""
    within: float
    """Variance between answers to the same case: what repeats average out."""
    between: float
    """Variance between cases: what only more cases average out. Never below 0."""

    def standard_error(self, repeats: float | None = None) -> float:
        """sqrt((between + within/repeats)/cases) (Miller 2024, section 3.1): with as many repeats as there are, or others."""
        return sqrt((self.between + self.within / (repeats or self.repeats)) / self.cases)


def repeat_variance(scores: Iterable[Sequence[float]]) -> RepeatVariance | None:
    """Split the variance of scores, given as one sequence of repeats a case.

    One-way random-effects estimate: `within` is the mean sample variance within cases, `between` the sample variance
    of the cases' means less within/repeats, not below 0. Cases answered once say nothing about `within`.

    Returns:
        None for fewer than two cases, or where no case has two repeats.
    """
    means: list[float] = []
    inverse: list[float] = []
    variances: list[float] = []
    for repeats in scores:
        mean = mean_of(repeats)
        means.append(mean)
        inverse.append(1 / len(repeats))
        if len(repeats) > 1:
            variances.append(fsum((score - mean) ** 2 for score in repeats) / (len(repeats) - 1))
    cases = len(means)
    if cases < 2 or not variances:
        return None
    within = mean_of(variances)
    centre = mean_of(means)
    total = fsum((mean - centre) ** 2 for mean in means) / (cases - 1)
    per_case = mean_of(inverse)
    return RepeatVariance(cases, 1 / per_case, within, max(0.0, total - within * per_case))
