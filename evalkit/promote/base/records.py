"""Overrides in a change: what it adds to the list, what each record excuses, and that the list only grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import Location, Problem
from evalkit.promote.base.change import locate
from evalkit.registry.schema import validate
from evalkit.registry.schema.override import Override, OverrideFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evalkit.promote.base.change import Change
    from evalkit.promote.base.snapshot import Snapshot

__all__ = ["Records", "override_records", "used_records"]


@dataclass(slots=True)
class Records:
    """The overrides that a change adds to one name, and which of them it needed."""

    added: list[Override]
    first: int
    """The place of the first of them in the file."""
    used: set[int]

    def excuse(self, version: int, kinds: Iterable[str]) -> bool:
        """Whether one of them excuses what it names; it counts as needed then."""
        wanted = set(kinds)
        found = [i for i, one in enumerate(self.added) if one.version == version and one.change in wanted]
        self.used.update(found)
        return bool(found)


def override_records(change: Change, name: str, problems: list[Problem]) -> Records:
    """What the change adds to the overrides of a name; EK839 if it edits, moves or removes one."""
    path = f"registry/overrides/{name}.yaml"
    before, after = _records(change.before, path), _records(change.after, path)
    if path in change.files and path not in change.after and before:
        message = f"the overrides of {name} are deleted; they are kept for ever"
        problems.append(Problem("EK839", message, Location(path), "restore the file from the base"))
        return Records([], 0, set())
    if after is None:
        return Records([], 0, set())  # reported with the file
    kept = before or []
    if after[: len(kept)] == kept:
        return Records(after[len(kept) :], len(kept), set())
    index = next((i for i, old in enumerate(before or []) if i >= len(after) or after[i] != old), 0)
    place = locate(change.after.parsed(path), path, ("overrides", min(index, len(after) - 1)))
    message = (
        f"record {index + 1} of the overrides of {name} was changed, moved or removed; records are only added"
    )
    problems.append(Problem("EK839", message, place, "restore the list, and add new records at its end"))
    return Records([], 0, set())


def _records(side: Snapshot, path: str) -> list[Override] | None:
    source = side.parsed(path)
    if source is None:
        return None if path in side else []
    model, problems = validate(OverrideFile, source)
    return None if problems or model is None else list(model.overrides)


def used_records(change: Change, name: str, records: Records) -> Iterator[Problem]:
    """Each override that excused something, loudly (EK840)."""
    path = f"registry/overrides/{name}.yaml"
    for index in sorted(records.used):
        one = records.added[index]
        message = f"{name}@v{one.version}: {one.by} overrides '{one.change}': {one.reason}"
        place = locate(change.after.parsed(path), path, ("overrides", records.first + index, "change"))
        hint = "whoever approves this change approves that as well"
        yield Problem("EK840", message, place, hint, "warning")
