"""Wait for a change of files: woken by the operating system where `watchfiles` is installed, else by the clock."""

from __future__ import annotations

import os
import time

from evalkit.runtime.forking import import_now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evalkit.runtime.sources.base import Stop

__all__ = ["wait_for_change"]

_STEP_MS = 250
"""Between two looks at what the system has reported: four a second, and none at the files."""


def wait_for_change(folder: str | Path, seconds: float, stop: Stop, *, file: str | None = None) -> None:
    """Return after a change, after `seconds` at the latest, or when `stop` is set.

    Args:
        folder: everything below it counts; with `file`, only what lies in it.
        seconds: the longest wait.
        stop: ends the wait within a second.
        file: the one name in the folder that counts, and links beside it, since a deployment may switch those.
    """
    import_now("watchfiles")
    try:
        from watchfiles import watch
    except ImportError:
        stop.wait(seconds)
        return
    deadline = time.monotonic() + seconds
    try:
        for changes in watch(
            folder,
            watch_filter=None if file is None else _is_about(file),
            debounce=_STEP_MS,
            step=_STEP_MS,
            stop_event=stop,
            rust_timeout=max(1, min(1000, int(seconds * 1000))),
            yield_on_timeout=True,
            raise_interrupt=False,
            recursive=file is None,
        ):
            if changes or stop.is_set() or time.monotonic() >= deadline:
                return
    except Exception:  # noqa: BLE001 - a folder that is gone, no watches left: the clock does as well
        stop.wait(max(0.0, deadline - time.monotonic()))


def _is_about(file: str) -> Callable[[object, str], bool]:
    return lambda _, path: os.path.basename(path) == file or os.path.islink(path)
