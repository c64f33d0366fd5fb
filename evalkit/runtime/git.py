"""Read a git repository by its own program: no work tree, no configuration of the user, no prompt."""

from __future__ import annotations

import subprocess

from evalkit.errors import Location, Problem, SourceError
from evalkit.runtime.bundle import Commit
from evalkit.runtime.compile import PATHS
from evalkit.runtime.git_command import can_name_commit, git_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Git"]

_BLOB_MODES = (b"100644", b"100755")


class Git:
    """One repository, by its directory: a work tree, a folder inside one, or a bare repository."""

    def __init__(self, folder: str, display: str, *, timeout_s: float = 60.0) -> None:
        """`display` names it in messages; `timeout_s` bounds each command."""
        self.folder = folder
        self.display = display
        self.timeout_s = timeout_s

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """What a git command prints.

        Raises:
            SourceError: EK704, it fails, takes too long, or git is not installed.
        """
        command = ["git", "-C", self.folder, "-c", "core.quotePath=false", *arguments]
        try:
            done = subprocess.run(
                command,
                input=stdin,
                capture_output=True,
                check=False,
                timeout=self.timeout_s,
                env=git_environment(),
            )
        except FileNotFoundError:
            raise self.failed("git is not installed", "install git, or use a bundle") from None
        except subprocess.TimeoutExpired:
            message = f"git {arguments[0]} took longer than {self.timeout_s:g} s"
            raise self.failed(
                message, "check that it is up; an application that runs already tries again by itself"
            ) from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = said[-1] if said else f"exit code {done.returncode}"
            raise self.failed(f"git {arguments[0]}: {reason}", "check the repository and the ref")
        return done.stdout

    def resolve(self, ref: str) -> str:
        """The commit that a branch, a tag or a commit names.

        Raises:
            SourceError: EK704, there is none.
        """
        if not can_name_commit(ref):
            raise self.failed(f"{ref!r} is no ref", "name a branch, a tag or a commit", "EK708")
        try:
            found = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        except SourceError as error:
            self.run("rev-parse", "--git-dir")  # says so itself if this is no repository at all
            message = f"there is no commit {ref}"
            raise self.failed(message, "fetch it, or name another: git branch --all") from error
        return found.decode().strip()

    def commit(self, commit: str) -> Commit:
        """Where a commit stands in its history.

        Raises:
            SourceError: EK704, the history is cut off, so nobody can say.
        """
        if self.run("rev-parse", "--is-shallow-repository").strip() == b"true":
            message = "the history is shallow, so the order of commits is not known"
            raise self.failed(message, "git fetch --unshallow; in GitHub Actions, fetch-depth: 0")
        count = int(self.run("rev-list", "--first-parent", "--count", commit, "--"))
        time = int(self.run("show", "--no-patch", "--format=%ct", commit, "--"))
        return Commit(commit, count, time)

    def prefix(self) -> str:
        """The folder's path inside the repository, with a slash at the end; empty at its top and in a bare one."""
        return self.run("rev-parse", "--show-prefix").decode("utf-8", "surrogateescape").rstrip("\n")

    def tree(self, commit: str, prefix: str) -> str:
        """What changes when a registry file below a prefix does: the ids of the trees and files that it is made of."""
        listed = self.run(
            "ls-tree", "--full-tree", "-z", commit, "--", f"{prefix}registry", f"{prefix}evalkit.yaml"
        )
        return listed.replace(b"\0", b"\n").decode("utf-8", "replace")

    def files(self, commit: str, prefix: str) -> dict[str, bytes]:
        """The files that a bundle is made of, by their path below the prefix. Links and submodules are no files."""
        listed = self.run(
            "ls-tree", "--full-tree", "-r", "-z", commit, "--", f"{prefix}registry", f"{prefix}evalkit.yaml"
        )
        wanted: dict[str, str] = {}
        for line in filter(None, listed.split(b"\0")):
            facts, _, raw = line.partition(b"\t")
            mode, _, rest = facts.partition(b" ")
            path = raw.decode("utf-8", "surrogateescape").removeprefix(prefix)
            if mode in _BLOB_MODES and PATHS.fullmatch(path):
                wanted[path] = rest.split(b" ")[1].decode()
        return dict(zip(wanted, self.blobs(wanted.values()), strict=True))

    def blobs(self, ids: Iterable[str]) -> Iterator[bytes]:
        """The content of objects, in order, by one process."""
        asked = list(ids)
        answer = self.run("cat-file", "--batch", stdin="".join(f"{id_}\n" for id_ in asked).encode())
        at = 0
        for id_ in asked:
            end = answer.index(b"\n", at)
            header = answer[at:end].split(b" ")
            if len(header) != 3:
                raise self.failed(f"object {id_} is missing", "git fetch")
            size = int(header[2])
            yield answer[end + 1 : end + 1 + size]
            at = end + size + 2

    def failed(self, message: str, hint: str, code: str = "EK704") -> SourceError:
        """An error about this repository."""
        return SourceError(Problem(code, message, Location(self.display), hint))
