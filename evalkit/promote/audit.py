"""Answers from a name's history: what changed, in words, and who served when, in which role. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from evalkit.promote.history import CommitInfo, Moment, NameHistory, Transition
    from evalkit.promote.history.holds import HoldChange
    from evalkit.runtime.serving import Serving

__all__ = [
    "Share",
    "Tenure",
    "current_roles",
    "describe",
    "describe_hold",
    "is_notable",
    "served_time",
    "shares",
    "tenures",
    "with_holds",
]


@dataclass(frozen=True, slots=True)
class Share:
    """A version that serves an environment."""

    version: int
    role: str
    """`primary`, `arm` (of an A/B, beside the primary) or `canary`."""
    share: float
    """Of the environment's calls, in (0, 1]."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """A time for which a version served an environment in one role."""

    version: int
    role: str
    since: datetime
    until: datetime | None
    """None: it still does."""
    commit_since: CommitInfo
    commit_until: CommitInfo | None


def shares(live: Serving | None) -> tuple[Share, ...]:
    """Who serves, with the part of the calls that each gets: the canary's is taken first, the arms divide the rest."""
    if live is None:
        return ()
    taken = live.canary.percent / 100 if live.canary else 0.0
    total = sum(live.weights.values())
    arms = [
        Share(version, "primary" if version == live.primary else "arm", (1 - taken) * weight / total)
        for version, weight in sorted(live.weights.items())
    ]
    canary = [Share(live.canary.version, "canary", taken)] if live.canary else []
    return (*sorted(arms, key=lambda arm: arm.role != "primary"), *canary)


def tenures(moments: Sequence[Moment], env: str) -> tuple[Tenure, ...]:
    """Every time for which a version served the environment in one role, by its end, those that last at the end.

    Where a moment's entries contradict each other nobody is said to serve.
    """
    current: dict[int, tuple[str, CommitInfo]] = {}
    found: list[Tenure] = []
    for moment in moments:
        roles = {one.version: one.role for one in shares(moment.clearly(env))}
        for version, (role, since) in list(current.items()):
            if roles.get(version) != role:
                until = moment.commit
                found.append(Tenure(version, role, since.time, until.time, since, until))
                del current[version]
        for version, role in roles.items():
            current.setdefault(version, (role, moment.commit))
    still = [Tenure(v, role, since.time, None, since, None) for v, (role, since) in sorted(current.items())]
    return (*found, *still)


def served_time(found: Iterable[Tenure], now: datetime) -> timedelta:
    """How long all of these lasted together, up to now."""
    return sum(((one.until or now) - one.since for one in found), timedelta())


def is_notable(change: Transition) -> bool:
    """Whether it changed a status or an exposure; drafts that come and go, and records, are not."""
    if change.kind in {"status", "exposure"}:
        return True
    return change.kind in {"created", "deleted"} and (change.before or change.after) != "draft"


def describe(change: Transition) -> str:
    """What changed, in one line: `v14 staging -> production, replacing v13`; `canary v14 5 % -> 25 %`."""
    version, before, after = f"v{change.version}", change.before, change.after
    if change.kind == "exposure":
        return _exposure(change) + _exception(change)
    words = {
        "created": f"{version} created" + (f" as {after}" if after != "draft" else ""),
        "deleted": f"{version} deleted" + (f", it was {before}" if before != "draft" else ""),
        "status": f"{version} {before} -> {after}",
        "approved": f"{version} approved by {after}" if after else f"{version} approval by {before} removed",
        "evaluated": f"{version} evaluated, score {after}" if after else f"{version} score removed",
        "edited": f"{version} edited",
    }
    return words[change.kind] + _consequence(change) + _exception(change)


def _exception(change: Transition) -> str:
    """That a step broke the rules, and which of them."""
    if change.override is None:
        return ""
    return f"; OVERRIDE of {', '.join(change.override.kinds)} by {change.override.by}"


