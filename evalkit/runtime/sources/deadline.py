"""An answer within a time, whatever it is that does not come: a name, a connection, a header, the next byte."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

__all__ = ["within"]


def within(timeout_s: float, work: Callable[[threading.Event], T]) -> T:
    """What `work` returns or raises, unless that takes longer than `timeout_s`.

    The timeouts of sockets are of single reads, and looking up a name has none: so the work is done by a thread, which
    is left behind when the time is over. It is handed an event that is set then; work that reads in pieces looks at it
    between two of them and ends.

    Raises:
        TimeoutError: the time is over.
    """
    given_up, finished = threading.Event(), threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work(given_up))
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the thread that waits
            errors.append(error)
        finally:
            finished.set()

    threading.Thread(target=run, name="evalkit-fetch", daemon=True).start()
    if not finished.wait(timeout_s):
        given_up.set()
        raise TimeoutError(f"no whole answer within {timeout_s:g} s")
    if errors:
        raise errors[0]
    return results[0]
