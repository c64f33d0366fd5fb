"""Who serves an environment: one pure function over the states of a name's entries (docs/variants.md)."""

from __future__ import annotations

from evalkit.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Canary", "Conflict", "EntryState", "Serving", "conflicts", "serving"]


class EntryState(Value):
    """What decides whether a version serves."""

    version: int
    status: str
    traffic: float | None = None
    """Its relative weight in an A/B; None and 0 are no part of one."""
    control: bool = False
    percent: float | None = None
    """Of production's traffic, in [0, 100], as a canary; None and 0 are no canary."""
    unit: str = "request"
    """What the canary is assigned by and counted in: `request` or `key`."""


class Canary(Value):
    """A staging version that takes its share of production's traffic before the arms do."""

    version: int
    percent: float
    """Above 0, at most 100."""
    unit: str = "request"


class Serving(Value):
    """The answer for one name and environment."""

    primary: int
    """The version that the plain result of `resolve` is, and the baseline of candidates."""
    weights: Mapping[int, float]
    """Relative weights by version: one version, unless an A/B is live. The canary is not among them."""
    standby: tuple[int, ...] = ()
    """Former production versions, newest first: what a rollback returns to."""
    canary: Canary | None = None
    """In production only."""


class Conflict(Value):
    """Versions that claim what only one of them can have."""

    key: str
    """Of the entry file: `control` or `rollout`."""
    versions: tuple[int, ...]
    """Ascending; two at least."""

    def __str__(self) -> str:
        claim = "arm is marked control" if self.key == "control" else "staging entry is a canary"
        return f"more than one {claim}: {', '.join(f'v{version}' for version in self.versions)}"


def serving(entries: Iterable[EntryState], env: str) -> Serving | None:
    """Who serves `production` or `staging`, or None when nobody does.

    An A/B is live with two or more production entries of positive `traffic`; its primary is the one marked
    `control`, else the largest weight, else the highest version. Otherwise the highest production version serves.
    Staging is served by its highest entry if that is newer than production's, else by production's own. The canary is
    the staging entry with a positive `percent` that is newer than production's, where somebody serves production.
    Newer than production's means, in an A/B, newer than every arm: a version that an arm has overtaken never returns.

    Raises:
        ValueError: an environment that does not exist, or a `Conflict`, whichever environment is asked for.
    """
    if env not in {"production", "staging"}:
        raise ValueError(f"unknown environment '{env}': production or staging")
    states = list(entries)
    if found := conflicts(states):
        raise ValueError("; ".join(map(str, found)))
    production = _production(states)
    newer = _newer(states)
    if env == "staging":
        staged = max((state.version for state in newer), default=None)
        return production if staged is None else Serving(staged, {staged: 1.0})
    canaries = [Canary(s.version, float(s.percent or 0), s.unit) for s in newer if _is_canary(s)]
    return production.replace(canary=canaries[0]) if production and canaries else production


def conflicts(entries: Iterable[EntryState]) -> list[Conflict]:
    """All that makes it unclear who serves: two controls in one A/B, two canaries."""
    states = sorted(entries, key=lambda state: state.version)
    claims = {
        "control": [arm for arm in _arms(states) if arm.control],
        "rollout": [state for state in _newer(states) if _is_canary(state)],
    }
    return [Conflict(key, tuple(s.version for s in found)) for key, found in claims.items() if len(found) > 1]


def _production(states: list[EntryState]) -> Serving | None:
    """Production's weights and standby; who is the canary is not its matter."""
    arms = _arms(states)
    if not arms:
        return None
    weights = {arm.version: float(arm.traffic or 0) if len(arms) > 1 else 1.0 for arm in arms}
    primary = max(arms, key=lambda arm: (arm.control, weights[arm.version], arm.version))
    others = {s.version for s in states if s.status == "production"} - weights.keys()
    return Serving(primary.version, weights, tuple(sorted(others, reverse=True)))


def _arms(states: list[EntryState]) -> list[EntryState]:
    """The production entries that take traffic: those of the A/B, else the newest one."""
    production = sorted((s for s in states if s.status == "production"), key=lambda state: state.version)
    arms = [state for state in production if state.traffic and state.traffic > 0]
    return arms if len(arms) > 1 else production[-1:]


def _newer(states: list[EntryState]) -> list[EntryState]:
    """The staging entries that production has not overtaken."""
    newest = max((arm.version for arm in _arms(states)), default=0)
    return [state for state in states if state.status == "staging" and state.version > newest]


def _is_canary(state: EntryState) -> bool:
    return bool(state.percent and state.percent > 0)
