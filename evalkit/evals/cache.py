"""Answers kept on disk: each is written as it arrives, so that a killed run repeats only what was in flight.

Headers and keys are never part of it: a row is the hash of a request, and the answer. The file is a cache and nothing
else. Whatever is wrong with it costs requests, and a warning; it never costs a run.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from evalkit.errors import Location, Problem
from evalkit.evals.case import Answer, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["UNSAVED", "AnswerCache", "cache_key"]

SCHEMA_VERSION = 1
UNSAVED = 16
"""Answers that are gathered at most before they are written."""

_APPLICATION_ID = 0x65766B74  # "evkt": tells our files from other SQLite databases
_KEY_VERSION = 1  # raised when the same request may be put to the provider in another way
_BUSY_TIMEOUT_S = 10.0
_PAGE_BYTES = 1024  # each answer touches one random page of the index: small ones make a fourth of the log
_CHECKPOINT_PAGES = 20_000  # a checkpoint waits for the disk, and every request in flight with it
_ROW_OVERHEAD_BYTES = 160  # the key, its place in the index, the row's header
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

# Made once: json.dumps makes one for every call with such options.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
_COMPACT = json.JSONEncoder(separators=(",", ":"), default=str)

_NOT_KEPT = ("tool_calls", "cached", "cost_usd")  # calls are kept apart; a cost follows from today's prices
_DEFAULTS = {f.name: f.default for f in fields(Answer) if f.name not in _NOT_KEPT}


def cache_key(endpoint: str, body: Mapping[str, Any], repeat: int) -> str:
    """64 hex digits: sha256 over where the request goes, the whole request (in any key order), and the repeat."""
    whole = _CANONICAL.encode([_KEY_VERSION, endpoint, body, repeat])
    return sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()


class AnswerCache:
    """One SQLite file. Any number of processes may use it at once; one object belongs to one thread.

    `put` gathers up to `UNSAVED` answers, `flush` writes them in one transaction: a commit for each would take the
    processor as long as a fifth of its request. Whoever puts sees to it that a flush follows soon.
    A flushed answer survives any kill of the process. (It is not synced to the disk each time: a power cut may lose
    the newest answers, and only those.)
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file. A file that is no answer cache is moved aside, never overwritten."""
        self.path = path
        self.problems: list[Problem] = []
        """Warnings: what went wrong with the file, and what that means for the run."""
        self._connection: sqlite3.Connection | None = None
        self._unsaved: dict[str, str] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._connect()
        except (_Foreign, sqlite3.DatabaseError) as error:
            self._recover(error)
        except OSError as error:
            self._give_up(error.strerror or str(error))

    def close(self) -> None:
        """Write what is unsaved, and close the file."""
        self.flush()
        self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def key(self, endpoint: str, body: Mapping[str, Any], repeat: int) -> str:
        """See `cache_key`."""
        return cache_key(endpoint, body, repeat)

    def get(self, key: str) -> Answer | None:
        """The answer kept under this key, with `cached` set, or None."""
        if self._connection is None:
            return None
        text = self._unsaved.get(key)
        if text is None:
            try:
                row = self._connection.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
            except sqlite3.DatabaseError as error:
                self._recover(error)
                return None
            if row is None:
                return None
            text = row[0]
        try:
            return _read(text)
        except (ValueError, TypeError, LookupError, RecursionError):
            return None  # not ours to read: it is asked again, and overwritten

    def put(self, key: str, answer: Answer) -> int:
        """Keep an answer. Returns how many now wait for a `flush`."""
        if self._connection is None:
            return 0
        self._unsaved[key] = _write(answer)
        if len(self._unsaved) >= UNSAVED:
            self.flush()
        return len(self._unsaved)

    def flush(self) -> None:
        """Write what is unsaved."""
        if not self._unsaved or self._connection is None:
            return
        try:
            with _transaction(self._connection):
                self._connection.executemany(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?)", self._unsaved.items()
                )
        except sqlite3.DatabaseError as error:
            self._recover(error)
        else:
            self._unsaved.clear()

    def count(self) -> int:
        """How many answers are kept."""
        self.flush()
        if self._connection is None:
            return 0
        try:
            rows: int = self._connection.execute("SELECT count(*) FROM answers").fetchone()[0]
        except sqlite3.DatabaseError as error:
            self._recover(error)
            return 0
        return rows

    def evict(self, max_bytes: int) -> int:
        """Remove the oldest answers until the rest takes at most `max_bytes`; how many were removed.

        While another process writes, nothing is removed: the file shrinks another time.
        """
        self.flush()
        if self._connection is None:
            return 0
        try:
            last = self._oldest_too_many(self._connection, max_bytes)
            if last is None:
                return 0
            removed = self._connection.execute("DELETE FROM answers WHERE rowid <= ?", (last,)).rowcount
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                self._recover(error)
            return 0
        return removed

    @staticmethod
    def _oldest_too_many(connection: sqlite3.Connection, max_bytes: int) -> int | None:
        """The newest row that has no room in `max_bytes`, counted from the newest of all."""
        size = 0
        query = "SELECT rowid, length(CAST(answer AS BLOB)) FROM answers ORDER BY rowid DESC"
        with contextlib.closing(connection.execute(query)) as rows:
            for rowid, length in rows:
                size += length + _ROW_OVERHEAD_BYTES
                if size > max_bytes:
                    return int(rowid)
        return None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        try:
            # In this order: where another process has just made the table, it has set its marks too.
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            found = (
                connection.execute("PRAGMA application_id").fetchone()[0],
                connection.execute("PRAGMA user_version").fetchone()[0],
            )
            if tables:
                _refuse_foreign(*found)
            else:
                connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            _use_write_ahead_log(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            if not tables:
                connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def _recover(self, error: Exception) -> None:
        """Move a broken or foreign file aside and begin a new one; where the trouble is another, do without."""
        if not isinstance(error, _Foreign) and getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BROKEN:
            self._give_up(str(error))
            return
        self._disconnect()
        aside = self._move_aside()
        what = str(error) if isinstance(error, _Foreign) else f"damaged ({error})"
        message = f"the answer cache is {what}; it was moved to {aside.name}, and a new one begun"
        hint = "delete that file if you do not need it"
        self.problems.append(Problem("EK508", message, Location(str(self.path)), hint, "warning"))
        try:
            self._connection = self._connect()
        except (_Foreign, sqlite3.DatabaseError) as again:
            self._give_up(str(again))
        else:
            self.flush()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _move_aside(self) -> Path:
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.aside-{number}")).exists():
            number += 1
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                Path(f"{self.path}{suffix}").replace(f"{aside}{suffix}")
        return aside

    def _give_up(self, reason: str) -> None:
        self._disconnect()
        self._unsaved.clear()
        message = f"the answer cache cannot be used ({reason}); this run neither reads nor keeps answers"
        hint = "make the file writable; `--cache off` runs without it and without this warning"
        self.problems.append(Problem("EK509", message, Location(str(self.path)), hint, "warning"))


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.DatabaseError):  # SQLite has ended it by itself after some errors
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


class _Foreign(Exception):
    """A sound database that is not ours."""


def _refuse_foreign(application_id: int, version: int) -> None:
    if application_id != _APPLICATION_ID:
        raise _Foreign("no answer cache")
    if version != SCHEMA_VERSION:
        raise _Foreign("of another version of evalkit")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """SQLite's busy timeout does not hold here: of two processes that switch at once, one is refused immediately."""
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _write(answer: Answer) -> str:
    kept = {name: value for name, default in _DEFAULTS.items() if (value := getattr(answer, name)) != default}
    if not answer.extra:
        kept.pop("extra", None)
    if answer.tool_calls:
        kept["tool_calls"] = [[call.name, call.arguments] for call in answer.tool_calls]
    return _COMPACT.encode(kept)


def _read(text: str) -> Answer:
    kept = json.loads(text)
    calls = tuple(ToolCall(name, arguments) for name, arguments in kept.pop("tool_calls", ()))
    return Answer(**kept, tool_calls=calls, cached=True)
