"""What changed from one moment to the next, in the words of the lifecycle. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.promote.history.people import approver_named, authors_of, pull_request, reason_of, revert_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalkit.promote.history.commits import CommitInfo
    from evalkit.promote.history.holds import Overridden
    from evalkit.promote.history.states import VersionState
    from evalkit.promote.history.timeline import Moment
    from evalkit.runtime.serving import Serving

__all__ = ["Transition", "exposure", "transitions_of"]

_PROMOTIONS = frozenset({"created", "status", "exposure"})
"""Kinds that are approved."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of one version by one commit of the main line."""

    commit: CommitInfo
    name: str
    version: int
    kind: str
    """`created`, `deleted`, `status`, `exposure`, `approved`, `evaluated`, or `edited`: its file changed otherwise.

    What a promotion records about itself (`approved`, `evaluated`) is no transition of its own.
    """
    before: str | None
    """Of what the kind names: a status, an exposure (`10 %`, `weight 30`), an approver, a score."""
    after: str | None
    authors: tuple[str, ...]
    """As `Name <email>`, each once."""
    approver: str | None
    """None: no stamp followed, and no trailer names anybody; `is_pending` says whether one may still come."""
    pr: int | None
    score: float | None
    """That the entry recorded, after the commit; of a deleted one, before it."""
    reason: str | None
    """That the commit gives, or the hold in it; of a revert, its title. None for a surplus standby: it has no other."""
    serving_before: int | None
    """Production's primary."""
    serving_after: int | None
    override: Overridden | None = None
    """The rules that this step was let past, on record."""
    status: str | None = None
    """After the commit; None: deleted."""
    is_pending: bool = False
    """Whether it is the version's last transition, in staging or production, and waits for its approval."""
    arms_before: tuple[int, ...] = ()
    """Who served production, but for a canary: one version, or those of an A/B; ascending."""
    arms_after: tuple[int, ...] = ()
    canary_after: int | None = None
    surplus_of: int | None = None
    """It was a standby, and was retired because this version came and policy keeps only so many."""


def transitions_of(name: str, moments: Sequence[Moment]) -> Iterator[Transition]:
    """The transitions of a name's moments, oldest first."""
    before: dict[int, VersionState] = {}
    served: Serving | None = None
    for index, moment in enumerate(moments):
        serves = moment.clearly("production")
        came = _promoted(before, moment)
        for version in sorted(before.keys() | moment.versions.keys()):
            old, new = before.get(version), moment.versions.get(version)
            for kind, was, became in _changes(old, new):
                known = new or old
                gone = (kind, was, became) == ("status", "production", "retired")
                surplus = came if gone and came and version not in _arms(served) else None
                approver, is_open = _approval(moments, index, surplus or version, kind)
                status = new.state.status if new else None
                yield Transition(
                    moment.commit,
                    name,
                    version,
                    kind,
                    was,
                    became,
                    authors=authors_of(moment.commit, moment.merged),
                    approver=approver,
                    pr=pull_request(moment.commit),
                    score=known.score if known else None,
                    reason=None if surplus else _reason(moment),
                    serving_before=served.primary if served else None,
                    serving_after=serves.primary if serves else None,
                    override=moment.overrides.get(version) if kind in {"status", "exposure"} else None,
                    status=status,
                    is_pending=is_open and approver is None and status in {"staging", "production"},
                    arms_before=_arms(served),
                    arms_after=_arms(serves),
                    canary_after=serves.canary.version if serves and serves.canary else None,
                    surplus_of=surplus,
                )
        before, served = dict(moment.versions), serves


def _promoted(before: Mapping[int, VersionState], moment: Moment) -> int | None:
    """The newest version that the commit brought to production; None if it brought none."""
    found = (
        version
        for version, state in moment.versions.items()
        if state.state.status == "production"
        and (version not in before or before[version].state.status != "production")
    )
    return max(found, default=None)


def _arms(live: Serving | None) -> tuple[int, ...]:
    return tuple(sorted(live.weights)) if live else ()


def _reason(moment: Moment) -> str | None:
    """Why, as far as it is recorded."""
    commit, merged = moment.commit, moment.merged
    return reason_of(commit, merged) or moment.hold_reason or revert_of(commit, merged)


def exposure(version: VersionState) -> str | None:
    """How much traffic a version asks for, in words: `10 %`, `10 % by key`, `weight 30, control`; None if for none.

    A `percent` that a promoted canary kept has no effect any more, and is left out.
    """
    state = version.state
    parts = []
    if state.percent is not None and state.status in {"draft", "staging"}:
        parts.append(f"{state.percent:g} %" + (" by key" if state.unit == "key" else ""))
    if state.traffic is not None:
        parts.append(f"weight {state.traffic:g}")
    if state.control:
        parts.append("control")
    return ", ".join(parts) or None


def _changes(
    old: VersionState | None, new: VersionState | None
) -> Iterator[tuple[str, str | None, str | None]]:
    """Each kind of change, with what was and what became."""
    if old is None or new is None:
        if new:
            yield "created", None, new.state.status
        elif old:
            yield "deleted", old.state.status, None
        return
    if old == new:
        return
    found = False
    if old.state.status != new.state.status:
        found = True
        yield "status", old.state.status, new.state.status
    if (was := exposure(old)) != (became := exposure(new)):
        found = True
        yield "exposure", was, became
    if found:
        return
    if (old.score, old.suite) != (new.score, new.suite):
        found = True
        yield "evaluated", _score(old), _score(new)
    if old.approved_by != new.approved_by:
        found = True
        yield "approved", old.approved_by, new.approved_by
    if not found:
        yield "edited", None, None


def _score(version: VersionState) -> str | None:
    return None if version.score is None else f"{version.score:g}"


def _approval(moments: Sequence[Moment], index: int, version: int, kind: str) -> tuple[str | None, bool]:
    """Who approved, and whether that may still be stamped.

    It is the stamp of this commit, or of a later one before the version changes again; else whom a trailer names. A
    stamp that was there before says who approved the change before.
    """
    moment = moments[index]
    stamp = _stamp(moments, index, version)
    is_open = False
    if stamp is None and kind in _PROMOTIONS:
        for later in range(index + 1, len(moments)):
            old, new = (one.versions.get(version) for one in moments[later - 1 : later + 1])
            if {found for found, _, _ in _changes(old, new)} - {"approved", "evaluated", "edited"}:
                break
            stamp = _stamp(moments, later, version)
            if stamp is not None:
                break
        else:
            is_open = True
    return stamp or approver_named(moment.commit, moment.merged), is_open


def _stamp(moments: Sequence[Moment], index: int, version: int) -> str | None:
    """The approver that this commit wrote into the version's file."""
    new = moments[index].versions.get(version)
    old = moments[index - 1].versions.get(version) if index else None
    if new is None or (old and old.approved_by == new.approved_by):
        return None
    return new.approved_by
