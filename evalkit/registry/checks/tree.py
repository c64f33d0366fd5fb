"""What lies in `registry/` and `suites/`: every file by its kind, name and version, and what does not belong there.

Only names are read here, no contents, so that the rest of the checks know what exists before they open anything.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import Location, Problem
from evalkit.registry.project import KINDS
from evalkit.registry.schema.base import close_match
from evalkit.runtime.refs import Ref, is_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Found", "Tree", "walk"]

_VERSION = re.compile(r"v([1-9][0-9]{0,8})")
_LOOSE_VERSION = re.compile(r"[vV]?0*([1-9][0-9]{0,8})")
_BY_NAME = {"holds": "a hold", "overrides": "a list of overrides"}
"""Folders with one file for each entry name."""

_FOLDERS = (*KINDS, *_BY_NAME, "evidence", "recordings", "schemas")
_READ_AS_TEXT = (".yaml", ".yml", ".json", ".jsonl", ".csv", ".parquet")


@dataclass(frozen=True, slots=True)
class Found:
    """A file in its place."""

    kind: str
    """`entries`, `prompts`, `tools`, `classes`, `suites`, `holds`, `overrides`, `evidence` or `recordings`."""
    ref: Ref
    """What its path names. Holds and overrides have no version: 0."""
    path: Path
    display: str
    suite: Ref | None = None
    """Of evidence and recordings: the suite."""


@dataclass(slots=True)
class Tree:
    """Every file in its place, and what is out of place."""

    found: dict[str, dict[Ref, Found]] = field(
        default_factory=lambda: {kind: {} for kind in (*KINDS, "suites", *_BY_NAME)}
    )
    evidence: list[Found] = field(default_factory=list)
    recordings: list[Found] = field(default_factory=list)
    beside_suites: dict[Ref, list[str]] = field(default_factory=dict)
    """The names of the other files in a suite's directory."""
    problems: list[Problem] = field(default_factory=list)

    _by_name: dict[str, dict[str, list[int]]] = field(default_factory=dict)

    def exists(self, kind: str, ref: Ref) -> bool:
        """Whether there is such a version."""
        return ref in self.found[kind]

    def versions(self, kind: str) -> dict[str, list[int]]:
        """The versions of each name of a kind, ascending. Asked for once the tree is complete."""
        if kind not in self._by_name:
            index: dict[str, list[int]] = {}
            for ref in sorted(self.found[kind]):
                index.setdefault(ref.name, []).append(ref.version)
            self._by_name[kind] = index
        return self._by_name[kind]

    def __len__(self) -> int:
        return sum(map(len, self.found.values())) + len(self.evidence) + len(self.recordings)


def walk(root: Path) -> Tree:
    """Look through a project's `registry/` and `suites/`."""
    return _Walk(root).tree()


