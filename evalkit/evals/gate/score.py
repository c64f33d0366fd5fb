"""The rule of the score: `min_score`, `slack`, `strict`.

    fail           score < t
    pass           score >= t and L >= t - slack       (strict: L >= t)
    inconclusive   otherwise, with how many cases would settle it

t is `min_score`, L the one-sided 95 % lower bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.evals.gate.finding import Finding, is_known
from evalkit.evals.gate.wording import basis, counted, limit, number, size, title
from evalkit.evals.stats import cases_to_settle
from evalkit.evals.stats.size import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.evals.gate.measured import Measured
    from evalkit.evals.gate.rules import GateRules

__all__ = ["score_finding"]


def score_finding(rules: GateRules, measured: Measured) -> Iterator[Finding]:
    """One finding where the gate has a `min_score`."""
    threshold, bound, estimate = rules.min_score, rules.lower_bound_required, measured.estimate
    if threshold is None or bound is None:
        return
    name, score = title(measured.primary), estimate.mean
    if not is_known(score):
        reason = f"{name} is undefined for these cases, so the required {limit(threshold)} cannot be judged."
        yield Finding("inconclusive", reason)
        return
    if score < threshold - TOLERANCE:
        likely = ""
        if estimate.low is not None and estimate.high is not None:
            likely = f"; likely range {number(estimate.low)} to {number(estimate.high)}"
        yield Finding(
            "fail",
            f"{name} {number(score, threshold)} is below the required {limit(threshold)} "
            f"({basis(estimate)}{likely}).",
        )
        return
    reached = f"{name} {number(score, threshold)} reaches {limit(threshold)}"
    lower = estimate.lower_one_sided
    if not is_known(lower):
        why = "; ".join(estimate.notes) or "there is no interval"
        yield Finding("inconclusive", f"{reached}, but how sure that is cannot be said: {why}.")
        return
    origin = "the gate is strict" if rules.strict else f"{limit(threshold)} minus slack {limit(rules.slack)}"
    wanted = f"{limit(bound)} ({origin})"
    notes = "".join(f" Note: {note}." for note in estimate.notes)
    if lower >= bound - TOLERANCE:
        yield Finding(
            "pass",
            f"{reached} ({basis(estimate)}). The true score could be as low as {number(lower, bound)}, which still "
            f"reaches {wanted}.{notes}",
            asserts=threshold > 0,
        )
        return
    total = cases_to_settle(estimate, bound)
    missing = None if total is None else max(1, total - estimate.n)
    where = " in new clusters" if estimate.clusters is not None else ""
    settle = (
        f"At exactly this score no number of cases would settle it; it must be above {limit(bound)}."
        if missing is None
        else f"{counted(missing, 'more case')}{where} at this score would settle it."
    )
    yield Finding(
        "inconclusive",
        f"{reached}, but with {size(estimate)} the true score could be as low as {number(lower, bound)}, "
        f"which is under {wanted}. {settle}{notes}",
        missing,
    )
