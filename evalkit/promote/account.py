"""All that history knows of one version: who wrote it, who approved it, what it did, and why it left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.promote.audit import tenures
from evalkit.promote.authorship import MOVES, authors_of_version
from evalkit.promote.history.objects import blobs
from evalkit.promote.identity import approvers, is_same_person
from evalkit.promote.standing import entry_path, read_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalkit.promote.audit import Tenure
    from evalkit.promote.authorship import Wrote
    from evalkit.promote.history import CommitInfo, Moment, NameHistory, Repository, Transition
    from evalkit.promote.history.command import Git

__all__ = ["Account", "Evaluation", "account_of"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an entry records of its evaluation."""

    suite: str
    score: float | None
    run: str | None
    evidence: str | None
    commit: CommitInfo
    """That brought this score."""


@dataclass(frozen=True, slots=True)
class Account:
    """One version, from the day it was created."""

    name: str
    version: int
    status: str | None
    """On the line now; None: its file is gone."""
    replaced: int | None
    """The version that served production before it; if it never did, the one that served when it was created."""
    authorship: tuple[Wrote, ...]
    """Everything that somebody wrote of it up to the change that was approved, up to now if none was: whoever is among
    these people may not approve it."""
    evaluation: Evaluation | None
    changes: tuple[Transition, ...]
    """Its own, oldest first."""
    tenures: tuple[Tenure, ...]
    """In production, oldest first."""
    successor: int | None
    """Production's primary after the last of them; None while it lasts, and where nobody is."""

    @property
    def writers(self) -> dict[str, tuple[str, ...]]:
        """Who wrote what of its config: `entry`, or the prompt, tools or class that it refers to."""
        return _by_person(one for one in self.authorship if one.what not in MOVES)

    @property
    def movers(self) -> dict[str, tuple[str, ...]]:
        """Who changed its `status` or its `exposure`."""
        return _by_person(one for one in self.authorship if one.what in MOVES)

    @property
    def approval(self) -> Transition | None:
        """The change whose approval answers who approved this version, as `_approval` finds it."""
        return _approval(self.changes)

    @property
    def own_approval(self) -> str | None:
        """What an approver did to it that others should have approved: `wrote` or `moved`; None if nothing."""
        named = approvers(self.approval.approver or "") if self.approval else []

        def has(people: Iterable[str]) -> bool:
            return any(is_same_person(one, person) for one in named for person in people)

        return "wrote" if has(self.writers) else "moved" if has(self.movers) else None

    @property
    def departure(self) -> Tenure | None:
        """The end of the last time that it served production; None if it serves, or never did."""
        if any(tenure.until is None for tenure in self.tenures):
            return None
        return max(self.tenures, key=lambda tenure: tenure.since, default=None)


def account_of(repository: Repository, history: NameHistory, version: int, tip: str) -> Account:
    """What history knows of a version.

    Args:
        repository: that the history is of.
        history: of the name.
        version: one that is or was in it.
        tip: the commit that the history ends with.

    Raises:
        UsageError: EK805, git fails.
    """
    git = repository.git
    changes = tuple(c for c in history.transitions() if c.version == version)
    approval = _approval(changes)
    until = _until(history, version, approval)
    last = history.moments[-1].versions.get(version)
    served = sorted(
        (one for one in tenures(history.moments, "production") if one.version == version),
        key=lambda tenure: tenure.since,
    )
    return Account(
        history.name,
        version,
        last.state.status if last else None,
        _replaced(changes),
        authors_of_version(git, history.name, until, version, approval.commit.id if approval else tip),
        _evaluation(git, history, version),
        changes,
        tuple(served),
        _successor(history, served),
    )


def _approval(changes: Sequence[Transition]) -> Transition | None:
    """The version's newest promotion to production; of one that never was promoted, its last approved change."""
    promoted = [c for c in changes if c.kind in {"status", "created"} and c.after == "production"]
    approved = [c for c in changes if c.approver]
    return next(reversed(promoted or approved), None)


def _until(history: NameHistory, version: int, approval: Transition | None) -> Sequence[Moment]:
    """The moments up to the approved change, or all; without those at the end that do not have the version any more."""
    moments = history.moments
    if approval is not None:
        ids = [moment.commit.id for moment in moments]
        moments = moments[: ids.index(approval.commit.id) + 1]
    last = max(place for place, moment in enumerate(moments) if version in moment.versions)
    return moments[: last + 1]


def _by_person(found: Iterable[Wrote]) -> dict[str, tuple[str, ...]]:
    people: dict[str, dict[str, None]] = {}
    for one in found:
        people.setdefault(one.author, {})[one.what] = None
    return {person: tuple(what) for person, what in people.items()}


def _successor(history: NameHistory, served: Sequence[Tenure]) -> int | None:
    end = served[-1].commit_until if served and all(one.until for one in served) else None
    after = [moment for moment in history.moments if end and moment.commit.id == end.id]
    return after[0].primary("production") if after else None


def _replaced(changes: tuple[Transition, ...]) -> int | None:
    for change in changes:
        if change.serving_after == change.version != change.serving_before:
            return change.serving_before
    return changes[0].serving_before if changes else None


def _evaluation(git: Git, history: NameHistory, version: int) -> Evaluation | None:
    known = [moment for moment in history.moments if version in moment.versions]
    blob = known[-1].versions[version].digest_key
    recorded = read_entry(blobs(git, [blob])[blob], entry_path(history.name, version)).get("eval")
    if not isinstance(recorded, dict) or not isinstance(recorded.get("suite"), str):
        return None
    score = recorded.get("score")
    brought = known[-1].commit
    for moment in reversed(known):
        if (moment.versions[version].score, moment.versions[version].suite) != (
            known[-1].versions[version].score,
            known[-1].versions[version].suite,
        ):
            break
        brought = moment.commit
    return Evaluation(
        recorded["suite"],
        float(score) if isinstance(score, int | float) else None,
        str(recorded["run"]) if recorded.get("run") is not None else None,
        str(recorded["evidence"]) if recorded.get("evidence") is not None else None,
        brought,
    )
