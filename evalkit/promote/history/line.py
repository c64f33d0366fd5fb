"""The main line: the first-parent commits up to one commit, their times, and what each of them changed."""

from __future__ import annotations

import os
import tempfile
from bisect import bisect_right
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from math import floor
from typing import TYPE_CHECKING

from evalkit.promote.history.commits import moment_of
from evalkit.promote.history.objects import REGULAR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from evalkit.promote.history.command import Git

__all__ = ["Change", "Line", "changes_of", "line_of", "touches", "walk"]

_RAW = ("-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv")
_TOUCHES = ("log", "--first-parent", "--diff-merges=first-parent", *_RAW, "--no-notes", "--format=%H")
_FEW = 4_096


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
    words = git.run("rev-list", "--first-parent", "--timestamp", tip, "--").decode().split()[::-1]
    return line_of(words[::2], words[1::2])


def line_of(ids: Iterable[str], dates: Iterable[str]) -> Line:
    """The line of these commits, oldest first, with their committer dates in seconds since 1970."""
    committed = tuple(map(int, dates))
    return Line(tuple(ids), committed, tuple(accumulate(committed, max)))


def touches(git: Git, line: Line, path: str, prefix: bytes, *, few: int = _FEW) -> dict[int, list[Change]]:
    """The commits of the line, by place, that changed plain files at or below `path`, and what they changed.

    `git log` finds them. In a registry of hundreds of names its time goes into unpacking the directory of names, once
    for each commit that changed any of them, so a long line is read by two processes. With a commit-graph that knows
    changed paths, git skips nearly all of them.

    Args:
        git: the command.
        line: of commits.
        path: relative to the project.
        prefix: of the project within the repository, empty or with a slash at its end.
        few: commits that one process reads sooner than two would.
    """
    places = {commit: place for place, commit in enumerate(line.ids)}
    found: dict[int, list[Change]] = {}
    with ExitStack() as stack:
        started = []
        for part in _parts(line, few):
            printed = stack.enter_context(tempfile.TemporaryFile())
            started.append((git.start(*_TOUCHES, *part, "--", path, printed=printed), printed))
        for process, printed in started:
            git.finish(process)
            printed.seek(0)
            for commit, change in _changes(printed.read(), prefix):
                found.setdefault(places[commit], []).append(change)
    return found


def _parts(line: Line, few: int) -> list[tuple[str, ...]]:
    """The arguments that make `git log` read the line, in one part or in two.

    The older part is all that leads to a commit in the middle. The newer one ends by date, because git would look far
    beyond a commit that it is told to leave out: it is a part only if every commit in it is younger than the one below.
    """
    count = len(line.ids)
    whole: list[tuple[str, ...]] = [(line.ids[-1],)]
    if count < few or (os.cpu_count() or 1) < 2:
        return whole
    oldest = list(accumulate(reversed(line.committed), min))[::-1]
    """Of the commits from a place to the tip, the smallest date."""
    for place in range(count // 2, count * 3 // 4):
        if line.committed[place - 1] < oldest[place]:
            return [(line.ids[place - 1],), (line.ids[-1], f"--since=@{oldest[place]} +0000")]
    return whole


def changes_of(git: Git, base: str, head: str, paths: Sequence[str], prefix: bytes) -> list[Change]:
    """The plain files at or below `paths` that differ between two commits."""
    printed = git.run("diff-tree", *_RAW, base, head, "--", *paths)
    return [change for _, change in _changes(printed, prefix)]


def _changes(printed: bytes, prefix: bytes) -> Iterator[tuple[str, Change]]:
    r"""The changes of plain files, each with its commit if git printed one.

    git prints `commit\0`, and for each change of it `:modes blobs letter\0path\0`, the first after a line feed.
    """
    fields = iter(printed.split(b"\0"))
    commit = ""
    for field in fields:
        meta = field.lstrip(b"\n")
        if not meta.startswith(b":"):
            commit = meta.decode()
            continue
        path = next(fields)
        old, new, old_blob, new_blob, _ = meta[1:].decode().split(" ")
        before = old_blob if old in REGULAR else None
        after = new_blob if new in REGULAR else None
        if before != after:
            yield commit, Change(path.removeprefix(prefix).decode("utf-8", "surrogateescape"), before, after)
