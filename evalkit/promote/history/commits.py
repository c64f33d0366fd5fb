"""Commits as git tells of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalkit.promote.history.command import Git

__all__ = ["FIELDS", "CommitInfo", "commits", "moment_of", "records"]

FIELDS = "%H%x00%P%x00%ct%x00%an%x00%ae%x00%s%x00%b"
"""The format that `records` takes apart; a commit's texts cannot hold NUL."""

_COUNT = FIELDS.count("%x00") + 1
_LATEST = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second that datetime can hold


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """One commit. Its texts are its author's, hostile until neutralised; bytes that are not UTF-8 became U+FFFD."""

    id: str
    time: datetime
    """When it took effect on the main line, in UTC: the committer date, or that of an earlier commit of the line where
    that is later. So times never go backwards along the line, whatever the clocks of the committers said."""
    author: str
    author_email: str
    subject: str
    body: str
    parents: tuple[str, ...]
    committed: datetime
    """The committer date as it stands in the commit."""

    @property
    def is_merge(self) -> bool:
        """Whether it joins other commits to its first parent's line."""
        return len(self.parents) > 1

    def effective(self, time: datetime) -> CommitInfo:
        """The same commit, which took effect at `time`."""
        return replace(self, time=time)


def moment_of(seconds: int) -> datetime:
    """Seconds since 1970 as an aware time; what lies beyond the calendar becomes its first or last second."""
    return datetime.fromtimestamp(min(max(seconds, 0), _LATEST), UTC)


def commits(git: Git, ids: Iterable[str]) -> dict[str, CommitInfo]:
    """Commits by id.

    Raises:
        UsageError: EK805, one is not there.
    """
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    args = ("log", "--no-walk=unsorted", "--stdin", "-z", "--no-notes", f"--format={FIELDS}")
    found = {commit.id: commit for commit in records(git.run(*args, given="\n".join([*wanted, ""]).encode()))}
    if lost := [commit for commit in wanted if commit not in found]:
        raise UsageError(Problem("EK805", f"git does not tell of commit {lost[0]}", hint="run `git fsck`"))
    return found


def records(printed: bytes) -> list[CommitInfo]:
    """The commits that git printed with `-z --format=FIELDS`."""
    fields = printed.decode("utf-8", "replace").split("\0")
    return [_commit(fields[at : at + _COUNT]) for at in range(0, len(fields) - _COUNT + 1, _COUNT)]


def _commit(fields: Sequence[str]) -> CommitInfo:
    commit, parents, seconds, author, email, subject, body = fields
    time = moment_of(int(seconds or 0))
    return CommitInfo(commit, time, author, email, subject, body.strip("\n"), tuple(parents.split()), time)
