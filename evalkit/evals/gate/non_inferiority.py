"""The rule of non-inferiority: `non_inferior`.

    pass           L > -margin
    inconclusive   otherwise, with about how many more cases would settle it

L is the one-sided 95 % lower bound of the paired difference, candidate less baseline. Not being shown to be worse is no
proof of being as good; this rule asks for the proof. A candidate that *is* worse fails by the test of the baseline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.evals.gate.finding import Finding, is_known
from evalkit.evals.gate.wording import counted, limit, number
from evalkit.evals.stats import pairs_to_rule_out
from evalkit.evals.stats.size import TOLERANCE

if TYPE_CHECKING:
    from evalkit.evals.stats import Comparison

__all__ = ["USEFUL_FROM_N", "non_inferior_finding"]

USEFUL_FROM_N = 200
"""Cases. Below, an equal candidate is often left inconclusive at a margin of 0.05."""


def non_inferior_finding(margin: float, found: Comparison) -> Finding:
    """Whether a loss of `margin` or more against the baseline is ruled out."""
    shared = counted(found.n, "shared case")
    if found.clusters is not None:
        shared += f" in {counted(found.clusters, 'cluster')}"
    lower = found.lower_one_sided
    if found.difference is None or not is_known(lower):
        why = "; ".join(found.notes) or "there is no interval"
        return Finding(
            "inconclusive", f"Whether the candidate is as good as the baseline cannot be said: {why}."
        )
    if lower > -margin + TOLERANCE:
        furthest = (
            "not even luck hides a loss"
            if lower >= 0
            else f"the true loss is very likely below {number(-lower, margin)}"
        )
        return Finding(
            "pass",
            f"As good as the baseline but for {limit(margin)} at most (non_inferior): over {shared} {furthest}.",
        )
    total = pairs_to_rule_out(found.difference, lower, found.n, margin)
    missing = None if total is None else max(1, total - found.n)
    if missing is None:
        advice = f"At this drop no number of cases would settle it; it must be under {limit(margin)}."
    else:
        where = " in new clusters" if found.clusters is not None else ""
        advice = f"About {counted(missing, 'more case')}{where} with the same difference would settle it."
    few = f" Below {USEFUL_FROM_N} cases this rule is seldom met." if found.n < USEFUL_FROM_N else ""
    return Finding(
        "inconclusive",
        f"Not shown to be as good as the baseline: the score {_moved(found.difference)} over {shared}, but the true "
        f"loss could be as large as {number(-lower, margin)}, and must be below {limit(margin)} (non_inferior). "
        f"{advice}{few}",
        missing,
    )


def _moved(difference: float) -> str:
    if abs(difference) <= TOLERANCE:
        return "stayed the same"
    return f"{'rose' if difference > 0 else 'fell'} by {number(abs(difference))}"
