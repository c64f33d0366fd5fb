"""People, and what they do with git."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .git import BareRepository, clean_environment
from .model import Account, Token

if TYPE_CHECKING:
    from .state import State

__all__ = ["APP_PERMISSIONS", "Person", "clone", "push", "read_files"]

APP_PERMISSIONS = {"contents": "write", "pull-requests": "write", "statuses": "write", "issues": "write", "actions": "write",
                   "checks": "read"}  # fmt: skip


class Person:
    """A user, with a token of all that the user may do."""

    def __init__(self, state: State, account: Account, token: Token) -> None:
        self.account = account
        self.token_record = token
        self._state = state

    @property
    def login(self) -> str:
        return self.account.login

    @property
    def token(self) -> str:
        return self.token_record.value

    @property
    def email(self) -> str:
        return self.account.emails[0] if self.account.emails else self.account.person[1]

    @property
    def server(self) -> str:
        return self._state.url

    @property
    def git_environment(self) -> dict[str, str]:
        """For git: the credential and who commits, and nothing of this machine's configuration."""
        return clean_environment(
            GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0=f"http.{self._state.url}/.extraheader",
            GIT_CONFIG_VALUE_0=f"Authorization: Bearer {self.token}", GIT_AUTHOR_NAME=self.login,
            GIT_AUTHOR_EMAIL=self.email, GIT_COMMITTER_NAME=self.login, GIT_COMMITTER_EMAIL=self.email,
        )  # fmt: skip


def clone(user: Person, address: str, place: Path) -> Path:
    """A clone whose later pushes go as the user, too."""
    server = user.server
    _git(user, "clone", "-q", address, str(place))
    settings = {
        "user.name": user.login,
        "user.email": user.email,
        f"http.{server}/.extraheader": f"Authorization: Bearer {user.token}",
    }
    for key, value in settings.items():
        _git(user, "-C", str(place), "config", key, value)
    return place


def push(
    user: Person, git: BareRepository, address: str, branch: str, files: Mapping[str, str | bytes | None],
    message: str, parent: str | None, date: str,
) -> str:  # fmt: skip
    """One commit with these files changed, pushed over HTTP as the user."""
    entries = []
    for path, content in files.items():
        blob = (
            None
            if content is None
            else git.write_blob(content.encode() if isinstance(content, str) else content)
        )
        entries.append(("100755" if path.endswith(".sh") else "100644", path, blob))
    tree = git.write_tree(parent, entries)
    commit = git.write_commit(tree, [parent] if parent else [], message, (user.login, user.email), date=date)
    done = subprocess.run(
        ["git", "push", "-q", address, f"{commit}:refs/heads/{branch}"],
        cwd=git.path, env=user.git_environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return commit


def read_files(files: Mapping[str, str | bytes] | Path) -> Mapping[str, str | bytes]:
    """A mapping as it is; of a folder what git would commit of it, or all of it."""
    if isinstance(files, Mapping):
        return files
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=files, capture_output=True, check=False)
    names = [name for name in listed.stdout.decode().split("\0") if name and (files / name).is_file()]
    if listed.returncode:
        names = [str(path.relative_to(files)) for path in files.rglob("*") if path.is_file()]
    return {name: (files / name).read_bytes() for name in names}


def _git(user: Person, *arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True, env=user.git_environment)
