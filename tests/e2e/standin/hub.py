"""What tests use: a repository on a GitHub of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from . import merging, people, pulls
from .conversation import comment_on
from .dispatching import dispatch
from .engine import Engine
from .event import Event
from .git import BareRepository
from .model import BOT, App, Artifact, Pull, Review, Run
from .people import Person
from .server import Fault, Server
from .state import State

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from .contract import Contract
    from .model import Settings
    from .server import Request

__all__ = ["Person", "StandIn"]


class StandIn:
    """GitHub, with one repository. Use it in `with`."""

    def __init__(
        self, root: Path, files: Mapping[str, str | bytes] | Path | None = None, *, repository: str = "acme/llm",
        default_branch: str = "main",
    ) -> None:  # fmt: skip
        self.state = State(root / "github", repository, default_branch)
        self.server = Server(self.state)
        self.engine = Engine(self.state)
        self.owner = self.user(repository.partition("/")[0], role="admin")
        if files is not None:
            self.push(self.owner, default_branch, people.read_files(files), message="Start")
            self.state.events.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.close()

    # Where and what

    @property
    def url(self) -> str:
        """Of the REST API, of git and of the pages for people alike."""
        return self.state.url

    @property
    def repository(self) -> str:
        return self.state.repository

    @property
    def git(self) -> BareRepository:
        """The bare repository."""
        return self.state.git

    @property
    def settings(self) -> Settings:
        return self.state.settings

    @property
    def runs(self) -> list[Run]:
        return list(self.state.runs.values())

    @property
    def pulls(self) -> dict[int, Pull]:
        return self.state.pulls

    @property
    def artifacts(self) -> list[Artifact]:
        return [item for item in self.state.artifacts.values() if not item.is_deleted]

    @property
    def requests(self) -> list[Request]:
        """All REST requests so far, oldest first, without credentials."""
        return self.server.requests

    @property
    def contract(self) -> Contract:
        """`violations` of GitHub's OpenAPI description, and the operations `seen`."""
        return self.server.contract

    @property
    def now(self) -> datetime:
        return self.state.now()

    @now.setter
    def now(self, moment: datetime | None) -> None:
        """Stop the clock at a moment (with a time zone); None: the machine's clock."""
        self.state.fixed_now = moment

    def head(self, branch: str | None = None) -> str | None:
        return self.git.head(branch or self.state.default_branch)

    def file(self, path: str, ref: str | None = None) -> str | None:
        """A file's text as of a branch or commit."""
        found = self.git.read(ref or self.state.default_branch, path)
        return None if found is None else found.decode()

    def comments(self, number: int) -> list[str]:
        return [item.body for item in self.state.comments.values() if item.number == number]

    def status(self, sha: str, name: str) -> str | None:
        """The newest result of a check run or status: success, failure, pending."""
        return self.state.status_of(sha, name)

    # People and Apps

    def user(self, login: str, role: str = "write", emails: tuple[str, ...] = ()) -> Person:
        """A person; the same one for the same login. `role`: admin, write, read, none."""
        with self.state.lock:
            known = next(
                (t for t in self.state.tokens.values() if t.kind == "user" and t.account.login == login), None
            )
            if known:
                return Person(self.state, known.account, known)
            account = self.state.account(login, role, emails)
            return Person(self.state, account, self.state.mint(account))

    def app(self, name: str, permissions: Mapping[str, str] | None = None) -> tuple[App, str]:
        """An installed App `name[bot]`: what `create-github-app-token` needs to know, and a token for tests."""
        account = self.state.account(f"{name}[bot]", "write", is_bot=True)
        key = f"-----BEGIN RSA PRIVATE KEY-----\n{name}\n-----END RSA PRIVATE KEY-----\n"
        app = App(account, f"Iv1.{name}", key, dict(permissions or people.APP_PERMISSIONS))
        self.state.apps[name] = app
        return app, self.state.mint(account, "app", permissions={"metadata": "read", **app.permissions}).value

    def job_token(self, permissions: Mapping[str, str]) -> str:
        """A GITHUB_TOKEN with these permissions, as a job would have."""
        held = {"metadata": "read", **permissions}
        return self.state.mint(self.state.accounts[BOT], "workflow", permissions=held, job="test").value

    # git

    def clone(self, user: Person, place: Path, repository: str | None = None) -> Path:
        """A clone that pushes as a user (`user.git_environment` for further commands of git)."""
        return people.clone(user, f"{self.url}/{repository or self.repository}.git", place)

    def push(
        self, user: Person, branch: str, files: Mapping[str, str | bytes | None], *, message: str = "Change",
        onto: str | None = None, repository: str | None = None,
    ) -> str:  # fmt: skip
        """One commit with these files changed (None: deleted) on a branch, made from `onto` if it is new.

        Goes past no protection: a refused push raises AssertionError with git's words.
        """
        git = self.state.forks[repository] if repository else self.git
        parent = git.head(branch) or git.resolve(onto or self.state.default_branch)
        address = f"{self.url}/{repository or self.repository}.git"
        return people.push(user, git, address, branch, files, message, parent, self.now.isoformat())

    def fork(self, user: Person) -> str:
        """A fork of the repository under a user's name, with its branches."""
        name = f"{user.login}/{self.repository.partition('/')[2]}"
        git = BareRepository(self.state.root / "git" / f"{name}.git", self.state.default_branch)
        git("fetch", "-q", str(self.git.path), "+refs/heads/*:refs/heads/*")
        self.state.forks[name] = git
        return name

    # Pull requests, by people

    def open_pr(
        self, user: Person, head: str, base: str | None = None, *, title: str = "A change", body: str = ""
    ) -> Pull:
        """`head`: a branch, or `owner:branch` of a fork."""
        with self.state.lock:
            token, base = user.token_record, base or self.state.default_branch
            return pulls.open_pull(self.state, token, title=title, head=head, base=base, body=body)

    def review(self, user: Person, pull: Pull | int, verdict: str = "APPROVE", body: str = "") -> Review:
        """`verdict`: APPROVE, REQUEST_CHANGES or COMMENT."""
        with self.state.lock:
            return pulls.review(self.state, user.token_record, self._pull(pull), verdict, body)

    def merge(self, user: Person, pull: Pull | int, method: str = "merge") -> str:
        """The commit on the base branch. Raises Refused where GitHub would refuse."""
        with self.state.lock:
            return merging.merge(self.state, user.token_record, self._pull(pull), method)

    def close_pr(self, user: Person, pull: Pull | int) -> None:
        with self.state.lock:
            pulls.update(self.state, user.token_record, self._pull(pull), {"state": "closed"})

    def comment(self, user: Person, pull: Pull | int, body: str) -> None:
        with self.state.lock:
            comment_on(self.state, user.token_record, self._pull(pull).number, body)

    def _pull(self, pull: Pull | int) -> Pull:
        return self.state.pull(pull) if isinstance(pull, int) else pull

    # What starts workflows

    def dispatch(
        self, user: Person, workflow: str, inputs: Mapping[str, str] | None = None, ref: str | None = None
    ) -> None:
        """ "Run workflow", by its file name."""
        with self.state.lock:
            dispatch(
                self.state, user.token_record, workflow, ref or self.state.default_branch, dict(inputs or {})
            )

    def schedule(self, cron: str) -> None:
        """The moment of a `schedule` with this cron line has come."""
        self._on_default("schedule", {"schedule": cron})

    def merge_group(self, pull: Pull | int) -> str:
        """Put a pull request into a merge queue: the commit that the queue tests."""
        with self.state.lock:
            item = self._pull(pull)
            merge = pulls.merge_ref(self.state, item)
            assert merge, "it cannot be merged"
            branch = f"gh-readonly-queue/{item.base}/pr-{item.number}-{item.base_sha}"
            self.git.set_ref(f"refs/heads/{branch}", merge)
            group = {
                "head_sha": merge, "head_ref": f"refs/heads/{branch}", "base_sha": item.base_sha,
                "base_ref": f"refs/heads/{item.base}",
            }  # fmt: skip
            payload = {"action": "checks_requested", "merge_group": group}
            self.state.emit(
                Event(
                    "merge_group",
                    payload,
                    self.owner.account,
                    "user",
                    f"refs/heads/{branch}",
                    merge,
                    branch,
                    merge,
                    item.base,
                )
            )
            return merge

    def _on_default(self, name: str, payload: dict[str, Any]) -> None:
        with self.state.lock:
            branch, sha = self.state.default_branch, self.head() or ""
            self.state.emit(
                Event(name, payload, self.owner.account, "user", f"refs/heads/{branch}", sha, branch, sha)
            )

    def settle(self, parallel: int = 1, limit: int = 200) -> list[Run]:
        """Run what was started, and what that starts, until it is quiet; the runs of this call."""
        return self.engine.settle(parallel, limit)

    def approve_run(self, run: Run | int, by: Person) -> None:
        """Start a run that waits for a click."""
        self.engine.approve(run if isinstance(run, int) else run.id, by.account)

    def rerun(self, run: Run | int) -> Run:
        return self.engine.rerun(run if isinstance(run, int) else run.id)

    # Trouble on demand

    def fail_next(
        self, method: str = "*", path: str = "", status: int | str = 500, times: int = 1, *,
        headers: Mapping[str, str] | None = None, message: str = "Server Error",
    ) -> None:  # fmt: skip
        """The next requests whose path matches (a regular expression) get this instead of an answer.

        `status` may be `drop` (the connection breaks, nothing is done) or `drop-after` (it breaks after it was done).
        """
        self.server.faults.append(
            Fault(method, re.compile(path), status, times, dict(headers or {}), message)
        )

    def limit_next(
        self, times: int = 1, *, path: str = "", retry_after_s: int | None = 1, status: int = 403
    ) -> None:
        """A secondary rate limit: 403 or 429, with Retry-After unless it is None."""
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        self.fail_next(
            "*", path, status, times, headers=headers, message="You have exceeded a secondary rate limit."
        )
