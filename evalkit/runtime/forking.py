"""A process that forks while a thread imports leaves its child with modules that nobody will finish.

The child has no such thread, but the lock of the half-imported module is still held: the child's own import of it would
wait for ever. So what a refreshing thread imports, it imports under one lock, and a fork waits for that.
"""

from __future__ import annotations

import contextlib
import importlib

# What is registered last is done first before a fork. Imported here, logging does its part after ours: else a fork would
# hold its lock while it waits for an import that asks for a logger.
import logging
import os
import threading

__all__ = ["import_now"]

_LONGEST_S = 2.0
"""That a fork is held up, should another module's preparations for it hold what the import needs."""

_importing = threading.Lock()


def import_now(*modules: str) -> None:
    """Import these, so that a later import of them takes no lock. What is not installed is passed over."""
    with _importing:
        for name in modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def _before() -> None:
    _importing.acquire(timeout=_LONGEST_S)


def _after() -> None:
    with contextlib.suppress(RuntimeError):  # it was not to be had in time
        _importing.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)

del logging
