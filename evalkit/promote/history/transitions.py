"""What changed from one moment to the next, in the words of the lifecycle. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evalkit.promote.history.people import approver_named, authors_of, pull_request, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.promote.history.commits import CommitInfo
    from evalkit.promote.history.holds import Overridden
    from evalkit.promote.history.states import VersionState
    from evalkit.promote.history.timeline import Moment

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
    """None: not stamped yet, and no trailer names anybody."""
    pr: int | None
    score: float | None
    """That the entry recorded, after the commit; of a deleted one, before it."""
    reason: str | None
    serving_before: int | None
    """Production's primary."""
    serving_after: int | None
    override: Overridden | None = None
    """The rules that this step was let past, on record."""


def transitions_of(name: str, moments: Sequence[Moment]) -> Iterator[Transition]:
    """The transitions of a name's moments, oldest first."""
    before: dict[int, VersionState] = {}
    served: int | None = None
    for index, moment in enumerate(moments):
        serves = moment.primary("production")
        for version in sorted(before.keys() | moment.versions.keys()):
            old, new = before.get(version), moment.versions.get(version)
            for kind, was, became in _changes(old, new):
                known = new or old
                yield Transition(
                    moment.commit,
                    name,
                    version,
                    kind,
                    was,
                    became,
                    authors=authors_of(moment.commit, moment.merged),
                    approver=_approver(moments, index, version, kind),
                    pr=pull_request(moment.commit),
                    score=known.score if known else None,
                    reason=reason_of(moment.commit, moment.merged) or moment.hold_reason,
                    serving_before=served,
                    serving_after=serves,
                    override=moment.overrides.get(version) if kind in {"status", "exposure"} else None,
                )
        before, served = dict(moment.versions), serves


def exposure(version: VersionState) -> str | None:
    """How much traffic a version asks for, in words: `10 %`, `10 % by key`, `weight 30, control`."""
    state = version.state
    parts = []
    if state.percent is not None:
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
    if (was := exposure(_live(old))) != (became := exposure(_live(new))):
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


def _live(version: VersionState) -> VersionState:
    """Without a `percent` that has no effect any more: a promoted canary keeps its own."""
    if version.state.status in {"draft", "staging"}:
        return version
    return replace(version, state=version.state.replace(percent=None))


def _score(version: VersionState) -> str | None:
    return None if version.score is None else f"{version.score:g}"


def _approver(moments: Sequence[Moment], index: int, version: int, kind: str) -> str | None:
    """Who approved: the stamp of this commit, or of a later one before the version changes again; else a trailer.

    A stamp that was there before says who approved the change before.
    """
    moment = moments[index]
    stamp = _stamp(moments, index, version)
    if stamp is None and kind in _PROMOTIONS:
        for later in range(index + 1, len(moments)):
            kinds = {
                k
                for k, _, _ in _changes(
                    moments[later - 1].versions.get(version), moments[later].versions.get(version)
                )
            }
            if kinds - {"approved", "evaluated", "edited"}:
                break
            stamp = _stamp(moments, later, version)
            if stamp is not None:
                break
    return stamp or approver_named(moment.commit, moment.merged)


def _stamp(moments: Sequence[Moment], index: int, version: int) -> str | None:
    """The approver that this commit wrote into the version's file."""
    new = moments[index].versions.get(version)
    old = moments[index - 1].versions.get(version) if index else None
    if new is None or (old and old.approved_by == new.approved_by):
        return None
    return new.approved_by
