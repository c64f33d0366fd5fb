"""Numbers and lists as they stand in a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.evals.stats.size import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.evals.stats import Estimate

__all__ = ["basis", "counted", "limit", "listed", "lowered", "number", "percent", "size", "title"]

SHOWN_IDS = 10


def _side(value: float, reference: float) -> int:
    if abs(value - reference) <= TOLERANCE:
        return 0
    return 1 if value > reference else -1


def number(value: float, *references: float, decimals: int = 2) -> str:
    """With as few decimals as keep it on its side of the references, and of 0 and 1: 0.8997 is not `0.90`."""
    for digits in range(decimals, 9):
        shown = round(value, digits)
        if all(_side(shown, other) == _side(value, other) for other in (*references, 0.0, 1.0)):
            return f"{shown:.{digits}f}"
    return f"{value:.9g}"


def limit(value: float, decimals: int = 2) -> str:
    """A limit of the gate, as its author would write it."""
    short = f"{value:.{decimals}f}"
    return short if abs(float(short) - value) <= TOLERANCE else f"{value:.10g}"


def percent(share: float) -> str:
    """`2.5 %`."""
    if 0 < share < 0.001:
        return "under 0.1 %"
    text = f"{100 * share:.1f}"
    return f"{text.removesuffix('.0')} %"


def counted(count: int, noun: str = "case") -> str:
    """`1 case`, `12 cases`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(ids: Sequence[str]) -> str:
    """The first ids, and how many more there are."""
    shown = ", ".join(ids[:SHOWN_IDS])
    return shown if len(ids) <= SHOWN_IDS else f"{shown} and {len(ids) - SHOWN_IDS:,} more"


def lowered(sentence: str) -> str:
    """A sentence as it goes on after `because`."""
    return sentence[:1].lower() + sentence[1:]


def title(primary: str) -> str:
    """What the score is called: by its metric, unless that is the mean."""
    return "Score" if primary == "mean" else f"Score ({primary})"


def size(estimate: Estimate) -> str:
    """`100 cases`, `100 cases in 12 clusters`."""
    groups = f" in {counted(estimate.clusters, 'cluster')}" if estimate.clusters is not None else ""
    return counted(estimate.n) + groups


def basis(estimate: Estimate) -> str:
    """What a score rests on: `87 of 100 cases` where each passes or fails, else its size."""
    if estimate.method == "Wilson" and estimate.mean is not None:
        return f"{round(estimate.mean * estimate.n):,} of {counted(estimate.n)}"
    return size(estimate)
