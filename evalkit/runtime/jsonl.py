"""Call records as lines of JSON, written by many processes into the same growing files.

A file is only ever appended to. Its name follows from the clock and from the names that are there already, so nothing
is renamed when a day or a file ends, no process has to tell another, and a reader can follow a file by byte offset.
A line is one `write` to a descriptor opened with O_APPEND, which POSIX systems do not interleave on a local disk.
"""

from __future__ import annotations

import logging
import os
import re
import time
from json import JSONEncoder
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from evalkit.runtime.call_log import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["JsonlHandler"]

_PERIODS = {"day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H"}
"""How the name of a file tells its period. UTC; sorts by time."""
_STAMPS = {"day": r"\d{4}-\d\d-\d\d", "hour": r"\d{4}-\d\d-\d\dT\d\d"}
_LINE_ENDS = (("\u2028", "\\u2028"), ("\u2029", "\\u2029"), ("\x85", "\\u0085"))
"""Characters that JSON allows in a text and that `str.splitlines` takes for the end of a line."""

_encode = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str).encode


class _File(NamedTuple):
    """The open file. It is replaced as one, so that a fork at any moment leaves the child a whole one."""

    descriptor: int
    path: Path
    period: str
    sequence: int
    identity: tuple[int, int]
    """Device and inode: whether the path still leads to this file."""


