"""A bare git repository that is written to without a work tree: the store of `FakeForge`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from evalkit.promote.history.command import Git

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

__all__ = ["BareRepository", "login_of"]

_DOMAIN = "users.noreply.github.com"
_PLAIN = ("100644", "100755")


class BareRepository:
    """Branches, commits and files of one repository."""

    def __init__(self, path: Path, default_branch: str) -> None:
        """Made, if there is nothing at `path`."""
        self.git = Git(path)
        if not path.exists():
            path.mkdir(parents=True)
            self.git.run("init", "--quiet", "--bare", f"--initial-branch={default_branch}")

    def head_of(self, branch: str) -> str | None:
        """The commit of a branch."""
        return self._line("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}")

    def read(self, path: str, commit: str) -> bytes | None:
        """A plain file of a commit."""
        listed = self._line("ls-tree", "--full-tree", commit, "--", path)
        mode = (listed or "").partition(" ")[0]
        return self.git.run("cat-file", "blob", f"{commit}:{path}") if mode in _PLAIN else None

    def write(
        self,
        message: str,
        files: Mapping[str, bytes | None],
        *,
        parents: Sequence[str],
        author: str,
        when: datetime,
    ) -> str:
        """A commit with the tree of the last parent and the files changed; no branch points to it yet."""
        ref = f"refs/evalkit/{uuid4().hex}"  # of its own, so that two may write at once
        person = f"{author} <{author}@{_DOMAIN}> {int(when.timestamp())} +0000"
        text = message.encode()
        stream = [
            f"commit {ref}\nmark :1\nauthor {person}\ncommitter {person}\ndata {len(text)}\n".encode(),
            text + b"\n",
        ]
        for index, parent in enumerate(parents):
            stream.append(f"{'merge' if index else 'from'} {parent}\n".encode())
        if parents:
            tree = self.git.run("rev-parse", f"{parents[-1]}^{{tree}}").decode().strip()
            stream.append(f'deleteall\nM 040000 {tree} ""\n'.encode())
        for path, content in sorted(files.items()):
            if content is None:
                stream.append(f"D {_quoted(path)}\n".encode("utf-8", "surrogateescape"))
            else:
                entry = f"M 100644 inline {_quoted(path)}\ndata {len(content)}\n"
                stream.append(entry.encode("utf-8", "surrogateescape") + content + b"\n")
        stream.append(b"\nget-mark :1\n")
        made = self.git.run("fast-import", "--quiet", "--force", given=b"".join(stream)).decode().strip()
        self.git.run("update-ref", "-d", ref)
        return made

    def move(self, branch: str, commit: str, before: str | None) -> bool:
        """Point a branch to a commit, if it is at `before` (None: if there is none)."""
        old = before or "0" * len(commit)
        return self.git.attempt("update-ref", f"refs/heads/{branch}", commit, old).returncode == 0

    def delete(self, branch: str) -> None:
        """Delete a branch."""
        self.git.run("update-ref", "-d", f"refs/heads/{branch}")

    def has(self, commit: str) -> bool:
        """Whether there is such a commit."""
        return self._line("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}") is not None

    def is_ancestor(self, commit: str, of: str) -> bool:
        """Whether `of` is the commit, or came after it."""
        return self.git.attempt("merge-base", "--is-ancestor", commit, of).returncode == 0

    def between(self, base: str, head: str) -> list[str]:
        """The commits of `head` that `base` has not, oldest first."""
        return self.git.run("rev-list", "--reverse", "--topo-order", f"{base}..{head}").decode().split()

    def email_of(self, commit: str) -> str:
        """The author's address."""
        return self.git.run("show", "--no-patch", "--format=%ae", commit).decode().strip()

    def merged_tree(self, base: str, head: str) -> dict[str, bytes | None] | None:
        """What a merge of `head` changes in `base`, by path; None if the two are in conflict."""
        done = self.git.attempt("merge-tree", "--write-tree", "--no-messages", base, head)
        if done.returncode:
            return None
        tree = done.stdout.decode().strip()
        changed = self.git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", base, tree)
        names = [name.decode("utf-8", "surrogateescape") for name in changed.split(b"\0") if name]
        return {name: self.read(name, tree) for name in names}

    def _line(self, *args: str) -> str | None:
        done = self.git.attempt(*args)
        text = done.stdout.decode("utf-8", "surrogateescape").strip()
        return text if done.returncode == 0 and text else None


def _quoted(path: str) -> str:
    r"""As fast-import reads it: in quotes, with `\`, `"` and line feeds escaped."""
    text = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def login_of(email: str) -> str | None:
    """The login in an address that hides a person's own: `7+casey@users.noreply.github.com`."""
    name, _, domain = email.partition("@")
    return name.rpartition("+")[2] if domain == _DOMAIN else None
