"""Holds the current set of one source, and exchanges it for the next as a whole.

Everything that changes is in one `_State`, replaced by one assignment: a reader, and a child process forked at any
moment, sees the state before or the state after. Reading takes no lock.
"""

from __future__ import annotations

import threading
import time

from evalkit.errors import BundleError, EvalkitError, Location, Problem, SourceError
from evalkit.runtime.bundle import ENVIRONMENTS
from evalkit.runtime.freshness import Freshness
from evalkit.runtime.last_good import describe
from evalkit.runtime.snapshot import Snapshot
from evalkit.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from evalkit.runtime.bundle import Bundle
    from evalkit.runtime.last_good import LastGood
    from evalkit.runtime.sources.base import BundleSource
    from evalkit.runtime.sources.fetched import Fetched

__all__ = ["Change", "Holder"]


class Change(Value):
    """One set has taken the place of another."""

    before: Snapshot
    after: Snapshot

    @property
    def moved(self) -> tuple[tuple[str, str], ...]:
        """The (name, environment) pairs that another version, other shares, or another content serves than before."""
        old, new = self.before.bundle, self.after.bundle
        return tuple(
            (name, env)
            for name in sorted({*old.names, *new.names})
            for env in ENVIRONMENTS
            if _served(old, name, env) != _served(new, name, env)
        )

    def __str__(self) -> str:
        told = []
        for name, env in self.moved:
            old, new = _served(self.before.bundle, name, env), _served(self.after.bundle, name, env)
            was, now = (f"v{found[0]}" if found else "nobody" for found in (old, new))
            how = f"{was} -> {now}" if was != now else f"{now} changed"
            told.append(f"{name} {how} in {env}")
        return ", ".join(told) or "nothing that serves changed"


def _served(bundle: Bundle, name: str, env: str) -> tuple[Any, ...] | None:
    """The primary, and all that decides what a call gets."""
    found = bundle.document["serving"].get(name, {}).get(env)
    if found is None:
        return None
    canary = found.get("canary")
    versions = [*found["weights"], *([canary["version"]] if canary else ())]
    digests = [bundle.document["entries"][f"{name}@v{version}"]["digest"] for version in versions]
    return found["primary"], found["weights"], canary, digests


class _State(Value):
    snapshot: Snapshot | None = None
    tag: str | None = None
    """What the source called its state when it was last read."""
    refused: Problem | None = None
    """Why what it holds in that state is not served; None if it is."""


