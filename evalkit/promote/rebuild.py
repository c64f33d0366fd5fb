"""The bundle that a commit compiles to, of one name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import ConfigError, Location
from evalkit.promote.authorship import components_of
from evalkit.promote.standing import read_entry
from evalkit.runtime.bundle import Commit
from evalkit.runtime.compile import compile_registry
from evalkit.runtime.refs import is_name

if TYPE_CHECKING:
    from evalkit.errors import Problem
    from evalkit.promote.history import Repository
    from evalkit.runtime.bundle import Bundle

__all__ = ["bundle_then"]


def bundle_then(repository: Repository, commit: str, name: str) -> Bundle | None:
    """What the bundle of a commit says of one name: its entries, and what they refer to; None if it has no entries there.

    Raises:
        ConfigError: it does not compile; places are written `commit:path`, as `git show` takes them.
        UsageError: EK803, the clone is shallow, so the commit's number is not known.
    """
    entries = repository.files(commit, [f"registry/entries/{name}"]) if is_name(name) else {}
    if not entries:
        return None
    named = {path for at, raw in entries.items() for path in components_of(read_entry(raw, at))}
    files = entries | repository.files(commit, ["evalkit.yaml", *sorted(named)])
    number, seconds = repository.number(commit)
    try:
        return compile_registry(files, Commit(commit, number, seconds), where=f"commit {commit[:12]}")
    except ConfigError as error:
        raise ConfigError(_at(problem, commit) for problem in error.problems) from None


def _at(problem: Problem, commit: str) -> Problem:
    place = problem.location
    if place is None:
        return problem
    return problem.replace(location=Location(f"{commit[:12]}:{place.path}", place.line, place.column))
