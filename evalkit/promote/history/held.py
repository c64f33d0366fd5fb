"""When a name's versions were held, and released again, along the main line."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from evalkit.promote.history import place
from evalkit.promote.history.commits import FIELDS, records
from evalkit.promote.history.holds import HoldChange, hold_changes_of
from evalkit.promote.history.objects import blobs_at
from evalkit.runtime.refs import is_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalkit.promote.history.command import Git
    from evalkit.promote.history.commits import CommitInfo
    from evalkit.promote.history.repository import Repository

__all__ = ["hold_changes"]


def hold_changes(repository: Repository, name: str, ref: str) -> Callable[[], tuple[HoldChange, ...]]:
    """Begin to look for what happened to the holds of a name on the line that ends with `ref`.

    On a long line git takes as long for it as for the entries, so it works meanwhile: call what is returned once the
    name's history is read.

    Returns:
        A function that gives the changes, oldest first. A shallow clone tells of as much as it holds;
        `Repository.history` refuses it where that is not enough.

    Raises:
        UsageError: EK804, there is no such ref; EK805, git fails, by the function too.
    """
    if not is_name(name):
        return tuple
    git = place.find(repository.root).git
    path = f"registry/holds/{name}.yaml"
    args = ("log", "-z", "--first-parent", "--no-notes", f"--format={FIELDS}")
    with_one = ThreadPoolExecutor(1)
    printed = with_one.submit(git.run, *args, repository.commit(ref).id, "--", path)
    with_one.shutdown(wait=False)

    def finish() -> tuple[HoldChange, ...]:
        touched = records(printed.result())[::-1]
        on_line = [repository.on_line(commit.id, ref) or commit for commit in touched]
        return tuple(_changes(git, name, path, on_line))

    return finish


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
