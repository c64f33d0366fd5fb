"""One pull request on a branch of evalkit's own, kept as it is wanted: opened, refreshed, or closed.

Everything is read from the forge each time, and every step can be the last one: whoever comes next finds a branch without
its pull request, a body that is one commit behind, or a comment before its closing, and goes on from there. What is as it
should be is not touched. A branch moves by added commits only, and what a person has committed to is left to them.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from evalkit.github.forge import ForgeError, MovedOn
from evalkit.github.marker import Marker, encode, parse
from evalkit.runtime.digest import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evalkit.github.forge import Forge, PullRequest

__all__ = ["CLOSED", "WORKFLOWS", "Branches", "Outcome", "Wanted"]

CLOSED: Final = "-closed"
"""Behind the kind of a pull request that evalkit closed itself: one without it was closed by a person."""

WORKFLOWS: Final = "github-actions[bot]"
"""Who writes with a workflow's own token. Checks on what it opens wait for a person."""
_ATTEMPTS: Final = 3

Action = Literal["opened", "refreshed", "unchanged", "closed", "left", "declined", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one pull request."""

    subject: str
    """Its title, or what it would have been about."""
    action: Action
    said: str
    """A sentence. It may hold foreign text."""
    number: int | None = None
    url: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the pull request is there, as evalkit wants it."""
        return self.action in {"opened", "refreshed", "unchanged"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A pull request as it should be."""

    marker: Marker
    """Its `digest` says what a person who closes it declines; its `commit` and `base` are filled in here."""
    branch: str
    title: str
    body: str
    """Below the marker."""
    message: str
    """Of the commit."""
    files: Mapping[str, bytes | None]
    """In the repository, against the head of the default branch; None deletes one."""
    labels: tuple[str, ...] = ()
    may_be_declined: bool = True
    """Whether it stays away once a person closed it; a change that a person asks for does not."""


class Branches:
    """The pull requests that evalkit writes, of one repository."""

    def __init__(self, forge: Forge, base_head: str) -> None:
        """`base_head` is the commit of the default branch that everything is planned from."""
        self.forge = forge
        self.base_head = base_head

    @cached_property
    def base(self) -> str:
        """The default branch."""
        return self.forge.default_branch()

    @cached_property
    def _own(self) -> frozenset[str]:
        """Who writes for evalkit: this token, or the workflow's own in a repository that changed to an App since."""
        return frozenset({self.forge.login(), WORKFLOWS})

    def marker(self, pull: PullRequest) -> Marker | None:
        """The marker of a pull request that evalkit opened; None for anybody else's."""
        return parse(pull.body) if pull.author in self._own else None

    def open_of(self, kind: str) -> list[tuple[PullRequest, Marker]]:
        """The open ones of a kind, with their markers; also one whose closing was interrupted."""
        found = ((pull, self.marker(pull)) for pull in self.forge.pulls(base=self.base))
        return [
            (pull, marker)
            for pull, marker in found
            if marker is not None and marker.kind in {kind, kind + CLOSED}
        ]

    def keep(self, wanted: Wanted, approve: Callable[[], str | None]) -> Outcome:
        """Make the forge agree with what is wanted.

        Args:
            wanted: the pull request.
            approve: asked right before anything of it is shown: why it must not be, or None.

        Raises:
            ForgeError: the forge refused; what was done so far stays, and the next call goes on from there.
        """
        for attempt in range(_ATTEMPTS):
            try:
                return self._keep(wanted, approve)
            except MovedOn:  # somebody pushed in between: look again, it may have been a person
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")  # pragma: no cover

    def close(self, pull: PullRequest, reason: str, successor: int | None = None) -> Outcome:
        """Close a pull request with the reason, and delete its branch.

        Raises:
            ForgeError: as `keep`.
        """
        marker = self.marker(pull)
        if marker is None or self._is_a_persons(pull, marker):
            return self._leave(pull)
        text = f"Closed: {reason}" + (f"\n\n#{successor} takes its place." if successor else "")
        said = Marker(
            kind="closing",
            entry=marker.entry,
            version=marker.version,
            target=marker.target,
            digest=digest(text),
        )
        self._comment_once(pull.number, said, text)
        if not marker.kind.endswith(CLOSED):
            # Said in the body before it is closed: what is closed without this was closed by a person.
            _, _, rest = pull.body.partition("\n")
            body = encode(replace(marker, kind=marker.kind + CLOSED), rest)
            self.forge.update_pull(pull.number, body=body)
        # The branch goes first: were it last, nothing would lead back to it after an interruption.
        if self.forge.head_of(pull.head) == pull.head_sha:
            self.forge.delete_branch(pull.head)
        self.forge.close_pull(pull.number)
        return Outcome(pull.title, "closed", reason, pull.number, pull.url)

    def _keep(self, wanted: Wanted, approve: Callable[[], str | None]) -> Outcome:
        pull = next(iter(self.forge.pulls(head=wanted.branch, base=self.base)), None)
        if pull is not None:
            return self._refreshed(pull, wanted, approve)
        if wanted.may_be_declined and (declined := self._declined(wanted)) is not None:
            said = f"a person closed #{declined.number}, and it is not asked for again while what it says is the same"
            return Outcome(wanted.title, "declined", said, declined.number, declined.url)
        head = self.forge.head_of(wanted.branch)
        if head is not None and self.forge.login_of(head) not in self._own:
            said = (
                f"a person has committed to {wanted.branch}; delete the branch to have evalkit use it again"
            )
            return Outcome(wanted.title, "left", said)
        return self._opened(wanted, head, approve)

    def _opened(self, wanted: Wanted, head: str | None, approve: Callable[[], str | None]) -> Outcome:
        if (why := approve()) is not None:
            return Outcome(wanted.title, "failed", why)
        parents = [self.base_head] if head is None else [head, self.base_head]
        commit = self.forge.commit(wanted.branch, wanted.message, wanted.files, parents=parents)
        # What is opened is what was judged: the files are read back, and judged once more.
        why = self._not_as_wanted(wanted, commit) or approve()
        if why is not None:
            self._drop(wanted.branch)
            return Outcome(wanted.title, "failed", why)
        body = encode(replace(wanted.marker, commit=commit, base=self.base_head), wanted.body)
        try:
            pull = self.forge.open_pull(head=wanted.branch, base=self.base, title=wanted.title, body=body)
        except ForgeError:
            if head is None:
                self._drop(wanted.branch)
            raise
        if self.marker(pull) is None:
            return self._leave(pull)
        self._label(pull, wanted)
        return Outcome(wanted.title, "opened", f"opened as #{pull.number}", pull.number, pull.url)

    def _refreshed(self, pull: PullRequest, wanted: Wanted, approve: Callable[[], str | None]) -> Outcome:
        marker = self.marker(pull)
        if marker is None or self._is_a_persons(pull, marker):
            return self._leave(pull)
        is_new = (
            marker.commit == pull.head_sha
            and self._not_as_wanted(wanted, pull.head_sha) is None
            and not self._changed_below(wanted, marker.base)
        )
        commit, base = pull.head_sha, marker.base
        if not is_new:
            if (why := approve()) is not None:
                return Outcome(wanted.title, "failed", why, pull.number, pull.url)
            parents = [pull.head_sha, self.base_head]
            commit = self.forge.commit(wanted.branch, wanted.message, wanted.files, parents=parents)
            base = self.base_head
        body = encode(replace(wanted.marker, commit=commit, base=base), wanted.body)
        title = wanted.title if pull.title != wanted.title else None
        if title is not None or not _is_same(pull.body, body):
            self.forge.update_pull(pull.number, title=title, body=body)
            is_new = False
        self._label(pull, wanted)
        if is_new:
            return Outcome(
                wanted.title, "unchanged", f"#{pull.number} is as it should be", pull.number, pull.url
            )
        return Outcome(wanted.title, "refreshed", f"refreshed #{pull.number}", pull.number, pull.url)

    def _label(self, pull: PullRequest, wanted: Wanted) -> None:
        if missing := [label for label in wanted.labels if label not in pull.labels]:
            self.forge.add_labels(pull.number, missing)

    def _not_as_wanted(self, wanted: Wanted, commit: str) -> str | None:
        """Why a commit's files are not those that are wanted."""
        for path, content in wanted.files.items():
            if self.forge.read(path, commit) != content:
                return f"{path} of {commit[:12]} is not as it was written"
        return None

    def _changed_below(self, wanted: Wanted, base: str | None) -> bool:
        """Whether the default branch has other files now than the branch was made for: the two would not merge."""
        if base is None or base == self.base_head:
            return base is None
        return any(
            self.forge.read(path, base) != self.forge.read(path, self.base_head) for path in wanted.files
        )

    def _drop(self, branch: str) -> None:
        """A branch that leads to no pull request; the first failure is the one to tell."""
        with contextlib.suppress(ForgeError):
            self.forge.delete_branch(branch)

    def _declined(self, wanted: Wanted) -> PullRequest | None:
        """The newest pull request of the branch, if a person closed it and what they saw is what is wanted now."""
        for pull in self.forge.pulls(head=wanted.branch, base=self.base, state="closed"):
            marker = self.marker(pull)
            if marker is None:
                continue
            is_same = marker.kind == wanted.marker.kind and marker.digest == wanted.marker.digest
            return pull if is_same and not pull.is_merged else None
        return None

    def _is_a_persons(self, pull: PullRequest, marker: Marker) -> bool:
        """Whether somebody else has committed to the branch."""
        if marker.commit == pull.head_sha:
            return False
        return any(login not in self._own for _, login in self.forge.commits_of(pull.number))

    def _leave(self, pull: PullRequest) -> Outcome:
        """A person's from here on: said once, and never touched again."""
        marker = self.marker(pull)
        if marker is None:
            said = f"#{pull.number} was opened from {pull.head} by {pull.author}, so evalkit leaves it alone"
            return Outcome(pull.title, "left", said, pull.number, pull.url)
        text = (
            "Somebody has committed to this branch, so evalkit leaves this pull request to you from here on: it neither "
            "refreshes nor closes it. To hand it back, close it and delete the branch."
        )
        self._comment_once(pull.number, Marker(kind="left", entry=marker.entry, target=marker.target), text)
        said = f"a person has committed to #{pull.number}, so evalkit leaves it alone"
        return Outcome(pull.title, "left", said, pull.number, pull.url)

    def _comment_once(self, number: int, marker: Marker, text: str) -> None:
        said = (parse(one.body) for one in self.forge.comments(number) if one.author in self._own)
        if marker not in said:
            self.forge.comment(number, encode(marker, text))


def _is_same(one: str, other: str) -> bool:
    """Whether two bodies are the same; the forge may send line ends back in another form."""
    return one.replace("\r\n", "\n").rstrip() == other.replace("\r\n", "\n").rstrip()
