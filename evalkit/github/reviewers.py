"""Who approved what was merged: the reviewers whose word may be stamped into an entry.

An approver is a person with write access whose latest review of the pull request approves, of what was merged, and who
is an author neither of the pull request nor of what it moved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evalkit.github.forge import ForgeError
from evalkit.promote.authorship import MOVES, authors_of_version
from evalkit.promote.base.evidence import EVIDENCE
from evalkit.promote.base.snapshot import keys_of, ref_of
from evalkit.promote.history import place
from evalkit.promote.identity import is_same_person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evalkit.github.forge import Forge, PullRequest, Review
    from evalkit.promote.authorship import Wrote
    from evalkit.promote.history import Moment, Repository
    from evalkit.runtime.refs import Ref

__all__ = ["Approver", "Declined", "Reviewers", "approving"]

_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_DECIDING = frozenset({"approved", "changes_requested", "dismissed"})


@dataclass(frozen=True, slots=True)
class Approver:
    """A reviewer whose approval counts."""

    login: str
    wrote: str | None = None
    """What of it they wrote themselves, where policy lets that pass."""


@dataclass(frozen=True, slots=True)
class Declined:
    """A reviewer who approved, and whose approval does not count."""

    login: str
    reason: str
    """A clause that goes on after the login."""
    is_author: bool = False


def approving(reviews: Iterable[Review]) -> list[Review]:
    """The latest reviews that approve, one a person, in the order in which they were given.

    Comments decide nothing: whoever approved and comments afterwards still approves.
    """
    latest: dict[str, Review] = {}
    for review in reviews:
        if review.state in _DECIDING:
            latest.pop(review.author.casefold(), None)
            latest[review.author.casefold()] = review
    return [review for review in latest.values() if review.state == "approved"]


@dataclass
class Reviewers:
    """The reviewers of merged pull requests."""

    forge: Forge
    repository: Repository
    bring: Callable[[Sequence[str]], None]
    """Fetches commits, by id, that are not in the clone."""
    _logins: dict[str, str | None] = field(default_factory=dict)
    _reviews: dict[int, list[Review]] = field(default_factory=dict)

    def of(
        self, ref: Ref, moments: Sequence[Moment], pull: PullRequest, *, allow_authors: bool
    ) -> list[Approver | Declined]:
        """Everybody who approved, and whether that counts for one entry.

        Args:
            ref: what was promoted.
            moments: of its name, up to the transition.
            pull: that brought the transition.
            allow_authors: `policy.allow_self_approval`.

        Raises:
            ForgeError: the forge does not answer.
            UsageError: git fails.
        """
        if pull.number not in self._reviews:
            self._reviews[pull.number] = approving(self.forge.reviews(pull.number))
        return [
            self._judged(review, ref, moments, pull, allow_authors=allow_authors)
            for review in self._reviews[pull.number]
        ]

    def _judged(
        self, review: Review, ref: Ref, moments: Sequence[Moment], pull: PullRequest, *, allow_authors: bool
    ) -> Approver | Declined:
        login = review.author
        if review.is_bot or _LOGIN.fullmatch(login) is None:
            return Declined(login, "is no person")
        if not review.is_member:
            return Declined(login, "may not write to this repository")
        if login.casefold() == pull.author.casefold() and not allow_authors:
            return Declined(login, f"opened #{pull.number}", is_author=True)
        if (why := self._not_what_was_merged(review, moments, pull)) is not None:
            return Declined(login, why)
        wrote = self._wrote(login, ref, moments, pull)
        if wrote is not None and not allow_authors:
            return Declined(login, wrote, is_author=True)
        return Approver(login, wrote)

    def _not_what_was_merged(
        self, review: Review, moments: Sequence[Moment], pull: PullRequest
    ) -> str | None:
        """Why a review is not of what was merged; None if it is."""
        if review.commit == pull.head_sha:
            return None
        if review.commit is None:
            return "approved a commit that is gone"
        onto = moments[-1].commit.parents[:1]
        try:
            self.bring([review.commit, pull.head_sha])
        except ForgeError:
            return f"approved {review.commit[:12]}, which cannot be fetched and compared with what was merged"
        if onto and self._proposed(onto[0], review.commit) == self._proposed(onto[0], pull.head_sha):
            return None
        return f"approved {review.commit[:12]}, and what was merged is {pull.head_sha[:12]}, which proposes something else"

    def _proposed(self, onto: str, head: str) -> dict[str, Any] | None:
        """What a branch changes in the project, apart from the results of evaluations; None if that cannot be said.

        What it took over from the default branch meanwhile is no change of its own.
        """
        base = self.repository.merge_base(onto, head)
        if base is None:
            return None
        found: dict[str, Any] = {}
        for change in self.repository.changed(base, head):
            if EVIDENCE.fullmatch(change.path):
                continue
            keys = keys_of(change.after, change.path) if ref_of(change.path, "registry/entries") else None
            if keys is None:
                found[change.path] = change.after
            elif (said := {key: keys[key] for key in keys if key != "eval"}) != _without_eval(
                change.before, change.path
            ):
                found[change.path] = said
        return found

    def _wrote(self, login: str, ref: Ref, moments: Sequence[Moment], pull: PullRequest) -> str | None:
        """What of an entry somebody wrote, as a clause; None if nothing."""
        tips = [moments[-1].commit.id]
        try:
            self.bring([pull.head_sha])
            tips.append(pull.head_sha)  # a squash names one author for what several wrote
        except ForgeError:
            if any(
                one is not None and one.casefold() == login.casefold()
                for _, one in self.forge.commits_of(pull.number)
            ):
                return f"wrote a commit of #{pull.number}"
        git = place.find(self.repository.root).git
        authors = [
            one for tip in tips for one in authors_of_version(git, ref.name, moments, ref.version, tip)
        ]
        mine = [one for one in authors if self._is(login, one)]
        if not mine:
            return None
        first = next((one for one in mine if one.what not in MOVES), mine[0])
        where = f" ({first.author}, commit {first.commit.id[:12]})"
        if first.what in MOVES:
            return f"changed its {first.what}{where}"
        return (
            f"wrote it{where}" if first.what == "entry" else f"wrote {first.what}, which it refers to{where}"
        )

    def _is(self, login: str, wrote: Wrote) -> bool:
        if is_same_person(login, wrote.author):
            return True
        commit = wrote.commit
        if commit.id not in self._logins:
            try:
                self._logins[commit.id] = self.forge.login_of(commit.id)
            except ForgeError as error:
                if not {"EK879"} & {one.code for one in error.problems}:
                    raise
                self._logins[commit.id] = None  # a commit of a branch that the forge has forgotten
        known = self._logins[commit.id]
        return known is not None and known.casefold() == login.casefold()


def _without_eval(raw: bytes | None, path: str) -> dict[str, Any] | None:
    keys = keys_of(raw, path)
    return None if keys is None else {key: keys[key] for key in keys if key != "eval"}
