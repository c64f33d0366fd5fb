"""A process that forks while a thread imports leaves its child with modules that nobody will finish.

The child has no such thread, but the lock of the half-imported module is still held: the child's own import of it would
wait for ever. So what a refreshing thread imports, it imports under one lock, and a fork waits for that.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading

__all__ = ["import_now"]

_importing = threading.Lock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_importing.acquire, after_in_parent=_importing.release, after_in_child=_importing.release
    )


def import_now(*modules: str) -> None:
    """Import these, so that a later import of them takes no lock. What is not installed is passed over."""
    with _importing:
        for name in modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
