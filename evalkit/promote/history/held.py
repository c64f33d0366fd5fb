"""When a name's versions were held, and released again, along the main line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.promote.history.commits import FIELDS, records
from evalkit.promote.history.holds import HoldChange, hold_changes_of
from evalkit.promote.history.objects import blobs_at
from evalkit.runtime.refs import is_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.promote.history.command import Git
    from evalkit.promote.history.commits import CommitInfo
    from evalkit.promote.history.repository import Repository

__all__ = ["hold_changes"]


def hold_changes(repository: Repository, name: str, ref: str) -> tuple[HoldChange, ...]:
    """What happened to the holds of a name on the line that ends with `ref`, oldest first.

    The line is read together with the name's history. A shallow clone tells of as much as it holds;
    `Repository.history` refuses it where that is not enough.

    Raises:
        UsageError: EK804, there is no such ref; EK805, git fails.
    """
    if not is_name(name):
        return ()
    path = f"registry/holds/{name}.yaml"
    tip = repository.read_along(name, ref, [path])
    if not (touching := repository.touching(path, tip)):
        return ()
    return tuple(_changes(repository.git, name, path, touching))


def _changes(git: Git, name: str, path: str, touched: Sequence[CommitInfo]) -> Iterator[HoldChange]:
    contents = blobs_at(git, [one for commit in touched for one in (commit.id, *commit.parents[:1])], path)
    for commit in touched:
        before = contents[commit.parents[0]] if commit.parents else None
        yield from hold_changes_of(name, commit, _joined(git, commit, path), before, contents[commit.id])


def _joined(git: Git, commit: CommitInfo, path: str) -> list[CommitInfo]:
    """The commits that a merge brought and that touched the file, newest first."""
    if not commit.is_merge:
        return []
    args = ("log", "-z", "--full-history", "--no-merges", "--no-notes", f"--format={FIELDS}")
    return records(git.run(*args, *commit.parents[1:], f"^{commit.parents[0]}", "--", path))
