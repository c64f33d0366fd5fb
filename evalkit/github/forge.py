"""The port to a code forge: what evalkit asks of GitHub, in records of its own.

`evalkit.github.api` speaks to GitHub; `evalkit.testing.fake_forge` is a forge over a directory. Both pass the same
contract tests. Every method may raise `ForgeError` (EK871 to EK879); what a method adds to that is said beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

from evalkit.errors import EvalkitError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

__all__ = [
    "BODY_LIMIT",
    "Artifact",
    "Comment",
    "Forge",
    "ForgeError",
    "MovedOn",
    "PullRequest",
    "Review",
    "WorkflowRun",
    "fitting",
]

BODY_LIMIT: Final = 65_536
"""How many characters the body of a pull request or a comment may have."""


class ForgeError(EvalkitError):
    """The forge refused, or could not be reached (EK871 to EK879)."""


class MovedOn(ForgeError):
    """The branch is not where the change was made for: read it again, and apply the change anew (EK872)."""


def fitting(body: str) -> str:
    """The body, if it is short enough to be sent.

    Characters beyond the Basic Multilingual Plane count twice: which way a forge counts them is not documented.

    Raises:
        ForgeError: EK878, it has more than `BODY_LIMIT` characters.
    """
    size = len(body.encode("utf-16-le", "surrogatepass")) // 2
    if size > BODY_LIMIT:
        message = f"the text has {size:,} characters, and GitHub takes {BODY_LIMIT:,}"
        raise ForgeError(
            Problem("EK878", message, hint="leave out examples or slices, or lower their number")
        )
    return body


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request."""

    number: int
    title: str
    body: str
    state: Literal["open", "closed"]
    is_merged: bool
    author: str
    """The login; `github-actions[bot]`, or `name[bot]` of an App."""
    head: str
    """The branch."""
    head_sha: str
    head_repository: str | None
    """`owner/name`; another than the forge's own is a fork, None one that is gone."""
    base: str
    """The branch that it goes to."""
    url: str
    """For people."""
    merge_commit: str | None
    """Of a merged one: the commit on the base branch, whatever the way of merging."""
    merged_by: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Review:
    """One review of a pull request."""

    author: str
    is_bot: bool
    state: Literal["approved", "changes_requested", "commented", "dismissed", "pending"]
    commit: str | None
    """The head that was reviewed."""
    submitted: datetime | None
    is_member: bool
    """Whether the author may write to the repository (its owner, a member, a collaborator)."""
    id: int = 0


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment in the conversation of a pull request or issue."""

    id: int
    author: str
    body: str


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """One run of a workflow."""

    id: int
    path: str
    """`.github/workflows/evaluate.yml`, without the ref."""
    event: str
    head_branch: str | None
    head_sha: str
    head_repository: str | None
    attempt: int
    url: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """One artifact of a workflow run."""

    id: int
    name: str
    digest: str | None
    """`sha256:…` of the archive, as the forge computed it."""
    is_expired: bool
    run_id: int | None
    size_bytes: int
    created: datetime


class Forge(Protocol):
    """One repository on a forge."""

    @property
    def repository(self) -> str:
        """`owner/name`."""

    @property
    def is_app(self) -> bool:
        """Whether the token is an App's: what it pushes starts workflows. A GITHUB_TOKEN's pushes start none."""

    def login(self) -> str:
        """Who writes with this token: `github-actions[bot]`, an App's `name[bot]`, or a person."""

    def default_branch(self) -> str:
        """Its name."""

    # Branches and commits

    def head_of(self, branch: str) -> str | None:
        """The commit that a branch points to; None if there is no such branch."""

    def read(self, path: str, commit: str) -> bytes | None:
        """A file as of a commit; None if it has none."""

    def commit(
        self, branch: str, message: str, files: Mapping[str, bytes | None], *, parents: Sequence[str]
    ) -> str:
        """Add one commit to a branch, or make the branch with it. Never forces.

        The commit's tree is that of the last parent with the files changed; None deletes a file. The first parent is
        where the branch is believed to be; a branch that does not exist yet is made to point to the new commit.

        Returns:
            The new commit.

        Raises:
            MovedOn: EK872, the branch is elsewhere (or exists already, or is gone).
        """

    def delete_branch(self, branch: str) -> None:
        """Delete a branch; nothing happens if it is gone."""

    def commits_of(self, number: int) -> Sequence[tuple[str, str | None]]:
        """The commits of a pull request, oldest first: the id, and the login of its author (None: no account)."""

    def login_of(self, commit: str) -> str | None:
        """The login of a commit's author; None if its address belongs to no account."""

    # Pull requests

    def pull(self, number: int) -> PullRequest | None:
        """One by number."""

    def pulls(
        self,
        *,
        head: str | None = None,
        base: str | None = None,
        state: Literal["open", "closed", "all"] = "open",
    ) -> Iterator[PullRequest]:
        """Pull requests of this repository's own branches, newest first, paginated as they are read."""

    def pulls_with(self, commit: str) -> Sequence[PullRequest]:
        """The pull requests that brought a commit of a branch."""

    def open_pull(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """Open one. If one is open from this branch already, that one is returned as it is.

        Raises:
            ForgeError: EK874, the repository does not let workflows open pull requests.
        """

    def update_pull(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        """Change the title, the body, or both."""

    def close_pull(self, number: int) -> None:
        """Close without merging."""

    def add_labels(self, number: int, labels: Sequence[str]) -> None:
        """Add labels, made if the repository has none of that name."""

    def reviews(self, number: int) -> Sequence[Review]:
        """All reviews, oldest first."""

    def dismiss_review(self, number: int, review: int, message: str) -> None:
        """Take a review out of account, by its id, with a reason for its author."""

    def comments(self, number: int) -> Iterator[Comment]:
        """The comments of the conversation, oldest first, paginated as they are read."""

    def comment(self, number: int, body: str) -> Comment:
        """Add a comment."""

    def edit_comment(self, comment: int, body: str) -> None:
        """Replace a comment's text."""

    # Checks, runs, artifacts, releases

    def status(self, commit: str, context: str) -> str | None:
        """The newest result under this name, check run or commit status: `success`, `failure` or `pending`."""

    def set_status(
        self,
        commit: str,
        context: str,
        state: Literal["success", "failure", "pending"],
        description: str,
        url: str | None = None,
    ) -> None:
        """Set a commit status; the description has at most 140 characters."""

    def run(self, run_id: int) -> WorkflowRun | None:
        """A workflow run; None if there is none, or it was deleted."""

    def artifacts(self, name: str) -> Iterator[Artifact]:
        """The artifacts of this name, of all runs, newest first, expired ones among them."""

    def download(self, artifact: Artifact, max_bytes: int) -> bytes:
        """The archive (zip) of an artifact.

        Raises:
            ForgeError: EK876, it is gone; EK877, it has more than `max_bytes`.
        """

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> None:
        """Start a workflow that has `workflow_dispatch`: its file name, the branch, its inputs."""

    def release_asset(self, tag: str, name: str) -> bytes | None:
        """A file of a release; None if there is no such release, or no such file in it."""

    def put_release_asset(self, tag: str, name: str, content: bytes) -> str:
        """Upload a file to the release of a tag, made if it is not there, in the place of one of the same name.

        Returns:
            The address that serves it.
        """
