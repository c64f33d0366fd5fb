"""How far two raters agree beyond chance."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum, sqrt
from typing import TYPE_CHECKING

from evalkit.evals.stats.proportions import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Kappa", "cohens_kappa"]


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa with its interval. The last three are None where the data show no spread."""

    kappa: float
    se: float | None
    low: float | None
    high: float | None


def cohens_kappa(table: Sequence[Sequence[int]], confidence: float = 0.95) -> Kappa | None:
    """Cohen's kappa of a square table of counts, rows one rater, columns the other.

    The standard error is the large-sample one that does not assume independence (Fleiss, Cohen and Everitt 1969,
    equation 13).

    Returns:
        None for an empty table, or when both raters give every case the same one label: agreement by chance is
        then certain, and kappa undefined.

    Raises:
        ValueError: for a table that is not square.
    """
    size = len(table)
    if any(len(row) != size for row in table):
        raise ValueError("a table of agreement has one row and one column for each label")
    n = sum(map(sum, table))
    if n == 0:
        return None
    share = [[count / n for count in row] for row in table]
    rows = [fsum(row) for row in share]
    columns = [fsum(row[j] for row in share) for j in range(size)]
    chance = fsum(r * c for r, c in zip(rows, columns, strict=True))
    if chance > 1 - 1e-12:
        return None
    kappa = (fsum(share[i][i] for i in range(size)) - chance) / (1 - chance)
    agree = fsum(share[i][i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in range(size))
    differ = fsum(
        share[i][j] * (columns[i] + rows[j]) ** 2 for i in range(size) for j in range(size) if i != j
    )
    variance = agree + (1 - kappa) ** 2 * differ - (kappa - chance * (1 - kappa)) ** 2
    se = sqrt(max(0.0, variance) / n) / (1 - chance)
    if se < 1e-9:
        return Kappa(kappa, None, None, None)
    half = normal_quantile(0.5 + confidence / 2) * se
    return Kappa(kappa, se, kappa - half, kappa + half)
