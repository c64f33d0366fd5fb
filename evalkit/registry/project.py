"""A project on disk: `evalkit.yaml` and the registry, read lazily, each file once.

Only what is asked for is read: evaluating one entry among ten thousand opens one entry.
"""

from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from pydantic import BaseModel

from evalkit.errors import (
    Location,
    Problem,
    SchemaError,
    UnknownEntry,
    UnresolvedReference,
    UsageError,
)
from evalkit.registry.schema import Entry, EntryPolicy, ModelClass, ProjectConfig, Prompt, Tools, validate
from evalkit.registry.schema.base import close_match
from evalkit.runtime.refs import Ref, is_name
from evalkit.runtime.serving import EntryState
from evalkit.runtime.yaml_source import Source, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KINDS", "EffectivePolicy", "Kind", "Loaded", "Project", "effective_policy"]

M = TypeVar("M", bound=BaseModel)
_VERSION_FILE = re.compile(r"v([1-9][0-9]{0,8})\.yaml")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of versioned registry file."""

    folder: str
    model: type[BaseModel]
    noun: str


KINDS = {
    "entries": Kind("entries", Entry, "entry"),
    "prompts": Kind("prompts", Prompt, "prompt"),
    "tools": Kind("tools", Tools, "tools"),
    "classes": Kind("classes", ModelClass, "class"),
}


@dataclass(frozen=True, slots=True)
class Loaded(Generic[M]):
    """A valid file: its model and where everything stands."""

    model: M
    source: Source
    path: Path


def state_of(entry: Entry) -> EntryState:
    """What `serving` needs of an entry."""
    rollout = entry.rollout
    return EntryState(
        entry.version,
        entry.status,
        entry.traffic,
        bool(entry.control),
        percent=rollout.percent if rollout else None,
        unit=rollout.unit if rollout else "request",
    )


@dataclass(frozen=True, slots=True)
class EffectivePolicy:
    """What policy asks of one entry name."""

    suites: tuple[Ref, ...]
    production_gate: str
    approvals: int
    rule: str | None
    """The key of `policy.entries` that applies; None when only the defaults do."""


class Project:
    """A directory with a registry."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real_root = root.resolve()
        self._cache: dict[Path, tuple[BaseModel | None, Source, list[Problem]]] = {}

    @classmethod
    def find(cls, start: Path) -> Project:
        """The nearest directory, from `start` upwards, with an `evalkit.yaml` or a `registry/`.

        Raises:
            UsageError: EK903, there is none.
        """
        start = start.absolute()
        for folder in (start, *start.parents):
            if (folder / "evalkit.yaml").is_file() or (folder / "registry" / "entries").is_dir():
                return cls(folder)
        hint = "run it inside a repository with a registry/, or name one with --project DIR"
        raise UsageError(
            Problem("EK903", f"no evalkit.yaml and no registry/ in {start} or above it", hint=hint)
        )

    def state_dir(self) -> Path:
        """`.evalkit/`: cache, runs, locks. Never committed: it ignores itself."""
        folder = self.root / ".evalkit"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        return folder

    def display(self, path: Path) -> str:
        """The path as messages show it: relative to the project, with forward slashes."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return os.fspath(path)

    @property
    def config(self) -> ProjectConfig:
        """`evalkit.yaml`; its defaults when there is none.

        Raises:
            SchemaError: it is not valid.
        """
        path = self.root / "evalkit.yaml"
        return self.load(path, ProjectConfig).model if path.exists() else ProjectConfig()

    def read(self, path: Path, model: type[M]) -> tuple[M | None, Source, list[Problem]]:
        """Read and validate one file, once; problems are returned, not raised."""
        if path not in self._cache:
            display = self.display(path)
            if not path.resolve().is_relative_to(self._real_root):
                problem = Problem(
                    "EK108", "leads out of the project through a symbolic link", Location(display)
                )
                self._cache[path] = (None, Source(display, "", None, None), [problem])
            else:
                source, problems = read_yaml(path, display)
                found: M | None = None
                if source.node is not None:
                    found, more = validate(model, source)
                    problems = [*problems, *more]
                self._cache[path] = (None if problems else found, source, problems)
        cached, source, problems = self._cache[path]
        return cast("M | None", cached), source, problems  # a path always holds the same kind

    def load(self, path: Path, model: type[M]) -> Loaded[M]:
        """Read one file.

        Raises:
            SchemaError: with every problem of the file.
        """
        found, source, problems = self.read(path, model)
        if found is None:
            raise SchemaError(problems)
        return Loaded(found, source, path)

    def path_of(self, kind: str, ref: Ref) -> Path:
        """Where a version lives. A `Ref` holds a checked name, so the path stays inside the registry."""
        return self.root / "registry" / KINDS[kind].folder / ref.name / f"v{ref.version}.yaml"

    def names(self, kind: str = "entries") -> list[str]:
        """The names of a kind, sorted."""
        folder = self.root / "registry" / KINDS[kind].folder
        return sorted(entry.name for entry in _scan(folder) if entry.is_dir() and is_name(entry.name))

    def versions(self, name: str, kind: str = "entries") -> list[int]:
        """The versions of a name, ascending."""
        folder = self.root / "registry" / KINDS[kind].folder / name
        found = (_VERSION_FILE.fullmatch(entry.name) for entry in _scan(folder))
        return sorted(int(match[1]) for match in found if match)

    def entry(self, ref: Ref) -> Loaded[Entry]:
        """One entry.

        Raises:
            UnknownEntry: EK202, with what exists.
            SchemaError: the file is not valid.
        """
        path = self.path_of("entries", ref)
        if not path.is_file():
            raise UnknownEntry(self._unknown(ref.name, ref.version))
        return self.load(path, Entry)

    def entries(self, name: str) -> list[Loaded[Entry]]:
        """Every version of a name, ascending.

        Raises:
            UnknownEntry: the name has none.
            SchemaError: with the problems of every version that is not valid.
        """
        versions = self.versions(name)
        if not versions:
            raise UnknownEntry(self._unknown(name, None))
        loaded: list[Loaded[Entry]] = []
        problems: list[Problem] = []
        for version in versions:
            path = self.path_of("entries", Ref(name, version))
            model, source, found = self.read(path, Entry)
            problems += found
            if model is not None:
                loaded.append(Loaded(model, source, path))
        if problems:
            raise SchemaError(problems)
        return loaded

    def states(self, name: str) -> list[EntryState]:
        """What `serving` needs of each version."""
        return [state_of(loaded.model) for loaded in self.entries(name)]

    def target(self, text: str) -> Loaded[Entry]:
        """What a TARGET of the command line means: `name`, `name@v14`, or an entry file.

        A bare name is its newest draft, else its newest entry.

        Raises:
            UnknownEntry: EK202.
            SchemaError: the file is not valid.
        """
        if text.endswith((".yaml", ".yml")) or os.sep in text:
            path = Path(text).absolute()
            if not path.is_file():
                raise UnknownEntry(Problem("EK202", f"there is no file {text}"))
            return self.load(path, Entry)
        ref = Ref.parse(text)
        if ref is not None and (self.path_of("entries", ref).is_file() or not is_name(text)):
            return self.entry(ref)
        if ref is not None and not self.versions(text):
            return self.entry(ref)
        if not is_name(text):
            hint = "a target is name, name@v3, or the path of an entry file"
            raise UnknownEntry(Problem("EK202", f"'{text}' is no entry", hint=hint))
        entries = self.entries(text)
        drafts = [loaded for loaded in entries if loaded.model.status == "draft"]
        return (drafts or entries)[-1]

    def reference(self, kind: str, model: type[M], text: str, at: Location) -> Loaded[M]:
        """What a reference in a file names.

        Raises:
            UnresolvedReference: EK201 at the reference, with what exists.
            SchemaError: the file that is referred to is not valid.
        """
        ref = Ref.parse(text)
        if ref is None:
            raise UnresolvedReference(Problem("EK106", f"'{text}' is no reference: write name@v3", at))
        path = self.path_of(kind, ref)
        if not path.is_file():
            noun = KINDS[kind].noun
            versions = self.versions(ref.name, kind)
            if versions:
                hint = f"versions of {ref.name}: {', '.join(f'v{v}' for v in versions[-5:])}"
            else:
                guess = close_match(ref.name, self.names(kind))
                hint = f"did you mean '{guess}'?" if guess else f"create {self.display(path)}"
            raise UnresolvedReference(Problem("EK201", f"no {noun} {ref}", at, hint))
        return self.load(path, model)

    def policy_for(self, name: str) -> EffectivePolicy:
        """What `evalkit.yaml` asks of a name."""
        return effective_policy(self.config, name)

    def _unknown(self, name: str, version: int | None) -> Problem:
        versions = self.versions(name) if is_name(name) else []
        if versions:
            hint = f"versions of {name}: {', '.join(f'v{v}' for v in versions[-5:])}"
            return Problem("EK202", f"no entry {name}@v{version}", hint=hint)
        names = self.names()
        guess = close_match(name, names)
        hint = f"did you mean '{guess}'?" if guess else f"entries: {', '.join(names[:10]) or 'none yet'}"
        suffix = f"@v{version}" if version else ""
        return Problem("EK202", f"no entry {name}{suffix}", hint=hint)


def effective_policy(config: ProjectConfig, name: str) -> EffectivePolicy:
    """The defaults, and over them the exact name or else the longest pattern that matches."""
    policy = config.policy
    matching = [key for key in policy.entries if key == name or fnmatch.fnmatchcase(name, key)]
    rule = max(matching, key=lambda key: (key == name, len(key), key), default=None)
    own = policy.entries[rule] if rule is not None else EntryPolicy()
    suites = [Ref.parse(text) for text in (own.suites or policy.defaults.suites)]
    return EffectivePolicy(
        suites=tuple(ref for ref in suites if ref is not None),
        production_gate=own.production_gate or policy.defaults.production_gate,
        approvals=policy.defaults.approvals if own.approvals is None else own.approvals,
        rule=rule,
    )


def _scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return
