"""Rule: an approval is stamped after the merge, by somebody else than the authors, and stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import Location, Problem, UsageError
from evalkit.promote.base.authors import Wrote, authors_since
from evalkit.promote.base.change import at
from evalkit.promote.base.identity import approvers, is_same_person
from evalkit.promote.base.snapshot import entry_path
from evalkit.promote.history.transitions import exposure
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.promote.base.change import Change
    from evalkit.promote.history import CommitInfo, Moment, NameHistory, VersionState

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
            message = f"the approval of {ref} by {stamp} is removed; a stamp stays"
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
    merged = _awaiting(history, ref.version)
    if merged is None and old is not None:
        message = f"the approval of {ref} by {old} becomes one by {new}, and nothing was promoted since"
        yield Problem("EK852", message, place, f"restore approved_by: {old}")
        return
    if merged is None:
        return
    authors = _authors(change, ref, merged)
    for approver in approvers(new):
        mine = [one for one in authors if is_same_person(approver, one.author)]
        if not mine:
            continue
        known = f"{mine[0].author}, commit {mine[0].commit.id[:12]}: {mine[0].commit.subject[:80]}"
        message = f"{approver} approved {ref} and wrote it, or what it resolves to ({known})"
        if change.config_before.policy.allow_self_approval:
            hint = "policy.allow_self_approval lets this pass"
            yield Problem("EK858", message, place, hint, "warning")
        else:
            hint = "somebody who wrote none of it approves; in a repository of one: policy.allow_self_approval: true"
            yield Problem("EK853", message, place, hint)


@dataclass(frozen=True, slots=True)
class _Merged:
    """A transition that was merged and waits for its stamp."""

    commit: CommitInfo
    replaced: int | None
    """The version that served before."""
    since: CommitInfo | None
    """When that came to serve."""


def _awaiting(history: NameHistory, version: int) -> _Merged | None:
    """The last transition of a version that no stamp followed."""
    found: _Merged | None = None
    state: VersionState | None = None
    for index, moment in enumerate(history.moments):
        now = moment.versions.get(version)
        if now is None:
            state = None
            continue
        moved = (
            (now.state.status != "draft")
            if state is None
            else (state.state.status != now.state.status or exposure(state) != exposure(now))
        )
        stamped = now.approved_by is not None and (state is None or state.approved_by != now.approved_by)
        if moved and now.state.status != "draft":
            env = "staging" if now.state.status == "staging" else "production"
            replaced, since = _served(history.moments[:index], env, version)
            found = _Merged(moment.commit, replaced, since)
        if stamped:
            found = None
        state = now
    return found


def _served(moments: tuple[Moment, ...], env: str, version: int) -> tuple[int | None, CommitInfo | None]:
    """Which other version was the last to be an environment's primary, and since which commit."""
    replaced: int | None = None
    since: CommitInfo | None = None
    for moment in moments:
        primary = moment.primary(env)
        if primary not in {None, version, replaced}:
            replaced, since = primary, moment.commit
    return replaced, since


def _authors(change: Change, ref: Ref, merged: _Merged) -> list[Wrote]:
    own = _files(change, ref)
    shared = own & _files(change, Ref(ref.name, merged.replaced)) if merged.replaced else set()
    path = entry_path(ref.name, ref.version)
    return authors_since(
        change,
        merged.commit.id,
        path,
        new=sorted(own - shared),
        shared=sorted(shared),
        since=merged.since.id if merged.since else None,
    )


def _files(change: Change, ref: Ref) -> set[str]:
    """The files that an entry resolves to, its own among them."""
    data = change.data(change.before, ref.name, ref.version)
    found = {entry_path(ref.name, ref.version)}
    for key, kind in (("prompt_ref", "prompts"), ("tools_ref", "tools"), ("class_ref", "classes")):
        if (cited := Ref.parse(str(data.get(key, "")))) is not None:
            found.add(f"registry/{kind}/{cited.name}/v{cited.version}.yaml")
    return found
