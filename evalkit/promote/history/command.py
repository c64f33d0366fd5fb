"""Run git: no shell, no prompt, no pager, no hook; the environment and the configuration cannot change what it prints."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import IO

__all__ = ["Git"]

TIMEOUT_S = 120.0
"""For one command. A clone on a slow network disk needs seconds; longer than this it hangs."""

_CONFIG = (
    "core.quotePath=false",
    "core.fsmonitor=false",  # it names a program
    "color.ui=false",
    "diff.renames=false",
    "i18n.logOutputEncoding=UTF-8",
    "log.decorate=false",
    "log.follow=false",
    "log.showRoot=true",
    "log.showSignature=false",  # it runs gpg
)
_KEPT = ("GIT_EXEC_PATH", "GIT_CONFIG_", "GIT_CEILING_DIRECTORIES", "GIT_TRACE")
"""Where git lies, and the configuration: `safe.directory` may be given there."""


@dataclass(frozen=True, slots=True)
class Git:
    """The git command, started in one directory."""

    root: Path

    def run(self, *args: str | bytes, given: bytes = b"") -> bytes:
        """What the command prints.

        Raises:
            UsageError: EK805, it failed.
        """
        done = self.attempt(*args, given=given)
        if done.returncode:
            raise UsageError(_failed(done.stderr))
        return done.stdout

    def attempt(self, *args: str | bytes, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """The command, which may fail.

        Raises:
            UsageError: EK805, there is no git, or it does not end.
        """
        try:
            return subprocess.run(
                self._argv(args),
                input=given,
                capture_output=True,
                env=_environment(),
                timeout=TIMEOUT_S,
                check=False,
            )
        except OSError as error:
            raise UsageError(_not_started(error)) from error
        except subprocess.TimeoutExpired as error:
            raise UsageError(_endless()) from error

    def start(
        self, *args: str | bytes, printed: IO[bytes] | None = None, is_given: bool = False
    ) -> subprocess.Popen[bytes]:
        """The command, running.

        Args:
            args: of git.
            printed: the file that it writes; without one, its `stdout` is to be read.
            is_given: whether its `stdin` will be written to.

        Raises:
            UsageError: EK805, there is no git.
        """
        try:
            return subprocess.Popen(
                self._argv(args),
                stdin=subprocess.PIPE if is_given else subprocess.DEVNULL,
                stdout=subprocess.PIPE if printed is None else printed,
                stderr=subprocess.PIPE,
                env=_environment(),
            )
        except OSError as error:
            raise UsageError(_not_started(error)) from error

    def finish(self, process: subprocess.Popen[bytes]) -> bytes:
        """Wait for a command that was started; what it printed and was not read, nothing if it writes a file.

        Raises:
            UsageError: EK805, it failed, or it does not end.
        """
        try:
            printed, said = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise UsageError(_endless()) from error
        if process.returncode:
            raise UsageError(_failed(said))
        return printed or b""

    def run_all(self, commands: Iterable[Sequence[str | bytes]]) -> list[bytes]:
        """What each command prints; as many run at once as there are processors.

        Raises:
            UsageError: EK805, one failed.
        """
        printed: list[bytes] = []
        waiting = iter(commands)
        with ExitStack() as stack:
            while group := list(islice(waiting, os.cpu_count() or 1)):
                running = [stack.enter_context(self.start(*args)) for args in group]
                printed += [self.finish(process) for process in running]
        return printed

    @contextmanager
    def limited(self, *processes: subprocess.Popen[bytes]) -> Iterator[None]:
        """Kill the processes if what is done with them takes too long.

        Raises:
            UsageError: EK805, they were killed.
        """
        timer = threading.Timer(TIMEOUT_S, _kill, processes)
        timer.start()
        try:
            yield
        except UsageError as error:
            if timer.finished.is_set():
                raise UsageError(_endless()) from error
            raise
        finally:
            timer.cancel()

    def _argv(self, args: Sequence[str | bytes]) -> list[str | bytes]:
        settings = [word for setting in _CONFIG for word in ("-c", setting)]
        return ["git", "--no-pager", "-C", os.fspath(self.root), *settings, *args]


def _kill(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        process.kill()


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith(_KEPT)}
    return {
        **kept,
        "LC_ALL": "C",
        "LANGUAGE": "C",
        "GIT_FLUSH": "0",  # else git writes each commit to a pipe by itself, which takes as long as reading them
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",  # a replaced commit would tell another history than the one that was reviewed
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_ATTR_NOSYSTEM": "1",
    }


def _failed(stderr: bytes) -> Problem:
    said = stderr.decode("utf-8", "replace").strip().splitlines()
    reason = next(
        (line for line in said if line.startswith(("fatal:", "error:"))),
        said[-1] if said else "no reason given",
    )
    hint = "run `git fsck` to see whether the repository is whole"
    if "dubious ownership" in reason:
        hint = "the directory belongs to somebody else; if you trust it: git config --global --add safe.directory DIR"
    return Problem("EK805", f"git failed: {reason}", hint=hint)


def _not_started(error: OSError) -> Problem:
    return Problem(
        "EK805", f"git cannot be started: {error.strerror}", hint="install git, version 2.31 or newer"
    )


def _endless() -> Problem:
    return Problem("EK805", f"git did not end within {TIMEOUT_S:g} s", hint="look whether the disk answers")
