"""The versions of one name together: who serves must be clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import Problem
from evalkit.runtime.serving import conflicts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.registry.checks.entries import EntryFacts

__all__ = ["check_serving"]

_CLAIMS = {
    "control": (
        "more than one production entry is marked control",
        "an A/B has one control: remove it from all others",
    ),
    "rollout": (
        "more than one staging entry takes canary traffic",
        "a name has one live canary: set the others' rollout.percent to 0, or retire them",
    ),
}


def check_serving(versions: Sequence[EntryFacts]) -> Iterator[Problem]:
    """What contradicts itself, and what has no effect, among the versions of a name in ascending order.

    An EK210 is reported exactly where `evalkit.runtime.serving.serving` raises.
    """
    by_version = {entry.ref.version: entry for entry in versions}
    for conflict in conflicts(entry.state for entry in versions if entry.state):
        message, hint = _CLAIMS[conflict.key]
        first, *others = (by_version[version] for version in conflict.versions)
        for entry in others:
            place = entry.places.get(conflict.key)
            yield Problem("EK210", f"{message}: {first.ref} and {entry.ref}", place, hint)
    yield from _check_effect(versions)


def _check_effect(versions: Sequence[EntryFacts]) -> Iterator[Problem]:
    production = [e for e in versions if e.status == "production"]
    arms = [e for e in production if e.state and (e.state.traffic or 0) > 0]
    if len(arms) == 1 and len(production) > 1:
        (alone,) = arms
        message = f"traffic has no effect: no other production entry of {alone.ref.name} has any"
        hint = f"v{production[-1].ref.version} serves alone; an A/B needs two entries with traffic"
        yield Problem("EK211", message, alone.places.get("traffic"), hint, "warning")
    if production:
        newest = max((arms if len(arms) > 1 else production), key=lambda e: e.ref.version)
        for entry in (e for e in versions if e.status == "staging"):
            if entry.ref.version < newest.ref.version:
                message = (
                    f"{entry.ref} is in staging and never serves: production is at v{newest.ref.version}"
                )
                hint = "retire it, or make its changes in a new version"
                yield Problem("EK211", message, entry.places.get("status"), hint, "warning")
