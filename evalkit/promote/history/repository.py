"""A project's git repository: the history of its names, and its files as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import Problem, UsageError
from evalkit.promote.history import place
from evalkit.promote.history.commits import commits
from evalkit.promote.history.compared import changes_of, touches
from evalkit.promote.history.gather import ENTRIES, Gatherer, by_name, entry_of
from evalkit.promote.history.lines import Lines
from evalkit.promote.history.objects import blobs, listing
from evalkit.promote.history.timeline import NameHistory
from evalkit.promote.history.trail import changes_along
from evalkit.promote.history.worktree import FileChange, disk_changes, is_inside
from evalkit.runtime.refs import is_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from evalkit.promote.history.commits import CommitInfo
    from evalkit.promote.history.gather import Changes
    from evalkit.promote.history.line import Line

__all__ = ["Repository"]

PROJECT = ("evalkit.yaml", "registry", "suites")
"""The files and directories of a project that are under lifecycle rules."""


class Repository:
    """The git repository that holds a project; `Repository.of(root)`.

    Everything is read through git's own commands, and nothing is written. A line of history, once read, is kept.
    """

    def __init__(self, root: Path, where: place.Place) -> None:
        self.root = root
        self.git = where.git
        self._prefix = where.prefix
        self._is_shallow = where.is_shallow
        self._lines = Lines(where.git)
        self._entries: dict[str, dict[tuple[str, int], bytes]] = {}

    @classmethod
    def of(cls, root: Path) -> Repository:
        """The repository that holds the directory `root`, which may be any directory in it.

        Raises:
            UsageError: EK801, there is none, or it is a bare one; EK802, it has no commit; EK805, git does not work.
        """
        return cls(root, place.find(root))

    def main_ref(self) -> str:
        """The line that counts: what is on it has taken effect.

        The first that exists of `origin/HEAD` (the remote's default branch), `origin/main`, `origin/master`, `main`,
        `master`; else the branch that is checked out, as `HEAD`. The remote's come first because what is merged only
        here has taken effect for nobody else.

        Raises:
            UsageError: EK806, none exists, and no branch is checked out.
        """
        return place.main_line(self.git)

    def commit(self, ref: str | None = None) -> CommitInfo:
        """The commit that a ref means; the tip of the main line without one.

        Raises:
            UsageError: EK804, there is none; EK806.
        """
        found = self._id(ref)
        return commits(self.git, [found])[found]

    def history(self, name: str, ref: str | None = None, *, people: bool = True) -> NameHistory:
        """All that happened to a name's entries on the main line, or on the line that ends with `ref`.

        Args:
            name: of the entries.
            ref: the end of the line.
            people: whether to look up what `histories` leaves out.

        Raises:
            UsageError: EK803, the clone is shallow and the name is older than what it holds; EK804, there is no such
                ref; EK805, git fails; EK806, no line counts.
        """
        if not is_name(name):
            return NameHistory(name, ())
        tip = self._id(ref)
        changes = self._changes_of(name, tip)
        line = self._lines.line(tip)
        if self._is_cut(line) and (not changes or 0 in changes):
            raise _cut_off(f"the history of {name}", line)
        return Gatherer(self.git, self._prefix, line).histories({name: changes}, people=people)[name]

    def read_along(self, name: str, ref: str | None = None, also: Sequence[str] = ()) -> str:
        """Read a line together with what happened to a name on it; `commit_at` and `history` then read neither again.

        Args:
            name: of the entries.
            ref: the end of the line.
            also: files that `touching` will be asked for.

        Returns:
            The id of the line's last commit.

        Raises:
            UsageError: EK804, EK805, EK806.
        """
        tip = self._id(ref)
        if is_name(name):
            self._lines.moves(tip, [f"{ENTRIES}/{name}", *also])
        return tip

    def touching(self, path: str, ref: str | None = None) -> list[CommitInfo]:
        """The commits of the line that changed a file, oldest first, each with the time at which it took effect.

        Args:
            path: relative to the project; no white space.
            ref: the end of the line. A shallow clone tells of as much of it as it holds.

        Raises:
            UsageError: EK804, EK805, EK806.
        """
        tip = self._id(ref)
        moves, line = self._lines.moves(tip, [path])[0], self._lines.line(tip)
        known = commits(self.git, [line.ids[place] for place in moves])
        return [known[line.ids[place]].effective(line.time(place)) for place in moves]

    def histories(self, ref: str | None = None, *, people: bool = False) -> dict[str, NameHistory]:
        """The history of every name that ever was on the line, sorted by name, in one pass.

        Args:
            ref: as `history` takes it.
            people: whether to look up what merges brought, reasons of holds, and renames; slow over thousands of merges.
                Without it a merge's author is the author of what it brought.

        Raises:
            UsageError: as `history`; EK803 in any shallow clone.
        """
        line, touched = touches(self.git, self._id(ref), [ENTRIES])
        if self._is_cut(line):
            raise _cut_off("the history of the registry", line)
        changes = by_name(touched)
        found = Gatherer(self.git, self._prefix, line).histories(changes, people=people)
        return dict(sorted(found.items()))

    def names(self, ref: str | None = None) -> list[str]:
        """The names with entries at a commit (that of the main line's tip without one), sorted."""
        listed = listing(self.git, self._id(ref), [ENTRIES])
        return sorted({entry[0] for blob in listed if (entry := entry_of(blob.path))})

    def commit_at(self, when: datetime, ref: str | None = None) -> CommitInfo | None:
        """The commit of the main line (or of that which ends with `ref`) whose files were in effect at a moment.

        It is the last commit that had taken effect by then, in the order of the line; None before the first.

        Raises:
            ValueError: `when` has no time zone.
            UsageError: EK803, the moment lies before what a shallow clone holds; otherwise as `history`.
        """
        if when.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        line = self._lines.line(self._id(ref))
        index = line.index_at(when)
        if index is None:
            if self._is_cut(line):
                raise _cut_off(f"what was in effect at {when.isoformat()}", line)
            return None
        found = line.ids[index]
        return commits(self.git, [found])[found].effective(line.time(index))

    def read_ahead(self, when: datetime, ref: str | None = None) -> None:
        """Read a line for `commit_at`, and while git walks along it the entries that are probably in effect: the newest.

        They are read only if their commit had been made by then; it may still turn out not to have taken effect.
        """
        tip = self.commit(ref)
        if tip.id in self._lines:
            return
        with self._lines.reading(tip.id):
            if tip.committed <= when:
                self.entries(tip.id)

    def number(self, commit: str) -> tuple[int, int]:
        """How many commits its own line has up to it, which orders two of a line; and when it was committed, in seconds.

        Raises:
            UsageError: EK803, the clone is shallow and does not hold all of them.
        """
        line = self._lines.line(self._id(commit))
        if self._is_cut(line):
            raise UsageError(_shallow(f"the commits that led to {commit[:12]}"))
        return len(line.ids), line.committed[-1]

    def on_line(self, commit: str, ref: str | None = None) -> CommitInfo | None:
        """A commit with the time at which it took effect on the main line, or on that which ends with `ref`.

        None if it is not on the line itself.

        Raises:
            UsageError: as `commit`.
        """
        line = self._lines.line(self._id(ref))
        found = self._id(commit)
        if found not in line.ids:
            return None
        return commits(self.git, [found])[found].effective(line.time(line.ids.index(found)))

    def entries(self, commit: str) -> dict[tuple[str, int], bytes]:
        """The entry files of a commit, by name and version."""
        tip = self._id(commit)
        if tip not in self._entries:
            listed = listing(self.git, tip, [ENTRIES])
            wanted = {entry: blob.id for blob in listed if (entry := entry_of(blob.path))}
            contents = blobs(self.git, wanted.values())
            self._entries[tip] = {entry: contents[blob] for entry, blob in wanted.items()}
        return self._entries[tip]

    def files(self, commit: str, under: Sequence[str] = ("evalkit.yaml", "registry")) -> dict[str, bytes]:
        """The files of a commit that a bundle is made of, by path relative to the project, for `compile_registry`.

        Args:
            commit: a ref.
            under: only what lies at or below these paths.
        """
        from evalkit.runtime.compile import PATHS  # few of those who ask history need a compiler

        listed = listing(self.git, self._id(commit), under) if under else []
        wanted = {blob.path: blob.id for blob in listed if PATHS.fullmatch(blob.path)}
        contents = blobs(self.git, wanted.values())
        return {path: contents[blob] for path, blob in wanted.items()}

    def read(self, commit: str, path: str) -> bytes | None:
        """A file of a commit, by its path relative to the project; None if it is not there, or no plain file."""
        if not is_inside(path):
            return None
        found = [
            blob for blob in listing(self.git, self._id(commit), [path], recursive=False) if blob.path == path
        ]
        return blobs(self.git, [found[0].id])[found[0].id] if found else None

    def merge_base(self, one: str, other: str) -> str | None:
        """The commit from which two refs went apart; None if they have none in common.

        Raises:
            UsageError: EK803, the clone is shallow and does not reach back to it; EK804.
        """
        done = self.git.attempt("merge-base", self._id(one), self._id(other))
        found = done.stdout.decode().strip()
        if not found and self._is_shallow:
            raise UsageError(_shallow(f"where {one[:100]} and {other[:100]} went apart"))
        return found or None

    def changed(
        self, base: str, head: str | None = None, under: Sequence[str] = PROJECT
    ) -> tuple[FileChange, ...]:
        """The files that differ between two commits, or with `head` None between one and the work tree, by path.

        Args:
            base: a ref.
            head: a ref; None for what lies on disk, files that git does not ignore among it.
            under: files and directories, relative to the project.

        Raises:
            UsageError: EK804, EK805.
        """
        if head is None:
            return disk_changes(self.git, self.root, self._prefix, self._id(base), under)
        found = changes_of(self.git, self._id(base), self._id(head), under, self._prefix)
        contents = blobs(
            self.git, [blob for change in found for blob in (change.before, change.after) if blob]
        )
        return tuple(
            FileChange(
                c.path, contents[c.before] if c.before else None, contents[c.after] if c.after else None
            )
            for c in sorted(found, key=lambda change: change.path)
        )

    def _id(self, ref: str | None) -> str:
        if ref is not None and ref in self._lines:
            return ref  # an id that was found before
        return place.commit_named(self.git, self.main_ref() if ref is None else ref)

    def _changes_of(self, name: str, tip: str) -> Changes:
        """The changes of a name on the line that ends with `tip`."""
        folder = f"{ENTRIES}/{name}"
        touched = changes_along(self.git, self._lines.moves(tip, [folder])[0], folder)
        return by_name(touched).get(name, {})

    def _is_cut(self, line: Line) -> bool:
        return self._is_shallow and line.ids[0] in place.shallow_commits(self.git)


def _cut_off(what: str, line: Line) -> UsageError:
    return UsageError(
        _shallow(f"{what}: its oldest commit is {line.ids[0][:12]}, of {line.time(0):%Y-%m-%d %H:%M} UTC")
    )


def _shallow(what: str) -> Problem:
    hint = "run `git fetch --unshallow`; in GitHub Actions, give actions/checkout `fetch-depth: 0`"
    return Problem("EK803", f"this clone is shallow and does not hold {what}", hint=hint)
