"""Ten thousand random steps, over a file and a server: never a mixed set, never a failed hit, never silently stale.

A failure names its seed; `EVALKIT_CHAOS_SEED=… pytest tests/runtime/test_chaos.py` repeats it, and
`EVALKIT_CHAOS_STEPS` makes the walk longer.
"""

from __future__ import annotations

import logging
import os
import sys
import time

import pytest
from chaos.server import BundleServer
from chaos.world import FileWorld, HttpWorld

SEED = int(os.environ.get("EVALKIT_CHAOS_SEED", "20260131"))
STEPS = int(os.environ.get("EVALKIT_CHAOS_STEPS", "10000"))

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


class Clock:
    """The wall clock, which somebody sets."""

    offset_s = 0.0

    def __init__(self, real) -> None:
        self._real = real

    def __call__(self) -> float:
        return self._real() + self.offset_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock(time.time)
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def _log_is_quiet(caplog):
    """It says what is wrong at every other step, and a failure names the steps."""
    caplog.set_level(logging.CRITICAL, "evalkit.registry")


@pytest.fixture(autouse=True)
def _disks_are_fast(monkeypatch):
    """The power does not fail here, and waiting for the disk would be a third of the time."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(autouse=True)
def _threads_take_turns_quickly():
    """So that a step does not wait for the readers' turns to end."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    yield
    sys.setswitchinterval(before)


def walk(world, steps: int) -> None:
    try:
        world.start_readers(2)
        for number in range(steps):
            try:
                world.step()
            except Exception as error:
                steps = "\n  ".join(world.steps[-15:])
                raise AssertionError(f"seed {SEED}, step {number}, after\n  {steps}\n{error}") from error
        assert all(reader.hits for reader in world._readers)
    finally:
        world.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_file_may_do_what_it_likes(tmp_path, clock):
    walk(FileWorld(SEED, tmp_path, clock), STEPS * 2 // 3)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_server_may_do_what_it_likes(tmp_path, clock):
    with BundleServer() as server:
        walk(HttpWorld(SEED + 1, tmp_path, clock, server), STEPS - STEPS * 2 // 3)
