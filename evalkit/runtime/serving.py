"""Who serves an environment: one pure function over the statuses of a name's entries (docs/lifecycle.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["EntryState", "Serving", "serving"]


@dataclass(frozen=True, slots=True)
class EntryState:
    """What decides whether a version serves."""

    version: int
    status: str
    traffic: float | None = None
    control: bool = False


@dataclass(frozen=True, slots=True)
class Serving:
    """The answer for one name and environment."""

    primary: int
    """The version that the plain result of `resolve` is, and the baseline of candidates."""
    weights: dict[int, float] = field(default_factory=dict)
    """Relative weights by version: one version, unless an A/B is live."""
    standby: tuple[int, ...] = ()
    """Former production versions, newest first: what a rollback returns to."""


def serving(entries: Iterable[EntryState], env: str) -> Serving | None:
    """Who serves `production` or `staging`, or None when nobody does.

    An A/B is live with two or more production entries of positive `traffic`; its primary is the one marked
    `control`, else the largest weight, else the highest version. Otherwise the highest production version serves.
    Staging is served by its highest entry if that is newer than production's, else by production's own.

    Raises:
        ValueError: an environment that does not exist, or two arms marked `control`.
    """
    if env not in {"production", "staging"}:
        raise ValueError(f"unknown environment '{env}': production or staging")
    states = sorted(entries, key=lambda state: state.version, reverse=True)
    production = _production([state for state in states if state.status == "production"])
    if env == "production":
        return production
    staged = next((state for state in states if state.status == "staging"), None)
    if staged and (production is None or staged.version > production.primary):
        return Serving(staged.version, {staged.version: 1.0})
    return production


def _production(states: list[EntryState]) -> Serving | None:
    if not states:
        return None
    arms = [state for state in states if state.traffic]
    if len(arms) < 2:
        first, *others = states
        return Serving(first.version, {first.version: 1.0}, tuple(state.version for state in others))
    controls = [arm for arm in arms if arm.control]
    if len(controls) > 1:
        named = ", ".join(f"v{arm.version}" for arm in controls)
        raise ValueError(f"more than one arm is marked control: {named}")
    primary = controls[0] if controls else max(arms, key=lambda arm: (arm.traffic or 0, arm.version))
    weights = {arm.version: float(arm.traffic or 0) for arm in arms}
    return Serving(primary.version, weights, tuple(s.version for s in states if s.version not in weights))
