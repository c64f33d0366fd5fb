"""What a few paths were at every commit of the main line: looked up, not compared.

The walk along the line names each commit's tree, and what it prints goes straight on to processes that look the
paths up in those trees. Comparing each tree with the next, as `git log -- PATH` does, took longer.
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
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from evalkit.promote.history.command import Git

__all__ = ["Moves", "changes_along", "follow", "look_up"]

_CHUNK = 1 << 16
"""Bytes for one process at a time: some 700 commits, a few milliseconds' work."""
_MOST_LOOKUPS = 2
"""Processes. More would wait for the walk."""
_CACHE = ("-c", "core.deltaBaseCacheLimit=8m")
"""git's default, 96 MB, took a fifth longer. Neighbours on the line are stored as
differences from each other, in chains of 50 at most: this holds a chain for directories of some 4,000 names."""
_LOOKUP = (*_CACHE, "cat-file", "--buffer", "--batch-check=%(objectname) %(rest)")
"""It writes a file, so that it never waits for a reader while it is given more."""

Moves = dict[int, "tuple[str | None, str | None]"]
"""By the commit's place on the line: the ids of what lay at a path before it and after it, where they differ; None where
nothing did. The places ascend."""


def follow(git: Git, tip: str, paths: Sequence[str]) -> tuple[Line, list[Moves]]:
    """The line that ends with the commit `tip`, and how each of the paths moved along it.

    Args:
        git: the command.
        tip: a ref.
        paths: relative to the project, at least one; no white space. With a slash at its end, only a directory is meant.

    Raises:
        UsageError: EK805, git fails.
    """
    told: list[bytes] = []
    first, *others = (f"%T:./{path}" for path in paths)
    form = "%n".join((f"{first} %H %ct", *others))
    with ExitStack() as stack:
        walk_args = ("log", "--first-parent", "--no-notes", f"--format={form}", tip, "--")
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
    words = b"".join(told).decode().split()
    step = len(paths) + 2  # of a commit's words: the first path's, its id, its date, the other paths'
    line = line_of(words[1::step][::-1], words[2::step][::-1])
    said = list(
        chain.from_iterable(
            islice(lines, chunk.count(b"\n")) for chunk, lines in zip(told, cycle(found), strict=False)
        )
    )
    states = [_ids(said[index :: len(paths)][::-1], len(words[1])) for index in range(len(paths))]
    return line, [_moves(dict(enumerate(state)), range(len(state))) for state in states]


def look_up(git: Git, line: Line, paths: Sequence[str], *, among: Iterable[int] | None = None) -> list[Moves]:
    """How each of the paths moved along a line that was walked already.

    Args:
        git: the command.
        line: of commits.
        paths: relative to the project; no white space.
        among: the places of the commits that may have changed them; without it, all of the line.

    Raises:
        UsageError: EK805, git fails.
    """
    places = range(len(line.ids)) if among is None else sorted(among)
    looked_up = sorted({*places, *(place - 1 for place in places if place)})
    names = [f"{line.ids[place]}:./{path}" for place in looked_up for path in paths]
    said = git.share(*_LOOKUP, lines=names).splitlines()
    states = [_ids(said[index :: len(paths)], len(line.ids[0])) for index in range(len(paths))]
    return [_moves(dict(zip(looked_up, state, strict=True)), places) for state in states]


def changes_along(git: Git, moves: Moves, folder: str) -> dict[int, list[Change]]:
    """The commits, by place, that changed plain files directly in the directory, and what they changed.

    Raises:
        UsageError: EK805, git fails.
    """
    files = directories(git, {tree for pair in moves.values() for tree in pair if tree})
    found = {}
    for place, pair in moves.items():
        before, after = (files[tree] if tree else {} for tree in pair)
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


def _lines(printed: IO[bytes]) -> Iterator[bytes]:
    printed.seek(0)
    return iter(printed.read().splitlines())


def _ids(said: Iterable[bytes], size: int) -> list[bytes | None]:
    """The id in each line of a lookup."""
    return [None if line.endswith(b" missing") else line[:size] for line in said]


def _moves(at: Mapping[int, bytes | None], places: Iterable[int]) -> Moves:
    pairs = ((place, at.get(place - 1), at[place]) for place in places)
    return {
        place: (before.decode() if before else None, after.decode() if after else None)
        for place, before, after in pairs
        if before != after
    }
