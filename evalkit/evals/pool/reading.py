"""What a pool measured, as the gate is told. Pure.

Per-case scores say it exactly. Where they are not kept, or say too little for a metric, each run's own summary leaves
a range; the pool is then read at its worst and at its best, and the gate judges both.

mean            over runs that may have missed cases: between S/N and (S + m)/n, where S is the mean over runs of the
                sum of scores, m of the cases missed, N the cases and n the most that a run scored. Exact if none is
                missed. The lower end of its interval is the mean of the runs' own: a standard error is a norm of the
                cases' deviations, so that of an average is at most the average of them.
other metrics   between the lowest and the highest of the runs; F1 of a pool may lie elsewhere, but a pool that passes
                at its worst holds no run that would not
latency         between the lowest and the highest of the runs, where a quantile of several sets together always lies
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from statistics import fmean
from typing import TYPE_CHECKING, Any

from evalkit.evals.gate import Measured, SliceMeasured
from evalkit.evals.metrics import MetricAccumulator, parse_metric
from evalkit.evals.stats import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from evalkit.evals.evidence import EvidenceRun
    from evalkit.evals.metrics import Metric
    from evalkit.evals.pool.facts import SuiteFacts
    from evalkit.evals.pool.pooled import Pool
    from evalkit.evals.stats import Comparison

    _Pick: TypeAlias = Callable[[Iterable[float]], float]  # min at the worst, max at the best

__all__ = ["Reading", "read"]

_FROM_RUNS = "the lower end is that of the runs' own 95 % intervals, for scores of single cases were not kept"


@dataclass(frozen=True, slots=True)
class Reading:
    """A pool as the gate may judge it."""

    worst: Measured
    best: Measured
    exact: bool
    """Whether nothing but the scores of single cases went into it, so that the two are the same."""


def read(
    pool: Pool, facts: SuiteFacts, *, comparison: Comparison | None, baseline_missing: str | None
) -> Reading:
    """What a pool of at least one run says about the suite's cases.

    `comparison` and `baseline_missing` are passed on to the gate.
    """
    reader = _Reader(pool, facts)
    worst, best = (
        reader.measured(pick, comparison=comparison, baseline_missing=baseline_missing) for pick in (min, max)
    )
    rules = facts.suite.gate
    sums = (rules.max_latency_p50_ms, rules.max_latency_p95_ms, rules.max_cost_usd_per_case)
    named = [facts.suite.primary, *rules.metrics]
    exact = all(map(reader.has, named)) and all(limit is None for limit in sums)
    return Reading(worst, best, exact)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one run recorded of all cases, or of those with one tag."""

    scored: int
    value: float | None
    low: float | None = None
    high: float | None = None


