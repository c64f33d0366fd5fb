"""The rules of the baseline.

fail           significantly worse (one-sided p <= 0.05), whatever the rules say
inconclusive   the observed drop exceeds `max_regression`, but could be luck; too few cases are shared; or `non_inferior`
               is not shown
pass           otherwise
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.evals.gate.finding import Finding
from evalkit.evals.gate.non_inferiority import non_inferior_finding
from evalkit.evals.gate.wording import counted, limit, listed, number, percent
from evalkit.evals.stats import pairs_to_detect
from evalkit.evals.stats.comparison import MIN_NET_LOSSES
from evalkit.evals.stats.size import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.evals.gate.measured import Measured
    from evalkit.evals.gate.rules import GateRules
    from evalkit.evals.stats import Comparison

__all__ = ["baseline_finding"]


def baseline_finding(rules: GateRules, measured: Measured) -> Iterator[Finding]:
    """What there is to say where there is a comparison, or a rule that asks for one."""
    found = measured.comparison
    if measured.baseline_missing is not None:
        reason = f"The comparison with the baseline is missing: {measured.baseline_missing}."
        yield Finding("inconclusive", reason)
    elif found is not None:
        yield _judged(rules, measured, found)
        if rules.non_inferior is not None and not _is_partial(rules, measured, found):
            yield non_inferior_finding(rules.non_inferior, found)
    elif rules.needs_baseline:
        both = {"max_regression": rules.max_regression, "non_inferior": rules.non_inferior}
        named = [name for name, value in both.items() if value is not None]
        verb = "was" if len(named) == 1 else "were"
        reason = f"There is no baseline to compare with, so {' and '.join(named)} {verb} not judged."
        yield Finding("pass", reason, asserts=False)


def _is_partial(rules: GateRules, measured: Measured, found: Comparison) -> bool:
    """Whether more cases lack a partner than the error rates of two runs explain."""
    return found.n < measured.cases * (1 - 2 * rules.max_error_rate) - TOLERANCE


def _judged(rules: GateRules, measured: Measured, found: Comparison) -> Finding:
    if found.difference is None or found.baseline_mean is None or found.candidate_mean is None:
        return Finding("inconclusive", "The candidate and the baseline share no scored case.")
    fell = f"from {number(found.baseline_mean)} to {number(found.candidate_mean)}"
    shared = counted(found.n, "shared case")
    flips = f"{len(found.worse):,} got worse, {len(found.better):,} better"
    p_value = 1.0 if found.p_value is None else found.p_value
    if found.significantly_worse:
        return Finding(
            "fail",
            f"Worse than the baseline: the score fell {fell} over {shared} ({flips}); luck alone does that in "
            f"{percent(p_value)} of comparisons. Worse: {listed(found.worse)}.",
        )
    if _is_partial(rules, measured, found):
        reason = (
            f"Only {found.n:,} of {counted(measured.cases)} have a score in both the candidate's and the baseline's "
            "run: too few to compare them."
        )
        return Finding("inconclusive", reason)
    allowed = rules.max_regression
    if allowed is not None and found.drop > allowed + TOLERANCE:
        missing, advice = _advice(found)
        return Finding(
            "inconclusive",
            f"The score fell by {number(found.drop, allowed)} against the baseline ({fell} over {shared}), more than the "
            f"{limit(allowed)} allowed, but that could be luck ({flips}; p = {number(p_value, 0.05)}). {advice}"
            f"Worse: {listed(found.worse)}.",
            missing,
        )
    moved = f"{fell} over {shared}, {flips}"
    if not found.worse and not found.better:
        moved = f"each of {shared} scores as before"
    # That no difference was found shows little by itself: alone it makes nothing pass.
    return Finding(
        "pass", f"Not significantly worse than the baseline ({moved}).", asserts=allowed is not None
    )


def _advice(found: Comparison) -> tuple[int | None, str]:
    """How many more cases, and a sentence about it."""
    lost, gained = found.only_baseline_right, found.only_candidate_right
    if lost is None or gained is None or found.clusters is not None:
        return None, ""
    missing = max(1, pairs_to_detect(found.drop, (lost + gained) / found.n) - found.n)
    never = ""
    if lost - gained < MIN_NET_LOSSES:
        never = f"Fewer than {MIN_NET_LOSSES} net losses can never be told from luck. "
    return missing, f"{never}{counted(missing, 'more case')} would probably settle it. "
