"""The one thing that an application imports: `Registry.open()`, then `registry.resolve(name, env=…)`."""

from __future__ import annotations

import os
import time
import weakref

from evalkit.errors import EvalkitError, Problem, SourceError
from evalkit.runtime.holder import Change, Holder
from evalkit.runtime.last_good import LastGood, default_cache_dir, describe
from evalkit.runtime.refresher import Refresher
from evalkit.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from evalkit.runtime.resolved import ResolvedConfig, Variant
    from evalkit.runtime.snapshot import Snapshot
    from evalkit.runtime.sources.base import BundleSource

__all__ = ["Registry", "Status"]

VARIABLE = "EVALKIT_REGISTRY"
DEFAULT_SOURCE = "registry"

GRACE_S = 0.05
"""How long a start waits for a source elsewhere when there is a set to start from without it."""


class Status(Value):
    """How a registry is, for a health check."""

    source: str
    digest: str
    """Of the set that serves."""
    commit: str | None
    """What the set was made of."""
    age: float
    """Seconds since the source last said that it is the current one."""
    stale: bool
    reason: str | None
    """Why it is stale."""
    attempts: int
    """How often the source was asked."""
    failures: int
    """How often it gave nothing that can be served."""


class Registry:
    """Configs by name and environment, from one source, kept current in the background.

    `resolve` takes no lock, reads no file and calls nobody: use it for every request. Good for any number of threads,
    for asyncio, and across `fork`.
    """

    def __init__(self, holder: Holder, refresher: Refresher, timeout_s: float) -> None:
        """Use `Registry.open`."""
        self._holder = holder
        self._refresher = refresher
        self._timeout_s = timeout_s
        self._closing = weakref.finalize(self, _end, refresher, holder)

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str] | BundleSource | None = None,
        *,
        refresh_s: float | None = None,
        timeout_s: float = 5.0,
        max_age_s: float | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        fallback: str | os.PathLike[str] | BundleSource | None = None,
    ) -> Self:
        """Open a registry; it is ready to resolve when this returns.

        Args:
            source: a registry directory, a bundle file, `package:myapp/registry.json`, `git:REF`, `git+URL@REF`, or an
                http(s) or s3 URL of a bundle. Left out: the environment variable EVALKIT_REGISTRY, else `./registry`.
            refresh_s: how often to look for a new set, in seconds; 0 never looks again. Left out: what suits the
                source (2 s for files, 30 s for URLs).
            timeout_s: how long one attempt to read the source may take. A start waits that long for a source on this
                machine. For one elsewhere it does so only if there is neither a last good set on this disk nor a
                `fallback`; else it goes on after 50 ms with that, stale, and the source's set follows when it comes:
                a job that must not begin with an older one calls `refresh` first.
            max_age_s: after how long without a confirmation a set is stale. Left out: three intervals and a timeout.
            cache_dir: where the last good set is kept. Left out: EVALKIT_CACHE_DIR, else the user's cache directory.
            fallback: a source on this machine, such as a bundle inside the application's own package, to start from
                when the source is down and there is no last good set, or an older one. It is read at once, whether
                or not it is needed: a mistake in it shows when it is deployed, and not in the outage that it is for.

        Raises:
            SourceError: EK704, EK706, there is no set to start from, or the fallback gives none; EK708, this is no
                source.
            BundleError, ConfigError: what the source has is broken, and there is nothing else to start from.
        """
        for name, seconds in (("refresh_s", refresh_s), ("timeout_s", timeout_s), ("max_age_s", max_age_s)):
            if seconds is not None and (not isinstance(seconds, int | float) or seconds < 0):
                raise TypeError(f"{name} is a number of seconds, at least 0, not {seconds!r}")
        place = _place(source if source is not None else os.environ.get(VARIABLE) or DEFAULT_SOURCE)
        second = None if fallback is None else _place(fallback)
        interval_s = place.interval_s if refresh_s is None else refresh_s or None
        if max_age_s is None and interval_s is not None:
            max_age_s = 3 * interval_s + timeout_s
        last_good = None
        if place.interval_s is not None:
            folder = os.fspath(cache_dir) if cache_dir is not None else default_cache_dir()
            last_good = LastGood(folder, place.identity)
        holder = Holder(place, last_good, max_age_s)
        refresher = Refresher(holder, interval_s, timeout_s)
        refresher.start()
        try:
            _examine(second)
            _start(holder, refresher, last_good, second, timeout_s)
        except BaseException:
            refresher.stop()
            raise
        return cls(holder, refresher, timeout_s)

    def resolve(self, name: str, env: str) -> ResolvedConfig:
        """What serves a name in an environment now: its primary, never a canary.

        Raises:
            UnknownEntry: EK202, there is no such name; EK707, no such environment, or nobody serves it.
        """
        return self._holder.current.resolve(name, env)

    def variants(self, name: str, env: str) -> tuple[Variant, ...]:
        """All that serve a name, with their shares of calls; the primary first. Raises as `resolve` does."""
        return self._holder.current.variants(name, env)

    def snapshot(self) -> Snapshot:
        """The set that serves now, to resolve several names that belong together."""
        return self._holder.current

    @property
    def names(self) -> list[str]:
        """Every entry name, sorted, whether or not somebody serves."""
        return self._holder.current.names

    def on_change(
        self, callback: Callable[[Change], object], *, loop: AbstractEventLoop | None = None
    ) -> Callable[[], None]:
        """Call back after each exchange of the set; returns what takes the callback off again.

        Args:
            callback: it is called in the refreshing thread and should be quick; what it raises is logged.
            loop: call it in this running event loop instead.
        """
        if loop is None:
            return self._holder.add_callback(callback)
        return self._holder.add_callback(lambda change: loop.call_soon_threadsafe(callback, change))

    def refresh(self, timeout_s: float | None = None) -> bool:
        """Ask the source now and wait for its answer; returns whether another set serves since.

        In asyncio: `await asyncio.to_thread(registry.refresh)`.

        Raises:
            EvalkitError: it gave nothing that can be served; what served before goes on serving, marked stale.
        """
        before = self._holder.snapshot
        self._holder.attempt(self._timeout_s if timeout_s is None else timeout_s)
        self._holder.keep()
        return self._holder.snapshot is not before

    def status(self) -> Status:
        """How this registry is: what serves, how old that is, and what is wrong."""
        snapshot = self._holder.current
        commit = snapshot.bundle.commit
        problem = snapshot.freshness.problem
        return Status(
            source=snapshot.source,
            digest=snapshot.bundle.digest,
            commit=commit.id if commit else None,
            age=snapshot.freshness.age,
            stale=problem is not None,
            reason=problem,
            attempts=self._holder.attempts,
            failures=self._holder.failures,
        )

    def close(self) -> None:
        """Stop refreshing. What was resolved stays usable, and `resolve` goes on giving the last set."""
        self._closing()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        status = self.status()
        return f"<Registry {status.source} {status.commit[:12] if status.commit else status.digest[:19]}{' stale' if status.stale else ''}>"


