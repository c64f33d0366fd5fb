"""The version numbers that were ever used, from the line that a change goes to."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from evalkit.errors import Problem, UsageError
from evalkit.promote.history import place
from evalkit.promote.history.compared import touches
from evalkit.promote.history.gather import ENTRIES, by_name
from evalkit.promote.history.objects import listing
from evalkit.runtime.refs import is_name

if TYPE_CHECKING:
    from evalkit.promote.base.change import Change

__all__ = ["Numbers"]

_FEW_NAMES = 8
"""Names whose folders are looked up sooner, one by one along the line, than the folder of all names is compared."""


class Numbers:
    """What is gone from the line of the ref; looked up on first use, for all names of the change at once."""

    def __init__(self, change: Change) -> None:
        self._change = change

    def given_up(self, name: str) -> set[int]:
        """The numbers of versions that the line once had and has no more.

        What it has now is no reuse: two changes took the same number at the same time, and git says so.

        Raises:
            UsageError: EK803, the clone is shallow.
        """
        return self._given_up.get(name, set())

    @cached_property
    def _given_up(self) -> dict[str, set[int]]:
        where = place.find(self._change.root)
        names = [name for name in self._change.names if is_name(name)]
        if not names:
            return {}
        folders = [f"{ENTRIES}/{name}" for name in names] if len(names) <= _FEW_NAMES else [ENTRIES]
        line, touched = touches(where.git, self._change.ref, folders)
        if where.is_shallow and line.ids[0] in place.shallow_commits(where.git):
            message = "this clone is shallow and does not hold which version numbers were used before"
            hint = "run `git fetch --unshallow`; in GitHub Actions, give actions/checkout `fetch-depth: 0`"
            raise UsageError(Problem("EK803", message, hint=hint))
        now = {blob.path for blob in listing(where.git, self._change.ref, folders)}
        found: dict[str, set[int]] = {}
        for name, by_place in by_name(touched).items():
            ever = {version for versions in by_place.values() for version in versions}
            found[name] = {version for version in ever if f"{ENTRIES}/{name}/v{version}.yaml" not in now}
        return found
