"""One change, with everything that the rules ask about it, each found out once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from evalkit.errors import Location, Problem, UsageError
from evalkit.promote.base.snapshot import Snapshot, entry_path, ref_of
from evalkit.promote.history import Repository, place
from evalkit.promote.history.states import VersionState, read_state
from evalkit.registry.project import effective_policy
from evalkit.registry.schema import ProjectConfig, validate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evalkit.promote.history import FileChange, NameHistory
    from evalkit.registry.project import EffectivePolicy
    from evalkit.runtime.yaml_source import Source

__all__ = ["Change", "States", "at", "locate"]

States = dict[int, VersionState]


class Change:
    """What differs between a base and the work tree, or a second commit.

    Raises:
        UsageError: there is no such commit (EK804), the two have none in common (EK857), or what a shallow clone leaves
            out is needed (EK803).
    """

    def __init__(self, root: Path, ref: str, head: str | None = None) -> None:
        self.root = root
        self.git = place.find(root).git
        self.repository = Repository.of(root)
        self.ref = self.repository.commit(ref).id
        self.head = self.repository.commit(head or "HEAD").id
        base = self.repository.merge_base(self.ref, self.head)
        if base is None:
            message = (
                f"{ref} and {head or 'HEAD'} have no commit in common, so there is nothing to compare with"
            )
            raise UsageError(Problem("EK857", message, hint="name the branch that the change starts from"))
        self.base = base
        self.compared_head = head
        """None for the work tree."""
        found = self.repository.changed(base, head)
        self.files: Mapping[str, FileChange] = {change.path: change for change in found}
        self.before = Snapshot(self.git, base)
        self.after = Snapshot(self.git, base, found)
        self._before: dict[str, States] = {}
        self._after: dict[str, States] = {}
        self._histories: dict[str, NameHistory] = {}
        self.unreadable: list[Problem] = []
        """Entries whose state in base nobody can tell; they are judged as if they had not changed."""

    @property
    def is_beginning(self) -> bool:
        """Whether the base has no entry at all: a registry is brought in, and nothing in it has a past here."""
        return not self.before.entries

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of which an entry, or the file of overrides, changed."""
        found = {ref.name for path in self.files if (ref := ref_of(path, "registry/entries"))}
        for path in self.files:
            folder, _, file = path.rpartition("/")
            if folder == "registry/overrides" and file.endswith(".yaml"):
                found.add(file.removesuffix(".yaml"))
        return tuple(sorted(found))

    @cached_property
    def config_before(self) -> ProjectConfig:
        """The base's `evalkit.yaml`: by its policy a change is judged. The defaults where it has none that is valid."""
        return _config(self.before)

    @property
    def has_readable_policy(self) -> bool:
        """Whether the base's `evalkit.yaml` is valid, or there is none."""
        source = self.before.parsed("evalkit.yaml")
        if source is None:
            return "evalkit.yaml" not in self.before
        return not validate(ProjectConfig, source)[1]

    @cached_property
    def config_after(self) -> ProjectConfig | None:
        """The changed `evalkit.yaml`; None if it is not valid, which is reported with the file."""
        source = self.after.parsed("evalkit.yaml")
        if source is None:
            return None if "evalkit.yaml" in self.after else ProjectConfig()
        model, problems = validate(ProjectConfig, source)
        return None if problems else model

    def policy(self, name: str) -> EffectivePolicy:
        """What the base's policy asks of a name."""
        return effective_policy(self.config_before, name)

    def states_before(self, name: str) -> States:
        """The states of a name's versions in base, as far as they can be read."""
        self._read(name)
        return self._before[name]

    def states_after(self, name: str) -> States:
        """The same after the change. A file that cannot be read any more is reported by itself, and keeps its state."""
        self._read(name)
        return self._after[name]

    def history(self, name: str) -> NameHistory:
        """What happened to a name up to the base.

        Raises:
            UsageError: EK803, the clone is shallow.
        """
        if name not in self._histories:
            self._histories[name] = self.repository.history(name, self.base)
        return self._histories[name]

    def data(self, side: Snapshot, name: str, version: int) -> dict[str, Any]:
        """The keys of an entry; empty where it cannot be read."""
        source = side.parsed(entry_path(name, version))
        return source.data if source else {}

    def _read(self, name: str) -> None:
        if name in self._before:
            return
        before, after = _states(self.before, name), _states(self.after, name)
        for version, state in list(before.items()):
            now = after.get(version)
            if state is None and version in after:
                self._report_unreadable(name, version)
                before[version] = now
            elif now is None and version in after:
                after[version] = state
        self._before[name] = {version: state for version, state in before.items() if state}
        self._after[name] = {version: state for version, state in after.items() if state}

    def _report_unreadable(self, name: str, version: int) -> None:
        path = entry_path(name, version)
        if path in self.files:
            message = f"{name}@v{version} cannot be read in the base, so what changed in it cannot be judged"
            hint = "look at it closely: git diff"
            self.unreadable.append(Problem("EK856", message, Location(path), hint, "warning"))


def _states(side: Snapshot, name: str) -> dict[int, VersionState | None]:
    paths = {version: entry_path(name, version) for version in side.entries.get(name, ())}
    side.load(paths.values())
    return {version: read_state(side.read(path) or b"", version, "", path) for version, path in paths.items()}


def _config(side: Snapshot) -> ProjectConfig:
    source = side.parsed("evalkit.yaml")
    model = validate(ProjectConfig, source)[0] if source else None
    return model or ProjectConfig()


def locate(source: Source | None, path: str, loc: Sequence[str | int]) -> Location:
    """Where the key stands that `loc` leads to, or the nearest above it; the file as a whole if it is gone."""
    if source is None or not loc or not isinstance(source.data, dict) or loc[0] not in source.data:
        return Location(path)
    return source.locate(loc, key=True)


def at(change: Change, name: str, version: int, *keys: str) -> Location:
    """Where the first of these keys stands in the changed file of an entry that has it; else the file."""
    path = entry_path(name, version)
    source = change.after.parsed(path)
    places = (locate(source, path, (key,)) for key in keys)
    return next((one for one in places if one.line), Location(path))