class _Reader:
    def __init__(self, pool: Pool, facts: SuiteFacts) -> None:
        self.pool = pool
        self.facts = facts
        self.suite = facts.suite
        self.failed: list[str] = []
        self.unscored: list[str] = []
        self.tagged: dict[str, int] = {}
        self._knows_answers = True
        scores = pool.scores or {}
        self._most = max((case.count for case in scores.values()), default=1)
        self._all = MetricAccumulator(self._most, labels=False)
        self._slices: dict[str, MetricAccumulator] = {}
        if pool.scores is not None:
            self._take_cases()
        else:
            self._take_failures()

    def _take_cases(self) -> None:
        scores = self.pool.scores or {}
        for key, case in self.facts.cases.items():
            for tag in case.tags:
                self.tagged[tag] = self.tagged.get(tag, 0) + 1
            given = scores.get(key)
            if given is None:
                if case.must_pass:
                    self.unscored.append(case.id)
                continue
            if given.answers is None:
                self._knows_answers = False
            answers = given.answers or (given.mean,)
            self._all.add(answers, cluster=case.cluster)
            for tag in case.tags:
                if tag not in self._slices:
                    self._slices[tag] = MetricAccumulator(self._most, labels=False)
                self._slices[tag].add(answers, cluster=case.cluster)
            if case.must_pass and given.mean < 1:
                self.failed.append(case.id)

    def _take_failures(self) -> None:
        """Cases that must pass and did not, of the runs that tell."""
        if not self.facts.must_pass:
            return
        for key, case in self.facts.cases.items():
            given = [run.scores[key] for run in self.pool.runs if run.scores and key in run.scores]
            if case.must_pass and any(total < count for count, total in given):
                self.failed.append(case.id)

    def has(self, name: str) -> bool:
        """Whether the scores of single cases give this metric."""
        metric = parse_metric(name, self.suite.repeats)
        if self.pool.scores is None or metric.needs_labels:
            return False
        return metric.kind == "mean" or self._knows_answers

    def measured(
        self,
        pick: _Pick,
        *,
        comparison: Comparison | None,
        baseline_missing: str | None,
    ) -> Measured:
        runs, cases, rules = self.pool.runs, self.facts.count, self.suite.gate
        scored = len(self._all) if self.pool.scores is not None else max(run.scored for run in runs)
        scored = min(scored, cases)
        opposite = max if pick is min else min
        return Measured(
            cases=cases,
            scored=scored,
            errors=cases - scored,
            estimate=self._estimate(pick),
            primary=self.suite.primary,
            must_pass_failed=self.failed,
            must_pass_unscored=self.unscored,
            slices={tag: self._slice(tag, pick) for tag in sorted(rules.tags)},
            latency_p50_ms=_extreme(runs, "p50", opposite),
            latency_p95_ms=_extreme(runs, "p95", opposite),
            mean_cost_usd=_mean_cost(runs),
            metrics={name: self._value(name, pick) for name in sorted(rules.named_metrics)},
            comparison=comparison,
            baseline_missing=baseline_missing,
        )

    def _estimate(self, pick: _Pick) -> Estimate:
        metric = parse_metric(self.suite.primary, self.suite.repeats)
        if self.has(metric.name):
            return self._all.estimate(metric)
        parts = [self._whole(run, metric.name) for run in self.pool.runs]
        return _combined(parts, self.facts.count, metric, pick)

    def _slice(self, tag: str, pick: _Pick) -> SliceMeasured:
        metric = parse_metric(self.suite.primary, self.suite.repeats)
        if self.has(metric.name):
            part = self._slices.get(tag) or MetricAccumulator()
            return SliceMeasured(self.tagged.get(tag, 0), len(part), part.estimate(metric))
        recorded = [_recorded(run, tag, self.suite.primary) for run in self.pool.runs]
        cases = max(count for count, _ in recorded)
        estimate = _combined([part for _, part in recorded], cases, metric, pick)
        return SliceMeasured(cases, min(estimate.n, cases), estimate)

    def _value(self, name: str, pick: _Pick) -> float | None:
        metric = parse_metric(name, self.suite.repeats)
        if self.has(name):
            return self._all.value(metric)
        parts = [self._whole(run, name) for run in self.pool.runs]
        return _combined(parts, self.facts.count, metric, pick).mean

    def _whole(self, run: EvidenceRun, name: str) -> _Part:
        if run.primary != name:
            return _Part(run.scored, run.metrics.get(name))
        low, high = run.ci95 or (None, None)
        return _Part(run.scored, run.score, low, high)


def _recorded(run: EvidenceRun, tag: str, primary: str) -> tuple[int, _Part]:
    """Cases and scores of a slice, as the run's evidence says."""
    one: Any = run.slices.get(tag)
    if not isinstance(one, dict) or run.primary != primary:
        return 0, _Part(0, None)
    cases, scored, score = one.get("cases"), one.get("scored"), one.get("score")
    if not isinstance(cases, int) or not isinstance(scored, int):
        return 0, _Part(0, None)
    return cases, _Part(min(scored, cases), float(score) if isinstance(score, int | float) else None)


def _combined(parts: Sequence[_Part], cases: int, metric: Metric, pick: _Pick) -> Estimate:
    """The estimate of a metric from what the runs recorded of it, at its worst or its best."""
    parts = [part for part in parts if part.scored]  # a run that scored nothing says nothing
    n = max((part.scored for part in parts), default=0)

    def of(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        if metric.kind != "mean" or len(known) == 1:
            return pick(known)
        total = fmean(value * part.scored for value, part in zip(known, parts, strict=True))
        if pick is min:
            return min(1.0, total / cases)
        return min(1.0, (total + fmean(cases - part.scored for part in parts)) / n)

    low, high = of([part.low for part in parts]), of([part.high for part in parts])
    notes = (_FROM_RUNS,) if low is not None else ("the runs recorded no interval of it",)
    return Estimate(of([part.value for part in parts]), n, low, high, low, "none", notes)


def _extreme(runs: Sequence[EvidenceRun], quantile: str, pick: _Pick) -> float | None:
    known = [value for run in runs if (value := run.latency_ms.get(quantile)) is not None]
    return pick(known) if known else None


def _mean_cost(runs: Sequence[EvidenceRun]) -> float | None:
    """USD a scored case, its repeats together; None where a run does not know what it spent."""
    scored = sum(run.scored for run in runs)
    costs = [run.cost_usd for run in runs if run.scored]
    known = [cost for cost in costs if cost is not None]
    return fsum(known) / scored if scored and len(known) == len(costs) else None
