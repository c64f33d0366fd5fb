"""A forge without a network: branches in a bare git repository, everything else in memory.

For tests of what evalkit, or your own automation on top of it, does on a forge:

    forge = FakeForge(tmp_path / "acme.git")
    forge.push("main", {"evalkit.yaml": b"..."}, by="casey")
    ...                                             # what is tested
    assert [pull.title for pull in forge.pulls()] == ["Promote support-triage v14 to staging"]
    assert forge.writes == ["commit", "open_pull"]  # nothing else was changed

It passes the same contract tests as `evalkit.github.api.GitHubForge`. Ids and times are counted, not taken from the
clock, so that two runs of a test give the same commits. Besides the port, it has what people do (`push`, `merge`,
`review`, `acting`), what GitHub does (`add_run`, `add_artifact`, `protect`), and failures (`fail_next`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from evalkit.errors import Problem
from evalkit.github.forge import Comment, ForgeError, MovedOn, PullRequest, fitting
from evalkit.testing.forge_state import Dispatch, ForgeState, Status, refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalkit.github.forge import Artifact, Review, WorkflowRun

__all__ = ["Dispatch", "FakeForge", "Status"]


class FakeForge(ForgeState):
    """See the module; `ForgeState` has what is not in the port."""

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
        self._fail("login")
        return self._login

    def default_branch(self) -> str:
        """See `Forge`."""
        self._fail("default_branch")
        return self._default_branch

    def head_of(self, branch: str) -> str | None:
        """See `Forge`."""
        self._fail("head_of")
        return self.git.head_of(branch)

    def read(self, path: str, commit: str) -> bytes | None:
        """See `Forge`."""
        self._fail("read")
        return self.git.read(path, commit)

    def commit(
        self, branch: str, message: str, files: Mapping[str, bytes | None], *, parents: Sequence[str]
    ) -> str:
        """See `Forge`."""
        self._fail("commit")
        what = f"commit to the branch {branch}"
        if branch in self._protected:
            raise refused(what, "a rule of the repository forbids it")
        before = self.git.head_of(branch)
        if before in {None, parents[0]}:
            new = self.git.write(message, files, parents=parents, author=self._login, when=self._tick())
            if self.git.move(branch, new, before):
                self.writes.append("commit")
                return new
        problem = Problem("EK872", f"cannot {what}: it is at {before}", hint="read the branch again")
        raise MovedOn(problem)

    def delete_branch(self, branch: str) -> None:
        """See `Forge`."""
        self._fail("delete_branch")
        if self.git.head_of(branch) is not None:
            self.git.delete(branch)
            self.writes.append("delete_branch")

    def commits_of(self, number: int) -> Sequence[tuple[str, str | None]]:
        """See `Forge`."""
        self._fail("commits_of")
        pull = self._current(number)
        base = f"{pull.merge_commit}^" if pull.merge_commit else self.git.head_of(pull.base)
        return [(one, self._login_of(one)) for one in self.git.between(base or "", pull.head_sha)]

    def login_of(self, commit: str) -> str | None:
        """See `Forge`."""
        self._fail("login_of")
        if not self.git.has(commit):
            raise refused(f"ask who wrote the commit {commit[:12]}", "there is none")
        return self._login_of(commit)

    def pull(self, number: int) -> PullRequest | None:
        """See `Forge`."""
        self._fail("pull")
        return self._current(number) if number in self._pulls else None

    def pulls(
        self,
        *,
        head: str | None = None,
        base: str | None = None,
        state: Literal["open", "closed", "all"] = "open",
    ) -> Iterator[PullRequest]:
        """See `Forge`."""
        self._fail("pulls")
        return iter(
            [
                pull
                for pull in map(self._current, sorted(self._pulls, reverse=True))
                if head in {None, pull.head}
                and base in {None, pull.base}
                and state in {"all", pull.state}
                and pull.head_repository == self._repository
            ]
        )

    def pulls_with(self, commit: str) -> Sequence[PullRequest]:
        """See `Forge`."""
        self._fail("pulls_with")
        return [
            pull
            for pull in map(self._current, sorted(self._pulls))
            if commit == pull.merge_commit or commit in [one for one, _ in self.commits_of(pull.number)]
        ]

    def open_pull(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """See `Forge`."""
        self._fail("open_pull")
        what = f"open a pull request from {head} to {base}"
        fitting(body)
        if not self.can_open_pulls and not self._is_app:
            hint = 'tick "Allow GitHub Actions to create and approve pull requests"'
            reason = "the repository does not let workflows open pull requests"
            raise ForgeError(Problem("EK874", f"cannot {what}: {reason}", hint=hint))
        if (found := next(self.pulls(head=head, base=base), None)) is not None:
            return found
        commit, onto = self.git.head_of(head), self.git.head_of(base)
        if commit is None or onto is None or not self.git.between(onto, commit):
            raise refused(what, f"there are no commits between {base} and {head}")
        number = self._number()
        self._tick()
        self._pulls[number] = PullRequest(
            number=number,
            title=title,
            body=body,
            state="open",
            is_merged=False,
            author=self._login,
            head=head,
            head_sha=commit,
            head_repository=self._repository,
            base=base,
            url=f"https://forge.test/{self._repository}/pull/{number}",
            merge_commit=None,
        )
        self.writes.append("open_pull")
        return self._pulls[number]

    def update_pull(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        """See `Forge`."""
        self._fail("update_pull")
        pull = self._require(number)
        new = replace(
            pull,
            title=pull.title if title is None else title,
            body=pull.body if body is None else fitting(body),
        )
        self._pulls[number] = new
        self.writes.append("update_pull")

    def close_pull(self, number: int) -> None:
        """See `Forge`."""
        self._fail("close_pull")
        self._pulls[number] = replace(self._require(number), state="closed")
        self.writes.append("close_pull")

    def add_labels(self, number: int, labels: Sequence[str]) -> None:
        """See `Forge`."""
        self._fail("add_labels")
        pull = self._require(number)
        self._pulls[number] = replace(pull, labels=tuple(dict.fromkeys((*pull.labels, *labels))))
        self.writes.append("add_labels")

    def reviews(self, number: int) -> Sequence[Review]:
        """See `Forge`."""
        self._fail("reviews")
        return tuple(self._reviews[self._require(number).number])

    def dismiss_review(self, number: int, review: int, message: str) -> None:
        """See `Forge`."""
        del message
        self._fail("dismiss_review")
        reviews = self._reviews[self._require(number).number]
        place = next((index for index, one in enumerate(reviews) if one.id == review), None)
        if place is None:
            raise refused(f"dismiss a review of pull request {number}", "Not Found")
        reviews[place] = replace(reviews[place], state="dismissed")
        self.writes.append("dismiss_review")

    def comments(self, number: int) -> Iterator[Comment]:
        """See `Forge`."""
        self._fail("comments")
        return iter(tuple(self._comments[self._require(number).number]))

    def comment(self, number: int, body: str) -> Comment:
        """See `Forge`."""
        self._fail("comment")
        made = Comment(self._number(), self._login, fitting(body))
        self._comments[self._require(number).number].append(made)
        self.writes.append("comment")
        return made

    def edit_comment(self, comment: int, body: str) -> None:
        """See `Forge`."""
        self._fail("edit_comment")
        for listed in self._comments.values():
            for index, known in enumerate(listed):
                if known.id == comment:
                    listed[index] = replace(known, body=fitting(body))
                    self.writes.append("edit_comment")
                    return
        raise refused(f"edit the comment {comment}", "there is none")

    def status(self, commit: str, context: str) -> str | None:
        """See `Forge`."""
        self._fail("status")
        found = (
            one.state for one in reversed(self.statuses) if (one.commit, one.context) == (commit, context)
        )
        return next(found, None)

    def set_status(
        self,
        commit: str,
        context: str,
        state: Literal["success", "failure", "pending"],
        description: str,
        url: str | None = None,
    ) -> None:
        """See `Forge`."""
        self._fail("set_status")
        what = f"set the status {context}"
        if not self.git.has(commit):
            raise refused(what, f"there is no commit {commit}")
        if len(description) > 140:
            raise refused(what, "its description has more than 140 characters")
        self.statuses.append(Status(commit, context, state, description, url))
        self.writes.append("set_status")

    def run(self, run_id: int) -> WorkflowRun | None:
        """See `Forge`."""
        self._fail("run")
        return self._runs.get(run_id)

    def artifacts(self, name: str) -> Iterator[Artifact]:
        """See `Forge`."""
        self._fail("artifacts")
        return iter([known for known, _ in reversed(self._artifacts) if known.name == name])

    def download(self, artifact: Artifact, max_bytes: int) -> bytes:
        """See `Forge`."""
        self._fail("download")
        what = f"download the artifact {artifact.name}"
        for known, content in self._artifacts:
            if known.id == artifact.id and not known.is_expired:
                if len(content) > max_bytes:
                    reason = f"it has more than {max_bytes:,} bytes"
                    raise ForgeError(Problem("EK877", f"cannot {what}: {reason}"))
                return content
        raise ForgeError(Problem("EK876", f"cannot {what}: it is gone", hint="run the evaluation again"))

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> None:
        """See `Forge`."""
        self._fail("dispatch")
        if self.git.head_of(ref) is None:
            raise refused(f"start the workflow {workflow}", f"there is no branch {ref}")
        self.dispatches.append(Dispatch(workflow, ref, dict(inputs), self._login))
        self.writes.append("dispatch")

    def release_asset(self, tag: str, name: str) -> bytes | None:
        """See `Forge`."""
        self._fail("release_asset")
        return self.releases[tag].get(name) if tag in self.releases else None

    def put_release_asset(self, tag: str, name: str, content: bytes) -> str:
        """See `Forge`."""
        self._fail("put_release_asset")
        self.releases[tag][name] = content
        self.writes.append("put_release_asset")
        return f"https://forge.test/{self._repository}/releases/download/{tag}/{name}"
