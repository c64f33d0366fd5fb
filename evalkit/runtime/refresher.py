"""The thread that keeps a holder's set current. It sleeps; it lives on in forked children; it ends with its registry."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref

from evalkit.errors import EvalkitError
from evalkit.runtime.forking import import_now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evalkit.runtime.holder import Holder

__all__ = ["Refresher"]

_BREATH_S = 0.1
_JITTER = 0.1
"""Of the interval, either way: a fleet that was started at once does not ask at once for ever."""


class Refresher:
    """Asks at once, then at each interval, in a thread of its own."""

    def __init__(self, holder: Holder, interval_s: float | None, timeout_s: float) -> None:
        """`interval_s` None: ask once, and let the thread end."""
        self._holder = holder
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._stop = _Stop()
        self._first = threading.Event()
        self.first_error: EvalkitError | None = None
        """Why the first attempt did not succeed."""
        _LIVING.add(self)

    def start(self) -> None:
        """Begin, with an attempt at once."""
        threading.Thread(target=self._run, args=(self._stop,), name="evalkit-refresh", daemon=True).start()

    def wait_for_first(self, timeout_s: float) -> bool:
        """Whether the first attempt has ended, one way or the other, within so many seconds."""
        return self._first.wait(max(0.0, timeout_s))

    def stop(self) -> None:
        """End; a request that is under way is not waited for."""
        self._stop.set()
        _LIVING.discard(self)

    def _run(self, stop: _Stop, *, at_once: bool = True, in_child: bool = False) -> None:
        if in_child:
            # What other modules do after a fork comes after what we do: until then their locks are the parent's.
            stop.wait(_BREATH_S)
        with contextlib.suppress(
            Exception
        ):  # an adapter's own mistake must not end the thread; it will show itself
            self._holder.source.prepare()
        if at_once:
            try:
                self._holder.attempt(self._timeout_s, stop.is_set)
            except EvalkitError as error:
                self.first_error = error
            finally:
                self._first.set()
            # The application is starting: the disk can wait until it has what it needs.
            stop.wait(_BREATH_S)
            import_now("pathlib", "evalkit.runtime.atomic")
            self._holder.keep()
        if self._interval_s is None:
            return
        while not stop.is_set():
            seconds = self._jittered(self._interval_s)
            try:
                self._holder.source.wait(seconds, stop)
            except Exception:  # noqa: BLE001 - an adapter's own mistake must not end the thread
                stop.wait(seconds)
            if not stop.is_set():
                with contextlib.suppress(EvalkitError):  # said and marked by the holder; the next may succeed
                    self._holder.attempt(self._timeout_s, stop.is_set)
                    self._holder.keep()

    @staticmethod
    def _jittered(seconds: float) -> float:
        return seconds * (1 - _JITTER + 2 * _JITTER * int.from_bytes(os.urandom(4)) / 2**32)

    def _continue_in_child(self) -> None:
        """After a fork: threads stay behind in the parent, and their locks with them."""
        if self._stop.is_set():
            return
        self._holder.renew_locks()
        asked = self._first.is_set()
        self._stop, self._first = _Stop(), threading.Event()
        if asked:
            self._first.set()
        if self._interval_s is not None or not asked:
            threading.Thread(
                target=self._run,
                args=(self._stop,),
                kwargs={"at_once": not asked, "in_child": True},
                name="evalkit-refresh",
                daemon=True,
            ).start()


class _Stop:
    """What ends the thread. It may be set anywhere: by the collector, too, in the middle of this thread's `wait`.

    A `threading.Event` may not: it holds a lock of its own meanwhile.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._until = threading.Lock()
        self._until.acquire()

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        with contextlib.suppress(RuntimeError):  # it was set before
            self._until.release()

    def wait(self, timeout: float | None = None) -> bool:
        if not self._is_set and self._until.acquire(timeout=-1 if timeout is None else timeout):
            self.set()  # for the next one who waits
        return self._is_set


_LIVING: weakref.WeakSet[Refresher] = weakref.WeakSet()


def _continue_all() -> None:
    for refresher in list(_LIVING):
        refresher._continue_in_child()  # noqa: SLF001 - one module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_continue_all)
