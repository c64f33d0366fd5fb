"""Carry out plans: all of their files or none, and only on the tree that they were made from."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from evalkit.errors import Location, Problem, WriteBackError
from evalkit.promote.plan import digest_of
from evalkit.runtime import atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from evalkit.promote.plan import FileChange, Plan

__all__ = ["apply_plans"]


def apply_plans(root: Path, plans: Sequence[Plan], *, lock_dir: Path) -> list[str]:
    """Write what the plans change. Returns the paths that were written, in the project; none if all was so already.

    Every file that a plan was made from must be as it was then, or as one of these plans leaves it: so a plan that is
    carried out twice, or was interrupted half way, ends in the same tree. If a write fails, what was written before
    is put back.

    Raises:
        WriteBackError: EK818, the tree changed since, or two plans want different things of one file; or EK601, a
            file cannot be written. Nothing is changed.
    """
    changes = _merged(plans)
    with contextlib.ExitStack() as stack:
        for path in sorted(changes):
            stack.enter_context(atomic.locked(root / path, lock_dir))
        current = {
            path: _read(root / path) for path in {*changes, *(p for plan in plans for p in plan.basis)}
        }
        _refuse_drift(plans, changes, current)
        pending = [change for path, change in sorted(changes.items()) if current[path] != change.after]
        with _put_back_on_failure(root) as done:
            for change in pending:
                done.append((change.path, current[change.path]))
                _write(root / change.path, change.after, change.path)
    return [change.path for change in pending]


def _merged(plans: Sequence[Plan]) -> dict[str, FileChange]:
    merged: dict[str, FileChange] = {}
    for plan in plans:
        for change in plan.changes:
            known = merged.setdefault(change.path, change)
            if known.after != change.after:
                message = "two plans change this file in different ways; nothing was written"
                hint = "carry out one of them, then plan again"
                raise WriteBackError(Problem("EK818", message, Location(change.path), hint))
    return merged


def _refuse_drift(
    plans: Sequence[Plan], changes: dict[str, FileChange], current: dict[str, bytes | None]
) -> None:
    problems: dict[str, Problem] = {}
    for plan in plans:
        for path, expected in plan.basis.items():
            allowed = {expected} | ({digest_of(changes[path].after)} if path in changes else set())
            if digest_of(current[path]) not in allowed:
                message = "changed since the plan was made; nothing was written"
                problems[path] = Problem("EK818", message, Location(path), "plan again")
    if problems:
        raise WriteBackError(problems.values())


@contextlib.contextmanager
def _put_back_on_failure(root: Path) -> Iterator[list[tuple[str, bytes | None]]]:
    done: list[tuple[str, bytes | None]] = []
    try:
        yield done
    except BaseException:
        for path, before in reversed(done):
            with contextlib.suppress(OSError, WriteBackError):  # the first failure is the one to tell
                if _read(root / path) != before:
                    _write(root / path, before, path)
        raise


def _write(path: Path, content: bytes | None, display: str) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, content, display=display)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
