"""Every rule about a change, in one pass; all problems at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import Problem
from evalkit.promote.base.approvals import approvals
from evalkit.promote.base.change import Change
from evalkit.promote.base.cited import cited_files
from evalkit.promote.base.evidence import evidence_only_grows
from evalkit.promote.base.immutable import immutable_configs
from evalkit.promote.base.numbers import Numbers
from evalkit.promote.base.promotions import promotions
from evalkit.promote.base.records import override_records, used_records
from evalkit.promote.base.transitions import exposure_changes, illegal_transitions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["ChangeReport", "check_change"]


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """What a change does that it may not, and what it does that is worth saying."""

    problems: tuple[Problem, ...]
    """By file, line and column."""
    base: str
    """The commit that was compared with: where the two refs went apart."""
    files: int
    """How many files of the project differ."""
    is_at_base: bool
    """Whether the head is the ref's own commit, and nothing was edited since: there is no change at all."""


def check_change(root: Path, ref: str, head: str | None = None) -> ChangeReport:
    """Compare the files on disk, or the commit `head`, with the commit where `ref` and HEAD (or `head`) went apart.

    Args:
        root: the project's directory.
        ref: the branch that the change goes to, such as `origin/main`.
        head: a commit in place of the work tree.

    Raises:
        UsageError: EK801 to EK806 as `evalkit.promote.history`; EK857, the two have no commit in common.
    """
    change = Change(root, ref, head)
    found = dict.fromkeys(_problems(change))
    return ChangeReport(
        problems=tuple(sorted(found, key=_order)),
        base=change.base,
        files=len(change.files),
        is_at_base=change.ref == change.head and not change.files,
    )


def _problems(change: Change) -> Iterator[Problem]:
    yield from evidence_only_grows(change)
    if change.is_beginning:
        if change.names:
            message = "the base has no entry: this change brings the registry in, and there is nothing to compare it with"
            hint = "whoever approves it looks at every status; from now on each change is judged"
            yield Problem("EK855", message, hint=hint, severity="warning")
        return
    yield from immutable_configs(change)
    yield from cited_files(change)
    numbers = Numbers(change)
    noted: list[Problem] = []
    records = {name: override_records(change, name, noted) for name in change.names}
    for name in change.names:
        yield from illegal_transitions(change, name, records[name], numbers)
        yield from exposure_changes(change, name)
        yield from approvals(change, name)
    yield from promotions(change, records)
    for name in change.names:
        yield from used_records(change, name, records[name])
    yield from noted
    yield from change.unreadable


def _order(problem: Problem) -> tuple[str, int, int, str, str]:
    place = problem.location
    where = (place.path, place.line, place.column) if place else ("", 0, 0)
    return (*where, problem.code, problem.message)
