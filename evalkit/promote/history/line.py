"""The main line: the first-parent commits up to one commit, their times, and what each of them changed."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import accumulate
from math import floor
from typing import TYPE_CHECKING

from evalkit.promote.history.command import FEW
from evalkit.promote.history.commits import moment_of
from evalkit.promote.history.objects import REGULAR, trees_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from evalkit.promote.history.command import Git

__all__ = ["Change", "Line", "changes_of", "line_of", "touches", "walk"]

_RAW = ("-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv")
_EMPTY = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
"""The tree of nothing, which git knows without being given it, by how long ids are: SHA-1 or SHA-256."""


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


def touches(git: Git, line: Line, paths: Sequence[str], *, few: int = FEW) -> dict[int, list[Change]]:
    """The commits of the line, by place, that changed plain files below the directories, and what they changed.

    What a directory was is looked up at each commit, and only trees that differ from the one before are compared.
    `git log` compares twice, once to see whether a commit counts and once to print, and matches each path besides.

    Args:
        git: the command.
        line: of commits.
        paths: of directories, relative to the project; none within another.
        few: lines that one process deals with sooner than two would.

    Raises:
        UsageError: EK805, git fails.
    """
    nothing = _EMPTY[len(line.ids[0])]
    found: dict[int, list[Change]] = {}
    for path, trees in zip(paths, trees_at(git, line.ids, paths), strict=True):
        before = [None, *trees]
        moved = [place for place, tree in enumerate(trees) if tree != before[place]]
        compared = [f"{before[place] or nothing} {trees[place] or nothing}" for place in moved]
        printed = git.share("diff-tree", "--stdin", *_RAW, lines=compared, few=few)
        for number, change in _changes(printed, f"{path}/".encode()):
            found.setdefault(moved[number], []).append(change)
    return dict(sorted(found.items()))


def changes_of(git: Git, base: str, head: str, paths: Sequence[str], prefix: bytes) -> list[Change]:
    """The plain files at or below `paths` that differ between two commits, `prefix` being the project's path."""
    printed = git.run("diff-tree", *_RAW, base, head, "--", *paths)
    found = [change for _, change in _changes(printed)]
    project = prefix.decode("utf-8", "surrogateescape")
    return [replace(change, path=change.path.removeprefix(project)) for change in found]


def _changes(printed: bytes, folder: bytes = b"") -> Iterator[tuple[int, Change]]:
    r"""The changes of plain files, each with the number of the comparison that found it.

    git prints `:modes blobs letter\0path\0` for each change, and before those of a comparison that it was given by
    `--stdin`, `tree tree\n`.
    """
    number = -1
    fields = iter(printed.split(b"\0"))
    for field in fields:
        *heads, meta = field.split(b"\n")
        number += len(heads)
        if not meta:
            return
        path = folder + next(fields)
        old, new, old_blob, new_blob, _ = meta[1:].decode().split(" ")
        before = old_blob if old in REGULAR else None
        after = new_blob if new in REGULAR else None
        if before != after:
            yield number, Change(path.decode("utf-8", "surrogateescape"), before, after)
