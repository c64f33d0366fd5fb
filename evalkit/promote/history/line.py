"""The main line: the first-parent commits up to one commit, and their times."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from math import floor
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from evalkit.promote.history.commits import moment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from evalkit.promote.history.command import Git

__all__ = ["Change", "Line", "line_of", "walk", "walking"]


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit did to one file, compared with its first parent."""

    path: str
    """Relative to the project."""
    before: str | None
    """The blob; None where there was no plain file."""
    after: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """The first-parent commits, oldest first; the sequences are parallel."""

    ids: tuple[str, ...]
    committed: tuple[int, ...]
    """The committer dates, in seconds since 1970."""
    seconds: tuple[int, ...]
    """When each took effect: the largest committer date so far, so they never decrease."""

    def index_at(self, when: datetime) -> int | None:
        """The place of the last commit that had taken effect by `when`; None before the first."""
        index = bisect_right(self.seconds, floor(when.timestamp()))
        return index - 1 if index else None

    def until(self, commit: str) -> Line:
        """The line that ends with one of its commits."""
        count = self.ids.index(commit) + 1
        return Line(self.ids[:count], self.committed[:count], self.seconds[:count])

    def time(self, index: int) -> datetime:
        """When the commit at this place took effect."""
        return moment_of(self.seconds[index])


def walk(git: Git, tip: str) -> Line:
    """The line that ends with the commit `tip`."""
    with walking(git, tip) as line:
        return line()


@contextmanager
def walking(git: Git, tip: str) -> Iterator[Callable[[], Line]]:
    """Begin to read the line that ends with the commit `tip`; the function that is given waits for it."""
    with TemporaryFile() as printed:

        def line() -> Line:
            git.finish(process)
            printed.seek(0)
            words = printed.read().decode().split()[::-1]
            return line_of(words[::2], words[1::2])

        with git.start("rev-list", "--first-parent", "--timestamp", tip, "--", printed=printed) as process:
            yield line


def line_of(ids: Iterable[str], dates: Iterable[str]) -> Line:
    """The line of these commits, oldest first, with their committer dates in seconds since 1970."""
    committed = tuple(map(int, dates))
    return Line(tuple(ids), committed, tuple(accumulate(committed, max)))
