"""The processes that the benchmark starts: to time their first line, or to talk with them line by line."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENV = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # workers for evaluations, which nobody asks for here
}
READY = "import os; os.write(1, b'.\\n'); os._exit(0)"
"""Say that all is done and leave at once: what a library does at exit is nobody's start-up."""


def first_line_ms(python: str, code: str) -> float:
    """From the start of a process to its first line."""
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen([python, "-c", code], stdout=subprocess.PIPE, stderr=errors, env=ENV)
        with process:
            line = process.stdout.readline()
            taken = (time.perf_counter() - began) * 1000
        if not line:
            errors.seek(0)
            raise SystemExit(f"{python} -c {code!r} failed:\n{errors.read().decode()[-3000:]}")
    return taken


def best_ms(python: str, code: str, rounds: int) -> float:
    """The best of several; of three where one takes more than a second."""
    first = first_line_ms(python, code)
    more = min(rounds, 3 if first > 1000 else rounds) - 1
    return min([first, *(first_line_ms(python, code) for _ in range(more))])


class Child:
    """A process that is spoken to in lines; its own are JSON. Leaving the context ends it."""

    def __init__(self, argv: list[str]) -> None:
        self._argv = argv
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - __exit__ closes it
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=ENV
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def read(self, timeout_s: float = 120) -> Any:
        """The next line, parsed. None if none comes in time."""
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if not line:
            self._errors.seek(0)
            raise SystemExit(f"{self._argv} ended:\n{self._errors.read().decode()[-3000:]}")
        return json.loads(line)

    def go(self) -> None:
        """Send a line."""
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()


def probe(python: str, **task: object) -> Child:
    """A child that measures (probe.py)."""
    return Child([python, str(HERE / "probe.py"), json.dumps(task)])


def loopback(python: str, what: str, file: Path | str, port: int = 0) -> tuple[Child, int]:
    """A server of loopback.py, and its port."""
    child = Child([python, str(HERE / "loopback.py"), what, str(file), "--port", str(port)])
    return child, child.read(20)
