"""One file under check. Checks read what the author wrote, so that one mistake in a file does not hide the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from evalkit.errors import Location, Problem
from evalkit.registry.schema.base import shown, validate
from evalkit.runtime.refs import Ref
from evalkit.runtime.yaml_source import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.registry.checks.tree import Found
    from evalkit.runtime.yaml_source import Source

__all__ = ["Checked", "read"]

M = TypeVar("M", bound=BaseModel)
Loc = tuple[str | int, ...]


@dataclass(slots=True)
class Checked(Generic[M]):
    """A file, what could be read of it, and what is wrong with it so far."""

    source: Source
    model: M | None
    """None when the file is not valid on its own."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def raw(self) -> Mapping[str, Any]:
        """The keys as written; their values may be anything."""
        return self.source.data if isinstance(self.source.data, dict) else {}

    def text(self, key: str) -> str | None:
        """The value of a top-level key, if it is text."""
        value = self.raw.get(key)
        return value if isinstance(value, str) and value else None

    def mapping(self, key: str) -> Mapping[str, Any]:
        """The value of a top-level key, if it is a mapping; else an empty one."""
        value = self.raw.get(key)
        return value if isinstance(value, dict) else {}

    def reference(self, key: str) -> Ref | None:
        """The value of a top-level key, if it is a reference; a malformed one is the schema's to report."""
        text = self.text(key)
        return Ref.parse(text) if text else None

    def report(
        self,
        code: str,
        message: str,
        at: Loc | Location = (),
        hint: str | None = None,
        *,
        key: bool = False,
        severity: str = "error",
    ) -> None:
        """Add a problem at a key's value (with `key`, at the key itself)."""
        place = at if isinstance(at, Location) else self.source.locate(at, key=key)
        self.problems.append(Problem(code, message, place, hint, severity))

    def warn(
        self, code: str, message: str, at: Loc | Location = (), hint: str | None = None, *, key: bool = False
    ) -> None:
        """Add what is reported and does not fail a check."""
        self.report(code, message, at, hint, key=key, severity="warning")

    @property
    def is_broken(self) -> bool:
        """Whether the file cannot be used."""
        return any(problem.severity == "error" for problem in self.problems)


def read(found: Found, model: type[M]) -> Checked[M]:
    """Read a file of the registry and check it on its own: syntax, keys, types, its name and version."""
    source, problems = read_yaml(found.path, found.display)
    checked: Checked[M] = Checked(source, None, list(problems))
    if source.node is None:
        return checked
    valid, more = validate(model, source)
    checked.problems += more
    checked.model = None if checked.problems else valid
    if found.ref.version:
        check_place(checked, found.ref)
    return checked


def check_place(checked: Checked[M], ref: Ref) -> None:
    """The name and the version of a file must be those of its path."""
    name, version = checked.raw.get("name"), checked.raw.get("version")
    if isinstance(name, str) and name != ref.name:
        message = f"the name is {shown(name)}, and the file lies in {ref.name}/"
        checked.report("EK109", message, ("name",), f"write {ref.name}, or move the file")
    if type(version) is int and version != ref.version:
        message = f"the version is {version}, and the file is that of v{ref.version}"
        checked.report("EK109", message, ("version",), f"write {ref.version}, or rename the file")
