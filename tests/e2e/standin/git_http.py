"""git's smart HTTP, by `git http-backend`, with what GitHub asks of a push."""

from __future__ import annotations

import fnmatch
import os
import subprocess
from typing import TYPE_CHECKING, Any

from . import pulls
from .git import clean_environment
from .model import Refused, Token

if TYPE_CHECKING:
    from pathlib import Path

    from .state import State

__all__ = ["serve_git"]

HOOK = r"""#!/bin/sh
# ref old new
for pattern in $STANDIN_PROTECTED; do
    if [ "$1" = "$pattern" ]; then
        echo "error: GH013: Repository rule violations found for $1." >&2
        echo "- Changes must be made through a pull request." >&2
        echo "protected branch hook declined" >&2
        exit 1
    fi
done
case "$3" in *[!0]*) ;; *) exit 0 ;; esac
case "$1" in refs/heads/*|refs/tags/*) ;; *) echo "error: deny updating a hidden ref" >&2; exit 1 ;; esac
if [ "$STANDIN_WORKFLOWS" = no ] && [ "${1#refs/heads/}" != "$1" ]; then
    git ls-tree -r "$3" .github/workflows/ | while IFS= read -r line; do
        for head in $(git for-each-ref --format='%(objectname)' refs/heads/); do
            git ls-tree -r "$head" .github/workflows/ | grep -qxF "$line" && continue 2
        done
        echo "refusing to allow a GitHub App to create or update workflow \`${line##*	}\` without \`workflows\` permission" >&2
        exit 1
    done || exit 1
fi
"""


def install_hook(repository: Path) -> None:
    """The update hook; who pushes comes to it by the environment."""
    hook = repository / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    if not hook.exists():
        hook.write_text(HOOK, encoding="utf-8")
        hook.chmod(0o755)


def serve_git(handler: Any, state: State, name: str, tail: str, query: str, body: bytes) -> None:
    """Answer one request of a git client for the repository of a name."""
    is_push = "git-receive-pack" in tail or "service=git-receive-pack" in query
    is_fork = name in state.forks
    git = state.git if name == state.repository else state.forks.get(name)
    challenge = {"WWW-Authenticate": 'Basic realm="GitHub"', "Content-Type": "text/plain"}
    try:
        with state.lock:
            token = state.token(handler.credential())
    except Refused:
        handler.send(401, b"remote: Invalid username or token.", challenge)
        return
    if git is None:
        handler.send(404, b"remote: Repository not found.", {"Content-Type": "text/plain"})
        return
    owns_fork = is_fork and token.kind == "user" and token.account.login == name.partition("/")[0]
    allowed = owns_fork or (not is_fork and token.allows("contents", "write" if is_push else "read"))
    if not allowed and (is_push or not is_fork):
        text = f"remote: Permission to {name}.git denied to {token.account.login}."
        handler.send(403, text.encode(), {"Content-Type": "text/plain"})
        return
    if not is_push:
        _backend(handler, state, git.path, tail, query, body, token)
        return
    install_hook(git.path)
    with state.lock:
        before = git.refs("refs/")
        _backend(handler, state, git.path, tail, query, body, token, is_fork=is_fork)
        after = git.refs("refs/")
        for ref in sorted({*before, *after}):
            old, new = before.get(ref), after.get(ref)
            if old == new or ref.startswith("refs/pull/"):
                continue
            if is_fork:
                pulls.branch_moved(state, name, ref.removeprefix("refs/heads/"), token)
            else:
                state.moved(ref, old, new, token)


def _backend(
    handler: Any, state: State, repository: Path, tail: str, query: str, body: bytes, token: Token,
    *, is_fork: bool = False,
) -> None:  # fmt: skip
    protected = [
        ref
        for ref in state.git.refs()
        if not is_fork
        and any(
            fnmatch.fnmatchcase(ref.removeprefix("refs/heads/"), name) for name in state.settings.protected
        )
        and state.is_kept_from(token, ref)
    ]
    may_change_workflows = token.kind == "user" or token.allows("workflows", "write")
    environment = clean_environment(
        GIT_PROJECT_ROOT=str(repository), GIT_HTTP_EXPORT_ALL="1", PATH_INFO=f"/{tail}", QUERY_STRING=query,
        REQUEST_METHOD=handler.command, CONTENT_TYPE=handler.headers.get("Content-Type", ""),
        CONTENT_LENGTH=str(len(body)), REMOTE_USER=token.account.login, REMOTE_ADDR="127.0.0.1",
        GIT_PROTOCOL=handler.headers.get("Git-Protocol", ""), STANDIN_PROTECTED=" ".join(protected),
        STANDIN_WORKFLOWS="yes" if may_change_workflows else "no", HOME=os.devnull,
    )  # fmt: skip
    done = subprocess.run(
        ["git", "http-backend"], input=body, capture_output=True, check=False, env=environment
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split()[0])
    handler.send(status, content, headers)
