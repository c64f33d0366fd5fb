"""The forge that is GitHub."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from evalkit.errors import Problem, UsageError
from evalkit.github.api import records, refusals
from evalkit.github.api.client import Client
from evalkit.github.api.commits import Commits
from evalkit.github.api.files import Files
from evalkit.github.environment import Actions
from evalkit.github.forge import fitting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalkit.github.forge import Artifact, Comment, PullRequest, Review, WorkflowRun

__all__ = ["GitHubForge"]

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_MOST_COMMITS: Final = 250
"""GitHub lists no more commits of a pull request than these."""
_PULLS: Final = "pull-requests: write"
_READ_PULLS: Final = "pull-requests: read"


class GitHubForge:
    """A repository on GitHub. See `evalkit.github.forge.Forge` for what each method does.

    Requests that a rate limit refused are sent again after the time that GitHub names, as are those whose answer
    was lost; what makes something is looked up first, so that there are never two of it.
    """

    def __init__(
        self,
        repository: str,
        token: str,
        api_url: str = "https://api.github.com",
        is_app: bool = False,
        *,
        login: str = "",
        client: Client | None = None,
    ) -> None:
        """A repository, by its name `owner/name`.

        Args:
            repository: its name.
            token: a person's, a job's or an App's.
            api_url: of the REST API.
            is_app: whether the token is an App's.
            login: who the token stands for, where that is known: `name[bot]`. Otherwise GitHub is asked.
            client: one that waits otherwise than by the clock.

        Raises:
            UsageError: EK870, one of these cannot be used; EK904, PyGithub is not installed.
        """
        if not _NAME.fullmatch(repository):
            hint = "GITHUB_REPOSITORY is OWNER/NAME"
            raise UsageError(Problem("EK870", f"{repository!r} is no repository", hint=hint))
        self._client = client or Client(repository, token, api_url)
        self._commits = Commits(self._client)
        self._files = Files(self._client)
        self._repository = repository
        self._is_app = is_app
        self._login = login
        self._default_branch = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> GitHubForge:
        """The repository and the token that a workflow's environment names.

        Raises:
            UsageError: EK870, it names none; EK904, PyGithub is not installed.
        """
        actions = Actions(environ)
        return cls(actions.repository, actions.token, actions.api_url, actions.is_app, login=actions.login)

    @property
    def repository(self) -> str:
        """See `Forge`."""
        return self._repository

    @property
    def is_app(self) -> bool:
        """See `Forge`."""
        return self._is_app

    def login(self) -> str:
        """See `Forge`."""
        if not self._login:
            what = "ask who the token stands for"
            reply = self._client.ask(what, "GET", "//user", needs="metadata: read", accept=(403,))
            if reply.status == 200:
                self._login = records.login(reply.data)
            else:  # the token of a job or an App is nobody's
                self._login = self._client.viewer() if self._is_app else "github-actions[bot]"
        return self._login

    def default_branch(self) -> str:
        """See `Forge`."""
        if not self._default_branch:
            reply = self._client.ask("read the repository", "GET", "", needs="metadata: read", accept=(404,))
            if reply.status == 404:
                raise refusals.invisible("read the repository", self._repository)
            self._default_branch = str(reply.data["default_branch"])
        return self._default_branch

    # Branches and commits

    def head_of(self, branch: str) -> str | None:
        """See `Forge`."""
        return self._commits.head_of(branch)

    def read(self, path: str, commit: str) -> bytes | None:
        """See `Forge`."""
        return self._commits.read(path, commit)

    def commit(
        self, branch: str, message: str, files: Mapping[str, bytes | None], *, parents: Sequence[str]
    ) -> str:
        """See `Forge`."""
        return self._commits.commit(branch, message, files, parents=parents)

    def delete_branch(self, branch: str) -> None:
        """See `Forge`."""
        self._commits.delete_branch(branch)

    def commits_of(self, number: int) -> Sequence[tuple[str, str | None]]:
        """See `Forge`."""
        what = f"list the commits of pull request {number}"
        found = [
            (str(raw["sha"]), records.login(raw["author"]) if raw.get("author") else None)
            for raw in self._client.pages(what, f"/pulls/{number}/commits", needs=_READ_PULLS)
        ]
        if len(found) >= _MOST_COMMITS:
            hint = "squash some of its commits, or split the pull request"
            reason = f"GitHub lists no more than {_MOST_COMMITS} of them"
            raise refusals.problem("EK879", what, reason, hint)
        return found

    def login_of(self, commit: str) -> str | None:
        """See `Forge`."""
        what = f"ask who wrote the commit {commit[:12]}"
        raw = self._client.ask(what, "GET", f"/commits/{commit}", needs="contents: read").data
        return records.login(raw["author"]) if raw.get("author") else None

    # Pull requests

    def pull(self, number: int) -> PullRequest | None:
        """See `Forge`."""
        what = f"read pull request {number}"
        reply = self._client.ask(what, "GET", f"/pulls/{number}", needs=_READ_PULLS, accept=(404,))
        return records.pull(reply.data) if reply.status == 200 else None

    def pulls(
        self,
        *,
        head: str | None = None,
        base: str | None = None,
        state: Literal["open", "closed", "all"] = "open",
    ) -> Iterator[PullRequest]:
        """See `Forge`."""
        query: dict[str, Any] = {"state": state, "sort": "created", "direction": "desc"}
        if head is not None:
            query["head"] = f"{self._repository.partition('/')[0]}:{head}"
        if base is not None:
            query["base"] = base
        for raw in self._client.pages("list pull requests", "/pulls", needs=_READ_PULLS, query=query):
            found = records.pull(raw)
            if (found.head_repository or "").lower() == self._repository.lower():
                yield found

    def pulls_with(self, commit: str) -> Sequence[PullRequest]:
        """See `Forge`."""
        what = f"list the pull requests with the commit {commit[:12]}"
        found = self._client.pages(what, f"/commits/{commit}/pulls", needs=_READ_PULLS)
        return [records.pull(raw) for raw in found]

    def open_pull(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """See `Forge`."""
        what = f"open a pull request from {head} to {base}"
        request = {"head": head, "base": base, "title": title, "body": fitting(body)}
        try:
            reply = self._client.ask(
                what, "POST", "/pulls", needs=_PULLS, body=request, accept=(422,), repeat=False
            )
        except refusals.Lost:
            found = next(self.pulls(head=head, base=base), None)
            if found is not None:
                return found
            reply = self._client.ask(
                what, "POST", "/pulls", needs=_PULLS, body=request, accept=(422,), repeat=False
            )
        if reply.status == 422:
            found = next(self.pulls(head=head, base=base), None)
            if found is None:
                raise refusals.refused(what, 422, reply.reason, _PULLS, self._repository)
            return found
        return records.pull(reply.data)

    def update_pull(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        """See `Forge`."""
        change = {"title": title, "body": None if body is None else fitting(body)}
        self._change(f"edit pull request {number}", f"/pulls/{number}", change)

    def close_pull(self, number: int) -> None:
        """See `Forge`."""
        self._change(f"close pull request {number}", f"/pulls/{number}", {"state": "closed"})

    def add_labels(self, number: int, labels: Sequence[str]) -> None:
        """See `Forge`. GitHub makes a label that is not there."""
        if labels:
            what, body = f"label pull request {number}", {"labels": list(labels)}
            self._client.ask(what, "POST", f"/issues/{number}/labels", needs=_PULLS, body=body)

    def reviews(self, number: int) -> Sequence[Review]:
        """See `Forge`."""
        what = f"list the reviews of pull request {number}"
        found = self._client.pages(what, f"/pulls/{number}/reviews", needs=_READ_PULLS)
        return [records.review(raw) for raw in found]

    def dismiss_review(self, number: int, review: int, message: str) -> None:
        """See `Forge`."""
        what = f"dismiss a review of pull request {number}"
        path = f"/pulls/{number}/reviews/{review}/dismissals"
        self._client.ask(what, "PUT", path, needs=_PULLS, body={"message": message})

    def comments(self, number: int) -> Iterator[Comment]:
        """See `Forge`."""
        what = f"list the comments of pull request {number}"
        for raw in self._client.pages(what, f"/issues/{number}/comments", needs=_READ_PULLS):
            yield records.comment(raw)

    def comment(self, number: int, body: str) -> Comment:
        """See `Forge`."""
        what, path = f"comment on pull request {number}", f"/issues/{number}/comments"
        request = {"body": fitting(body)}
        try:
            reply = self._client.ask(what, "POST", path, needs=_PULLS, body=request, repeat=False)
        except refusals.Lost:
            mine, text = self.login(), _plain(body)
            for found in self.comments(number):
                if found.author == mine and _plain(found.body) == text:
                    return found
            reply = self._client.ask(what, "POST", path, needs=_PULLS, body=request, repeat=False)
        return records.comment(reply.data)

    def edit_comment(self, comment: int, body: str) -> None:
        """See `Forge`."""
        self._change(f"edit the comment {comment}", f"/issues/comments/{comment}", {"body": fitting(body)})

    # Checks, runs, artifacts, releases

    def status(self, commit: str, context: str) -> str | None:
        """See `Forge`."""
        what = f"read the result {context} of {commit[:12]}"
        query = {"check_name": context, "filter": "latest"}
        checks = self._client.pages(
            what, f"/commits/{commit}/check-runs", needs="checks: read", query=query, key="check_runs"
        )
        found = [
            (raw.get("completed_at") or raw.get("started_at"), records.result(raw.get("conclusion")))
            for raw in checks
            if raw["name"] == context
        ]
        # These come newest first.
        statuses = self._client.pages(what, f"/commits/{commit}/statuses", needs="statuses: read")
        newest = next((raw for raw in statuses if raw["context"] == context), None)
        if newest is not None:
            found.append((newest.get("created_at"), records.result(newest["state"])))
        if not found:
            return None
        return max(found, key=lambda one: (records.instant(one[0]) is not None, records.instant(one[0])))[1]

    def set_status(
        self,
        commit: str,
        context: str,
        state: Literal["success", "failure", "pending"],
        description: str,
        url: str | None = None,
    ) -> None:
        """See `Forge`."""
        what = f"set the status {context} of {commit[:12]}"
        body = {"state": state, "context": context, "description": description, "target_url": url}
        self._client.ask(
            what,
            "POST",
            f"/statuses/{commit}",
            needs="statuses: write",
            body={key: value for key, value in body.items() if value is not None},
        )

    def run(self, run_id: int) -> WorkflowRun | None:
        """See `Forge`."""
        what = f"read the workflow run {run_id}"
        reply = self._client.ask(what, "GET", f"/actions/runs/{run_id}", needs="actions: read", accept=(404,))
        return records.run(reply.data) if reply.status == 200 else None

    def artifacts(self, name: str) -> Iterator[Artifact]:
        """See `Forge`."""
        return self._files.artifacts(name)

    def download(self, artifact: Artifact, max_bytes: int) -> bytes:
        """See `Forge`."""
        return self._files.download(artifact, max_bytes)

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> None:
        """See `Forge`. It is not repeated when the answer was lost: two runs would pay twice."""
        path = f"/actions/workflows/{quote(workflow, safe='')}/dispatches"
        body = {"ref": ref, "inputs": dict(inputs)}
        what = f"start the workflow {workflow}"
        self._client.ask(what, "POST", path, needs="actions: write", body=body, repeat=False)

    def release_asset(self, tag: str, name: str) -> bytes | None:
        """See `Forge`."""
        return self._files.release_asset(tag, name)

    def put_release_asset(self, tag: str, name: str, content: bytes) -> str:
        """See `Forge`."""
        return self._files.put_release_asset(tag, name, content)

    def look(self, path: str) -> Any:
        """What GitHub answers to a GET below the repository; None where there is nothing that this token may see.

        It is not in the port: `evalkit doctor` reads settings by it, which are GitHub's own.

        Raises:
            ForgeError: EK871, EK873, EK875, EK879.
        """
        what = f"read {path or 'the repository'}"
        reply = self._client.ask(what, "GET", path, needs="metadata: read", accept=(403, 404))
        return reply.data if reply.status == 200 else None

    def _change(self, what: str, path: str, change: Mapping[str, str | None]) -> None:
        body = {key: value for key, value in change.items() if value is not None}
        if body:
            self._client.ask(what, "PATCH", path, needs=_PULLS, body=body)


def _plain(body: str) -> str:
    return body.replace("\r\n", "\n").strip()
