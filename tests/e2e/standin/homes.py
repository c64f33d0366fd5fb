"""Where workflow files and actions come from: a commit of the repository, or a library; `$/` means that same place."""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .state import State

__all__ = ["Home", "Homes"]

OWN = re.compile(r"""(\buses["']?\s*:\s*["']?)\$/([^\s"'#,}]+)""")
THIRD = re.compile(r"""\buses["']?\s*:\s*["']?([^\s"'#,}]+@[^\s"'#,}]+)""")


@dataclass(frozen=True, slots=True)
class Home:
    """A repository at a commit: its `.github` folder and its top-level files, in a folder."""

    repository: str
    ref: str
    folder: Path

    def read(self, path: str) -> bytes:
        """Raises ValueError for a file that is not there."""
        try:
            return (self.folder / path).read_bytes()
        except OSError:
            raise ValueError(f"{path} is not in {self.repository} at {self.ref}") from None

    def uses(self) -> set[str]:
        """Every `owner/name[/below]@ref` that its workflows and actions use."""
        found: set[str] = set()
        for file in [*self.folder.glob(".github/**/*.y*ml"), *self.folder.glob("action.y*ml")]:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            found |= {
                name for line in lines if not line.lstrip().startswith("#") for name in THIRD.findall(line)
            }
        return {name for name in found if not name.startswith((".", "docker:"))}


class Homes:
    """Makes homes, once each. `libraries`: `owner/name` to a folder, for whatever ref."""

    def __init__(self, state: State, libraries: dict[str, Path]) -> None:
        self.state = state
        self.libraries = libraries

    def of(self, repository: str, ref: str) -> Home | None:
        """None when the repository is neither the stand-in's own nor a library."""
        folder = self.state.root / "homes" / repository.replace("/", "+") / re.sub(r"[^\w.-]", "_", ref)
        home = Home(repository, ref, folder)
        with self.state.lock:
            if folder.exists():
                return home
            if repository.lower() == self.state.repository.lower():
                files = self._of_commit(ref)
            elif repository in self.libraries:
                files = self._of_library(self.libraries[repository])
            else:
                return None
            folder.mkdir(parents=True)
            for path, content in files.items():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self._settled(home, path, content))
        return home

    def known(self, starts: list[Home]) -> tuple[dict[str, Home], set[str]]:
        """Of what these homes use, and what that uses: the homes, and the third-party actions that are left."""
        homes: dict[str, Home] = {}
        others: set[str] = set()
        waiting = list(starts)
        while waiting:
            for use in waiting.pop().uses():
                whole, _, ref = use.partition("@")
                name = "/".join(whole.split("/")[:2])
                if f"{name}@{ref}" in homes:
                    continue
                home = self.of(name, ref)
                if home is None:
                    others.add(use)
                else:
                    homes[f"{name}@{ref}"] = home
                    waiting.append(home)
        return homes, others

    def _of_commit(self, ref: str) -> dict[str, bytes]:
        git = self.state.git
        listing = git("ls-tree", ref).splitlines() if git.resolve(ref) else []
        entries = [(about.split()[1], name) for about, _, name in (line.partition("\t") for line in listing)]
        wanted = [name for kind, name in entries if kind == "blob" or name == ".github"]
        if not wanted:
            return {}
        with tarfile.open(
            fileobj=io.BytesIO(git.raw("archive", "--format=tar", ref, "--", *wanted))
        ) as archive:
            return {
                item.name: file.read()
                for item in archive.getmembers()
                if item.isfile() and (file := archive.extractfile(item))
            }

    @staticmethod
    def _of_library(folder: Path) -> dict[str, bytes]:
        files = [*folder.glob(".github/**/*"), *folder.glob("*")]
        return {str(file.relative_to(folder)): file.read_bytes() for file in files if file.is_file()}

    @staticmethod
    def _settled(home: Home, path: str, content: bytes) -> bytes:
        """`uses: $/path`, which act does not know, with this home written out."""
        if not path.endswith((".yml", ".yaml")):
            return content
        text = content.decode("utf-8", errors="surrogateescape")
        settled = OWN.sub(lambda m: f"{m[1]}{home.repository}/{m[2]}@{home.ref}", text)
        return settled.encode("utf-8", errors="surrogateescape")
