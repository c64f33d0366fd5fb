"""The last good set on disk: what a process starts from when its source is down, or has turned bad.

One file for each source in a cache directory: a line about it, then the bundle. It is a copy, so losing it, or finding
it damaged, costs nothing but the start without a source.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os

from evalkit.errors import EvalkitError
from evalkit.runtime.bundle import read_bundle
from evalkit.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evalkit.runtime.bundle import Bundle

__all__ = ["LastGood", "Saved", "default_cache_dir"]

_KIND = "evalkit.last-good/1"
_MAX_HEADER = 64 * 1024


class Saved(Value):
    """What was found on disk."""

    bundle: Bundle
    tag: str | None
    confirmed_at: float
    """When the source last said that this is the current set, by the wall clock of that time."""


def default_cache_dir() -> str:
    """`EVALKIT_CACHE_DIR`, else `evalkit` in the user's cache directory."""
    chosen = os.environ.get("EVALKIT_CACHE_DIR")
    if chosen:
        return chosen
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.cache"
    return os.path.join(os.path.expanduser(base), "evalkit")


class LastGood:
    """The place of one source's last good set."""

    def __init__(self, folder: str, identity: str) -> None:
        """`identity` tells sources apart; only its hash becomes part of a file name."""
        name = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self.path = os.path.join(folder, f"{name}.bundle")

    def load(self) -> Saved | None:
        """What is there; None if nothing is.

        Raises:
            EvalkitError: BundleError, it is damaged.
            OSError: it cannot be read.
        """
        try:
            with open(self.path, "rb") as file:
                header = _header(file.readline(_MAX_HEADER))
                content = file.read()
                confirmed_at = os.fstat(file.fileno()).st_mtime
        except FileNotFoundError:
            return None
        if header is None or _checksum(header, content) != header.get("sha256"):
            header = {}  # cut or damaged: reading it as a bundle says how, and its tag is not to be trusted
        bundle = read_bundle(content, f"the last good set ({self.path})")
        tag = header.get("tag")
        return Saved(bundle, tag if isinstance(tag, str) else None, confirmed_at)

    def order(self) -> tuple[int, int] | None:
        """Of the whole set that is there, without taking it apart; None if none is, or it has no order."""
        try:
            with open(self.path, "rb") as file:
                header = _header(file.readline(_MAX_HEADER))
                content = file.read()
        except OSError:
            return None
        order = header.get("order") if header else None
        good = isinstance(order, list) and len(order) == 2 and all(type(item) is int for item in order)
        if header is None or not good or not order or _checksum(header, content) != header.get("sha256"):
            return None
        return order[0], order[1]

    def save(self, bundle: Bundle, tag: str | None) -> None:
        """Keep a set, unless another process has kept a newer one meanwhile.

        Raises:
            OSError, EvalkitError: it cannot be written; what was there is as it was.
        """
        from pathlib import Path

        from evalkit.runtime.atomic import locked, write_bytes

        content = bundle.encode()
        header: dict[str, Any] = {"kind": _KIND, "order": bundle.order, "tag": tag}
        header["sha256"] = _checksum(header, content)
        path = Path(self.path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(path, path.parent):
            there = self.order()
            if there is None or bundle.order is None or bundle.order >= there:
                write_bytes(path, json.dumps(header).encode() + b"\n" + content)

    def touch(self) -> None:
        """The source has confirmed the set that is there."""
        with contextlib.suppress(OSError):  # it was removed: then there is nothing to be confirmed
            os.utime(self.path)


def _checksum(header: dict[str, Any], content: bytes) -> str:
    """Over the bundle and what the header says of it."""
    said = json.dumps([header.get("order"), header.get("tag")]).encode()
    return hashlib.sha256(said + b"\n" + content).hexdigest()


def _header(line: bytes) -> dict[str, Any] | None:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return header if isinstance(header, dict) and header.get("kind") == _KIND else None


def describe(error: Exception, *, at: str | None = None) -> str:
    """An error in one line, for a log or a reason; a place that is `at` goes without saying."""
    if isinstance(error, EvalkitError):
        first = error.problems[0]
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        where = f"{first.location}: " if first.location and str(first.location) != at else ""
        return f"{where}{first.code} {first.message}{more}"
    return f"{type(error).__name__}: {error}"
