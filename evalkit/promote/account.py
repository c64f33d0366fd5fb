"""All that history knows of one version: who wrote it, who approved it, what it did, and why it left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.promote.audit import tenures
from evalkit.promote.history import place
from evalkit.promote.history.commits import FIELDS, records
from evalkit.promote.history.objects import blobs
from evalkit.promote.history.people import authors_of
from evalkit.promote.standing import entry_path, read_entry
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalkit.promote.audit import Tenure
    from evalkit.promote.history import CommitInfo, NameHistory, Repository, Transition
    from evalkit.promote.history.command import Git

__all__ = ["Account", "Evaluation", "account_of"]

_RECORDED = frozenset(
    {"status", "rollout", "traffic", "control", "eval", "canary", "approved_by", "override"}
)
"""Keys of an entry that its lifecycle writes: who changes one of them has not written the config."""
_KINDS = {"prompt_ref": "prompts", "tools_ref": "tools", "class_ref": "classes"}


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
    writers: Mapping[str, tuple[str, ...]]
    """Who wrote what of it: `entry`, or the prompt, tools or class that it refers to. Of what the replaced version
    refers to as well, only what was written since that one was created."""
    evaluation: Evaluation | None
    changes: tuple[Transition, ...]
    """Its own, oldest first."""
    tenures: tuple[Tenure, ...]
    """In production, oldest first."""
    successor: int | None
    """Production's primary after the last of them; None while it lasts, and where nobody is."""

    @property
    def promotion(self) -> Transition | None:
        """The newest one to production."""
        found = [c for c in self.changes if c.kind in {"status", "created"} and c.after == "production"]
        return found[-1] if found else None

    @property
    def approval(self) -> Transition | None:
        """The change whose approval answers who approved this version: its promotion, else its last approved change."""
        if self.promotion:
            return self.promotion
        approved = [c for c in self.changes if c.approver]
        return approved[-1] if approved else None

    @property
    def is_self_approved(self) -> bool:
        """Whether the one who approved it also wrote it: by name or by address. An account's name proves neither."""
        approver = (self.approval.approver or "").casefold() if self.approval else ""
        names = {
            part.rstrip(">").casefold() for person in self.writers for part in (person, *person.split(" <"))
        }
        return approver.rstrip(">") in names

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
    git = place.find(repository.root).git
    changes = tuple(c for c in history.transitions() if c.version == version)
    files = _Files(git, history)
    replaced = _replaced(changes)
    last = history.moments[-1].versions.get(version)
    served = sorted(
        (one for one in tenures(history.moments, "production") if one.version == version),
        key=lambda tenure: tenure.since,
    )
    return Account(
        history.name,
        version,
        last.state.status if last else None,
        replaced,
        _writers(git, files, changes, replaced, tip),
        _evaluation(history, version, files),
        changes,
        tuple(served),
        _successor(history, served),
    )


class _Files:
    """The entry files of a history, each version at each of its commits."""

    def __init__(self, git: Git, history: NameHistory) -> None:
        self._git = git
        self._name = history.name
        self._moments = history.moments
        self._parsed: dict[str, dict[str, Any]] = {}

    def at(self, version: int, commit: CommitInfo) -> dict[str, Any]:
        """The keys of a version after a commit."""
        return self._of(next(i for i, m in enumerate(self._moments) if m.commit.id == commit.id), version)

    def before(self, version: int, commit: CommitInfo) -> dict[str, Any]:
        """The keys of a version before a commit."""
        index = next(i for i, m in enumerate(self._moments) if m.commit.id == commit.id)
        return self._of(index - 1, version) if index else {}

    def last(self, version: int) -> dict[str, Any]:
        """The keys of a version as it is, or was at last."""
        found = [i for i, moment in enumerate(self._moments) if version in moment.versions]
        return self._of(found[-1], version) if found else {}

    def created(self, version: int) -> CommitInfo | None:
        """The commit that brought the version."""
        return next((moment.commit for moment in self._moments if version in moment.versions), None)

    def _of(self, index: int, version: int) -> dict[str, Any]:
        state = self._moments[index].versions.get(version)
        if state is None:
            return {}
        if state.digest_key not in self._parsed:
            raw = blobs(self._git, [state.digest_key])[state.digest_key]
            self._parsed[state.digest_key] = read_entry(raw, entry_path(self._name, version))
        return self._parsed[state.digest_key]


def _successor(history: NameHistory, served: Sequence[Tenure]) -> int | None:
    end = served[-1].commit_until if served and all(one.until for one in served) else None
    after = [moment for moment in history.moments if end and moment.commit.id == end.id]
    return after[0].primary("production") if after else None


def _replaced(changes: tuple[Transition, ...]) -> int | None:
    for change in changes:
        if change.serving_after == change.version != change.serving_before:
            return change.serving_before
    return changes[0].serving_before if changes else None


def _writers(
    git: Git, files: _Files, changes: tuple[Transition, ...], replaced: int | None, tip: str
) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for change in changes:
        if change.kind in {"created", "edited"} or (change.kind != "deleted" and _rewrites(files, change)):
            for person in change.authors:
                found.setdefault(person, {})["entry"] = None
    if changes:
        own = files.last(changes[0].version)
        shared = set(_components(files.last(replaced))) if replaced else set()
        since = files.created(replaced) if replaced else None
        for ref, path in _components(own):
            known = since.id if since and (ref, path) in shared else None
            for person in _authors(git, path, tip, known):
                found.setdefault(person, {})[ref] = None
    return {person: tuple(what) for person, what in found.items()}


def _rewrites(files: _Files, change: Transition) -> bool:
    """Whether a change of status, exposure or records changed the config with it."""
    before, after = (
        {key: value for key, value in side.items() if key not in _RECORDED}
        for side in (files.before(change.version, change.commit), files.at(change.version, change.commit))
    )
    return before != after


def _components(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What an entry refers to, with the files."""
    for key, kind in _KINDS.items():
        text = entry.get(key)
        ref = Ref.parse(text) if isinstance(text, str) else None
        if ref:
            yield str(ref), f"registry/{kind}/{ref.name}/v{ref.version}.yaml"


def _authors(git: Git, path: str, tip: str, since: str | None) -> Iterator[str]:
    """Who wrote the commits that led to a file, oldest first; without those that led to `since` already."""
    args = ("log", "-z", "--full-history", "--no-merges", "--no-notes", f"--format={FIELDS}", tip)
    printed = git.run(*args, *([f"^{since}"] if since else []), "--", path)
    for commit in reversed(records(printed)):
        yield from authors_of(commit, ())


def _evaluation(history: NameHistory, version: int, files: _Files) -> Evaluation | None:
    recorded = files.last(version).get("eval")
    if not isinstance(recorded, dict) or not isinstance(recorded.get("suite"), str):
        return None
    score = recorded.get("score")
    known = [moment for moment in history.moments if version in moment.versions]
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
