"""The changes that a plan makes to the files of one name, and the bytes and states that come out of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from evalkit.promote.history.states import read_state
from evalkit.promote.records import add_record, remove_records
from evalkit.registry.writeback import edit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evalkit.promote.facts import NameFacts
    from evalkit.registry.literal import Scalar
    from evalkit.registry.writeback import Change
    from evalkit.runtime.serving import EntryState

__all__ = [
    "AddHold",
    "AddOverride",
    "Edit",
    "RemoveHolds",
    "SetKeys",
    "described",
    "rendered",
    "states_after",
    "unapproved",
]


@dataclass(frozen=True, slots=True)
class SetKeys:
    """Set top-level keys of an entry; None removes one."""

    version: int
    changes: Mapping[str, Change] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AddHold:
    """Add a record to the holds of the name."""

    record: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class RemoveHolds:
    """Remove records from the holds of the name."""

    records: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class AddOverride:
    """Add a record to the overrides of the name."""

    record: Mapping[str, Scalar]


Edit: TypeAlias = SetKeys | AddHold | RemoveHolds | AddOverride


def unapproved(facts: NameFacts, change: SetKeys) -> SetKeys:
    """The edit, and with it the entry's approval removed if there is one.

    An approval belongs to one transition. Were the older stamp left, the same reviewer's next approval would change no
    byte, and history could not tell it.
    """
    if _approval(facts, change.version) is None:
        return change
    return SetKeys(change.version, {**change.changes, "approved_by": None})


def _approval(facts: NameFacts, version: int) -> str | None:
    path = facts.entry_path(version)
    found = read_state(facts.files.get(path) or b"", version, "", path)
    return found.approved_by if found else None


def path_of(change: Edit, facts: NameFacts) -> str:
    """The file that an edit is made in."""
    if isinstance(change, SetKeys):
        return facts.entry_path(change.version)
    return facts.overrides_path if isinstance(change, AddOverride) else facts.holds_path


def rendered(facts: NameFacts, edits: Iterable[Edit]) -> dict[str, bytes | None]:
    """The files after the edits, only those that change; None for a file that is to go.

    Raises:
        WriteBackError: EK601, a file cannot be changed without touching more than what is asked for.
    """
    files: dict[str, bytes | None] = {}
    for change in edits:
        path = path_of(change, facts)
        before = files[path] if path in files else facts.files.get(path)
        files[path] = _applied(change, before, path)
    return {path: text for path, text in files.items() if text != facts.files.get(path)}


def _applied(change: Edit, before: bytes | None, path: str) -> bytes | None:
    match change:
        case SetKeys(changes=changes):
            return edit(before or b"", changes, path=path)
        case AddHold(record):
            return add_record(before, "holds", record, path)
        case AddOverride(record):
            return add_record(before, "overrides", record, path)
        case RemoveHolds(records):
            return None if before is None else remove_records(before, "holds", records, path)


def states_after(states: Mapping[int, EntryState], edits: Iterable[Edit]) -> dict[int, EntryState]:
    """The states of the versions after the edits."""
    after = dict(states)
    for change in edits:
        if isinstance(change, SetKeys):
            after[change.version] = _state_with(after[change.version], change.changes)
    return after


def _state_with(state: EntryState, changes: Mapping[str, Any]) -> EntryState:
    known: dict[str, Any] = {key: changes[key] for key in ("status", "traffic") if key in changes}
    if "control" in changes:
        known["control"] = bool(changes["control"])
    if "rollout" in changes:
        rollout = changes["rollout"] or {}
        known |= {"percent": rollout.get("percent"), "unit": rollout.get("unit", "request")}
    return state.replace(**known)


def described(change: Edit, facts: NameFacts) -> list[str]:
    """An edit in words, a line for each key or record: what is set, and what it was."""
    return [" ".join(line.split()) for line in _described(change, facts)]


def _described(change: Edit, facts: NameFacts) -> list[str]:
    match change:
        case SetKeys(version, changes):
            return [
                f"{key}: {_was(facts, version, key)} -> {_value(new)}" + _consequence(key, new)
                for key, new in changes.items()
            ]
        case AddHold(record):
            return [f"+ hold on {_held(record)}: {record['reason']}"]
        case RemoveHolds(records):
            return [f"- hold on {_held(one)}: {one.get('reason', '')}" for one in records]
        case AddOverride(record):
            return [f"+ override of {record['change']} for v{record['version']}: {record['reason']}"]


def _consequence(key: str, new: Change) -> str:
    return ", until this change is approved" if key == "approved_by" and new is None else ""


def _held(record: Mapping[str, Any]) -> str:
    digest = record.get("digest")
    return f"{str(digest)[:19]}…" if digest else "every version"


def _was(facts: NameFacts, version: int, key: str) -> str:
    found = facts.versions[version]
    before: dict[str, Any] = {
        "status": found.state.status,
        "traffic": found.state.traffic,
        "control": found.state.control or None,
        "rollout": found.rollout,
        "approved_by": _approval(facts, version),
    }
    return _value(before.get(key))


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key}: {_value(item)}" for key, item in value.items()) + " }"
    return str(value)
