"""One bare git repository, asked and changed through git's own plumbing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["BareRepository", "GitFailed", "Person"]

CONFIG = """\
[http]
	receivepack = true
	uploadpack = true
[uploadpack]
	allowAnySHA1InWant = true
	allowFilter = true
[core]
	quotepath = false
[gc]
	auto = 0
[receive]
	autogc = false
"""
ZERO = "0" * 40
Person = tuple[str, str]
"""Name and e-mail address."""


class GitFailed(Exception):
    """A git command that did not succeed; carries what it said."""


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment for git: nothing of the machine's or user's configuration."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return (
        kept
        | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        | extra
    )


class BareRepository:
    """The truth that REST, git and the workflows share."""

    def __init__(self, path: Path, default_branch: str = "main") -> None:
        self.path = path
        if not path.exists():
            path.mkdir(parents=True)
            self("init", "--bare", "-q", f"--initial-branch={default_branch}")
            with (path / "config").open("a", encoding="utf-8") as file:
                file.write(CONFIG)

    def raw(self, *arguments: str, given: bytes | None = None, **env: str) -> bytes:
        """What a command printed.

        Raises:
            GitFailed: It did not succeed.
        """
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            input=given,
            capture_output=True,
            check=False,
            env=clean_environment(**env),
        )
        if done.returncode:
            raise GitFailed(f"git {' '.join(arguments[:3])}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def __call__(self, *arguments: str, given: bytes | None = None, **env: str) -> str:
        return self.raw(*arguments, given=given, **env).decode(errors="replace").strip()

    def resolve(self, name: str, kind: str = "commit") -> str | None:
        """The object that a branch, tag, ref, (short) id or `commit:path` names."""
        wanted = name if ":" in name else f"{name}^{{{kind}}}"
        try:
            return self("rev-parse", "--verify", "-q", "--end-of-options", wanted)
        except GitFailed:
            return None

    def head(self, branch: str) -> str | None:
        return self.resolve(f"refs/heads/{branch}")

    def refs(self, prefix: str = "refs/heads/") -> dict[str, str]:
        lines = self("for-each-ref", "--format=%(refname) %(objectname)", prefix).splitlines()
        return {name: sha for name, _, sha in (line.partition(" ") for line in lines)}

    def set_ref(self, ref: str, new: str | None, old: str | None = None) -> None:
        """Point a ref elsewhere, or delete it; with `old`, only from there."""
        if new is None:
            self("update-ref", "-d", ref)
        else:
            self("update-ref", ref, new, *([old] if old else []))

    def is_ancestor(self, old: str, new: str) -> bool:
        try:
            self("merge-base", "--is-ancestor", old, new)
        except GitFailed:
            return False
        return True

    def read(self, commit: str, path: str) -> bytes | None:
        try:
            return self.raw("cat-file", "blob", f"{commit}:{path}")
        except GitFailed:
            return None

    def changed_paths(self, old: str, new: str) -> list[str]:
        base = [old, new] if old != ZERO else ["--root", new]
        return self("diff-tree", "-r", "--name-only", "--no-commit-id", "--no-renames", *base).splitlines()

    def commits(self, base: str, head: str) -> list[str]:
        """Those of head that base has not, oldest first."""
        return self("rev-list", "--reverse", "--topo-order", f"{base}..{head}").splitlines()

    def write_blob(self, content: bytes) -> str:
        return self("hash-object", "-w", "--stdin", given=content)

    def write_tree(self, base: str | None, entries: list[tuple[str, str, str | None]]) -> str:
        """A tree of (mode, path, blob or None to delete) over another tree."""
        index = self.path / f"index-{os.getpid()}-{os.urandom(6).hex()}"
        env: dict[str, Any] = {"GIT_INDEX_FILE": str(index)}
        try:
            self("read-tree", *([base] if base else ["--empty"]), **env)
            lines = [
                f"0 {ZERO}\t{path}\0" if sha is None else f"{mode} {sha}\t{path}\0"
                for mode, path, sha in entries
            ]
            self("update-index", "-z", "--index-info", given="".join(lines).encode(), **env)
            return self("write-tree", **env)
        finally:
            index.unlink(missing_ok=True)

    def write_commit(
        self,
        tree: str,
        parents: list[str],
        message: str,
        author: Person,
        committer: Person | None = None,
        *,
        date: str,
    ) -> str:
        """A commit; `date` in git's raw or ISO form, for both people."""
        who = committer or author
        env: dict[str, Any] = {
            "GIT_AUTHOR_NAME": author[0], "GIT_AUTHOR_EMAIL": author[1], "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_NAME": who[0], "GIT_COMMITTER_EMAIL": who[1], "GIT_COMMITTER_DATE": date,
        }  # fmt: skip
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self("commit-tree", tree, *flags, "-F", "-", given=message.encode(), **env)

    def merged_tree(self, ours: str, theirs: str) -> str | None:
        """The tree of a merge; None when it conflicts."""
        try:
            return self("merge-tree", "--write-tree", ours, theirs).splitlines()[0]
        except GitFailed:
            return None

    def rebased(self, onto: str, commits: list[str], committer: Person) -> str | None:
        """The commits anew on top of another; None when one conflicts. Done in a clone, so that no ref moves."""
        work = self.path / f"rebase-{os.urandom(6).hex()}"
        env: dict[str, Any] = {"GIT_COMMITTER_NAME": committer[0], "GIT_COMMITTER_EMAIL": committer[1]}
        try:
            self("worktree", "add", "-q", "--detach", str(work), onto)
            inside = BareRepository(work)
            try:
                for commit in commits:
                    inside("cherry-pick", "--keep-redundant-commits", commit, **env)
            except GitFailed:
                return None
            return inside("rev-parse", "HEAD")
        finally:
            self("worktree", "remove", "--force", str(work))

    def show(self, commit: str) -> dict[str, str]:
        """The fields of a commit."""
        form = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
        values = self("show", "-s", f"--format={form}", commit).split("\0", 9)
        names = ("sha", "tree", "parents", "author", "author_email", "authored")
        return dict(
            zip((*names, "committer", "committer_email", "committed", "message"), values, strict=True)
        )
