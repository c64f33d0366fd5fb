"""The versions of one name, commit by commit: what each step changed, beside what it could have an effect on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from evalkit.runtime.serving import EntryState

    States: TypeAlias = dict[int, EntryState]

__all__ = ["Step", "Versions"]

_IDLE = frozenset({"draft", "retired"})
"""Versions that are one of these and stay it decide nothing, and most versions are retired."""


@dataclass(slots=True)
class Step:
    """What one commit did to the entries of one name."""

    states: dict[int, EntryState | None] = field(default_factory=dict)
    """Of each version whose file it wrote; None for one that cannot be read, which keeps the state it had."""
    gone: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Versions:
    """What the steps so far made of a name."""

    states: States = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    """Every number that a version had before the step; whoever takes a step adds its numbers, once it is judged."""
    _active: set[int] = field(default_factory=set)

    def take(self, step: Step) -> tuple[States, States]:
        """Do a step. What it changed and all that serves or is about to, before and after; equal if it changed nothing."""
        states = self.states
        gone: dict[int, EntryState | None] = {version: None for version in step.gone if version in states}
        moved = gone | {
            version: state
            for version, state in step.states.items()
            if state is not None and state != states.get(version)
        }
        if not moved:
            return {}, {}
        judged = self._active | moved.keys()
        before = {version: states[version] for version in judged if version in states}
        for version, state in moved.items():
            self._put(version, state)
        return before, {version: states[version] for version in judged if version in states}

    def _put(self, version: int, state: EntryState | None) -> None:
        if state is None:
            del self.states[version]
        else:
            self.states[version] = state
        if state is None or state.status in _IDLE:
            self._active.discard(version)
        else:
            self._active.add(version)
