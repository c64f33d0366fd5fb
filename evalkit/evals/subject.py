"""What is known of a run before its first answer: who is measured, by what. From a plan, or from the record of a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from evalkit.evals.gate import GateRules
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.evals.plan import Plan
    from evalkit.evals.record import RunRecord

__all__ = ["Rules", "Subject"]


class Rules(Protocol):
    """What turns scores into figures and a verdict: a suite, or what a record keeps of it."""

    @property
    def primary(self) -> str:
        """The metric that becomes the score."""

    @property
    def metrics(self) -> Sequence[str]:
        """Reported beside it."""

    @property
    def repeats(self) -> int:
        """How often each case is asked."""

    @property
    def gate(self) -> GateRules:
        """The gate."""


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The rules as a record has them."""

    primary: str
    metrics: tuple[str, ...]
    repeats: int
    gate: GateRules


@dataclass(frozen=True, slots=True)
class Subject:
    """One entry against one suite."""

    entry: Ref
    suite: str
    """`triage-eval@v4`."""
    generation_digest: str
    suite_digest: str
    measurement_digest: str
    model: str
    provider: str
    cases: int
    """Of the whole suite."""
    rules: Rules

    @classmethod
    def of_plan(cls, plan: Plan) -> Subject:
        """Of a run that is about to start."""
        return cls(
            entry=plan.entry,
            suite=str(plan.suite.ref),
            generation_digest=plan.config.digest,
            suite_digest=plan.suite_digest,
            measurement_digest=plan.measurement_digest,
            model=plan.config.model or "",
            provider=plan.provider_name,
            cases=plan.cases.count,
            rules=plan.suite.suite,
        )

    @classmethod
    def of_record(cls, record: RunRecord) -> Subject:
        """Of a run of which this is a part.

        Raises:
            ValueError: the record holds a gate that no suite can have.
        """
        gate = GateRules.model_validate(record.gate)
        rules = _Recorded(record.primary, tuple(record.metrics), record.repeats, gate)
        return cls(
            entry=Ref(record.entry, record.version),
            suite=record.suite,
            generation_digest=record.generation_digest,
            suite_digest=record.suite_digest,
            measurement_digest=record.measurement_digest,
            model=record.model,
            provider=record.provider,
            cases=record.suite_cases,
            rules=rules,
        )
