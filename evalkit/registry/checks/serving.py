"""The versions of one name together: who serves must be clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.registry.checks.entries import EntryFacts

__all__ = ["check_serving"]


def check_serving(versions: Sequence[EntryFacts]) -> Iterator[Problem]:
    """What contradicts itself, and what has no effect, among the versions of a name in ascending order."""
    production = [e for e in versions if e.status == "production"]
    staging = [e for e in versions if e.status == "staging"]
    arms = [e for e in production if e.state and e.state.traffic]
    yield from _one_only(
        [e for e in production if e.state and e.state.control and (e in arms or len(arms) < 2)],
        "control",
        "more than one production entry is marked control",
        "an A/B has one control: remove it from all others",
    )
    yield from _one_only(
        [e for e in staging if e.takes_canary_traffic],
        "rollout",
        "more than one staging entry takes canary traffic",
        "a name has one live canary: set the others' rollout.percent to 0, or retire them",
    )
    if len(arms) == 1 and len(production) > 1:
        (alone,) = arms
        message = f"traffic has no effect: no other production entry of {alone.ref.name} has any"
        hint = f"v{production[-1].ref.version} serves alone; an A/B needs two entries with traffic"
        yield Problem("EK211", message, alone.places.get("traffic"), hint, "warning")
    if production:
        primary = max((arms if len(arms) > 1 else production), key=lambda e: e.ref.version)
        for entry in staging:
            if entry.ref.version < primary.ref.version:
                message = (
                    f"{entry.ref} is in staging and never serves: production is at v{primary.ref.version}"
                )
                hint = "retire it, or make its changes in a new version"
                yield Problem("EK211", message, entry.places.get("status"), hint, "warning")


def _one_only(entries: list[EntryFacts], key: str, message: str, hint: str) -> Iterator[Problem]:
    for entry in entries[1:]:
        first = entries[0].ref
        yield Problem("EK210", f"{message}: {first} and {entry.ref}", entry.places.get(key), hint)
