"""Which changes of a name's entries are legal: one pure function over the states before and after (docs/lifecycle.md).

    draft ──> staging ──> production         draft, staging, production ──> retired

A change is judged as a whole, whatever commits it is made of: what parallel merges add up to is one change as well.
Who serves is never decided here, only asked (`evalkit.runtime.serving`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.runtime.serving import conflicts, serving

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from evalkit.runtime.serving import EntryState, Serving

__all__ = ["ENVIRONMENTS", "NEVER_OVERRIDDEN", "Violation", "arms", "overtaken", "violations"]

ENVIRONMENTS = ("production", "staging")

NEVER_OVERRIDDEN = frozenset({"ambiguous"})
"""Kinds that no record excuses: a name of which it is unclear who serves cannot be compiled at all."""

_NEXT = {
    "draft": {"draft", "staging", "retired"},
    "staging": {"staging", "production", "retired"},
    "production": {"production", "retired"},
    "retired": {"retired"},
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a change breaks."""

    kind: str
    """What an override names in its `change`:

    `skips-staging`, `goes-back`, `revives` (status changes that do not exist), `below` (a promotion that production
    has overtaken), `no-weight` (a promotion into a live A/B without traffic of its own), `deletes`, `reuses-number`,
    `empties` (an environment that was served has nobody), `ambiguous` (two controls, two canaries).
    """
    version: int
    key: str
    """Of the entry file: where to point at."""
    message: str
    hint: str


def violations(
    before: Mapping[int, EntryState], after: Mapping[int, EntryState], used: Collection[int] = ()
) -> list[Violation]:
    """Every rule of the lifecycle that a change of one name breaks; empty for a legal change.

    A version that was not there before begins as a draft. The order is that of versions, then of the rules below.

    Args:
        before: the state of each version; empty for a new name.
        after: the same, after everything that the change does.
        used: the numbers that the name ever used, as far as history tells; a new version takes none of them.
    """
    found = [*_removals(before, after, used), *_status_changes(before, after)]
    if clashes := conflicts(after.values()):
        for clash in clashes:
            message = str(clash)
            hint = _ONE_EACH[clash.key]
            found += [
                Violation("ambiguous", version, clash.key, message, hint) for version in clash.versions[1:]
            ]
    elif not conflicts(before.values()):
        found += [*_promotions(before, after), *_emptied(before, after)]
    return sorted(found, key=lambda one: one.version)


_ONE_EACH = {
    "control": "an A/B has one control: remove it from all others",
    "rollout": "a name has one live canary: set the others' rollout.percent to 0, or retire them",
}


def arms(states: Mapping[int, EntryState]) -> tuple[int, ...]:
    """The versions that serve production, ascending; several while an A/B is live.

    Raises:
        ValueError: it is not clear who serves.
    """
    live = serving(states.values(), "production")
    return tuple(sorted(live.weights)) if live else ()


def overtaken(version: int, states: Mapping[int, EntryState]) -> int | None:
    """The newest version that serves production, if this one is older than it: such a one never comes to serve."""
    newest = max(arms(states), default=0)
    return newest if version < newest else None


def _removals(
    before: Mapping[int, EntryState], after: Mapping[int, EntryState], used: Collection[int]
) -> Iterator[Violation]:
    for version in before.keys() - after.keys():
        if (status := before[version].status) != "draft":
            message = f"v{version} is {_in(status)} and is deleted; only drafts may be"
            hint = "restore the file, and set status: retired to take it out of service"
            yield Violation("deletes", version, "version", message, hint)
    for version in (after.keys() - before.keys()) & set(used):
        message = f"the number of v{version} was used before; a number means one entry for ever"
        hint = f"take a number above {max({*used, *after})}"
        yield Violation("reuses-number", version, "version", message, hint)


def _status_changes(before: Mapping[int, EntryState], after: Mapping[int, EntryState]) -> Iterator[Violation]:
    for version, state in after.items():
        old, new = before[version].status if version in before else "draft", state.status
        if new in _NEXT.get(old, {old}):
            continue
        change = f"v{version} goes from {old} to {new}"
        if old == "retired":
            message, hint = f"{change}; a retired version never serves again", _ANEW.format(version=version)
            yield Violation("revives", version, "status", message, hint)
        elif (old, new) == ("draft", "production"):
            message = f"{change} without having been in staging"
            yield Violation("skips-staging", version, "status", message, "promote it to staging first")
        else:
            message = f"{change}; a version only moves forward, or is retired"
            hint = f"leave it in {old}, or set status: retired"
            yield Violation("goes-back", version, "status", message, hint)


_ANEW = "make a new version from it: evalkit new NAME --from NAME@v{version}"


def _promotions(before: Mapping[int, EntryState], after: Mapping[int, EntryState]) -> Iterator[Violation]:
    """A version that is promoted to production serves there: otherwise a rollback would end at what never served."""
    served, serves = arms(before), arms(after)
    newest = max(served, default=0)
    for version, state in after.items():
        if version in before and before[version].status in {state.status, "retired", "production"}:
            continue  # no promotion; what else it may be is told above
        if state.status == "staging" and version < newest:
            yield _below(version, "staging", newest)
        if state.status == "production" and version < newest:
            yield _below(version, "production", newest)
        elif state.status == "production" and version not in serves:
            if version > max(serves):
                message = (
                    f"v{version} is promoted into a live A/B of {_listed(serves)} without traffic of its own"
                )
                hint = "give it a weight with evalkit split, or end the A/B first"
                yield Violation("no-weight", version, "traffic", message, hint)
            else:
                yield _below(version, "production", max(serves))


def _below(version: int, env: str, newest: int) -> Violation:
    message = f"v{version} is promoted to {env}, and v{newest}, which is newer, serves production"
    hint = f"roll back to an older version, or make a newer one: evalkit new NAME --from NAME@v{version}"
    return Violation("below", version, "status", message, hint)


def _emptied(before: Mapping[int, EntryState], after: Mapping[int, EntryState]) -> Iterator[Violation]:
    for env in ENVIRONMENTS:
        served: Serving | None = serving(before.values(), env)
        if served is None or serving(after.values(), env) is not None:
            continue
        version = served.primary
        message = f"nobody would serve {env} any more: v{version} was the last that could"
        hint = "promote another version first, or in the same change"
        yield Violation("empties", version, "status", message, hint)
        return  # who served both environments is told once


def _in(status: str) -> str:
    return status if status in {"retired", "draft"} else f"in {status}"


def _listed(versions: Collection[int]) -> str:
    return " and ".join(f"v{version}" for version in versions)
