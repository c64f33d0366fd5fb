"""The main line as the audit reads it: each step's states of entries, from one pass of git over the registry."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from evalkit.promote.base.evidence import EVIDENCE
from evalkit.promote.base.snapshot import ref_of
from evalkit.promote.history import place as places
from evalkit.promote.history.line import touches, walk
from evalkit.promote.history.objects import blobs
from evalkit.promote.history.states import read_state, simple
from evalkit.registry.schema import validate
from evalkit.registry.schema.override import Override, OverrideFile
from evalkit.runtime.refs import Ref
from evalkit.runtime.serving import EntryState
from evalkit.runtime.yaml_source import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evalkit.promote.history.line import Change

__all__ = ["Past", "Step", "line_keys", "state_of"]

ENTRIES = "registry/entries"
_STATE_KEYS = ("status", "traffic", "control", "rollout")


@dataclass(slots=True)
class Step:
    """What one commit did to the entries of one name."""

    states: dict[int, EntryState | None] = field(default_factory=dict)
    """Of each version whose file it wrote; None for one that cannot be read, which keeps the state it had."""
    gone: list[int] = field(default_factory=list)


class Past:
    """One line of history and the registry on it."""

    def __init__(self, root: Path, tip: str) -> None:
        where = places.find(root)
        self.git = where.git
        self.prefix = where.prefix
        self.line = walk(self.git, tip)
        self.is_cut = where.is_shallow and self.line.ids[0] in places.shallow_commits(self.git)
        self._mentioning: dict[str, list[Ref]] = {}
        self._touched = touches(self.git, self.line, "registry", self.prefix)
        pool = ThreadPoolExecutor(1)  # git looks for changed suites while the entries are read here
        self._suites = pool.submit(touches, self.git, self.line, "suites", self.prefix)
        pool.shutdown(wait=False)

    @cached_property
    def changes(self) -> dict[int, list[tuple[Ref, Change]]]:
        """The changes of entry files by place on the line, in its order."""
        found: dict[int, list[tuple[Ref, Change]]] = {}
        for place in sorted(self._touched):
            for change in self._touched[place]:
                ref = _entry(change.path)
                if ref is not None:
                    found.setdefault(place, []).append((ref, change))
        return found

    @cached_property
    def began(self) -> int:
        """The place of the commit that brought the first entries: what it brings has no past; -1 if there is none."""
        return next(iter(self.changes), -1)

    @cached_property
    def contents(self) -> dict[str, bytes]:
        """Every entry file that ever was, by blob."""
        wanted = {
            blob
            for changes in self.changes.values()
            for _, change in changes
            for blob in (change.before, change.after)
            if blob
        }
        return blobs(self.git, sorted(wanted))

    def steps(self) -> Iterator[tuple[int, dict[str, Step]]]:
        """What each commit did to entries, by name, oldest first."""
        for place, changes in self.changes.items():
            found: dict[str, Step] = defaultdict(Step)
            for ref, change in changes:
                step = found[ref.name]
                if change.after is None:
                    step.gone.append(ref.version)
                else:
                    raw = self.contents[change.after]
                    step.states[ref.version] = state_of(raw, ref.version, change.path)
            yield place, found

    def others(self, folder: str) -> Iterator[tuple[int, Change]]:
        """Changes below another folder of the registry, oldest first, of files that were there before."""
        for place in sorted(self._touched):
            for change in self._touched[place]:
                if change.before is not None and change.path.startswith(f"registry/{folder}/"):
                    yield place, change

    def suites(self) -> Iterator[tuple[int, Change]]:
        """The same for suites and their cases."""
        touched = self._suites.result()
        for place in sorted(touched):
            for change in touched[place]:
                if change.before is not None:
                    yield place, change

    @cached_property
    def evidence_since(self) -> dict[str, tuple[int, Ref]]:
        """By suite: the place of the commit that brought the first evidence measured with it, and whose it was."""
        found: dict[str, tuple[int, Ref]] = {}
        for place in sorted(self._touched):
            for change in self._touched[place]:
                if change.after and (match := EVIDENCE.fullmatch(change.path)):
                    found.setdefault(match[3], (place, Ref(match[1], int(match[2]))))
        return found

    def overrides(self, name: str) -> list[tuple[int, int, str]]:
        """Each record that was ever added for a name: the place on the line, the version, the kind."""
        return self._overrides.get(name, [])

    @cached_property
    def _overrides(self) -> dict[str, list[tuple[int, int, str]]]:
        found: dict[str, list[tuple[int, int, str]]] = {}
        known: dict[str, list[Override]] = {}
        for place in sorted(self._touched):
            for change in self._touched[place]:
                folder, _, file = change.path.rpartition("/")
                if folder != "registry/overrides" or change.after is None:
                    continue
                name = file.removesuffix(".yaml")
                records = _records(blobs(self.git, [change.after])[change.after], change.path)
                before = known.get(name, [])
                new = [(place, one.version, one.change) for one in records if one not in before]
                found.setdefault(name, []).extend(new)
                known[name] = [*before, *records]
        return found

    def mentioning(self, word: str, place: int) -> Iterator[tuple[Ref, bytes]]:
        """The entries that existed just before a commit and have a word in their file."""
        if word not in self._mentioning:
            needle = word.encode()
            blobs_with = {blob for blob, raw in self.contents.items() if needle in raw}
            self._mentioning[word] = [
                ref for ref, files in self._files.items() if any(blob in blobs_with for _, blob in files)
            ]
        for ref in self._mentioning[word]:
            files = self._files[ref]
            index = bisect_left(files, place, key=lambda file: file[0])
            blob = files[index - 1][1] if index else None
            if blob is not None:
                yield ref, self.contents[blob]

    @cached_property
    def _files(self) -> dict[Ref, list[tuple[int, str | None]]]:
        """What each entry's file became at which place."""
        found: dict[Ref, list[tuple[int, str | None]]] = {}
        for place, changes in self.changes.items():
            for ref, change in changes:
                found.setdefault(ref, []).append((place, change.after))
        return found


