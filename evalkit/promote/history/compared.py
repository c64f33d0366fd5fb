"""What plain files differ between trees, compared by git."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.promote.history.command import FEW
from evalkit.promote.history.line import Change
from evalkit.promote.history.objects import REGULAR
from evalkit.promote.history.trail import follow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.promote.history.command import Git
    from evalkit.promote.history.line import Line

__all__ = ["changes_of", "touches"]

_RAW = ("-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv")
_EMPTY = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
"""The tree of nothing, which git knows without being given it, by how long ids are: SHA-1 or SHA-256."""


def touches(
    git: Git, tip: str, folders: Sequence[str], *, few: int = FEW
) -> tuple[Line, dict[int, list[Change]]]:
    """The line that ends with the commit `tip`, and by place its commits that changed plain files below the directories.

    What a directory was is looked up at each commit, and only trees that differ from the one before are compared.
    `git log` compares twice, once to see whether a commit counts and once to print, and matches each path besides.

    Args:
        git: the command.
        tip: a ref.
        folders: directories, relative to the project; none within another, no white space.
        few: lines that one process deals with sooner than two would.

    Raises:
        UsageError: EK805, git fails.
    """
    line, moves = follow(git, tip, [f"{folder}/" for folder in folders])  # with a slash, it is a directory
    nothing = _EMPTY[len(line.ids[0])]
    found: dict[int, list[Change]] = {}
    for folder, moved in zip(folders, moves, strict=True):
        places = list(moved)
        compared = [f"{before or nothing} {after or nothing}" for before, after in moved.values()]
        printed = git.share("diff-tree", "--stdin", *_RAW, lines=compared, few=few)
        for number, change in _changes(printed, f"{folder}/".encode()):
            found.setdefault(places[number], []).append(change)
    return line, dict(sorted(found.items()))


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
