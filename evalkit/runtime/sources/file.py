"""A bundle file on this machine's disk."""

from __future__ import annotations

import os

from evalkit.errors import Location, Problem, SourceError
from evalkit.runtime.bundle import read_bundle
from evalkit.runtime.sources.fetched import Fetched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evalkit.runtime.sources.base import Stop

__all__ = ["INTERVAL_S", "FileSource", "similar", "stamp", "unreadable"]

INTERVAL_S = 2.0


class FileSource:
    """A bundle file. Replace it as a whole (write beside it, then rename): a torn one is refused."""

    is_local = True
    interval_s: float | None = INTERVAL_S

    def __init__(self, path: str) -> None:
        self.display = path
        self.identity = os.path.abspath(path)

    def prepare(self) -> None:
        """As `BundleSource.prepare`."""

    def fetch(self, known: str | None, timeout_s: float) -> Fetched | None:
        """As `BundleSource.fetch`."""
        del timeout_s  # a local disk answers at once
        try:
            with open(self.identity, "rb") as file:
                tag = stamp(os.fstat(file.fileno()))
                if tag == known:
                    return None
                data = file.read()
        except OSError as error:
            raise unreadable(self.display, error) from None
        return Fetched(read_bundle(data, self.display), tag)

    def wait(self, seconds: float, stop: Stop) -> None:
        """As `BundleSource.wait`."""
        from evalkit.runtime.sources.watching import wait_for_change

        folder, name = os.path.split(self.identity)
        wait_for_change(folder, seconds, stop, file=name)


def stamp(status: os.stat_result) -> str:
    """What changes when a file does."""
    return f"{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_size}-{status.st_ino}-{status.st_dev}"


def unreadable(display: str, error: OSError) -> SourceError:
    """The system's refusal to read a source."""
    message = f"{os.path.abspath(display)} cannot be read: {error.strerror or error}"
    hint = "check that it exists and may be read"
    if isinstance(error, FileNotFoundError) and (guess := similar(display)):
        hint = f"did you mean {guess}?"
    return SourceError(Problem("EK704", message, Location(display), hint))


def similar(path: str) -> str | None:
    """A path that exists and is spelt almost like one that does not; None if there is none."""
    import difflib

    folder, name = os.path.split(os.path.abspath(path))
    below: list[str] = []
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        below.insert(0, name)
        folder, name = os.path.split(folder)
    try:
        beside = os.listdir(folder)
    except OSError:
        return None
    found = (os.path.join(folder, one, *below) for one in difflib.get_close_matches(name, beside))
    return next(filter(os.path.exists, found), None)