@lru_cache(maxsize=65_536)
def _entry(path: str) -> Ref | None:
    return ref_of(path, ENTRIES)


def _records(raw: bytes, path: str) -> list[Override]:
    source, problems = parse_bytes(raw, path)
    if problems or source.node is None:
        return []
    model, wrong = validate(OverrideFile, source)
    return list(model.overrides) if model and not wrong else []


@lru_cache(maxsize=65_536)
def line_keys(line: bytes) -> tuple[str, Any] | None:
    """The key and value of a line that is a file's whole statement about that key; None for any other line.

    An empty line or a comment by itself is `("", None)`.
    """
    if not line.strip() or line.lstrip(b" ").startswith(b"#"):
        return "", None
    if line.startswith(b" "):
        return None
    found = simple(line)
    return next(iter(found.items())) if found and len(found) == 1 else None


def state_of(raw: bytes, version: int, path: str) -> EntryState | None:
    """What a file says of whether its version serves. Most lines of most files were read before."""
    said: dict[str, Any] = {}
    for line in raw.split(b"\n"):
        pair = line_keys(line)
        if pair is None or (pair[0] in said):
            return _whole(raw, version, path)
        if pair[0]:
            said[pair[0]] = pair[1]
    rollout = said.get("rollout")
    if rollout is not None or said.get("traffic") is not None or "control" in said:
        return _whole(raw, version, path)
    status = said.get("status")
    return _plain_state(version, status) if isinstance(status, str) else None


@lru_cache(maxsize=65_536)
def _plain_state(version: int, status: str) -> EntryState | None:
    return EntryState(version, status) if status in {"draft", "staging", "production", "retired"} else None


def _whole(raw: bytes, version: int, path: str) -> EntryState | None:
    found = read_state(raw, version, "", path)
    return found.state if found else None
