"""Where a project lies in its git repository, and which of its branches is the main line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import Problem, UsageError
from evalkit.promote.history.command import Git
from evalkit.runtime.git_command import can_name_commit

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Place", "commit_named", "find", "has_commit_graph", "main_line", "shallow_commits"]

_MAIN_REFS = (
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/heads/main",
    "refs/heads/master",
)


@dataclass(frozen=True, slots=True)
class Place:
    """A project in a repository."""

    git: Git
    prefix: bytes
    """The project's path within the repository: empty, or with a slash at its end."""
    is_shallow: bool


def find(root: Path) -> Place:
    """The repository that holds the directory `root`.

    Raises:
        UsageError: EK801, there is none, or it has no files; EK802, it has no commit; EK805, git does not work.
    """
    git = Git(root)
    done = git.attempt("rev-parse", "--is-bare-repository", "--is-shallow-repository", "--show-prefix")
    if done.returncode:
        if b"not a git repository" in done.stderr or not root.is_dir():
            hint = "the history of a registry is that of its commits: git init, then commit"
            raise UsageError(Problem("EK801", f"{root} is in no git repository", hint=hint))
        git.run("rev-parse", "--show-prefix")  # raises with what git says
    bare, shallow, *rest = done.stdout.split(b"\n", 2)
    if bare == b"true":
        hint = "clone it, and ask there"
        raise UsageError(Problem("EK801", f"{root} is a bare repository: it has no project in it", hint=hint))
    if git.attempt("rev-parse", "--verify", "--quiet", "HEAD^{commit}").returncode and not _refs(git):
        raise UsageError(
            Problem("EK802", "the repository has no commit yet", hint="commit the registry first")
        )
    return Place(git, b"".join(rest).removesuffix(b"\n"), shallow == b"true")


def _refs(git: Git) -> list[str]:
    """Those of the main refs that exist, in their order."""
    found = set(git.run("for-each-ref", "--format=%(refname)", *_MAIN_REFS).decode().split())
    return [ref for ref in _MAIN_REFS if ref in found]


def main_line(git: Git) -> str:
    """The ref of the line that counts; `Repository.main_ref` says how it is chosen.

    Raises:
        UsageError: EK806, HEAD is detached and there is no other.
    """
    for ref in _refs(git):
        if git.attempt("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").returncode == 0:
            return ref  # and not the origin/HEAD of a branch that is gone
    if git.attempt("symbolic-ref", "--quiet", "HEAD").returncode:
        hint = "fetch the default branch; in GitHub Actions, give actions/checkout `fetch-depth: 0`"
        raise UsageError(
            Problem("EK806", "HEAD is detached, and there is no branch main or master", hint=hint)
        )
    return "HEAD"


def commit_named(git: Git, ref: str) -> str:
    """The id of the commit that a ref, an id or another name of git's means.

    Raises:
        UsageError: EK804, there is none.
    """
    shown = ref[:100]
    if not can_name_commit(ref):
        hint = "name a branch, a tag or a commit"
        raise UsageError(Problem("EK804", f"{shown!r} cannot name a commit", hint=hint))
    done = git.attempt("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if done.returncode:
        hint = "look at `git branch --all`; a branch of the remote has to be fetched first"
        raise UsageError(Problem("EK804", f"there is no commit {shown}", hint=hint))
    return done.stdout.decode().strip()


def shallow_commits(git: Git) -> frozenset[str]:
    """The commits at which a shallow clone is cut off: their parents are not there."""
    path = git.run("rev-parse", "--git-path", "shallow").decode("utf-8", "surrogateescape").removesuffix("\n")
    try:
        return frozenset((git.root / path).read_text("ascii").split())
    except FileNotFoundError:
        return frozenset()


def has_commit_graph(git: Git) -> bool:
    """Whether git keeps a table of commits beside them, as `git gc` and `git maintenance` write it."""
    path = git.run("rev-parse", "--git-path", "objects/info/commit-graph")
    file = git.root / path.decode("utf-8", "surrogateescape").removesuffix("\n")
    return file.exists() or file.with_name("commit-graphs").exists()
