"""Rules judged on the observed value alone: slices, metrics, latency, cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.evals.gate.finding import Finding, is_known
from evalkit.evals.gate.wording import basis, counted, limit, number
from evalkit.evals.stats.size import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.evals.gate.measured import Measured, SliceMeasured
    from evalkit.evals.gate.rules import GateRules

__all__ = ["cost_finding", "latency_findings", "metric_findings", "slice_finding"]


def slice_finding(rules: GateRules, found: SliceMeasured | None, tag: str) -> Finding:
    """A slice with a floor is judged, or the verdict is inconclusive: it is never passed over."""
    floor = rules.slices[tag]
    if found is None or found.cases == 0:
        return Finding("inconclusive", f"No case has the tag '{tag}', for which the gate sets a floor.")
    if found.scored < rules.slice_min_cases:
        missing = rules.slice_min_cases - found.scored
        reason = (
            f"Slice '{tag}' has too few cases: {found.scored:,} scored, {rules.slice_min_cases:,} needed "
            f"(slice_min_cases). {missing:,} more would do."
        )
        return Finding("inconclusive", reason, missing)
    # The run's own limit, but one lost case in a small slice is no reason to stop.
    unscored = found.cases - found.scored
    if unscored > max(1, rules.max_error_rate * found.cases + TOLERANCE):
        reason = f"Slice '{tag}': {unscored:,} of {counted(found.cases)} could not be measured, too many to judge it."
        return Finding("inconclusive", reason)
    score = found.estimate.mean
    if not is_known(score):
        return Finding(
            "inconclusive", f"The score of slice '{tag}' is undefined, so its floor cannot be judged."
        )
    shown, rests_on = number(score, floor), basis(found.estimate)
    if score < floor - TOLERANCE:
        return Finding("fail", f"Slice '{tag}': {shown} is below its floor {limit(floor)} ({rests_on}).")
    return Finding("pass", f"Slice '{tag}': {shown} reaches its floor {limit(floor)} ({rests_on}).")


def metric_findings(rules: GateRules, measured: Measured) -> Iterator[Finding]:
    """One finding for each metric with a floor."""
    for name, floor in sorted(rules.metrics.items()):
        value = measured.metrics.get(name)
        if not is_known(value):
            reason = f"{name} is undefined for these cases, so its floor {limit(floor)} cannot be judged."
            yield Finding("inconclusive", reason)
        elif value < floor - TOLERANCE:
            yield Finding("fail", f"{name} {number(value, floor)} is below the required {limit(floor)}.")
        else:
            yield Finding("pass", f"{name} {number(value, floor)} reaches the required {limit(floor)}.")


def latency_findings(rules: GateRules, measured: Measured) -> Iterator[Finding]:
    """One finding for each latency with a limit."""
    for name, value, allowed in (
        ("p50", measured.latency_p50_ms, rules.max_latency_p50_ms),
        ("p95", measured.latency_p95_ms, rules.max_latency_p95_ms),
    ):
        if allowed is None:
            continue
        if not is_known(value):
            reason = f"No answer has a latency, so max_latency_{name}_ms cannot be judged."
            yield Finding("inconclusive", reason)
            continue
        shown, most = number(value, allowed, decimals=0), limit(allowed, decimals=0)
        if value > allowed + TOLERANCE:
            yield Finding("fail", f"{name} latency {shown} ms is above the allowed {most} ms.")
        else:
            yield Finding("pass", f"{name} latency {shown} ms is within the allowed {most} ms.")


def cost_finding(rules: GateRules, measured: Measured) -> Iterator[Finding]:
    """One finding where the gate limits the cost."""
    allowed, value = rules.max_cost_usd_per_case, measured.mean_cost_usd
    if allowed is None:
        return
    if not is_known(value):
        reason = (
            "The cost of the answers is not known, so max_cost_usd_per_case cannot be judged: "
            "give the model a price, or drop the rule."
        )
        yield Finding("inconclusive", reason)
        return
    shown, most = number(value, allowed), limit(allowed)
    if value > allowed + TOLERANCE:
        yield Finding("fail", f"A case costs {shown} USD on average, above the allowed {most} USD.")
    else:
        yield Finding("pass", f"A case costs {shown} USD on average, within the allowed {most} USD.")
