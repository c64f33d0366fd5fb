"""Real repositories with a history that a test writes down line by line."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ANN = "Ann <ann@example.com>"
BOB = "Bob <bob@example.com>"


def hour(number: float) -> datetime:
    """So many hours after the story begins."""
    return START + timedelta(hours=number)


def entry(version: int, status: str = "draft", *lines: str, name: str = "triage") -> str:
    """An entry file with more lines of its own."""
    head = [
        f"name: {name}",
        f"version: {version}",
        "model: gpt-5-mini-2025-08-07",
        "prompt_ref: triage-prompt@v1",
    ]
    return "\n".join([*head, *lines, f"status: {status}   # draft | staging | production | retired", ""])


class Story:
    """A repository that is written commit by commit, an hour apart unless told otherwise."""

    def __init__(self, top: Path, project: str = "") -> None:
        self.top = top
        self.root = top / project
        self.clock = 0.0
        self.root.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *args: str, given: bytes | None = None, **extra: str) -> str:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        env = {
            **kept,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            **self._identity(ANN, self.clock),
            **extra,
        }
        done = subprocess.run(
            ["git", "-C", str(self.top), *args], env=env, input=given, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "replace").strip()

    def write(self, path: str, text: str | bytes | None) -> None:
        """A file of the project; None removes it."""
        place = self.root / path
        if text is None:
            place.unlink()
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())

    def put(self, version: int, status: str = "draft", *lines: str, name: str = "triage") -> None:
        """Write an entry file."""
        self.write(f"registry/entries/{name}/v{version}.yaml", entry(version, status, *lines, name=name))

    def commit(self, message: str | bytes, *, by: str = ANN, at: float | None = None) -> str:
        """Commit everything that was written; the commit's id."""
        raw = message if isinstance(message, bytes) else message.encode()
        self.git("add", "-A")
        self.git(
            "commit",
            "-q",
            "--allow-empty",
            "--cleanup=verbatim",
            "-F",
            "-",
            given=raw,
            **self._identity(by, at),
        )
        return self.head()

    def merge(self, *branches: str, message: str, by: str = BOB, at: float | None = None) -> str:
        """Merge branches into the one that is checked out, always by a merge commit."""
        self.git("merge", "-q", "--no-ff", "-m", message, *branches, **self._identity(by, at))
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str) -> None:
        """Begin a branch here and go to it."""
        self.git("checkout", "-q", "-b", name)

    def go(self, name: str) -> None:
        self.git("checkout", "-q", name)

    def _identity(self, who: str, at: float | None) -> dict[str, str]:
        if at is None:
            at = self.clock = self.clock + 1
        name, _, address = who.rstrip(">").rpartition(" <")
        when = f"@{int(hour(at).timestamp())} +0000"
        author = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": address, "GIT_AUTHOR_DATE": when}
        committer = {"GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": address, "GIT_COMMITTER_DATE": when}
        return {**author, **committer}
