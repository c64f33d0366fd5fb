"""Rule: an approval is stamped after the merge, by somebody else than the authors, and stays until the next transition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import Location, Problem, UsageError
from evalkit.promote.authorship import MOVES, authors_of_version
from evalkit.promote.base.change import at
from evalkit.promote.base.snapshot import entry_path
from evalkit.promote.history.people import title_of
from evalkit.promote.history.transitions import exposure
from evalkit.promote.identity import approvers, is_same_person
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.promote.authorship import Wrote
    from evalkit.promote.base.change import Change
    from evalkit.promote.history import NameHistory, VersionState

__all__ = ["approvals"]


def approvals(change: Change, name: str) -> Iterator[Problem]:
    """Every stamp that the change sets, alters or removes and should not (EK851 to EK853, EK858)."""
    before, after = change.states_before(name), change.states_after(name)
    for version, now in sorted(after.items()):
        old = before.get(version)
        stamp = old.approved_by if old else None
        if now.approved_by == stamp:
            continue
        ref = Ref(name, version)
        place = at(change, name, version, "approved_by")
        if now.approved_by is None:
            if old is not None and not _moves(old, now):
                message = f"the approval of {ref} by {stamp} is removed, and neither its status nor its exposure changes"
                lost = Location(entry_path(name, version))
                yield Problem("EK852", message, lost, f"restore approved_by: {stamp}")
        elif (refused := _refused(old, now)) is not None:
            message = f"{ref} is stamped as approved by {now.approved_by} in the change that {refused}"
            hint = "remove approved_by; evalkit stamps it once the change is approved and merged"
            yield Problem("EK851", message, place, hint)
        else:
            try:
                yield from _stamp(change, ref, stamp, now.approved_by, place)
            except UsageError as error:
                yield from error.problems


def _moves(old: VersionState, now: VersionState) -> bool:
    """Whether it goes on to something that awaits an approval of its own."""
    return old.state.status != now.state.status or exposure(old) != exposure(now)


def _refused(old: VersionState | None, now: VersionState) -> str | None:
    """Why this is no stamp of what was merged before, as a clause; None if it is one."""
    if old is None:
        return "adds it"
    if old.state.status != now.state.status:
        return f"moves it from {old.state.status} to {now.state.status}"
    if exposure(old) != exposure(now):
        return "changes its exposure"
    if old.state.status == "draft":
        return "leaves it in draft, where there is nothing to approve"
    return None


def _stamp(change: Change, ref: Ref, old: str | None, new: str, place: Location) -> Iterator[Problem]:
    """A stamp of what is merged: it is awaited, and its approver wrote nothing of it."""
    history = change.history(ref.name)
    awaiting = _awaiting(history, ref.version)
    if awaiting is None and old is not None:
        message = f"the approval of {ref} by {old} becomes one by {new}, and nothing was promoted since"
        yield Problem("EK852", message, place, f"restore approved_by: {old}")
        return
    if awaiting is None:
        return
    moments = history.moments[: awaiting + 1]
    authors = authors_of_version(change.git, ref.name, moments, ref.version, moments[-1].commit.id)
    for approver in approvers(new):
        mine = [one for one in authors if is_same_person(approver, one.author)]
        if not mine:
            continue
        one = next((wrote for wrote in mine if wrote.what not in MOVES), mine[0])
        known = f"{one.author}, commit {one.commit.id[:12]}: {title_of(one.commit)[:80]}"
        message = f"{approver} approved {ref} and {_deed(ref, one)} ({known})"
        if change.config_before.policy.allow_self_approval:
            hint = "policy.allow_self_approval lets this pass"
            yield Problem("EK858", message, place, hint, "warning")
        else:
            hint = "somebody who wrote none of it approves; in a repository of one: policy.allow_self_approval: true"
            yield Problem("EK853", message, place, hint)


def _deed(ref: Ref, one: Wrote) -> str:
    """What the approver did to it, as a clause."""
    if one.what in MOVES:
        return f"changed its {one.what}"
    return "wrote it" if one.what == "entry" else f"wrote {one.what}, which {ref} refers to"


def _awaiting(history: NameHistory, version: int) -> int | None:
    """The place of the version's last transition, if no stamp followed it."""
    found: int | None = None
    state: VersionState | None = None
    for index, moment in enumerate(history.moments):
        now = moment.versions.get(version)
        if now is None:
            state = None
            continue
        moved = now.state.status != "draft" if state is None else _moves(state, now)
        stamped = now.approved_by is not None and (state is None or state.approved_by != now.approved_by)
        if moved and now.state.status != "draft":
            found = index
        if stamped:
            found = None
        state = now
    return found
