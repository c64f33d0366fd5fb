"""The registry as a commit has it: a ref of a repository here, or of one that is fetched."""

from __future__ import annotations

import hashlib
import os
import re

from evalkit.errors import Location, Problem, SourceError
from evalkit.runtime.compile import compile_registry
from evalkit.runtime.forking import import_now
from evalkit.runtime.git import Git
from evalkit.runtime.last_good import default_cache_dir
from evalkit.runtime.sources.fetched import Fetched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evalkit.runtime.sources.base import Stop

__all__ = ["GitSource"]

LOCAL_INTERVAL_S = 5.0
REMOTE_INTERVAL_S = 60.0

_REMOTE = re.compile(r"(?:https?|ssh|git|file)://.+|[\w.-]+@[\w.-]+:.+")
_WRITTEN = re.compile(
    # What is before the path of a URL, or of host:path, is no place for a ref: its @ stands before the host.
    r"git\+(?P<place>(?:[a-z]+://[^/#]*/|[\w.-]+@[\w.-]+:)?[^#]*?)(?:@(?P<ref>[^@:#]+))?(?:#(?P<folder>.*))?"
)


class GitSource:
    """A ref that moves. Of a repository on this machine nothing is written; one elsewhere is mirrored in a cache."""

    def __init__(self, place: str, ref: str, folder: str = "", *, cache_dir: str | None = None) -> None:
        """`place` is a directory or a URL; `folder` is where in the repository the project is.

        Raises:
            SourceError: EK708, a folder that leads elsewhere.
        """
        self._remote = place if _REMOTE.fullmatch(place) else None
        shown = re.sub(r"//[^/@]*@", "//", place)
        self.display = f"git+{shown}@{ref}" + (f"#{folder}" if folder else "")
        self.is_local = self._remote is None
        self._ref = ref
        self._folder = folder.strip("/")
        if ".." in self._folder.split("/"):
            raise SourceError(
                Problem("EK708", "the folder leads out of the repository", Location(self.display))
            )
        if self._remote:
            name = hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:32]
            self._place = os.path.join(cache_dir or default_cache_dir(), f"{name}.git")
        else:
            self._place = os.path.abspath(place)
        self.identity = f"git\0{self._remote or self._place}\0{ref}\0{folder}"
        self.interval_s: float | None = REMOTE_INTERVAL_S if self._remote else LOCAL_INTERVAL_S

    @classmethod
    def parse(cls, text: str) -> GitSource:
        """`git:REF` is the repository around the current directory; `git+URL@REF#folder` another one.

        Raises:
            SourceError: EK708, it is written in another way.
        """
        if text.startswith("git:"):
            source = cls(os.curdir, text.removeprefix("git:"))
            source.display = text
            return source
        match = _WRITTEN.fullmatch(text)
        if match is None:
            hint = "write git:REF, or git+URL@REF, or git+URL@REF#folder"
            raise SourceError(Problem("EK708", "no ref of a repository", Location(text), hint))
        return cls(match["place"], match["ref"] or "HEAD", match["folder"] or "")

    def prepare(self) -> None:
        """As `BundleSource.prepare`."""
        import_now("jinja2", "pathlib", "evalkit.runtime.atomic")

    def fetch(self, known: str | None, timeout_s: float) -> Fetched | None:
        """As `BundleSource.fetch`."""
        git = Git(self._place, self.display, timeout_s=timeout_s)
        if self._remote:
            from pathlib import Path

            from evalkit.runtime.atomic import locked

            # The processes of one machine share the mirror, and git does not let two of them move one branch at once.
            with locked(Path(self._place), Path(self._place).parent):
                self._mirror(git, self._remote)
        elif not os.path.isdir(self._place):
            message = f"there is no directory {self._place}"
            raise git.failed(message, "name a repository on this machine, or a URL")
        commit = git.resolve(self._ref)
        prefix = f"{self._folder}/" if self._folder else "" if self._remote else git.prefix()
        if known == commit:
            return None
        files = git.files(commit, prefix)
        if not any(path.startswith("registry/") for path in files):
            message = f"commit {commit[:12]} has no registry/ in {prefix or 'its top folder'}"
            raise git.failed(message, "add the folder that holds it: git+URL@REF#folder")
        return Fetched(compile_registry(files, git.commit(commit), where=self.display), commit)

    def wait(self, seconds: float, stop: Stop) -> None:
        """As `BundleSource.wait`."""
        stop.wait(seconds)

    def _mirror(self, git: Git, remote: str) -> None:
        """Bring the mirror up to date: branches and tags."""
        if not os.path.isdir(os.path.join(self._place, "objects")):
            os.makedirs(self._place, mode=0o700, exist_ok=True)
            git.run("init", "--bare", "--quiet", "--template=", ".")
        refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        options = ("--quiet", "--prune", "--force", "--no-write-fetch-head", "--end-of-options")
        git.run("fetch", *options, remote, *refs)