class JsonlHandler(logging.Handler):
    """Writes the records of calls to `path`, one line of JSON each; every other record is ignored.

    A record is one of a call if it has `feature` and `registry_version`, as those of `cfg.call()` and of
    `extra=cfg.log_fields(…)` have. The handler can therefore be attached anywhere, the root logger included.

    With `logs/calls.jsonl`, a day's files are `logs/calls-2026-11-24.jsonl`, then `logs/calls-2026-11-24.1.jsonl` when
    the first has reached `max_bytes`, and so on; with `rotate=None` and no `max_bytes` the path as given. Threads,
    processes and forked children may share a path. A full disk, a folder or a file that is gone: reported as logging
    does (`logging.raiseExceptions`), never raised; what was removed is made again with the next record.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rotate: Literal["day", "hour"] | None = "day",
        max_bytes: int | None = None,
        keep: int | None = None,
        fields: Iterable[str] = (),
    ) -> None:
        """Nothing is opened before the first record.

        Args:
            path: the name that the names of the files are made of.
            rotate: whether a new file begins with each day or hour (UTC).
            max_bytes: a file that has reached it gets no further line; it may end up longer by one line for each
                process that writes.
            keep: how many files stay; older ones are deleted when a new one begins. All, by default.
            fields: names of further attributes of a record to write.

        Raises:
            ValueError: an argument is out of its range.
        """
        super().__init__()
        if rotate is not None and rotate not in _PERIODS:
            raise ValueError(f"rotate={rotate!r}: it must be 'day', 'hour' or None")
        for name, value in (("max_bytes", max_bytes), ("keep", keep)):
            if value is not None and value < 1:
                raise ValueError(f"{name}={value}: it must be at least 1, or None for no limit")
        absolute = Path(path).absolute()  # a later change of directory changes nothing
        self._folder, self._stem, self._suffix = absolute.parent, absolute.stem, absolute.suffix
        self._rotate = rotate
        self._max_bytes = max_bytes
        self._keep = keep
        self._names = tuple(dict.fromkeys((*FIELDS, *fields)))
        stamp = f"-(?P<period>{_STAMPS[rotate]})" if rotate else "(?P<period>)"
        self._pattern = re.compile(
            rf"{re.escape(self._stem)}{stamp}(?:\.(?P<sequence>[1-9]\d*))?{re.escape(self._suffix)}", re.ASCII
        )
        self._file: _File | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record, if it is one of a call."""
        attributes = record.__dict__
        if "feature" not in attributes or "registry_version" not in attributes:
            return
        try:
            line = self._line(attributes)
            file, size, is_new = self._current()
            if _is_cut(file, size):
                line = b"\n" + line
            _write(file, line)
            if is_new and self._keep is not None:
                self._delete_old(file, self._keep)
        except Exception:  # noqa: BLE001 - a request must not fail for its record
            self.handleError(record)

    def close(self) -> None:
        """Close the file. A later record opens it again."""
        self.acquire()
        try:
            file, self._file = self._file, None
            if file is not None:
                os.close(file.descriptor)
        finally:
            self.release()
        super().close()

    def _line(self, attributes: dict[str, Any]) -> bytes:
        members = (
            f"{_encode(name)}:{text}"
            for name in self._names
            if name in attributes and (text := _json(attributes[name])) is not None
        )
        line = "{" + ",".join(members) + "}\n"
        for character, escape in _LINE_ENDS:
            line = line.replace(character, escape)
        return line.encode("utf-8", "replace")  # half a surrogate pair becomes "?": many readers refuse it

    def _current(self) -> tuple[_File, int, bool]:
        """The file to write to, its size in bytes, and whether it was opened just now."""
        period = time.strftime(_PERIODS[self._rotate], time.gmtime()) if self._rotate else ""
        old = self._file
        if old is not None and old.period == period and (size := _size(old)) is not None:
            if self._max_bytes is None or size < self._max_bytes:
                return old, size, False
            sequence = old.sequence + 1
        else:
            sequence = 0
        new, size = self._open(period, sequence)
        self._file = new
        if old is not None:
            os.close(old.descriptor)
        return new, size, True

    def _open(self, period: str, sequence: int) -> tuple[_File, int]:
        """The newest file of the period, at least the one with this number; the next one if that is full."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._max_bytes is not None:
            sequence = max([sequence, *(there for at, there, _ in self._files() if at == period)])
            try:
                full = self._path(period, sequence).stat().st_size >= self._max_bytes
            except FileNotFoundError:
                full = False
            sequence += full
        path = self._path(period, sequence)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        there = os.fstat(descriptor)
        return _File(descriptor, path, period, sequence, (there.st_dev, there.st_ino)), there.st_size

    def _path(self, period: str, sequence: int) -> Path:
        stamp = f"-{period}" if period else ""
        number = f".{sequence}" if sequence else ""
        return self._folder / f"{self._stem}{stamp}{number}{self._suffix}"

    def _files(self) -> list[tuple[str, int, Path]]:
        """Period, number and path of every file of this handler, oldest first."""
        return sorted(
            (match["period"], int(match["sequence"] or 0), path)
            for path in self._folder.iterdir()
            if (match := self._pattern.fullmatch(path.name))
        )

    def _delete_old(self, current: _File, keep: int) -> None:
        """Files that seem to be of the future stay, and do not count: some clock was wrong."""
        older = [
            path
            for period, sequence, path in self._files()
            if (period, sequence) < (current.period, current.sequence)
        ]
        for path in older[: max(0, len(older) - (keep - 1))]:
            path.unlink(missing_ok=True)  # another process may have been faster


def _is_cut(file: _File, size: int) -> bool:
    """Whether the file ends inside a line: a process died, or a disk was full.

    A line that another process is just writing looks the same for a moment. Taking it for a cut one would cost an empty
    line and nothing else, so the second look is enough.
    """
    for _ in range(2):
        if size == 0 or os.pread(file.descriptor, 1, size - 1) == b"\n":
            return False
        size = os.fstat(file.descriptor).st_size
    return True


def _write(file: _File, line: bytes) -> None:
    """One write, or an OSError. The rest of a line is never sent after it: it could end up behind another process's."""
    written = os.write(file.descriptor, line)
    if written < len(line):
        raise OSError(f"{file.path}: only {written} of the {len(line)} bytes of a record were written")


def _size(file: _File) -> int | None:
    """Bytes in the file; None if its path leads elsewhere or nowhere by now."""
    try:
        there = file.path.stat()
    except OSError:
        return None
    return there.st_size if (there.st_dev, there.st_ino) == file.identity else None


def _json(value: Any) -> str | None:
    """The value as JSON; as a text if JSON has no way to say it; None (left out) for NaN and what fails altogether."""
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return None
    for as_json in (_encode, _encode_as_text):
        try:
            return as_json(value)
        except Exception:  # noqa: BLE001, S112 - a cycle, NaN further down, an object that fails: the line goes on
            continue
    return None


def _encode_as_text(value: Any) -> str:
    return _encode(str(value))