def describe_hold(change: HoldChange) -> str:
    """What was held or released, in a few words. Which content it is, its digest tells."""
    what = "content" if change.digest else "every version"
    until = f" until {change.until}" if change.until else ""
    return f"{what} {change.kind}" + (f" by {change.by}" if change.by else "") + until


def with_holds(changes: Iterable[Transition], holds: Iterable[HoldChange]) -> list[Transition | HoldChange]:
    """Both as one list, oldest first; those of one commit stand together, holds behind what came with them."""
    found: list[Transition | HoldChange] = list(changes)
    for hold in holds:
        same = [at for at, one in enumerate(found, 1) if one.commit.id == hold.commit.id]
        place = same[-1] if same else bisect_right(found, hold.commit.time, key=lambda one: one.commit.time)
        found.insert(place, hold)
    return found


def _exposure(change: Transition) -> str:
    """A change of the canary's percent, of an arm's weight, or of both: only what did change."""
    version = f"v{change.version}"
    (was, weighed), (became, weighs) = _asked(change.before), _asked(change.after)
    said = []
    if was is None and became is not None:
        said.append(f"canary {version} starts with {became}{_from(change, became)}")
    elif was != became:
        said.append(
            f"canary {version} {was} -> {became}{_from(change, became)}"
            if became
            else f"canary {version} ends, it had {was}"
        )
    if weighed != weighs:
        later = " (from production on)" if weighs and change.status in {"draft", "staging"} else ""
        said.append(
            f"{version} {weighed or 'no weight'} -> {weighs or 'no weight'}{later}{_consequence(change)}"
        )
    return "; ".join(said)


def _from(change: Transition, percent: str) -> str:
    """When a canary's percent counts, if it does not yet."""
    if percent.startswith("0 %") or change.canary_after == change.version:
        return ""
    if change.status == "draft":
        return " (from staging on)"
    newer = change.serving_after if (change.serving_after or 0) > change.version else None
    return f" (of no effect: v{newer} is newer)" if newer else " (of no effect)"


def _asked(exposure: str | None) -> tuple[str | None, str | None]:
    """The canary's percent, and all else that an exposure says."""
    first, _, rest = (exposure or "").partition(", ")
    return (first, rest or None) if "%" in first else (None, exposure)


def _consequence(change: Transition) -> str:
    """What it did to who serves production, if this version has to do with it."""
    before, after, version = change.serving_before, change.serving_after, change.version
    if change.surplus_of:
        return f", a surplus standby when v{change.surplus_of} came"
    if (said := _in_ab(change)) or before == after or version not in {before, after}:
        return said
    if after == version:
        return f", replacing v{before}" if before else ", the first to serve"
    if after is None:
        return "; nobody serves"
    if after < version and change.after in {"retired", None}:
        return f"; rolled back to v{after}"
    return f"; v{after} serves"


def _in_ab(change: Transition) -> str:
    """That the version joins or leaves an A/B."""
    before, after, version = change.arms_before, change.arms_after, change.version
    if version in after and version not in before and len(after) > 1:
        others = _listed([arm for arm in after if arm != version])
        joins = ", joining the A/B of" if len(before) > 1 else ", starting an A/B with"
        return f"{joins} {others}"
    if version in before and version not in after and len(before) > 1 and after:
        goes_on = len(after) > 1
        return (
            f"; the A/B goes on with {_listed(after)}" if goes_on else f"; the A/B ends, v{after[0]} serves"
        )
    return ""


def _listed(versions: Sequence[int]) -> str:
    texts = [f"v{version}" for version in versions]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def current_roles(history: NameHistory, env: str) -> Iterator[tuple[Share, Tenure]]:
    """Who serves at the end of a history, with the time since they do.

    Raises:
        ValueError: the entries contradict each other.
    """
    if not history.moments:
        return
    since = {one.version: one for one in tenures(history.moments, env) if one.until is None}
    for one in shares(history.moments[-1].serving(env)):
        yield one, since[one.version]
