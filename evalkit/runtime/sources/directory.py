"""A registry directory, compiled when it changes."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from evalkit.errors import ConfigError, EvalkitError, Location, Problem, SourceError
from evalkit.runtime.forking import import_now
from evalkit.runtime.sources.fetched import Fetched
from evalkit.runtime.sources.file import INTERVAL_S, stamp, unreadable
from evalkit.runtime.sources.watching import wait_for_change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.runtime.sources.base import Stop

__all__ = ["DirectorySource", "read_directory"]

_SCAN_SHARE = 0.01
"""Of the time, at the most, is spent on looking whether a directory has changed."""

_TRIES = 5
_FOLDERS = ("entries", "prompts", "tools", "classes")


class DirectorySource:
    """A registry directory, or the project that holds it. What lies there need not be committed: it has no commit."""

    is_local = True

    def __init__(self, path: str) -> None:
        absolute = Path(path).absolute()
        is_registry = (absolute / "entries").is_dir() and not (absolute / "registry").is_dir()
        self._root = absolute.parent if is_registry else absolute
        self._registry = absolute if is_registry else absolute / "registry"
        self.display = path
        self.identity = str(absolute)
        self._scan_s = 0.0
        self._broken: tuple[str, ConfigError] | None = None
        """A state that does not compile, and why: it is not compiled again before something changes."""

    @property
    def interval_s(self) -> float | None:
        """Longer for a directory that takes long to look through."""
        if not self._scan_s:
            with contextlib.suppress(EvalkitError, OSError):  # whoever reads it will be told
                self._fingerprint()
        return max(INTERVAL_S, self._scan_s / _SCAN_SHARE)

    def prepare(self) -> None:
        """As `BundleSource.prepare`."""
        import_now("jinja2", "evalkit.runtime.compile")

    def fetch(self, known: str | None, timeout_s: float) -> Fetched | None:
        """As `BundleSource.fetch`."""
        deadline = time.monotonic() + timeout_s
        for _ in range(_TRIES):
            try:
                before = self._fingerprint()
                if before == known:
                    return None
                if self._broken and self._broken[0] == before:
                    raise self._broken[1]
                files = {
                    name: path.read_bytes() for name, path in _files(self._root, self._registry, self.display)
                }
                unchanged = self._fingerprint() == before
            except FileNotFoundError:
                if not self._registry.is_dir():
                    raise _missing(self.display) from None
                unchanged = False  # a file went away between listing and reading
            except OSError as error:
                raise unreadable(self.display, error) from None
            if unchanged:
                return self._compiled(files, before)
            if time.monotonic() > deadline:
                break
        message = "its files are being changed faster than they can be read"
        hint = "write the new state beside it and exchange the two with one rename"
        raise SourceError(Problem("EK704", message, Location(self.display), hint))

    def _compiled(self, files: dict[str, bytes], tag: str) -> Fetched:
        from evalkit.runtime.compile import compile_registry

        try:
            return Fetched(compile_registry(files, None, where=self.display), tag)
        except ConfigError as error:
            self._broken = tag, error
            raise

    def wait(self, seconds: float, stop: Stop) -> None:
        """As `BundleSource.wait`."""
        wait_for_change(self._registry, seconds, stop)

    def _fingerprint(self) -> str:
        """Name, size, time and identity of every file, hashed."""
        import hashlib

        began = time.perf_counter()
        stamps = hashlib.sha256()
        for name, path in _files(self._root, self._registry, self.display):
            stamps.update(f"{name}\0{stamp(path.stat())}\0".encode("utf-8", "surrogateescape"))
        self._scan_s = time.perf_counter() - began
        return stamps.hexdigest()


def read_directory(root: Path) -> dict[str, bytes]:
    """The files of a project that a bundle is made of, by their path in it.

    Raises:
        SourceError: EK704, there is no registry.
        ConfigError: EK108, a link leads out of the project.
    """
    return {name: path.read_bytes() for name, path in _files(root, root / "registry", str(root))}


def _files(root: Path, registry: Path, display: str) -> Iterator[tuple[str, Path]]:
    """The same files, not yet read."""
    if not registry.is_dir():
        raise _missing(display)
    inside = root.resolve()
    project = root / "evalkit.yaml"
    if project.is_file():
        yield "evalkit.yaml", _inside(project, inside, "evalkit.yaml")
    for folder in _FOLDERS:
        for entry in _sorted(registry / folder):
            if entry.is_dir():
                for file in _sorted(Path(entry.path)):
                    if file.name.endswith(".yaml") and file.is_file():
                        name = f"registry/{folder}/{entry.name}/{file.name}"
                        yield name, _inside(Path(file.path), inside, name)


def _sorted(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _inside(path: Path, root: Path, name: str) -> Path:
    """The path, unless it is a link that leads out of the project: what is resolved must be what is in it."""
    if not path.resolve().is_relative_to(root):
        message = "leads out of the project through a symbolic link"
        raise ConfigError(Problem("EK108", message, Location(name), "put the file itself there"))
    return path


def _missing(display: str) -> SourceError:
    hint = "name a directory that holds registry/entries, or the registry directory itself"
    return SourceError(Problem("EK704", "there is no registry in it", Location(display), hint))
