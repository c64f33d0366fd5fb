"""The main line as the audit reads it: what each of its commits did to entries, and to what they cite."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from evalkit.promote.base.evidence import EVIDENCE
from evalkit.promote.base.said import Said, read
from evalkit.promote.base.snapshot import ref_of
from evalkit.promote.base.versions import Step
from evalkit.promote.history import place as places
from evalkit.promote.history.compared import touches
from evalkit.promote.history.objects import blobs
from evalkit.registry.schema import validate
from evalkit.registry.schema.override import Override, OverrideFile
from evalkit.runtime.refs import Ref
from evalkit.runtime.yaml_source import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evalkit.promote.history.line import Change

__all__ = ["Past"]

ENTRIES = "registry/entries"


class Past:
    """One line of history and the registry on it."""

    def __init__(self, root: Path, tip: str) -> None:
        where = places.find(root)
        self.git = where.git
        self.prefix = where.prefix
        self.line, touched = touches(self.git, tip, ("registry", "suites"))
        self.is_cut = where.is_shallow and self.line.ids[0] in places.shallow_commits(self.git)
        self._mentioning: dict[str, list[Ref]] = {}
        self._said: dict[tuple[str, int], Said] = {}
        self.changes: dict[int, list[tuple[Ref, Change]]] = {}
        """The changes of entry files by place on the line, in its order."""
        self._others: list[tuple[int, Change]] = []
        """Those of all other files of the registry and the suites."""
        for place, changes in touched.items():
            for change in changes:
                if (ref := ref_of(change.path, ENTRIES)) is None:
                    self._others.append((place, change))
                else:
                    self.changes.setdefault(place, []).append((ref, change))

    @cached_property
    def began(self) -> int:
        """The place of the commit that brought the first entries: what it brings has no past; -1 if there is none."""
        return next(iter(self.changes), -1)

    @cached_property
    def contents(self) -> dict[str, bytes]:
        """Every entry file that ever was, by blob."""
        found = [change for changes in self.changes.values() for _, change in changes]
        return blobs(self.git, (blob for change in found for blob in (change.before, change.after) if blob))

    def said(self, blob: str, ref: Ref, path: str) -> Said:
        """What an entry file said, read once; it is the `after` of one change, and the `before` of the next."""
        found = self._said.get((blob, ref.version))
        if found is None:
            found = self._said[blob, ref.version] = read(self.contents[blob], ref.version, path)
        return found

    def steps(self) -> Iterator[tuple[int, dict[str, Step]]]:
        """What each commit did to entries, by name, oldest first."""
        for place, changes in self.changes.items():
            found: dict[str, Step] = defaultdict(Step)
            for ref, change in changes:
                step = found[ref.name]
                if change.after is None:
                    step.gone.append(ref.version)
                else:
                    step.states[ref.version] = self.said(change.after, ref, change.path).state
            yield place, found

    def others(self, folder: str) -> Iterator[tuple[int, Change]]:
        """Changes below another folder than that of entries, oldest first, of files that were there before."""
        for place, change in self._others:
            if change.before is not None and change.path.startswith(f"{folder}/"):
                yield place, change

    @cached_property
    def evidence_since(self) -> dict[str, tuple[int, Ref]]:
        """By suite: the place of the commit that brought the first evidence measured with it, and whose it was."""
        found: dict[str, tuple[int, Ref]] = {}
        for place, change in self._others:
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
        for place, change in self._others:
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


def _records(raw: bytes, path: str) -> list[Override]:
    source, problems = parse_bytes(raw, path)
    if problems or source.node is None:
        return []
    model, wrong = validate(OverrideFile, source)
    return list(model.overrides) if model and not wrong else []
