"""Where bundles come from: the port of every adapter. For type checkers; nothing imports it when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from evalkit.runtime.sources.fetched import Fetched

__all__ = ["BundleSource", "Stop"]


class BundleSource(Protocol):
    """A place that a bundle is read from.

    `fetch` is called by one thread at a time, but not always by the same one, and in a forked child by another
    process: an adapter keeps no connection open between two calls.
    """

    @property
    def display(self) -> str:
        """As shown in provenance and messages: no secret is in it."""
        ...

    @property
    def identity(self) -> str:
        """What tells it from every other source on this machine, made absolute; may hold secrets, so never shown."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine: a start waits for it, since it answers at once or is broken."""
        ...

    @property
    def interval_s(self) -> float | None:
        """How often to look for a change, in seconds; None for what never changes while a process lives."""
        ...

    def prepare(self) -> None:
        """Import what `fetch` and `wait` need; called once before them, by the thread that will call them."""
        ...

    def fetch(self, known: str | None, timeout_s: float) -> Fetched | None:
        """The bundle, or None if it has not changed since the state tagged `known`.

        Args:
            known: the tag of the last `Fetched`; None asks for the bundle in any case.
            timeout_s: how long the whole answer may take, however slowly it trickles in.

        Raises:
            SourceError: it cannot be reached, or does not answer in time.
            BundleError: what it answers is not a whole, valid bundle.
            ConfigError: a registry directory or commit has mistakes.
        """
        ...

    def wait(self, seconds: float, stop: Stop) -> None:
        """Return when something may have changed, after `seconds` at the latest, or as soon as `stop` is set."""
        ...


class Stop(Protocol):
    """The part of `threading.Event` that a waiting source needs."""

    def is_set(self) -> bool:
        """Whether to return at once."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until it is set, or for `timeout` seconds."""
        ...
