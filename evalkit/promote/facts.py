"""What the planners need to know of one name: plain data, so that plans are pure functions of it.

`evalkit.promote.gather` reads it from a project.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from evalkit.registry.lifecycle import ENVIRONMENTS, overtaken
from evalkit.runtime.refs import Ref
from evalkit.runtime.serving import conflicts, serving

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from evalkit.runtime.config import GenerationConfig
    from evalkit.runtime.serving import EntryState, Serving

__all__ = ["HoldFacts", "ModelFacts", "NameFacts", "SpanLike", "SuiteVerdict", "VersionFacts"]


class SpanLike(Protocol):
    """A time for which a version was the primary of production (`evalkit.promote.history.Span`)."""

    @property
    def version(self) -> int:
        """The version."""

    @property
    def since(self) -> datetime:
        """Aware, UTC."""

    @property
    def until(self) -> datetime | None:
        """None while it serves."""


@dataclass(frozen=True, slots=True)
class SuiteVerdict:
    """What the pooled evidence of one required suite says (`evalkit.evals.pool.PoolVerdict`)."""

    suite: str
    verdict: str
    """`pass`, `fail`, `inconclusive`, or `none`: no evidence that counts."""
    score: float | None = None
    lower: float | None = None
    """The likely range; None where the pool has none."""
    upper: float | None = None
    runs: int = 0
    """How many runs the verdict is on."""
    reasons: tuple[str, ...] = ()
    """The deciding one first."""
    stale: tuple[str, ...] = ()
    """Sentences that say why recorded runs do not count: of another content or suite, or not from CI."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model id that an entry sends to: its own, or a member of its class."""

    id: str
    pin: str = "pinned"
    """`pinned`, `floating` or `needs_evidence`."""
    reason: str = ""
    hint: str | None = None
    last_day: date | None = None
    """From this day on the vendor no longer serves it."""


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """One version."""

    state: EntryState
    digest: str | None = None
    """The generation digest; None if the entry does not resolve, or nobody needs to know."""
    broken: tuple[str, ...] = ()
    """Why it does not resolve."""
    models: tuple[ModelFacts, ...] = ()
    has_exception: bool = False
    exception_expires: date | None = None
    """Of its `pin_exception`."""
    rollout: Mapping[str, Any] | None = None
    """As its author wrote it."""
    canary: str | None = None
    """The verdict of its `canary:` block, and the run that gave it."""
    canary_run: str | None = None
    config: GenerationConfig | None = None
    evidence: tuple[SuiteVerdict, ...] = ()
    """One for each suite that policy requires, in its order."""

    @property
    def last_day(self) -> date | None:
        """When the first of its models shuts down; None if nothing is known."""
        return min((model.last_day for model in self.models if model.last_day), default=None)


@dataclass(frozen=True, slots=True)
class HoldFacts:
    """One hold."""

    record: Mapping[str, Any]
    """As it stands in the file."""
    digest: str | None
    """None: every version is held."""
    reason: str
    by: str
    until: date | None = None

    def is_active(self, today: date) -> bool:
        """Whether it holds still; `until` is its last day."""
        return self.until is None or today <= self.until


@dataclass(frozen=True, slots=True)
class NameFacts:
    """One name, whole."""

    name: str
    versions: Mapping[int, VersionFacts]
    suites: tuple[str, ...] = ()
    """That policy requires."""
    production_gate: str = "canary"
    """`canary` or `eval`."""
    approvals: int = 1
    standby: int = 2
    """How many former production versions stay ready."""
    holds: tuple[HoldFacts, ...] = ()
    spans: Sequence[SpanLike] | None = None
    """Who served production when, oldest first; None where git cannot tell."""
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    """Everything that was read, by its path in the project; None for a file that is not there."""

    @property
    def states(self) -> dict[int, EntryState]:
        """What `serving` needs, by version."""
        return {version: facts.state for version, facts in self.versions.items()}

    def ref(self, version: int) -> Ref:
        """`name@v14`."""
        return Ref(self.name, version)

    def entry_path(self, version: int) -> str:
        """Of the entry's file in the project."""
        return f"registry/entries/{self.name}/v{version}.yaml"

    @property
    def holds_path(self) -> str:
        """Of the file of holds in the project."""
        return f"registry/holds/{self.name}.yaml"

    @property
    def overrides_path(self) -> str:
        """Of the file of overrides in the project."""
        return f"registry/overrides/{self.name}.yaml"

    @property
    def contradictions(self) -> list[str]:
        """Why it is not clear who serves; empty when it is."""
        return [str(conflict) for conflict in conflicts(self.states.values())]

    def serving(self, env: str) -> Serving | None:
        """Who serves an environment now.

        Raises:
            ValueError: it is not clear.
        """
        return serving(self.states.values(), env)

    @property
    def candidates(self) -> list[int]:
        """Drafts and staging entries that production has not overtaken, ascending: what may move."""
        states = self.states
        return [
            version
            for version, state in sorted(states.items())
            if state.status in {"draft", "staging"} and overtaken(version, states) is None
        ]

    def served_since(self, version: int) -> datetime | None:
        """Since when a version serves production, if history tells."""
        spans = [span for span in self.spans or () if span.version == version and span.until is None]
        return spans[-1].since if spans else None

    def is_first_release(self) -> bool:
        """Whether production was never served, as far as history tells."""
        return self.serving("production") is None and not self.spans

    def envs(self) -> dict[str, Serving | None]:
        """Who serves each environment now."""
        return {env: self.serving(env) for env in ENVIRONMENTS}
