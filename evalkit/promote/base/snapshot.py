"""The files of a project at one side of a change: a commit, or a commit with what changed since laid over it."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from evalkit.promote.history.objects import blobs, listing
from evalkit.promote.history.states import simple
from evalkit.runtime.refs import Ref, is_name
from evalkit.runtime.yaml_source import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from evalkit.promote.history import FileChange
    from evalkit.promote.history.command import Git
    from evalkit.runtime.yaml_source import Source

__all__ = ["PROJECT", "Snapshot", "entry_path", "keys_of", "ref_of"]

PROJECT = ("evalkit.yaml", "registry", "suites")
"""The files and directories that are under the rules."""

_SUITE_BYTES = 16 * 1024 * 1024  # inline cases may be long


def entry_path(name: str, version: int) -> str:
    """Where an entry lies."""
    return f"registry/entries/{name}/v{version}.yaml"


@lru_cache(maxsize=1 << 16)  # a long history names each path many times
def ref_of(path: str, folder: str) -> Ref | None:
    """The ref of a file `<folder>/<name>/v<version>.yaml`; None for any other path."""
    parts = path.removeprefix(f"{folder}/").split("/")
    if not path.startswith(f"{folder}/") or len(parts) != 2 or not parts[1].endswith(".yaml"):
        return None
    found = Ref.parse(f"{parts[0]}@{parts[1].removesuffix('.yaml')}") if is_name(parts[0]) else None
    return found if found and path == f"{folder}/{found.name}/v{found.version}.yaml" else None


def keys_of(raw: bytes | None, path: str) -> dict[str, Any] | None:
    """The keys of a YAML file; None if there is none, or it cannot be read. Plain files are read the quick way."""
    if raw is None:
        return None
    if (quick := simple(raw)) is not None:
        return quick
    source, problems = parse_bytes(raw, path)
    return source.data if not problems and isinstance(source.data, dict) else None


class Snapshot:
    """Plain files by path relative to the project, each read at most once."""

    def __init__(self, git: Git, commit: str, changed: Iterable[FileChange] = ()) -> None:
        self._git = git
        self._ids = {blob.path: blob.id for blob in listing(git, commit, PROJECT)}
        self._contents: dict[str, bytes] = {}
        self._parsed: dict[str, Source | None] = {}
        for change in changed:
            self._ids.pop(change.path, None)
            if change.after is not None:
                self._contents[change.path] = change.after

    def __contains__(self, path: str) -> bool:
        return path in self._ids or path in self._contents

    @cached_property
    def entries(self) -> Mapping[str, tuple[int, ...]]:
        """The versions of each name, ascending."""
        found: dict[str, list[int]] = {}
        for path in self.below("registry/entries"):
            if (ref := ref_of(path, "registry/entries")) is not None:
                found.setdefault(ref.name, []).append(ref.version)
        return {name: tuple(sorted(versions)) for name, versions in found.items()}

    def below(self, folder: str) -> list[str]:
        """The paths of all files in a folder, sorted."""
        return sorted({p for p in (*self._ids, *self._contents) if p.startswith(f"{folder}/")})

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is no plain file."""
        if path not in self._contents:
            if path not in self._ids:
                return None
            self.load([path])
        return self._contents[path]

    def load(self, paths: Iterable[str]) -> None:
        """Read many files with one process, where each by itself would take one."""
        wanted = {path: self._ids[path] for path in paths if path in self._ids and path not in self._contents}
        contents = blobs(self._git, wanted.values())
        self._contents |= {path: contents[blob] for path, blob in wanted.items()}

    def parsed(self, path: str) -> Source | None:
        """A YAML file that is a mapping, with the place of every key; None for anything else."""
        if path not in self._parsed:
            raw = self.read(path)
            source, problems = parse_bytes(raw or b"", path, max_bytes=_SUITE_BYTES)
            is_usable = raw is not None and not problems and isinstance(source.data, dict)
            self._parsed[path] = source if is_usable else None
        return self._parsed[path]

    def all_entries(self) -> Iterator[tuple[Ref, bytes]]:
        """Every entry file of the registry, unread."""
        refs = [Ref(name, version) for name, versions in self.entries.items() for version in versions]
        self.load(entry_path(ref.name, ref.version) for ref in refs)
        for ref in refs:
            yield ref, self.read(entry_path(ref.name, ref.version)) or b""
