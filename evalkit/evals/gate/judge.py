"""Rules and measurements in, verdict and reasons out.

unmeasurable   nothing scored, too few cases, too many errors      -> inconclusive
otherwise      the worst of the rules: fail > inconclusive > pass
always         a failed `must_pass` case                           -> fail
shadow rules   judged the same way, said apart, no part of the verdict
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

from evalkit.evals.gate.baseline import baseline_finding
from evalkit.evals.gate.finding import Finding, is_known
from evalkit.evals.gate.floors import cost_finding, latency_findings, metric_findings, slice_finding
from evalkit.evals.gate.measured import SEVERITY, Judgement, SliceJudgement, worst
from evalkit.evals.gate.score import score_finding
from evalkit.evals.gate.wording import basis, counted, listed, lowered, number, percent, title
from evalkit.evals.stats.size import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalkit.evals.gate.measured import Measured
    from evalkit.evals.gate.rules import GateRules
    from evalkit.evals.record import Verdict

__all__ = ["judge"]

_NOT_COMPARED = "a baseline is measured only for a rule that binds, or with --baseline"
_WOULD: dict[Verdict, str] = {
    "pass": "would pass",
    "inconclusive": "would be inconclusive",
    "fail": "would fail",
}


def judge(rules: GateRules, measured: Measured) -> Judgement:
    """The verdict of a gate on a run: the same for the same arguments, and never `pass` without a scored case."""
    must_pass = list(_must_pass(measured))
    unmeasurable = list(_unmeasurable(rules, measured))
    slices = {tag: slice_finding(rules, measured.slices.get(tag), tag) for tag in sorted(rules.slices)}
    if unmeasurable:
        findings = [*must_pass, *unmeasurable, *_so_far(measured)]
    else:
        findings = [*must_pass, *_rules(rules, measured, slices)]
        if not any(finding.asserts for finding in findings):
            findings.insert(
                0, Finding("inconclusive", "The gate has no rule that this run could be judged by.")
            )
    verdict = reduce(worst, (finding.verdict for finding in findings))
    findings.sort(key=lambda found: -SEVERITY[found.verdict])  # stable: within a verdict, the order above
    missing = [found.missing for found in findings if found.missing is not None]
    return Judgement(
        verdict,
        [finding.reason for finding in findings],
        max(missing) if missing and verdict == "inconclusive" else None,
        {
            # What cannot be measured as a whole is judged in no part.
            tag: SliceJudgement(rules.slices[tag], "inconclusive" if unmeasurable else finding.verdict)
            for tag, finding in slices.items()
        },
        _shadow(rules, measured),
    )


def _rules(rules: GateRules, measured: Measured, slices: Mapping[str, Finding]) -> Iterator[Finding]:
    yield from score_finding(rules, measured)
    yield from baseline_finding(rules, measured)
    yield from slices.values()
    yield from metric_findings(rules, measured)
    yield from latency_findings(rules, measured)
    yield from cost_finding(rules, measured)


def _shadow(gate: GateRules, measured: Measured) -> list[str]:
    """What the shadow rules would say, the worst first. Cases that must pass bind already, and are not said again."""
    rules = gate.shadow_rules
    if rules is None:
        return []
    if not rules.needs_baseline:
        measured = replace(measured, comparison=None, baseline_missing=None)
    elif not (gate.needs_baseline or measured.comparison or measured.baseline_missing):
        measured = replace(measured, baseline_missing=_NOT_COMPARED)
    findings = list(_unmeasurable(rules, measured))
    if not findings:
        slices = {tag: slice_finding(rules, measured.slices.get(tag), tag) for tag in sorted(rules.slices)}
        findings = list(_rules(rules, measured, slices))
    if not findings:
        findings = [Finding("pass", f"{measured.scored:,} of {counted(measured.cases)} were scored.")]
    findings.sort(key=lambda found: -SEVERITY[found.verdict])
    return [f"shadow: {_WOULD[found.verdict]} because {lowered(found.reason)}" for found in findings]


def _must_pass(measured: Measured) -> Iterator[Finding]:
    if failed := sorted(measured.must_pass_failed):
        yield Finding("fail", f"{counted(len(failed))} that must pass did not: {listed(failed)}.")
    if unscored := sorted(measured.must_pass_unscored):
        reason = f"{counted(len(unscored))} that must pass could not be measured: {listed(unscored)}."
        yield Finding("inconclusive", reason)


def _unmeasurable(rules: GateRules, measured: Measured) -> Iterator[Finding]:
    if measured.cases == 0:
        yield Finding("inconclusive", "The run has no case, so there is nothing to judge.")
        return
    if measured.unmeasured > rules.max_error_rate * measured.cases + TOLERANCE:
        share = percent(measured.unmeasured / measured.cases)
        yield Finding(
            "inconclusive",
            f"{measured.unmeasured:,} of {counted(measured.cases)} could not be measured ({share}; at most "
            f"{percent(rules.max_error_rate)} may be). They do not count against the candidate: run them again.",
        )
    if measured.scored < rules.cases_needed:
        missing = rules.cases_needed - measured.scored
        yield Finding(
            "inconclusive",
            f"Too few cases: {measured.scored:,} scored, {rules.cases_needed:,} needed (min_cases). "
            f"{missing:,} more would do.",
            missing,
        )


def _so_far(measured: Measured) -> Iterator[Finding]:
    if is_known(measured.estimate.mean):
        score = f"{title(measured.primary)} {number(measured.estimate.mean)} ({basis(measured.estimate)})"
        yield Finding("pass", f"What was measured so far: {score}.", asserts=False)
