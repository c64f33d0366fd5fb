"""From what a run measured to its record: the comparison with the baseline, the verdict, the reasons, the notes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from evalkit import __version__
from evalkit.evals.gate import compare, judge
from evalkit.evals.record import RunRecord, SliceRecord

if TYPE_CHECKING:
    from evalkit.evals.aggregate import Aggregate
    from evalkit.evals.gate import Comparison, GateRules, Judgement, Measured
    from evalkit.evals.options import RunOptions
    from evalkit.evals.plan import Plan
    from evalkit.evals.record import Verdict

__all__ = ["Baseline", "Conclusion"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A finished run of the baseline, whose aggregate kept the score of each case."""

    record: RunRecord
    aggregate: Aggregate


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Everything that the record of one run is made of."""

    plan: Plan
    options: RunOptions
    aggregate: Aggregate
    asked: int
    """Cases that were to be asked."""
    stopped: str | None
    """Why the run ended early; None when it did not."""
    duration_s: float
    baseline: Baseline | None = None
    baseline_missing: str | None = None
    """Why there is no comparison although the gate asks for one."""
    recorded_digest: str | None = None
    """The generation digest that a replayed recording carries."""

    def record(self) -> RunRecord:
        """Judge the run."""
        plan, total = self.plan, self.aggregate
        comparison = self._comparison()
        rules = plan.suite.suite.gate
        measured = total.measured(
            cases=self.asked, comparison=comparison, baseline_missing=self.baseline_missing
        )
        judgement = judge(rules, measured)
        estimate = measured.estimate
        bounds = (estimate.low, estimate.high)
        score = total.score()
        return RunRecord(
            run_id=self.options.run_id,
            entry=plan.entry.name,
            version=plan.entry.version,
            suite=str(plan.suite.ref),
            generation_digest=plan.config.digest,
            suite_digest=plan.suite_digest,
            measurement_digest=plan.measurement_digest,
            score=score,
            ci95=None if bounds[0] is None or bounds[1] is None else (bounds[0], bounds[1]),
            cases=self.asked,
            scored=total.scored,
            errors=total.errors,
            verdict=self._verdict(judgement),
            reasons=self._reasons(judgement),
            metrics=total.metrics(),
            slices=_slices(rules, judgement, measured),
            baseline=_baseline(self.baseline, comparison),
            latency_ms=total.latency_ms(),
            tokens=total.tokens(),
            cost_usd=total.spent_usd,
            cached=total.cached,
            served_models=sorted(total.served_models),
            source=self.options.source,
            output_dir=str(self.options.output_dir),
            model=plan.config.model or "",
            provider=plan.provider_name,
            primary=plan.suite.suite.primary,
            repeats=plan.suite.suite.repeats,
            gate=rules.model_dump(mode="json", exclude_unset=True),
            candidate_failures=total.candidate_failures,
            not_extracted=total.not_extracted,
            notes=self._notes(),
            started_at=self.options.started_at,
            duration_s=round(self.duration_s, 3),
            evalkit_version=__version__,
            shard=str(self.options.shard) if self.options.shard else None,
        )

    def _comparison(self) -> Comparison | None:
        if self.baseline is None:
            return None
        clusters = self.aggregate.clusters_by_id or None
        return compare(self.aggregate.scores_by_id, self.baseline.aggregate.scores_by_id, clusters)

    def _verdict(self, judgement: Judgement) -> Verdict:
        """A run that did not ask everything decides nothing, unless a case that must pass has failed."""
        partial = self.stopped or self.asked < self.plan.cases.count
        if self.options.shard or (partial and not self.aggregate.must_pass_failed):
            return "inconclusive"
        return judgement.verdict

    def _reasons(self, judgement: Judgement) -> list[str]:
        first = {
            "interrupted": f"Interrupted after {self.aggregate.cases:,} of {self.asked:,} cases; "
            "the same command goes on from there.",
            "budget": f"The budget of ${self.options.max_cost_usd} was reached: {self.aggregate.errors:,} of "
            f"{self.asked:,} cases were not asked.",
            "unreachable": f"The provider stopped answering: {self.aggregate.errors:,} of {self.asked:,} cases "
            "were not answered.",
        }.get(self.stopped or "")
        if self.options.shard:
            first = f"Shard {self.options.shard}: a part is merged with the others before it is judged."
        elif first is None and self.asked < self.plan.cases.count:
            first = f"Only the first {self.asked:,} of {self.plan.cases.count:,} cases were asked (--limit): a part decides nothing."
        return [first, *judgement.reasons] if first else list(judgement.reasons)

    def _notes(self) -> list[str]:
        notes: list[str] = []
        asked = self.plan.config.model
        others = [model for model in sorted(self.aggregate.served_models) if model != asked]
        if asked and others:
            notes.append(f"The provider answered with {', '.join(others)}, not with {asked}.")
        recorded = self.recorded_digest
        if recorded is not None and recorded != self.plan.config.digest:
            notes.append(f"The recording was made with another config ({recorded[:19]}…), not with this one.")
        for kind, count in self.aggregate.error_types.most_common():
            message = self.aggregate.first_errors[kind]
            notes.append(f"{count:,} times {kind.replace('_', ' ')}: {message}")
        return notes


def _baseline(baseline: Baseline | None, comparison: Comparison | None) -> dict[str, Any] | None:
    if baseline is None or comparison is None:
        return None
    record = baseline.record
    return {
        "entry": record.entry,
        "version": record.version,
        "generation_digest": record.generation_digest,
        "score": record.score,
        "ci95": record.ci95,
        **asdict(comparison),
    }


def _slices(rules: GateRules, judgement: Judgement, measured: Measured) -> dict[str, SliceRecord]:
    slices: dict[str, SliceRecord] = {}
    for tag, one in measured.slices.items():
        low, high = one.estimate.low, one.estimate.high
        slices[tag] = SliceRecord(
            cases=one.cases,
            scored=one.scored,
            score=one.estimate.mean,
            ci95=None if low is None or high is None else (low, high),
            floor=rules.slices.get(tag),
            verdict=judged.verdict if (judged := judgement.slices.get(tag)) else None,
        )
    return slices
