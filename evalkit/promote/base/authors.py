"""Who wrote an entry and what it resolves to, from every commit that touched the files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.promote.base.snapshot import keys_of
from evalkit.promote.history.commits import FIELDS, records
from evalkit.promote.history.objects import blobs_at
from evalkit.promote.history.people import authors_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.promote.base.change import Change
    from evalkit.promote.history import CommitInfo

__all__ = ["Wrote", "authors_since"]


@dataclass(frozen=True, slots=True)
class Wrote:
    """One author of one commit."""

    author: str
    """`Name <address>`."""
    commit: CommitInfo


def authors_since(
    change: Change, tip: str, entry: str, *, new: Sequence[str], shared: Sequence[str], since: str | None
) -> list[Wrote]:
    """The authors of every commit up to `tip` that wrote in these files, co-authors among them, newest first.

    Commits of branches count as much as those of the main line; a merge does if it wrote something itself. A commit that
    only stamped an approval wrote nothing.

    Args:
        change: where the repository is.
        tip: the commit that is approved.
        entry: the path of the entry's file.
        new: the paths that count from their beginning.
        shared: the paths that the replaced version has as well: they count from the commit `since` on.
        since: when the replaced version came to serve.
    """
    found: dict[str, CommitInfo] = {}
    for paths, excluded in ((new, None), (shared, since)):
        if not paths:
            continue
        args = ["log", "-z", "--full-history", "--no-notes", f"--format={FIELDS}", tip]
        args += [f"^{excluded}"] if excluded else []
        for commit in records(change.git.run(*args, "--", *paths)):
            if not commit.is_merge or _wrote(change, commit, paths):
                found.setdefault(commit.id, commit)
    others = set(new) | set(shared)
    others.discard(entry)
    return [
        Wrote(author, commit)
        for commit in found.values()
        if not _only_stamps(change, commit, entry, sorted(others))
        for author in authors_of(commit, ())
    ]


def _wrote(change: Change, merge: CommitInfo, paths: Sequence[str]) -> bool:
    args = ("diff-tree", "-c", "-r", "--name-only", "--no-commit-id", merge.id)
    return bool(change.git.run(*args, "--", *paths))


def _only_stamps(change: Change, commit: CommitInfo, entry: str, others: Sequence[str]) -> bool:
    """Whether a commit changed nothing of these files but `approved_by`."""
    if commit.is_merge or not commit.parents:
        return False
    parent = commit.parents[0]
    args = ("diff-tree", "-r", "--name-only", "--no-commit-id", parent, commit.id)
    if others and change.git.run(*args, "--", *others):
        return False
    found = blobs_at(change.git, [parent, commit.id], entry)
    before, after = keys_of(found[parent], entry), keys_of(found[commit.id], entry)
    if before is None or after is None:
        return False
    return {**before, "approved_by": None} == {**after, "approved_by": None}
