"""What one directory was at every commit of the main line: looked up, not compared.

The walk along the line names each commit's tree, and what it prints goes straight on to processes that look the
directory up in those trees. Comparing each tree with the next, as `git log -- PATH` does, took longer.
Every commit is looked at, so what changed and changed back is seen to have done so.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from itertools import chain, cycle, islice
from typing import IO, TYPE_CHECKING

from evalkit.promote.history.line import Change, Line, line_of
from evalkit.promote.history.objects import directories

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from evalkit.promote.history.command import Git

__all__ = ["changes_along", "follow"]

_CHUNK = 1 << 16
"""Bytes for one process at a time: some 700 commits, a few milliseconds' work."""
_MOST_LOOKUPS = 2
"""Processes. More would wait for the walk."""
_CACHE = "core.deltaBaseCacheLimit=8m"
"""git's default, 96 MB, took a fifth longer. Neighbours on the line are stored as
differences from each other, in chains of 50 at most: this holds a chain for directories of some 4,000 names."""
_LOOKUP = ("-c", _CACHE, "cat-file", "--buffer", "--batch-check=%(objectname) %(rest)")
"""It writes a file, so that it never waits for a reader while it is given more."""

States = tuple[bytes | None, ...]


def follow(git: Git, tip: str, folder: str) -> tuple[Line, States]:
    """The line that ends with the commit `tip`, and what `folder` was at each of its commits.

    Args:
        git: the command.
        tip: an id.
        folder: relative to the project; no white space.

    Returns:
        The line; and parallel to it the id of what lies at `folder`, None where there is nothing.

    Raises:
        UsageError: EK805, git fails.
    """
    told: list[bytes] = []
    with ExitStack() as stack:
        walk_args = ("log", "--first-parent", "--no-notes", f"--format=%T:./{folder} %H %ct", tip, "--")
        walk = stack.enter_context(git.start(*walk_args))
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(_lookups())]
        processes = [stack.enter_context(git.start(*_LOOKUP, printed=file, is_given=True)) for file in files]
        stack.enter_context(git.limited(walk, *processes))
        for chunk, process in zip(_whole_lines(walk), cycle(processes), strict=False):
            told.append(chunk)
            if not _give(process, chunk):
                break
        for process in (*processes, walk):  # a lookup that failed is why the walk did
            git.finish(process)
        found = [_lines(file) for file in files]
    words = b"".join(told).decode().split()[::-1]
    line = line_of(words[1::3], words[::3])
    states = chain.from_iterable(
        islice(lines, chunk.count(b"\n")) for chunk, lines in zip(told, cycle(found), strict=False)
    )
    return line, tuple(map(_found, states))[::-1]


def changes_along(git: Git, states: States, folder: str) -> dict[int, list[Change]]:
    """The commits, by place, that changed plain files directly in the directory, and what they changed.

    Raises:
        UsageError: EK805, git fails.
    """
    before_and_after = zip((None, *states), states, strict=False)
    moved = {place: pair for place, pair in enumerate(before_and_after) if pair[0] != pair[1]}
    files = directories(git, {state.decode() for pair in moved.values() for state in pair if state})
    found = {}
    for place, pair in moved.items():
        before, after = (files[state.decode()] if state else {} for state in pair)
        found[place] = [
            Change(f"{folder}/{name}", before.get(name), after.get(name))
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        ]
    return found


def _lookups() -> int:
    return min(os.cpu_count() or 1, _MOST_LOOKUPS)


def _whole_lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """What a process prints, cut where lines end."""
    rest = b""
    while process.stdout and (read := process.stdout.read(_CHUNK)):
        whole, end, rest = (rest + read).rpartition(b"\n")
        if end:
            yield whole + end


def _give(process: subprocess.Popen[bytes], chunk: bytes) -> bool:
    """Whether the process is still there to take it."""
    if process.stdin is None:
        return False
    try:
        process.stdin.write(chunk)
        process.stdin.flush()
    except BrokenPipeError:
        return False
    return True


def _found(said: bytes) -> bytes | None:
    """The id in a line of a lookup."""
    return None if said.endswith(b" missing") else said.partition(b" ")[0]


def _lines(printed: IO[bytes]) -> Iterator[bytes]:
    printed.seek(0)
    return iter(printed.read().splitlines())
