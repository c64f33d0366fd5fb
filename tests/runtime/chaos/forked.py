"""Work in a forked child that cannot hang the test: a child over its time is killed, and says where it was."""

from __future__ import annotations

import faulthandler
import json
import os
import select
import signal
import time
import traceback


class Child:
    """A forked child that does some work, and its answer."""

    def __init__(self, work, deadline_s: float = 30.0) -> None:
        """`work` is called in the child; what it returns must be JSON."""
        self._ends_at = time.monotonic() + deadline_s
        self._reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._do(work, writing)
        os.close(writing)

    def result(self):
        """What the work returned.

        Raises:
            AssertionError: it raised, or did not end in time; with its traceback.
        """
        said = self._read(self._ends_at - time.monotonic())
        if said is None:
            os.kill(self.pid, signal.SIGUSR1)
            said = self._read(1) or b"(it does not even say where it is)"
            os.kill(self.pid, signal.SIGKILL)
        os.close(self._reading)
        _, status = os.waitpid(self.pid, 0)
        if status != 0:
            raise AssertionError(f"the forked child failed:\n{said.decode()}")
        return json.loads(said)

    def _read(self, seconds: float) -> bytes | None:
        """All that the child says at its end; None if nothing came."""
        ready, _, _ = select.select([self._reading], [], [], max(0.0, seconds))
        return os.read(self._reading, 1 << 16) if ready else None

    @staticmethod
    def _do(work, writing: int) -> None:
        status = 1
        try:
            faulthandler.register(signal.SIGUSR1, file=writing)
            said = json.dumps(work())
            status = 0
        except BaseException:  # noqa: BLE001 - nothing of the child may go on into the parent's test run
            said = traceback.format_exc()
        finally:
            os.write(writing, said.encode()[: 1 << 16])
            os._exit(status)
