"""From samples to a verdict: counts and columns of numbers, no sample is kept.

Fed by the runner as answers arrive, by `merge` from several shards, and by `report` from a finished run. The result
does not depend on the order in which samples come.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field, replace
from math import fsum
from typing import TYPE_CHECKING

from evalkit.evals.evidence import hashed_id
from evalkit.evals.gate import Measured, SliceMeasured
from evalkit.evals.metrics import Metric, MetricAccumulator, parse_metric
from evalkit.evals.redact import expected_label, hashed_label

if TYPE_CHECKING:
    from evalkit.evals.gate import Comparison
    from evalkit.evals.record import Sample
    from evalkit.evals.subject import Rules

__all__ = ["MAX_KEPT_CASES", "Aggregate"]

MAX_KEPT_CASES = 8000
"""Suites up to this size keep per-case scores in their evidence (256 KiB holds about as many)."""


@dataclass(slots=True)
class _Pending:
    """A case of which some repeats have come."""

    scores: list[float] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    seen: int = 0


class Aggregate:
    """Everything that the gate and the record need of a run."""

    def __init__(self, suite: Rules, *, keep_scores: bool = False, hashed_labels: bool = False) -> None:
        """What the samples of one suite add up to.

        Args:
            suite: its metrics, repeats and gate.
            keep_scores: keep the score of each case by its id, for a comparison with a baseline.
            hashed_labels: the samples were redacted, so that their labels are hashes already.
        """
        self._suite = suite
        self._keep = keep_scores
        self._hashed = hashed_labels
        self._pending: dict[int, _Pending] = {}
        self._primary = _metric(suite.primary, suite.repeats)
        self._floors = {name: _metric(name, suite.repeats) for name in sorted(suite.gate.named_metrics)}
        self._metrics = {
            suite.primary: self._primary,
            **{name: _metric(name, suite.repeats) for name in suite.metrics},
            **self._floors,
        }
        self.needs_labels = any(metric.needs_labels for metric in self._metrics.values())
        """Whether a metric is computed from labels instead of scores."""
        self._all = MetricAccumulator(suite.repeats, labels=self.needs_labels)
        self._slices: dict[str, MetricAccumulator] = {}
        self._slice_cases: Counter[str] = Counter()
        self._latency_ms = array("d")
        self._costs = array("d")
        self._spent = 0.0
        self._answers = 0
        self._input_tokens: int | None = None
        self._output_tokens: int | None = None
        self.scores_by_id: dict[str, float] = {}
        """Mean score over repeats, of the scored cases; filled with `keep_scores`."""
        self.evidence_scores: dict[str, tuple[int, float]] | None = {}
        """By hashed id: repeats scored and their sum; None beyond `MAX_KEPT_CASES`."""
        self.clusters_by_id: dict[str, str] = {}
        self.cases = 0
        """Cases of which every repeat has come."""
        self.errors = 0
        self.cached = 0
        self.candidate_failures = 0
        self.not_extracted = 0
        self.served_models: Counter[str] = Counter()
        self.error_types: Counter[str] = Counter()
        self._first_errors: dict[str, tuple[int, int, str]] = {}
        self.must_pass_failed: list[str] = []
        self.must_pass_unscored: list[str] = []

    @property
    def scored(self) -> int:
        """Cases with a score."""
        return len(self._all)

    @property
    def answers(self) -> int:
        """Samples that have come, scored or not."""
        return self._answers

    @property
    def spent_usd(self) -> float | None:
        """About what the answers so far cost when they were made, cached ones too; None when no cost is known."""
        return self._spent if self._costs else None

    def cost_usd(self) -> float | None:
        """The same, to the last bit in whatever order the answers came."""
        return fsum(self._costs) if self._costs else None

    def errors_by_type(self) -> list[tuple[str, int, str]]:
        """Each type of error with its count and its first message in the order of the suite, the most frequent first."""
        ordered = sorted(self.error_types.items(), key=lambda item: (-item[1], item[0]))
        return [(kind, count, self._first_errors[kind][2]) for kind, count in ordered]

    def add(self, sample: Sample) -> None:
        """Take one sample. A case counts once all its repeats have come; one repeat without a score leaves it unscored."""
        self._answers += 1
        self._take_answer(sample)
        pending = self._pending.get(sample.index)
        if pending is None:
            pending = self._pending[sample.index] = _Pending()
        pending.seen += 1
        if sample.score is not None:
            pending.scores.append(sample.score)
            pending.labels.append(self._label(sample.label))
        if pending.seen == self._suite.repeats:
            del self._pending[sample.index]
            self._close_case(sample, pending)

    def _take_answer(self, sample: Sample) -> None:
        self.cached += sample.cached
        if sample.error is not None:
            self.error_types[sample.error.type] += 1
            first = (sample.index, sample.repeat, sample.error.message)
            self._first_errors[sample.error.type] = min(
                first, self._first_errors.get(sample.error.type, first)
            )
            self.candidate_failures += sample.error.kind == "candidate"
        elif not sample.extracted:
            self.not_extracted += 1
        if sample.latency_ms is not None:
            self._latency_ms.append(sample.latency_ms)
        if sample.cost_usd is not None:
            self._costs.append(sample.cost_usd)
            self._spent += sample.cost_usd
        if sample.served_model:
            self.served_models[sample.served_model] += 1
        tokens = sample.tokens or {}
        if tokens.get("in") is not None:
            self._input_tokens = (self._input_tokens or 0) + int(tokens["in"] or 0)
        if tokens.get("out") is not None:
            self._output_tokens = (self._output_tokens or 0) + int(tokens["out"] or 0)

    def _close_case(self, sample: Sample, pending: _Pending) -> None:
        self.cases += 1
        self._slice_cases.update(sample.tags)
        if len(pending.scores) < self._suite.repeats:
            self.errors += 1
            if sample.must_pass:
                self.must_pass_unscored.append(sample.id)
            return
        mean = fsum(pending.scores) / len(pending.scores)
        expected = self._expected(sample)
        labels = pending.labels
        self._all.add(pending.scores, labels, expected, sample.cluster)
        for tag in sample.tags:
            if tag not in self._slices:
                self._slices[tag] = MetricAccumulator(self._suite.repeats, labels=self.needs_labels)
            self._slices[tag].add(pending.scores, labels, expected, sample.cluster)
        if sample.must_pass and mean < 1:
            self.must_pass_failed.append(sample.id)
        if self._keep:
            self.scores_by_id[sample.id] = mean
            if sample.cluster is not None:
                self.clusters_by_id[sample.id] = sample.cluster
        if self.evidence_scores is not None:
            self.evidence_scores[hashed_id(sample.id)] = (len(pending.scores), fsum(pending.scores))
            if len(self.evidence_scores) > MAX_KEPT_CASES:
                self.evidence_scores = None

    def _label(self, label: str | None) -> str | None:
        if label is None or not self.needs_labels or self._hashed:
            return label
        return hashed_label(label)

    def _expected(self, sample: Sample) -> str | None:
        if not self.needs_labels:
            return None
        return sample.expected if self._hashed else expected_label(sample.expected)

    def measured(
        self, *, cases: int, comparison: Comparison | None, baseline_missing: str | None
    ) -> Measured:
        """What the gate judges. `cases` is how many the suite has."""
        return Measured(
            cases=cases,
            scored=self.scored,
            errors=self.errors,
            estimate=self._all.estimate(self._primary),
            must_pass_failed=sorted(self.must_pass_failed),
            must_pass_unscored=sorted(self.must_pass_unscored),
            primary=self._suite.primary,
            slices={tag: self._slice(tag) for tag in sorted({*self._slice_cases, *self._suite.gate.tags})},
            latency_p50_ms=self.latency_ms()["p50"],
            latency_p95_ms=self.latency_ms()["p95"],
            mean_cost_usd=self._mean_cost(),
            metrics={name: self._all.value(metric) for name, metric in self._floors.items()},
            comparison=comparison,
            baseline_missing=baseline_missing,
        )

    def score(self) -> float | None:
        """The primary metric over the scored cases."""
        return self._all.value(self._primary) if self.scored else None

    def metrics(self) -> dict[str, float | None]:
        """The primary metric and those that the suite asks for, by name."""
        return {name: self._all.value(metric) for name, metric in self._metrics.items()}

    def latency_ms(self) -> dict[str, float | None]:
        """`p50` and `p95` by nearest rank, over every answer whose latency is known."""
        ordered = sorted(self._latency_ms)
        return {name: _nearest_rank(ordered, share) for name, share in (("p50", 0.5), ("p95", 0.95))}

    def tokens(self) -> dict[str, int | None]:
        """Sums of input and output tokens; None where no answer says."""
        return {"in": self._input_tokens, "out": self._output_tokens}

    def _mean_cost(self) -> float | None:
        """USD a case. None unless every scored answer has a cost."""
        known = len(self._costs)
        if not self.scored or known < self.scored * self._suite.repeats:
            return None
        return fsum(self._costs) / (known / self._suite.repeats)

    def _slice(self, tag: str) -> SliceMeasured:
        part = self._slices.get(tag) or MetricAccumulator(self._suite.repeats)
        return SliceMeasured(self._slice_cases[tag], len(part), part.estimate(self._primary))


def _metric(name: str, repeats: int) -> Metric:
    """Labels are compared by their hashes, so that redacted samples add up to the same figures."""
    metric = parse_metric(name, repeats)
    return replace(metric, label=hashed_label(metric.label)) if metric.label is not None else metric


def _nearest_rank(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    rank = max(1, -(-int(len(ordered) * share * 1000) // 1000))
    return round(ordered[min(rank, len(ordered)) - 1], 3)
