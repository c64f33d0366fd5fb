"""Gather a name's history from a repository: moments from what changed, people from what was merged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.promote.history.commits import FIELDS, CommitInfo, commits, records
from evalkit.promote.history.holds import Overridden, added_overrides, added_reason
from evalkit.promote.history.objects import blobs, blobs_at
from evalkit.promote.history.people import reason_of
from evalkit.promote.history.renames import renamed
from evalkit.promote.history.states import VersionState, read_state
from evalkit.promote.history.timeline import Moment, NameHistory
from evalkit.runtime.refs import is_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalkit.promote.history.command import Git
    from evalkit.promote.history.line import Change, Line

__all__ = ["ENTRIES", "Gatherer", "by_name", "entry_of"]

ENTRIES = "registry/entries"
_ENTRY = re.compile(rf"{ENTRIES}/([^/]+)/v([1-9][0-9]{{0,8}})\.yaml")

Changes = dict[int, dict[int, "Change"]]
"""By the commit's place on the line, then by version."""


def entry_of(path: str) -> tuple[str, int] | None:
    """The name and the version whose entry lies at a path; None for any other file."""
    match = _ENTRY.fullmatch(path)
    return (match[1], int(match[2])) if match and is_name(match[1]) else None


def by_name(touched: Mapping[int, Iterable[Change]]) -> dict[str, Changes]:
    """The changes of entry files, apart by name."""
    found: dict[str, Changes] = {}
    for place in sorted(touched):
        for change in touched[place]:
            if entry := entry_of(change.path):
                name, version = entry
                found.setdefault(name, {}).setdefault(place, {})[version] = change
    return found


@dataclass(frozen=True, slots=True)
class Gatherer:
    """One repository and one line of it."""

    git: Git
    prefix: bytes
    line: Line

    def histories(self, changes: Mapping[str, Changes], *, people: bool) -> dict[str, NameHistory]:
        """The history of each name from its changes.

        Args:
            changes: of each name.
            people: whether to look up what merges brought, reasons of holds, and renames. Each costs a process or a
                few; without them the states are the same.
        """
        states = self._states(changes)
        places = sorted({place for by_place in changes.values() for place in by_place})
        known = commits(self.git, [self.line.ids[place] for place in places])
        at = {place: known[self.line.ids[place]].effective(self.line.time(place)) for place in places}
        found = {}
        for name, by_place in changes.items():
            moments = tuple(self._moments(name, by_place, at, states, people=people))
            history = NameHistory(name, moments)
            if people and moments:
                history = renamed(self.git, self.prefix, history, by_place, ENTRIES)
            found[name] = history
        return found

    def _states(self, changes: Mapping[str, Changes]) -> dict[tuple[str, int, str], VersionState | None]:
        """What every blob says of its version, each read once."""
        wanted = {
            (name, version, change.after)
            for name, by_place in changes.items()
            for by_version in by_place.values()
            for version, change in by_version.items()
            if change.after
        }
        contents = blobs(self.git, sorted(blob for _, _, blob in wanted))
        return {
            (name, version, blob): read_state(
                contents[blob], version, blob, f"{ENTRIES}/{name}/v{version}.yaml"
            )
            for name, version, blob in wanted
        }

    def _moments(
        self,
        name: str,
        by_place: Changes,
        at: Mapping[int, CommitInfo],
        states: Mapping[tuple[str, int, str], VersionState | None],
        *,
        people: bool,
    ) -> Iterable[Moment]:
        versions: dict[int, VersionState] = {}
        broken: set[int] = set()
        known = [at[place] for place in by_place] if people else []
        reasons, merged = self._hold_reasons(name, known), self._merged(known, name)
        overrides = self._overrides(name, known)
        for place, by_version in by_place.items():
            for version, change in by_version.items():
                broken.discard(version)
                state = states[name, version, change.after] if change.after else None
                if state is not None:
                    versions[version] = state
                elif change.after is None:
                    versions.pop(version, None)
                else:
                    broken.add(version)
            commit = at[place]
            yield Moment(
                commit,
                dict(sorted(versions.items())),
                tuple(sorted(broken)),
                merged.get(commit.id, ()),
                reasons.get(commit.id),
                overrides.get(commit.id, {}),
            )

    def _merged(self, moments: Iterable[CommitInfo], name: str) -> dict[str, tuple[CommitInfo, ...]]:
        """The commits that each merge brought, and that touched the name's entries.

        A merge among them counts if it made a file that none of its parents has: then somebody wrote in it.
        """
        path = f"{ENTRIES}/{name}"
        merges = [commit for commit in moments if commit.is_merge]
        args = ("log", "-z", "--full-history", "--no-notes", f"--format={FIELDS}")
        printed = self.git.run_all(
            (*args, *merge.parents[1:], f"^{merge.parents[0]}", "--", path) for merge in merges
        )
        return {
            merge.id: tuple(c for c in records(found) if not c.is_merge or self._wrote(c, path))
            for merge, found in zip(merges, printed, strict=True)
        }

    def _wrote(self, merge: CommitInfo, path: str) -> bool:
        return bool(
            self.git.run("diff-tree", "-c", "-r", "--name-only", "--no-commit-id", merge.id, "--", path)
        )

    def _overrides(self, name: str, moments: Sequence[CommitInfo]) -> dict[str, dict[int, Overridden]]:
        """By commit, and then by version: what it recorded as an exception to the rules."""
        path = f"registry/overrides/{name}.yaml"
        ids = [*(c.id for c in moments), *(c.parents[0] for c in moments if c.parents)]
        contents = blobs_at(self.git, ids, path)
        return {
            commit.id: added_overrides(
                contents[commit.parents[0]] if commit.parents else None, contents[commit.id], path
            )
            for commit in moments
        }

    def _hold_reasons(self, name: str, moments: Iterable[CommitInfo]) -> dict[str, str | None]:
        """The reason of a hold that a commit added, for commits whose messages give none."""
        silent = [commit for commit in moments if reason_of(commit, ()) is None]
        path = f"registry/holds/{name}.yaml"
        ids = [*(commit.id for commit in silent), *(commit.parents[0] for commit in silent if commit.parents)]
        contents = blobs_at(self.git, ids, path)
        return {
            commit.id: added_reason(
                contents[commit.parents[0]] if commit.parents else None, contents[commit.id], path
            )
            for commit in silent
        }
