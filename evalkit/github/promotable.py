"""What may be proposed: one promotion with all that its pull request needs, and what was found of its name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.evals.evidence import EvidenceRun
    from evalkit.promote.facts import NameFacts
    from evalkit.promote.plan import Plan
    from evalkit.runtime.refs import Ref

__all__ = ["Candidate", "Planned"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One promotion that may happen."""

    plan: Plan
    ref: Ref
    stage: str
    facts: NameFacts
    files: Mapping[str, bytes | None]
    """In the project: the entry with status and score, evidence, and stamps that ride along."""
    runs: Mapping[str, tuple[EvidenceRun, ...]]
    """The runs that count, by suite, oldest first."""
    serving: Mapping[str, tuple[EvidenceRun, ...]]
    """The runs of what serves the environment now, by suite."""
    measurements: Mapping[str, tuple[str, str]]
    """The suite digest and the measurement digest, by suite."""
    rules: Mapping[str, tuple[float | None, float | None]]
    """What the gate asks of the score and of the lower end of its range, by suite."""
    stamps: Mapping[str, str] = field(default_factory=dict)
    """The approvals that ride along, by path."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What was found of one name."""

    name: str
    facts: NameFacts | None
    plans: tuple[Plan, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    problem: str | None = None
    """Why nothing of the name can be said; it is not a verdict if `is_outage`."""
    is_outage: bool = False
    """The forge did not answer."""