def _end(refresher: Refresher, holder: Holder) -> None:
    """When it is closed, when nobody holds it any more, or when the process ends."""
    refresher.stop()
    holder.keep()


def _place(source: str | os.PathLike[str] | BundleSource) -> BundleSource:
    if not isinstance(source, str | os.PathLike):
        if not hasattr(source, "fetch"):
            raise TypeError(f"a source is a text, a path or a BundleSource, not {source!r}")
        return source
    from evalkit.runtime.sources.locate import open_source

    return open_source(source)


def _examine(fallback: BundleSource | None) -> None:
    if fallback is None or not fallback.is_local:
        return  # one elsewhere may be down as well, which is no mistake
    try:
        fallback.fetch(None, GRACE_S)
    except EvalkitError as error:
        said = "the fallback cannot be used:"
        problems = [problem.replace(message=f"{said} {problem.message}") for problem in error.problems]
        raise type(error)(problems) from None


def _start(
    holder: Holder,
    refresher: Refresher,
    last_good: LastGood | None,
    fallback: BundleSource | None,
    timeout_s: float,
) -> None:
    """Return with a set in the holder: the source's, or without it the best one on this machine."""
    began = time.monotonic()
    if refresher.wait_for_first(timeout_s if holder.source.is_local else GRACE_S) and holder.is_ready():
        return
    problems: list[Problem] = []
    _start_without_source(holder, refresher, last_good, fallback, problems)
    if holder.is_ready():
        return
    # The longest that an attempt takes is its timeout; a little more lets it say itself what was wrong.
    if refresher.wait_for_first(timeout_s + 1 - (time.monotonic() - began)) and holder.is_ready():
        return
    error = refresher.first_error
    if error is not None and not problems:
        raise error
    message = f"there is no set to start from: {holder.source.display} does not answer"
    raise SourceError([*(error.problems if error else (Problem("EK706", message),)), *problems])


def _start_without_source(
    holder: Holder,
    refresher: Refresher,
    last_good: LastGood | None,
    fallback: BundleSource | None,
    problems: list[Problem],
) -> None:
    error = refresher.first_error
    why = describe(error) if error else "the source has not answered yet"
    saved = None
    try:
        saved = last_good.load() if last_good else None
    except (EvalkitError, OSError) as damage:
        problems.append(Problem("EK706", f"the last good set cannot be used: {describe(damage)}"))
    spare = None
    try:
        spare = fallback.fetch(None, GRACE_S) if fallback else None
    except EvalkitError as missing:
        problems.append(Problem("EK706", f"the fallback cannot be used: {describe(missing)}"))
    if saved and (spare is None or (saved.bundle.order or (0, 0)) >= (spare.bundle.order or (0, 0))):
        age_s = max(0.0, time.time() - saved.confirmed_at)
        holder.start_from(saved.bundle, f"last good set of {holder.source.display}", saved.tag, age_s, why)
    elif spare and fallback:
        holder.start_from(spare.bundle, fallback.display, None, 0.0, why)
