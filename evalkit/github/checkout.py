"""Commits beside the user's work tree: another one on disk, what was changed there, and fetching what is missing."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evalkit.errors import Problem
from evalkit.github.environment import Actions
from evalkit.github.forge import ForgeError
from evalkit.promote.history.command import Git
from evalkit.promote.history.place import commit_named, find
from evalkit.promote.history.worktree import disk_changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["at", "changes", "fetch"]

_NO_HOOKS: Final = ("-c", f"core.hooksPath={os.devnull}")
_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TIMEOUT_S: Final = 300


@contextmanager
def at(root: Path, commit: str) -> Iterator[Path]:
    """A commit of the repository around `root`, in a temporary directory that is removed afterwards.

    It is a detached work tree of git: the history can be read in it, and the user's files and index stay as they are.
    What was written there is lost at the end, unless it was read with `changes` before.

    Args:
        root: the project. It may lie in a sub-directory of its repository.
        commit: its id, or another name of it.

    Yields:
        The project as of the commit: where `root` is `REPOSITORY/a/b`, this is `TEMPORARY/a/b`. It need not exist
        at that commit.

    Raises:
        UsageError: EK801, EK802, EK804, EK805.
    """
    place = find(root)
    found = commit_named(place.git, commit)
    parent = Path(tempfile.mkdtemp(prefix="evalkit-")).resolve()
    tree = parent / "tree"
    try:
        place.git.run(*_NO_HOOKS, "worktree", "add", "--quiet", "--detach", str(tree), found)
        yield tree / os.fsdecode(place.prefix)
    finally:
        # Only this one: `git worktree prune` would forget one of the user's on a disk that is not there right now.
        try:
            place.git.attempt(*_NO_HOOKS, "worktree", "remove", "--force", str(tree))
        finally:
            shutil.rmtree(parent, ignore_errors=True)


def changes(tree: Path, commit: str) -> dict[str, bytes | None]:
    """How the files on disk differ from a commit, for `Forge.commit`: what to write, None for what to delete.

    Args:
        tree: a directory in the work tree, as `at` gives it. The whole work tree is looked at.
        commit: a commit of the repository.

    Returns:
        By path, relative to the repository. What git ignores is not in it, nor are links and submodules.

    Raises:
        UsageError: EK801, EK802, EK804, EK805.
    """
    inside = find(tree).git
    top = Path(os.fsdecode(inside.run("rev-parse", "--show-toplevel").removesuffix(b"\n")))
    git = Git(top)
    found = disk_changes(git, top, b"", commit_named(git, commit), ["."])
    return {change.path: change.after for change in found}


def fetch(root: Path, refs: Sequence[str], environ: Mapping[str, str]) -> None:
    """Get branches and commits from the remote `origin`; a branch is then at `origin/BRANCH`.

    The token, if there is one, goes to git by its environment, and only to the server that Actions names: it is in
    no list of processes and in no file.

    Args:
        root: a directory in the repository.
        refs: names of branches, and full ids of commits.
        environ: with what `Actions` reads; it goes before the environment of this process.

    Raises:
        ForgeError: EK871, the remote does not answer, or has no such branch or commit.
        UsageError: EK801, EK802, EK805, there is no repository here; EK870, a token that is none.
    """
    git = find(root).git
    specs = [_refspec(git, ref) for ref in refs]
    command = ["git", "--no-pager", "-C", str(root), *_NO_HOOKS, "fetch", "--quiet", "--no-tags"]
    command += ["--no-recurse-submodules", "--no-write-fetch-head", "--end-of-options", "origin", *specs]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_environment(environ),
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_fetched(refs, f"git did not end ({type(error).__name__})") from None
    if done.returncode:
        said = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        reason = next(
            (line for line in said if line.startswith("fatal:")), said[-1] if said else "no reason given"
        )
        raise _not_fetched(refs, reason.removeprefix("fatal: "))


def _refspec(git: Git, ref: str) -> str:
    if _ID.fullmatch(ref):
        return ref
    name = f"refs/heads/{ref}"
    if git.attempt("check-ref-format", name).returncode:
        raise _not_fetched([ref], "that is no name of a branch")
    return f"+{name}:refs/remotes/origin/{ref}"


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {
        key: value
        for key, value in {**os.environ, **environ}.items()
        if not key.startswith("GIT_")
        or key.startswith(("GIT_CONFIG_", "GIT_SSL_", "GIT_SSH", "GIT_EXEC_PATH"))
    }
    quiet = {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    actions = Actions(environ)
    if not actions.has_token:
        return quiet
    key = f"http.{actions.server_url.rstrip('/')}/.extraHeader"
    secret = base64.b64encode(f"x-access-token:{actions.token}".encode()).decode()
    given = kept.get("GIT_CONFIG_COUNT", "")
    count = int(given) if given.isascii() and given.isdigit() else 0
    # The empty value drops a header that actions/checkout left in .git/config: GitHub refuses a request with two.
    for number, value in enumerate(("", f"AUTHORIZATION: basic {secret}"), start=count):
        quiet[f"GIT_CONFIG_KEY_{number}"] = key
        quiet[f"GIT_CONFIG_VALUE_{number}"] = value
    return {**quiet, "GIT_CONFIG_COUNT": str(count + 2)}


def _not_fetched(refs: Sequence[str], reason: str) -> ForgeError:
    hint = "check that it is there, and that the token may read the repository (`contents: read`)"
    return ForgeError(Problem("EK871", f"cannot fetch {', '.join(refs)[:200]}: {reason}", hint=hint))
