"""Files that are always whole: written beside their place and moved there, by one process at a time.

A reader sees the old bytes or the new ones, whenever the writer is killed. Whoever reads, changes and writes a file
does all of it under the file's lock, so that two processes lose nothing.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import stat
import sys
from typing import TYPE_CHECKING

from evalkit.errors import Location, Problem, WriteBackError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["locked", "write_bytes"]

_TOKEN_BYTES = 8


def write_bytes(path: Path, data: bytes, *, display: str | None = None) -> None:
    """Write a file: at any moment it is the old or the new one whole, and after a return the new one, even in a crash.

    Keeps the permissions of the file that is there. Refuses what is not a plain, writable file: a symbolic link is
    neither followed nor replaced. The directory exists. Raises `WriteBackError` (EK601) with the file untouched;
    `display` names it in the message. A file that several processes change is written under `locked` only.
    """
    shown = display or str(path)
    temporary = path.with_name(f".{path.name}.{os.urandom(_TOKEN_BYTES).hex()}.tmp")
    try:
        mode = _permissions(path, shown)
        try:
            with temporary.open("xb") as file:
                if mode is not None:
                    temporary.chmod(mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except OSError as error:
        raise _refusal(f"cannot be written: {error.strerror}", shown) from error


@contextlib.contextmanager
def locked(path: Path, lock_dir: Path) -> Iterator[None]:
    """Hold a file's lock, waiting for whoever holds it. The file itself need not exist.

    All processes that change the file name the same `lock_dir`, which is created if missing. Not re-entrant: a second
    `locked` on the same file in the same thread waits for ever. A process that dies lets go. Raises `WriteBackError`
    (EK601) if there can be no lock.
    """
    identity = os.path.normcase(path.resolve())
    name = f"{path.name[:80]}-{hashlib.sha256(os.fsencode(identity)).hexdigest()[:16]}.lock"
    with contextlib.ExitStack() as stack:
        try:
            lock_dir.mkdir(parents=True, exist_ok=True)
            # The lock file stays for ever: were it removed, one process could hold the old file and one the new.
            handle = stack.enter_context((lock_dir / name).open("ab"))
            _acquire(handle.fileno())
            _HELD.add(handle.fileno())
            stack.callback(_HELD.discard, handle.fileno())
            stack.callback(_release, handle.fileno())
            _remove_leftovers(path)
        except OSError as error:
            raise _refusal(f"cannot be locked: {error.strerror}", str(lock_dir / name)) from error
        yield


_HELD: set[int] = set()
"""The handles that hold a lock now."""


def _let_go_in_child() -> None:
    """A lock belongs to the parent; a child that keeps its copy open would hold it for ever, once the parent is gone.

    The handle is pointed elsewhere, not closed: whoever opened it will close its number.
    """
    if _HELD:
        nothing = os.open(os.devnull, os.O_RDONLY)
        for handle in _HELD:
            os.dup2(nothing, handle, inheritable=False)
        os.close(nothing)
        _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)


def _permissions(path: Path, shown: str) -> int | None:
    """Of the file that is there; None if there is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        raise _refusal(
            "it is a symbolic link", shown, "put the file itself here, or name the one it points to"
        )
    if not stat.S_ISREG(found.st_mode):
        raise _refusal("it is not a file", shown)
    if not found.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise _refusal("it is read-only", shown, "give yourself permission to write to it")
    return stat.S_IMODE(found.st_mode)


def _refusal(message: str, shown: str, hint: str | None = None) -> WriteBackError:
    return WriteBackError(Problem("EK601", f"{message}; nothing was written", Location(shown), hint))


def _remove_leftovers(path: Path) -> None:
    """What a killed writer left beside the file. Under the lock there is no other writer."""
    for leftover in path.parent.glob(glob.escape(f".{path.name}.") + "[0-9a-f]" * 2 * _TOKEN_BYTES + ".tmp"):
        leftover.unlink(missing_ok=True)


if sys.platform == "win32":

    def _acquire(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        while True:
            with contextlib.suppress(OSError):  # it gives up after ten seconds: the holder may take longer
                return msvcrt.locking(handle, msvcrt.LK_LOCK, 1)

    def _release(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

    def _sync_directory(path: Path) -> None:
        """A directory cannot be synchronised here; the move itself is journaled."""

else:

    def _acquire(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)

    def _release(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)

    def _sync_directory(path: Path) -> None:
        """So that the move, too, survives a power cut."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