class _Walk:
    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._real_root = root.resolve()
        self._tree = Tree()

    def tree(self) -> Tree:
        inside: set[str] = set()
        for entry in self._scan(""):
            name = entry.name
            if name != "evalkit.yaml" and name.lower() in {"evalkit.yaml", "evalkit.yml"}:
                self._stray(name, f"rename {name} to evalkit.yaml")
            elif name in ("registry", "suites") and self._stays_inside(entry, name):
                inside.add(name)
        if "registry" in inside:
            self._registry()
        if "suites" in inside:
            self._suites()
        return self._tree

    def _registry(self) -> None:
        for entry in self._scan("registry"):
            place = f"registry/{entry.name}"
            if not entry.is_dir():
                self._stray(
                    place, "files of the registry lie in its folders: registry/entries/<name>/v1.yaml"
                )
            elif entry.name in KINDS:
                self._names(entry.name, place)
            elif entry.name in _BY_NAME:
                self._files_by_name(entry.name, place)
            elif entry.name == "evidence":
                self._of_suites(place, "evidence", ".json", self._tree.evidence)
            elif entry.name == "recordings":
                self._of_suites(place, "a recording", ".jsonl", self._tree.recordings)
            elif entry.name != "schemas":
                guess = close_match(entry.name, _FOLDERS)
                hint = f"did you mean registry/{guess}?" if guess else f"folders: {', '.join(_FOLDERS)}"
                self._problem(place, f"no folder of the registry is called '{entry.name}'", hint)

    def _names(self, kind: str, folder: str) -> None:
        for entry in self._scan(folder):
            place = f"{folder}/{entry.name}"
            if not entry.is_dir():
                stem = entry.name.partition(".")[0].lower()
                where = f"move it to {folder}/{stem}/v1.yaml" if is_name(stem) else f"move it below {folder}/"
                self._stray(place, where)
            elif self._is_name(entry.name, place):
                for file in self._scan(place):
                    self._version_file(kind, entry.name, place, file)

    def _version_file(self, kind: str, name: str, folder: str, file: os.DirEntry[str]) -> None:
        place = f"{folder}/{file.name}"
        stem, dot, ending = file.name.partition(".")
        match = _VERSION.fullmatch(stem)
        if file.is_dir():
            self._problem(place, "no folder is read here", f"versions are files: {folder}/v1.yaml")
        elif match and ending == "yaml":
            self._add(kind, Ref(name, int(match[1])), place)
        else:
            loose = _LOOSE_VERSION.fullmatch(stem)
            wanted = f"v{loose[1]}.yaml" if loose else "v1.yaml, v2.yaml, …"
            hint = f"rename it to {wanted}" if loose and dot else f"versions are files called {wanted}"
            self._stray(place, hint)

    def _files_by_name(self, kind: str, folder: str) -> None:
        for entry in self._scan(folder):
            place = f"{folder}/{entry.name}"
            stem, _, ending = entry.name.rpartition(".")
            if not entry.is_dir() and ending == "yaml" and is_name(stem):
                self._add(kind, Ref(stem, 0), place)
            else:
                self._stray(
                    place, f"{_BY_NAME[kind]} is a file {folder}/<entry name>.yaml", is_dir=entry.is_dir()
                )

    def _of_suites(self, folder: str, what: str, ending: str, listed: list[Found]) -> None:
        """What there is once for each version of an entry and each suite."""
        shape = f"{what} lies at {folder}/<entry name>/v1/<suite>@v1{ending}"
        kind = folder.rpartition("/")[2]
        for entry, name, version in self._versions_in(folder, shape):
            for file in self._scan(entry):
                place = f"{entry}/{file.name}"
                suite = Ref.parse(file.name.removesuffix(ending))
                if file.is_dir() or not file.name.endswith(ending) or f"{suite}{ending}" != file.name:
                    self._stray(place, shape, is_dir=file.is_dir())
                else:
                    listed.append(Found(kind, Ref(name, version), Path(self._root, place), place, suite))

    def _suites(self) -> None:
        shape = "a suite lies at suites/<name>/v1/suite.yaml"
        for folder, name, version in self._versions_in("suites", shape):
            ref = Ref(name, version)
            others: list[str] = []
            misnamed = False
            for file in self._scan(folder):
                place = f"{folder}/{file.name}"
                if file.name == "suite.yaml" and not file.is_dir():
                    self._add("suites", ref, place)
                elif file.name.lower() in {"suite.yaml", "suite.yml"}:
                    self._stray(place, "rename it to suite.yaml")
                    misnamed = True
                elif file.is_dir():
                    self._problem(place, "no folder is read here", "cases lie beside suite.yaml")
                else:
                    others.append(file.name)
            self._tree.beside_suites[ref] = others
            if ref not in self._tree.found["suites"] and not misnamed:
                self._problem(folder, "there is no suite.yaml", shape)

    def _versions_in(self, folder: str, shape: str) -> Iterator[tuple[str, str, int]]:
        """Each `folder/<name>/v<version>` directory."""
        for entry in self._scan(folder):
            place = f"{folder}/{entry.name}"
            if not entry.is_dir():
                self._stray(place, shape)
            elif self._is_name(entry.name, place):
                for version in self._scan(place):
                    below = f"{place}/{version.name}"
                    match = _VERSION.fullmatch(version.name)
                    if match and version.is_dir():
                        yield below, entry.name, int(match[1])
                    else:
                        loose = _LOOSE_VERSION.fullmatch(version.name)
                        hint = f"rename it to v{loose[1]}" if loose and version.is_dir() else shape
                        self._stray(below, hint, is_dir=version.is_dir())

    def _is_name(self, name: str, place: str) -> bool:
        if is_name(name):
            return True
        better = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        hint = f"rename it to {better}" if is_name(better) else None
        message = f"'{name}' is no name: lower-case letters and digits joined by '-', '_' or '.'"
        self._problem(place, message, hint)
        return False

    def _add(self, kind: str, ref: Ref, place: str) -> None:
        self._tree.found[kind][ref] = Found(kind, ref, Path(self._root, place), place)

    def _scan(self, folder: str) -> list[os.DirEntry[str]]:
        """What lies in a folder, by name; hidden files and what leads out of the project are left out."""
        try:
            with os.scandir(os.path.join(self._root, folder)) as entries:  # noqa: PTH118 - 10,000 Path objects cost more than the listing
                found = sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self._tree.problems.append(
                Problem("EK107", f"cannot be read: {error.strerror}", Location(folder or "."))
            )
            return []
        if not folder:
            return found
        return [
            e for e in found if not e.name.startswith(".") and self._stays_inside(e, f"{folder}/{e.name}")
        ]

    def _stays_inside(self, entry: os.DirEntry[str], place: str) -> bool:
        if not entry.is_symlink():
            return True
        target = Path(entry.path).resolve()
        if not target.exists():
            message = "a symbolic link that leads nowhere"
        elif not target.is_relative_to(self._real_root):
            message = "leads out of the project through a symbolic link"
        else:
            return True
        hint = "put the file itself here"
        if not any(p.location and p.location.path == place for p in self._tree.problems):
            self._tree.problems.append(Problem("EK108", message, Location(place), hint))
        return False

    def _stray(self, place: str, hint: str, *, is_dir: bool = False) -> None:
        """A file that nothing reads: an error where it looks as if it were meant to be read, else a warning."""
        name = place.rpartition("/")[2].lower()
        if name.endswith(".md"):
            return
        meant = is_dir or name.endswith(_READ_AS_TEXT) or bool(_LOOSE_VERSION.match(name))
        what = "folder" if is_dir else "file"
        self._problem(place, f"nothing reads this {what}", hint, severity="error" if meant else "warning")

    def _problem(self, place: str, message: str, hint: str | None, *, severity: str = "error") -> None:
        self._tree.problems.append(Problem("EK110", message, Location(place), hint, severity))
