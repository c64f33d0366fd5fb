"""Overrides: what excuses a violation.

A rule of the lifecycle may be broken by a change that adds a record of it to `registry/overrides/<name>.yaml`, in the
same change. Records are never edited or removed: the list is the history of exceptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.registry.lifecycle import NEVER_OVERRIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalkit.registry.lifecycle import Violation
    from evalkit.registry.schema.override import Override

__all__ = ["added", "unexcused"]


def added(before: Sequence[Override], after: Sequence[Override]) -> list[Override] | None:
    """The records that a change adds at the end of the list; None if it edits, moves or removes one."""
    kept = list(after[: len(before)])
    return list(after[len(before) :]) if kept == list(before) else None


def unexcused(violations: Iterable[Violation], records: Iterable[Override]) -> list[Violation]:
    """The violations for which the same change adds no record of that version and kind."""
    excused = {(record.version, record.change) for record in records}
    return [
        one for one in violations if one.kind in NEVER_OVERRIDDEN or (one.version, one.kind) not in excused
    ]
