"""What an entry file said, as the audit needs it: whether its version serves, and which of its lines are its config.

The files of a long history differ in few of their lines, so each line is taken apart once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from evalkit.promote.history.states import read_state, simple
from evalkit.runtime.serving import EntryState
from evalkit.runtime.shapes import STATUS

__all__ = ["Said", "read"]

_FREE = frozenset({
    "", "status", "traffic", "control", "rollout", "eval", "canary", "approved_by", "description", "owner",
    "lineage", "pin_exception",
})  # fmt: skip
"""Keys of an entry that are no part of its config; the empty one is a comment."""


class Said(NamedTuple):
    """What one file said."""

    state: EntryState | None
    """None if nobody can tell."""
    config: tuple[bytes, ...] | None
    """The lines with the keys of its config; None for a file that is not made of one whole statement a line."""


class _Statement(NamedTuple):
    """A line that says all that its file says about a key. An empty line or a comment has the empty key."""

    key: str
    value: Any
    line: bytes


def read(raw: bytes, version: int, path: str) -> Said:
    """What the entry file of a version said."""
    statements = [_statement(line) for line in raw.split(b"\n")]
    if not all(statements):
        return Said(_whole(raw, version, path), None)
    said = {one.key: one.value for one in statements if one}
    if len(said) - ("" in said) != sum(bool(one and one.key) for one in statements):
        return Said(_whole(raw, version, path), None)
    config = tuple(one.line for one in statements if one and one.key not in _FREE)
    if said.get("rollout") is not None or said.get("traffic") is not None or "control" in said:
        return Said(_whole(raw, version, path), config)
    status = said.get("status")
    return Said(_plain_state(version, status) if isinstance(status, str) else None, config)


@lru_cache(maxsize=1 << 16)
def _statement(line: bytes) -> _Statement | None:
    """The line as a statement; None for a part of one."""
    if not line.strip() or line.lstrip(b" ").startswith(b"#"):
        return _Statement("", None, line)
    found = None if line.startswith(b" ") else simple(line)
    if found is None or len(found) != 1:
        return None
    key, value = found.popitem()
    return _Statement(key, value, line)


@lru_cache(maxsize=1 << 16)
def _plain_state(version: int, status: str) -> EntryState | None:
    return EntryState(version, status) if status in STATUS.words else None


def _whole(raw: bytes, version: int, path: str) -> EntryState | None:
    found = read_state(raw, version, "", path)
    return found.state if found else None
