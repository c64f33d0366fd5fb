"""A bundle source without a disk or a network, for an application's own tests."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from evalkit.errors import Location, Problem, SourceError
from evalkit.runtime.sources.fetched import Fetched

if TYPE_CHECKING:
    from evalkit.runtime.bundle import Bundle
    from evalkit.runtime.sources.base import Stop

__all__ = ["FakeSource"]


class FakeSource:
    """Gives what was published last. `publish` wakes whoever waits for news, so a test need not wait either."""

    def __init__(self, bundle: Bundle | None = None, *, name: str = "fake") -> None:
        """Without a bundle it cannot be reached until one is published."""
        self.display = name
        self.is_local = False
        self.identity = name
        self.interval_s: float | None = 3600.0
        self.fetches = 0
        """How often it was asked."""
        self._bundle = bundle
        self._error: Exception | None = None
        self._open = threading.Event()
        self._open.set()
        self._news = threading.Condition()
        self._generation = self._asked_at = 0

    def publish(self, bundle: Bundle) -> None:
        """From now on, give this."""
        self._change(bundle, None)

    def fail(self, error: Exception) -> None:
        """From now on, raise this."""
        self._change(self._bundle, error)

    def hang(self) -> None:
        """From now on, answer nobody before `go_on`, or before the asker's time is over."""
        self._open.clear()

    def go_on(self) -> None:
        """Answer again."""
        self._open.set()

    def prepare(self) -> None:
        """As `BundleSource.prepare`."""

    def fetch(self, known: str | None, timeout_s: float) -> Fetched | None:
        """What was published last; None if that is `known`.

        Raises:
            SourceError: EK704, nothing was published, or it hangs. Or whatever `fail` was told.
        """
        self.fetches += 1
        self._asked_at = self._generation
        place = Location(self.display)
        if not self._open.wait(timeout_s):
            raise SourceError(Problem("EK704", f"no answer within {timeout_s:g} s", place))
        if self._error is not None:
            raise self._error
        if self._bundle is None:
            raise SourceError(Problem("EK704", "nothing is published", place, "publish a bundle"))
        tag = self._bundle.digest
        return None if tag == known else Fetched(self._bundle, tag)

    def wait(self, seconds: float, stop: Stop) -> None:
        """Until something is published, for `seconds` at the most."""
        with self._news:
            seen = self._asked_at
            for _ in range(max(1, int(seconds * 20))):
                if stop.is_set() or self._generation != seen or self._news.wait(0.05):
                    return

    def _change(self, bundle: Bundle | None, error: Exception | None) -> None:
        self._bundle, self._error = bundle, error
        with self._news:
            self._generation += 1
            self._news.notify_all()
