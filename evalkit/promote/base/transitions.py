"""Rules of the lifecycle: what each name's states may become, and which changes of exposure are put on record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.errors import Location, Problem, UsageError
from evalkit.promote.base.change import at
from evalkit.promote.base.snapshot import entry_path
from evalkit.promote.history.transitions import exposure
from evalkit.registry.lifecycle import NEVER_OVERRIDDEN, violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.promote.base.change import Change
    from evalkit.promote.base.numbers import Numbers
    from evalkit.promote.base.records import Records
    from evalkit.registry.lifecycle import Violation

__all__ = ["CODES", "exposure_changes", "illegal_transitions"]

CODES = {"deletes": "EK837", "reuses-number": "EK836"}
"""By kind of violation; EK838 for every other."""

_DEFAULT = "EK838"


def illegal_transitions(change: Change, name: str, records: Records, numbers: Numbers) -> Iterator[Problem]:
    """What the whole change does to a name and the lifecycle does not allow (EK836, EK837, EK838)."""
    before, after = change.states_before(name), change.states_after(name)
    used: set[int] = set()
    if new := after.keys() - before.keys():
        try:
            used = numbers.given_up(name) & new
        except UsageError as error:
            yield from error.problems
    found = violations(
        {version: one.state for version, one in before.items()},
        {version: one.state for version, one in after.items()},
        used,
    )
    for one in found:
        if one.kind not in NEVER_OVERRIDDEN and records.excuse(one.version, (one.kind,)):
            continue
        hint = one.hint.replace("NAME", name)
        if one.kind == "goes-back" and before[one.version].state.status == "production":
            hint = f'a git revert does not take a promotion back; evalkit rollback {name} --reason "…" does'
        place = _place(change, name, one)
        yield Problem(CODES.get(one.kind, _DEFAULT), f"{name}: {one.message}", place, hint)


def _place(change: Change, name: str, one: Violation) -> Location:
    if one.kind == "deletes":
        return Location(entry_path(name, one.version))
    return at(change, name, one.version, one.key, "status")


def exposure_changes(change: Change, name: str) -> Iterator[Problem]:
    """Each change of how much traffic a version past draft asks for: legal, and put on record (EK854).

    That a canary ends by being promoted or retired is no change beside that of its status.
    """
    before, after = change.states_before(name), change.states_after(name)
    for version in sorted(before.keys() & after.keys()):
        one, other = before[version], after[version]
        if one.state.status == "draft":
            continue
        as_now = replace(one, state=one.state.replace(status=other.state.status))
        old, new = exposure(as_now), exposure(other)
        if old == new:
            continue
        message = f"the exposure of {name}@v{version} changes: {old or 'none'} -> {new or 'none'}"
        shares = {(state.state.percent, state.state.unit) for state in (one, other)}
        is_share = other.state.status == "staging" and len(shares) > 1
        keys = ("rollout", "traffic") if is_share else ("traffic", "control")
        hint = "it takes effect when this is merged, and is part of the audit: evalkit log"
        yield Problem("EK854", message, at(change, name, version, *keys, "status"), hint, "warning")
