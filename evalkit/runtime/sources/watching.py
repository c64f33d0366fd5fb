"""Wait for a change of files: woken by the operating system where `watchfiles` is installed, else by the clock."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalkit.runtime.sources.base import Stop

__all__ = ["wait_for_change"]

_STOP_CHECK_MS = 500


def wait_for_change(folders: Sequence[str | Path], seconds: float, stop: Stop) -> None:
    """Return after a change below one of the folders, after `seconds` at the latest, or when `stop` is set."""
    try:
        from watchfiles import watch
    except ImportError:
        stop.wait(seconds)
        return
    try:
        deadline = time.monotonic() + seconds
        for changes in watch(
            *folders,
            watch_filter=None,
            debounce=50,
            step=20,
            stop_event=stop,
            rust_timeout=min(_STOP_CHECK_MS, max(1, int(seconds * 1000))),
            yield_on_timeout=True,
            raise_interrupt=False,
            recursive=True,
        ):
            if changes or stop.is_set() or time.monotonic() >= deadline:
                return
    except Exception:  # noqa: BLE001 - a folder that is gone, no watches left: the clock does as well
        stop.wait(seconds)