class Holder:
    """The current set of one source."""

    def __init__(self, source: BundleSource, last_good: LastGood | None, max_age_s: float | None) -> None:
        self.source = source
        self._last_good = last_good
        self._max_age_s = max_age_s
        self._state = _State()
        self._callbacks: tuple[Callable[[Change], object], ...] = ()
        self._said: str | None = None
        self._unkept: Fetched | None = None
        self.attempts = 0
        """How often the source was asked."""
        self.failures = 0
        """How often it gave nothing that can be served."""
        self.renew_locks()

    def renew_locks(self) -> None:
        """In a forked child: whoever held them is not there any more."""
        # Re-entrant, because a callback may refresh, and the collector may close a registry anywhere.
        self._attempting = threading.RLock()
        self._keeping = threading.RLock()
        self._flipping = threading.Lock()

    @property
    def snapshot(self) -> Snapshot | None:
        """The set that serves; None before the first one."""
        return self._state.snapshot

    def is_ready(self) -> bool:
        """Whether there is a set to serve."""
        return self._state.snapshot is not None

    @property
    def current(self) -> Snapshot:
        """The same, once there is one: a `Registry` is not made before."""
        return self._state.snapshot  # type: ignore[return-value]

    def add_callback(self, callback: Callable[[Change], object]) -> Callable[[], None]:
        """Call it after each exchange, in the thread that made it; returns what takes it off again."""
        with self._flipping:
            self._callbacks = (*self._callbacks, callback)

        def remove() -> None:
            with self._flipping:
                self._callbacks = tuple(item for item in self._callbacks if item is not callback)

        return remove

    def attempt(self, timeout_s: float, closed: Callable[[], bool] = lambda: False) -> None:
        """Ask the source once, and take what it has if that is newer and whole.

        Raises:
            EvalkitError: it gave nothing that can be served; what served before goes on serving, marked stale.
        """
        if not self._attempting.acquire(timeout=timeout_s):
            message = f"another attempt has not ended within {timeout_s:g} s"
            raise SourceError(Problem("EK704", message, Location(self.source.display)))
        try:
            state = self._state
            self.attempts += 1
            try:
                fetched = self.source.fetch(state.tag, timeout_s)
                if closed():
                    return
                if fetched is not None:
                    self._offer(fetched)
                elif state.refused is None:
                    self._confirm()
                else:
                    self._refuse(state.refused)
            except EvalkitError as error:
                self._doubt(error)
                raise
            except Exception as error:
                # An adapter's own mistake must not end the thread, and must not go unseen.
                wrapped = SourceError(Problem("EK704", describe(error), Location(self.source.display)))
                self._doubt(wrapped)
                raise wrapped from error
        finally:
            self._attempting.release()
        self._recovered()

    def start_from(self, bundle: Bundle, source: str, tag: str | None, age_s: float, why: str) -> bool:
        """Serve a set that the source has not confirmed, if there is none yet; returns whether that was so."""
        with self._flipping:
            if self._state.snapshot is not None:
                return False
            freshness = Freshness(time.time() - age_s, problem=why, max_age_s=self._max_age_s, age_s=age_s)
            state = self._state
            # A tag that was refused stays known as refused: the source must say something else first.
            self._state = state.replace(
                snapshot=Snapshot(bundle, source, freshness),
                tag=tag if state.refused is None else state.tag,
            )
        self._say(f"starting from {source}: {why}")
        return True

    def _offer(self, fetched: Fetched) -> None:
        bundle = fetched.bundle
        with self._flipping:
            state = self._state
            current = state.snapshot
            if current is not None and current.bundle.digest == bundle.digest:
                self._state = state.replace(tag=fetched.tag, refused=None)
                same = True
            else:
                refused = self._refusal(bundle, current)
                if refused:
                    self._state = state.replace(tag=fetched.tag, refused=refused)
                    self._refuse(refused)
                freshness = Freshness(time.time(), max_age_s=self._max_age_s)
                after = Snapshot(bundle, self.source.display, freshness)
                for name, env in current.asked if current else ():
                    after.resolve(name, env)  # what is in use stays known, and no request pays for it
                self._state = state.replace(snapshot=after, tag=fetched.tag, refused=None)
                same = False
        if same:
            self._confirm()
            return
        if current is not None:
            current.freshness.doubt("a newer set serves now: resolve again")
        self._unkept = fetched
        if current is not None:
            self.keep()
            self._tell(Change(current, after))

    def _refusal(self, bundle: Bundle, current: Snapshot | None) -> Problem | None:
        """Why an update is not served; None if it may be."""
        known = current.bundle.order if current else self._last_good.order() if self._last_good else None
        place = Location(self.source.display)
        if known is not None and (bundle.order is None or bundle.order < known):
            has = "has no commit" if bundle.order is None else f"is commit {bundle.order[0]}"
            message = f"the update is older than what serves: it {has}, and commit {known[0]} is known"
            hint = (
                "publish the newest commit; after history was rewritten on purpose, remove "
                + (str(self._last_good.path) if self._last_good else "nothing")
                + " and restart"
            )
            return Problem("EK705", message, place, hint)
        lost = [
            f"{name} in {env}"
            for name, env in (current.asked if current else ())
            if bundle.document["serving"].get(name, {}).get(env) is None
        ]
        if lost:
            message = f"the update leaves nobody to serve what this process uses: {', '.join(lost)}"
            return Problem("EK705", message, place, "promote an entry, or stop resolving it and restart")
        return None

    def _refuse(self, problem: Problem) -> NoReturn:
        raise BundleError(problem)

    def _confirm(self) -> None:
        snapshot = self._state.snapshot
        if snapshot is not None:
            snapshot.freshness.confirm(time.time())
            if self._last_good:
                self._last_good.touch()

    def _doubt(self, error: EvalkitError) -> None:
        reason = describe(error, at=self.source.display)
        self.failures += 1
        snapshot = self._state.snapshot
        if snapshot is not None:
            snapshot.freshness.doubt(reason)
            hint = error.problems[0].hint
            self._say(f"still serving the last good set: {reason}" + (f" (help: {hint})" if hint else ""))

    def keep(self) -> None:
        """Put the set that was taken last on disk, unless that is done."""
        with self._keeping:
            fetched = self._unkept
            if self._last_good is None or fetched is None:
                return
            try:
                self._last_good.save(fetched.bundle, fetched.tag)
            except (OSError, EvalkitError) as error:
                _log().warning("evalkit: the last good set cannot be kept on disk: %s", describe(error))
            if self._unkept is fetched:
                self._unkept = None

    def _tell(self, change: Change) -> None:
        commit = change.after.bundle.commit
        what = f" (commit {commit.id[:12]})" if commit else ""
        _log().info("evalkit: %s: new set%s: %s", self.source.display, what, change)
        for callback in self._callbacks:
            try:
                callback(change)
            except KeyboardInterrupt:
                raise
            except BaseException:  # noqa: BLE001 - not even SystemExit of the application may end the refreshing
                _log().exception("evalkit: an on_change callback failed")

    def _say(self, message: str) -> None:
        """Warn, once for each thing that is wrong: it is tried again all the time."""
        if message != self._said:
            self._said = message
            _log().warning("evalkit: %s: %s", self.source.display, message)

    def _recovered(self) -> None:
        if self._said is not None:
            self._said = None
            _log().info("evalkit: %s: current again", self.source.display)


def _log() -> Any:
    import logging

    return logging.getLogger("evalkit.registry")
