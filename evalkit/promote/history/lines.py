"""What was read of a repository's lines: each of them once, and how paths moved along it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from evalkit.promote.history import place
from evalkit.promote.history.line import walk, walking
from evalkit.promote.history.trail import follow, look_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.promote.history.command import Git
    from evalkit.promote.history.line import Line
    from evalkit.promote.history.trail import Moves

__all__ = ["Lines"]


class Lines:
    """The lines by the ids of their last commits. What was read is kept."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._lines: dict[str, Line] = {}
        self._moves: dict[tuple[str, str], Moves] = {}
        """By the last commit of the line, and the path."""

    def __contains__(self, tip: object) -> bool:
        return tip in self._lines

    def line(self, tip: str) -> Line:
        """The line that ends with a commit.

        Raises:
            UsageError: EK805, git fails.
        """
        if tip not in self._lines:
            longer = next((line for line in self._lines.values() if tip in line.ids), None)
            self._lines[tip] = longer.until(tip) if longer else walk(self._git, tip)
        return self._lines[tip]

    @contextmanager
    def reading(self, tip: str) -> Iterator[None]:
        """Read the line that ends with a commit, beside what is done meanwhile.

        Raises:
            UsageError: EK805, git fails.
        """
        with walking(self._git, tip) as line:
            yield
            self._lines[tip] = line()

    def moves(self, tip: str, paths: Sequence[str]) -> list[Moves]:
        """How each of the paths moved on the line that ends with `tip`. Those that are new are read together.

        Raises:
            UsageError: EK805, git fails.
        """
        new = [path for path in paths if (tip, path) not in self._moves]
        new = [path for path in new if not self._is_known_later(tip, path)]
        if new:
            self._moves |= zip(((tip, path) for path in new), self._read(tip, new), strict=True)
        return [self._moves[tip, path] for path in paths]

    def _is_known_later(self, tip: str, path: str) -> bool:
        """Whether the path was read along a line that goes on after `tip`; then as much of it is known from now on."""
        for (later, other), moves in self._moves.items():
            if other == path and tip in self._lines[later].ids:
                last = self._lines[later].ids.index(tip)
                self._moves[tip, path] = {place: pair for place, pair in moves.items() if place <= last}
                return True
        return False

    def _read(self, tip: str, paths: Sequence[str]) -> list[Moves]:
        if place.has_commit_graph(self._git):
            # git finds them sooner with one, which may say what paths each commit changed.
            return look_up(self._git, self.line(tip), paths, among=self._touching(tip, paths))
        if tip in self._lines:
            return look_up(self._git, self.line(tip), paths)
        self._lines[tip], moves = follow(self._git, tip, paths)
        return moves

    def _touching(self, tip: str, paths: Sequence[str]) -> list[int]:
        """The places of the commits that git finds to have changed one of the paths."""
        places = {commit: index for index, commit in enumerate(self.line(tip).ids)}
        touching = self._git.run("rev-list", "--first-parent", tip, "--", *paths).decode().split()
        return [places[commit] for commit in touching]
