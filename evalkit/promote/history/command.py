"""Run git: no shell, no prompt, no pager, no hook; the environment and the configuration cannot change what it prints."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from evalkit.errors import Problem, UsageError
from evalkit.runtime.git_command import git_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import IO

__all__ = ["Git"]

TIMEOUT_S = 120.0
"""For one command. A clone on a slow network disk needs seconds; longer than this it hangs."""
FEW = 4_096
"""Lines that one process deals with sooner than two would."""

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
            with (
                _file(given) as stdin,
                _file() as printed,
            ):  # reading many megabytes from a pipe takes long
                done = subprocess.run(
                    self._argv(args),
                    stdin=stdin,
                    stdout=printed,
                    stderr=subprocess.PIPE,
                    env=git_environment(),
                    timeout=TIMEOUT_S,
                    check=False,
                )
                printed.seek(0)
                done.stdout = printed.read()
                return done
        except OSError as error:
            raise UsageError(_not_started(error)) from error
        except subprocess.TimeoutExpired as error:
            raise UsageError(_endless()) from error

    def start(
        self,
        *args: str | bytes,
        given: IO[bytes] | None = None,
        printed: IO[bytes] | None = None,
        is_given: bool = False,
    ) -> subprocess.Popen[bytes]:
        """The command, running.

        Args:
            args: of git.
            given: the file that it reads.
            printed: the file that it writes; without one, its `stdout` is to be read.
            is_given: whether its `stdin` will be written to.

        Raises:
            UsageError: EK805, there is no git.
        """
        try:
            return subprocess.Popen(
                self._argv(args),
                stdin=given or (subprocess.PIPE if is_given else subprocess.DEVNULL),
                stdout=subprocess.PIPE if printed is None else printed,
                stderr=subprocess.PIPE,
                env=git_environment(),
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

    def share(self, *args: str | bytes, lines: Sequence[str], few: int = FEW) -> bytes:
        """What the command prints when it is given these lines, by as many processes as there are processors.

        Args:
            args: of git. What it prints for a line may not depend on the lines before.
            lines: what it reads.
            few: lines that one process deals with sooner than two would.

        Raises:
            UsageError: EK805, it failed.
        """
        size = max(few, -(-len(lines) // (os.cpu_count() or 1)))
        told = b""
        with ExitStack() as stack:
            running = []
            for start in range(0, len(lines), size):
                given = stack.enter_context(_file("\n".join([*lines[start : start + size], ""]).encode()))
                printed = stack.enter_context(_file())
                process = stack.enter_context(self.start(*args, given=given, printed=printed))
                running.append((process, printed))
            for process, printed in running:
                self.finish(process)
                printed.seek(0)
                told += printed.read()
        return told

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


@contextmanager
def _file(content: bytes = b"") -> Iterator[IO[bytes]]:
    """A file without a name, to be read from its beginning."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file


def _kill(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        process.kill()


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
