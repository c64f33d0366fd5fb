"""Which slices a report shows when it cannot show all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalkit.evals.record import RunRecord, SliceRecord

__all__ = ["pick_slices"]

_ORDER = {"fail": 0, "inconclusive": 1, "pass": 2, None: 3}


def pick_slices(record: RunRecord, limit: int) -> list[tuple[str, SliceRecord]]:
    """All slices in the order of the run; of too many, the `limit` that matter most.

    Those are the slices that the gate judges, failed ones first, then those with the lowest scores.
    """
    slices = list(record.slices.items())
    if len(slices) <= limit:
        return slices
    return sorted(slices, key=lambda item: (_ORDER[item[1].verdict], _low_first(item[1].score)))[:limit]


def _low_first(score: float | None) -> tuple[bool, float]:
    return (score is None, score or 0.0)
