"""What a fake forge knows, and what people and GitHub do to it. `FakeForge` is the port on top of it."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from evalkit.errors import Problem
from evalkit.github.forge import Artifact, Comment, ForgeError, PullRequest, Review, WorkflowRun
from evalkit.testing.bare_repository import BareRepository, login_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Dispatch", "ForgeState", "Status", "refused"]

_START = datetime(2026, 1, 1, tzinfo=UTC)
_BOT = "github-actions[bot]"


class Dispatch(NamedTuple):
    """A workflow that was started."""

    workflow: str
    ref: str
    inputs: dict[str, str]
    by: str


class Status(NamedTuple):
    """A status that was set."""

    commit: str
    context: str
    state: str
    description: str
    url: str | None


class ForgeState:
    """Branches in a bare repository, everything else in memory."""

    def __init__(
        self,
        path: Path,
        *,
        repository: str = "acme/llm",
        default_branch: str = "main",
        login: str = _BOT,
        is_app: bool = False,
    ) -> None:
        """`path` is a bare repository, made if it is not there."""
        self.git = BareRepository(path, default_branch)
        self.writes: list[str] = []
        """The methods of the port that changed something, in their order."""
        self.dispatches: list[Dispatch] = []
        self.statuses: list[Status] = []
        self.accounts: dict[str, str] = {}
        """Logins by the address of commits, besides the addresses that GitHub gives."""
        self.members: set[str] = set()
        """Who may write to the repository, besides who is named so in `review`."""
        self.releases: dict[str, dict[str, bytes]] = defaultdict(dict)
        """Files by tag."""
        self.can_open_pulls = True
        """The setting "Allow GitHub Actions to create and approve pull requests"."""
        self.now = _START
        """The time of the next thing that is made; each takes a second."""
        self._repository = repository
        self._default_branch = default_branch
        self._login = login
        self._is_app = is_app
        self._ids = count(1)
        self._protected: set[str] = set()
        self._failures: dict[str, list[Exception]] = defaultdict(list)
        self._pulls: dict[int, PullRequest] = {}
        self._reviews: dict[int, list[Review]] = defaultdict(list)
        self._comments: dict[int, list[Comment]] = defaultdict(list)
        self._runs: dict[int, WorkflowRun] = {}
        self._artifacts: list[tuple[Artifact, bytes]] = []

    def fail_next(self, method: str, error: Exception | None = None) -> None:
        """Let the next call of a method of the port raise, before it does anything; several are raised in turn."""
        if not callable(getattr(self, method, None)):
            raise ValueError(f"the port has no method {method!r}")  # noqa: TRY004 - its name is wrong, not its type
        problem = Problem("EK871", f"cannot {method}: no answer from the forge", hint="run the job again")
        self._failures[method].append(error or ForgeError(problem))

    @contextmanager
    def acting(self, login: str) -> Iterator[Self]:
        """What is done inside is done by somebody else."""
        before, self._login = self._login, login
        try:
            yield self
        finally:
            self._login = before

    def push(
        self, branch: str, files: Mapping[str, bytes | None], *, by: str = "casey", message: str = "Change"
    ) -> str:
        """A person's commit on a branch (made from the default branch if it is not there), protected or not."""
        before = self.git.head_of(branch)
        base = before or self.git.head_of(self._default_branch)
        parents = [base] if base else []
        new = self.git.write(message, files, parents=parents, author=by, when=self._tick())
        self.git.move(branch, new, before)
        return new

    def protect(self, branch: str) -> None:
        """Let no commit onto a branch but by a merge."""
        self._protected.add(branch)

    def merge(self, number: int, *, by: str = "casey", method: Literal["merge", "squash"] = "merge") -> str:
        """Merge a pull request.

        Raises:
            ForgeError: EK879, it is not open, or is in conflict with its base.
        """
        pull = self._current(number)
        base = self.git.head_of(pull.base)
        changed = self.git.merged_tree(base, pull.head_sha) if base and pull.state == "open" else None
        if base is None or changed is None:
            raise refused(f"merge pull request {number}", "it is not open, or is in conflict")
        new = self.git.write(
            f"{pull.title} (#{number})", changed, parents=[base], author=by, when=self._tick()
        )
        if method == "merge":
            new = self._merge_commit(pull, base, new, by)
        self.git.move(pull.base, new, base)
        merged = replace(pull, state="closed", is_merged=True, merge_commit=new, merged_by=by)
        self._pulls[number] = merged
        return new

    def _merge_commit(self, pull: PullRequest, base: str, squashed: str, by: str) -> str:
        """The commit with both parents and the tree of the squashed one."""
        tree = f"{squashed}^{{tree}}"
        when = int(self.now.timestamp())
        person = f"{by} <{by}@users.noreply.github.com> {when} +0000"
        text = (
            f"tree {self.git.git.run('rev-parse', tree).decode().strip()}\nparent {base}\n"
            f"parent {pull.head_sha}\nauthor {person}\ncommitter {person}\n\n"
            f"Merge pull request #{pull.number} from {pull.head}\n"
        )
        made = self.git.git.run("hash-object", "-t", "commit", "-w", "--stdin", given=text.encode())
        return made.decode().strip()

    def review(
        self,
        number: int,
        author: str,
        state: Literal["approved", "changes_requested", "commented", "dismissed"] = "approved",
        *,
        commit: str | None = None,
        is_member: bool = True,
    ) -> Review:
        """A person's review of the head, or of an earlier commit.

        Raises:
            ForgeError: EK879, nobody approves a pull request of their own.
        """
        pull = self._current(number)
        if author == pull.author and state != "commented":
            raise refused(f"review pull request {number}", "nobody can approve their own pull request")
        made = Review(
            author=author,
            is_bot=author.endswith("[bot]"),
            state=state,
            commit=commit or pull.head_sha,
            submitted=self._tick(),
            is_member=is_member or author in self.members,
            id=self._number(),
        )
        self._reviews[number].append(made)
        return made

    def add_run(
        self,
        *,
        path: str = ".github/workflows/evaluate.yml",
        event: str = "push",
        head_sha: str | None = None,
        head_branch: str | None = None,
        head_repository: str | None = None,
        attempt: int = 1,
    ) -> WorkflowRun:
        """A run of a workflow; of the default branch and its head, if nothing else is said."""
        branch = head_branch or self._default_branch
        number = self._number()
        made = WorkflowRun(
            id=number,
            path=path,
            event=event,
            head_branch=branch,
            head_sha=head_sha or self.git.head_of(branch) or "0" * 40,
            head_repository=head_repository or self._repository,
            attempt=attempt,
            url=f"https://forge.test/{self._repository}/actions/runs/{number}",
        )
        self._runs[number] = made
        return made

    def add_artifact(
        self, name: str, files: Mapping[str, bytes], *, run_id: int | None = None, digest: str | None = None
    ) -> Artifact:
        """Upload files of a run, zipped. `digest` is the truth unless it is given."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in sorted(files.items()):
                archive.writestr(zipfile.ZipInfo(path), content)
        content = buffer.getvalue()
        made = Artifact(
            id=self._number(),
            name=name,
            digest=digest or f"sha256:{hashlib.sha256(content).hexdigest()}",
            is_expired=False,
            run_id=run_id,
            size_bytes=len(content),
            created=self._tick(),
        )
        self._artifacts.append((made, content))
        return made

    def expire(self, artifact: Artifact) -> None:
        """Let the archive be gone, as after 90 days; what is known of it stays for a while."""
        self._artifacts = [
            (replace(known, is_expired=True) if known.id == artifact.id else known, content)
            for known, content in self._artifacts
        ]

    def _fail(self, method: str) -> None:
        if self._failures[method]:
            raise self._failures[method].pop(0)

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now - timedelta(seconds=1)

    def _number(self) -> int:
        return next(self._ids)

    def _require(self, number: int) -> PullRequest:
        if number not in self._pulls:
            raise refused(f"find pull request {number}", "there is none")
        return self._pulls[number]

    def _current(self, number: int) -> PullRequest:
        """A pull request as of now: its head moves with its branch, and without commits of its own it is closed."""
        pull = self._require(number)
        if pull.state == "open":
            head, base = self.git.head_of(pull.head), self.git.head_of(pull.base)
            is_alive = head is not None and base is not None and bool(self.git.between(base, head))
            pull = replace(pull, head_sha=head or pull.head_sha, state="open" if is_alive else "closed")
            self._pulls[number] = pull
        return pull

    def _login_of(self, commit: str) -> str | None:
        email = self.git.email_of(commit)
        return self.accounts.get(email) or login_of(email)


def refused(what: str, reason: str) -> ForgeError:
    """A refusal for a reason that has no code of its own (EK879)."""
    return ForgeError(
        Problem("EK879", f"cannot {what}: {reason}", hint="put that right, and run the job again")
    )
