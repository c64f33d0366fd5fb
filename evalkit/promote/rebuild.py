"""The bundle that a commit compiles to, of one name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import ConfigError, Location
from evalkit.runtime.compile import PATHS, compile_registry
from evalkit.runtime.git import Git

if TYPE_CHECKING:
    from evalkit.errors import Problem
    from evalkit.promote.history import Repository
    from evalkit.runtime.bundle import Bundle

__all__ = ["bundle_then"]


def bundle_then(repository: Repository, commit: str, name: str) -> Bundle:
    """What the bundle of a commit says of one name: its entries, and what they refer to.

    Raises:
        ConfigError: it does not compile; places are written `commit:path`, as `git show` takes them.
        SourceError: EK704, the clone is shallow, so the commit's number is not known.
    """
    wanted = {path: raw for path, raw in repository.files(commit).items() if _concerns(path, name)}
    git = Git(str(repository.root), str(repository.root))
    where = f"commit {commit[:12]}"
    try:
        return compile_registry(wanted, git.commit(commit), where=where)
    except ConfigError as error:
        raise ConfigError(_at(problem, commit) for problem in error.problems) from None


def _concerns(path: str, name: str) -> bool:
    match = PATHS.fullmatch(path)
    return match is not None and (match[1] != "entries" or match[2] == name)


def _at(problem: Problem, commit: str) -> Problem:
    place = problem.location
    if place is None:
        return problem
    return problem.replace(location=Location(f"{commit[:12]}:{place.path}", place.line, place.column))
