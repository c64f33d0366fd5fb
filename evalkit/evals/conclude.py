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
    from evalkit.evals.record import Verdict
    from evalkit.evals.subject import Subject

__all__ = ["Conclusion", "RunResult"]


@dataclass(slots=True)
class RunResult:
    """A finished, stopped or interrupted run."""

    record: RunRecord
    aggregate: Aggregate

    @property
    def stopped(self) -> str | None:
        """`budget`, `interrupted`, `unreachable`; None when every case was asked."""
        return self.record.stopped

    @property
    def is_complete(self) -> bool:
        """Whether every case of the suite was asked, so that what it measured is evidence."""
        return self.record.stopped is None and self.record.cases == self.record.suite_cases


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Everything that the record of one run is made of."""

    subject: Subject
    options: RunOptions
    aggregate: Aggregate
    asked: int
    """Cases that were to be asked."""
    stopped: str | None
    """Why the run ended early; None when it did not."""
    duration_s: float
    baseline: RunResult | None = None
    """A run of the baseline, whose aggregate kept the score of each case."""
    baseline_missing: str | None = None
    """Why there is no comparison although the gate asks for one."""
    recorded_digest: str | None = None
    """The generation digest that a replayed recording carries."""

    def record(self) -> RunRecord:
        """Judge the run."""
        subject, total = self.subject, self.aggregate
        comparison = self._comparison()
        rules = subject.rules.gate
        measured = total.measured(
            cases=self.asked, comparison=comparison, baseline_missing=self.baseline_missing
        )
        judgement = judge(rules, measured)
        estimate = measured.estimate
        bounds = (estimate.low, estimate.high)
        score = total.score()
        return RunRecord(
            run_id=self.options.run_id,
            entry=subject.entry.name,
            version=subject.entry.version,
            suite=subject.suite,
            generation_digest=subject.generation_digest,
            suite_digest=subject.suite_digest,
            measurement_digest=subject.measurement_digest,
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
            cost_usd=total.cost_usd(),
            cached=total.cached,
            served_models=sorted(total.served_models),
            source=self.options.source,
            output_dir=str(self.options.output_dir),
            model=subject.model,
            provider=subject.provider,
            primary=subject.rules.primary,
            repeats=subject.rules.repeats,
            gate=rules.model_dump(mode="json", exclude_unset=True),
            candidate_failures=total.candidate_failures,
            not_extracted=total.not_extracted,
            notes=self._notes(),
            started_at=self.options.started_at,
            duration_s=round(self.duration_s, 3),
            evalkit_version=__version__,
            shard=str(self.options.shard) if self.options.shard else None,
            suite_cases=subject.cases,
            stopped=self.stopped,
            recorded_digest=self.recorded_digest,
            baseline_missing=self.baseline_missing,
            shadow=judgement.shadow,
            outputs=self.options.outputs,
        )

    def _comparison(self) -> Comparison | None:
        if self.baseline is None:
            return None
        clusters = self.aggregate.clusters_by_id or None
        return compare(self.aggregate.scores_by_id, self.baseline.aggregate.scores_by_id, clusters)

    def _verdict(self, judgement: Judgement) -> Verdict:
        """A run that did not ask everything decides nothing, unless a case that must pass has failed."""
        partial = self.stopped or self.asked < self.subject.cases
        if self.options.shard or (partial and not self.aggregate.must_pass_failed):
            return "inconclusive"
        return judgement.verdict

    def _reasons(self, judgement: Judgement) -> list[str]:
        first = {
            "interrupted": f"Interrupted after {self.aggregate.cases:,} of {self.asked:,} cases; "
            "the same command goes on from there.",
            "budget": f"The budget{self._budget()} was reached: {self.aggregate.errors:,} of "
            f"{self.asked:,} cases were not asked.",
            "unreachable": f"The provider stopped answering: {self.aggregate.errors:,} of {self.asked:,} cases "
            "were not answered.",
        }.get(self.stopped or "")
        if self.options.shard:
            first = f"Shard {self.options.shard}: a part is merged with the others before it is judged."
        elif first is None and self.asked < self.subject.cases:
            first = f"Only the first {self.asked:,} of {self.subject.cases:,} cases were asked (--limit): a part decides nothing."
        return [first, *judgement.reasons] if first else list(judgement.reasons)

    def _budget(self) -> str:
        """Which budget; of a merged run it is that of a part."""
        limit = self.options.max_cost_usd
        return " of a part" if limit is None else f" of ${limit}"

    def _notes(self) -> list[str]:
        notes: list[str] = []
        asked = self.subject.model
        others = [model for model in sorted(self.aggregate.served_models) if model != asked]
        if asked and others:
            notes.append(f"The provider answered with {', '.join(others)}, not with {asked}.")
        recorded = self.recorded_digest
        if recorded is not None and recorded != self.subject.generation_digest:
            notes.append(f"The recording was made with another config ({recorded[:19]}…), not with this one.")
        for kind, count, message in self.aggregate.errors_by_type():
            said = f"{count:,} times {kind.replace('_', ' ')}"
            # Messages quote what was sent and answered.
            notes.append(f"{said}: {message}" if self.options.outputs else f"{said}.")
        return notes


def _baseline(baseline: RunResult | None, comparison: Comparison | None) -> dict[str, Any] | None:
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
