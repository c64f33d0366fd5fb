"""A name's history: its states along the main line, and what follows from them. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from evalkit.promote.history.transitions import transitions_of
from evalkit.runtime.serving import serving

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from evalkit.promote.history.commits import CommitInfo
    from evalkit.promote.history.holds import Overridden
    from evalkit.promote.history.states import VersionState
    from evalkit.promote.history.transitions import Transition
    from evalkit.runtime.serving import Serving

__all__ = ["Moment", "NameHistory", "Span"]


@dataclass(frozen=True, slots=True)
class Moment:
    """A commit of the main line that changed the name's entries."""

    commit: CommitInfo
    versions: Mapping[int, VersionState]
    """The state after it, by version."""
    broken: tuple[int, ...] = ()
    """Versions whose file could not be read at this commit, ascending. They keep the last state that could be."""
    merged: tuple[CommitInfo, ...] = ()
    """For a merge commit: the commits it brought that touched the name's entries, newest first."""
    hold_reason: str | None = None
    """The reason of a hold on the name that the same commit added."""
    overrides: Mapping[int, Overridden] = field(default_factory=dict)
    """By version: the rules that it was let past by a record that the same commit added."""

    def serving(self, env: str) -> Serving | None:
        """Who served `production` or `staging` from this commit on; None if nobody did.

        Raises:
            ValueError: no such environment, or the entries contradicted each other.
        """
        return serving((version.state for version in self.versions.values()), env)

    def clearly(self, env: str) -> Serving | None:
        """Who served; None if nobody did, or the entries contradicted each other."""
        try:
            return self.serving(env)
        except ValueError:
            return None

    def primary(self, env: str) -> int | None:
        """The version that served; None if nobody did, or the entries contradicted each other."""
        found = self.clearly(env)
        return found.primary if found else None


@dataclass(frozen=True, slots=True)
class Span:
    """A time for which one version was the primary of an environment."""

    version: int
    since: datetime
    until: datetime | None
    """None: it still is."""
    commit_since: CommitInfo
    commit_until: CommitInfo | None


@dataclass(frozen=True)
class NameHistory:
    """All of a name's moments, oldest first. A name that never was has none."""

    name: str
    moments: tuple[Moment, ...]
    renamed_from: str | None = None
    """The name whose files became this one's in its first commit."""
    renamed_to: str | None = field(default=None)
    """The name that its files became in its last commit."""

    @cached_property
    def _transitions(self) -> tuple[Transition, ...]:
        return tuple(transitions_of(self.name, self.moments))

    def transitions(self) -> tuple[Transition, ...]:
        """Every change of a version's state, oldest first; those of one commit by version."""
        return self._transitions

    def at(self, when: datetime) -> Moment | None:
        """The last moment that had taken effect by `when`, or None before the first.

        Commits take effect in the order of the line: one whose clock was behind its predecessor's takes effect together
        with it, and where several did so together, the last of them is the answer.

        Raises:
            ValueError: `when` has no time zone.
        """
        if when.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        index = bisect_right(self.moments, when, key=lambda moment: moment.commit.time)
        return self.moments[index - 1] if index else None

    def spans(self, env: str) -> tuple[Span, ...]:
        """Who was the primary of an environment when, oldest first; times when nobody was are left out.

        A moment at which the entries contradicted each other ends a span, and begins none.

        Raises:
            ValueError: no such environment.
        """
        serving((), env)
        spans: list[Span] = []
        current: tuple[int, CommitInfo] | None = None
        for moment in self.moments:
            primary = moment.primary(env)
            if current and current[0] != primary:
                version, since = current
                spans.append(Span(version, since.time, moment.commit.time, since, moment.commit))
                current = None
            if primary is not None and current is None:
                current = primary, moment.commit
        if current:
            spans.append(Span(current[0], current[1].time, None, current[1], None))
        return tuple(spans)
