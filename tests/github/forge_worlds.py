"""One repository with people in it, twice: on `FakeForge`, and on `GitHubForge` against the stand-in for GitHub."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from evalkit.github.api import GitHubForge
from evalkit.github.api.client import Client
from evalkit.github.forge import Forge
from evalkit.testing.fake_forge import FakeForge

PERMISSIONS = {
    "contents": "write",
    "pull-requests": "write",
    "issues": "write",
    "statuses": "write",
    "checks": "read",
    "actions": "write",
    "metadata": "read",
}
DISPATCHABLE = b"on: { workflow_dispatch: { inputs: { pr: { type: string } } } }\njobs: {}\n"


class World(Protocol):
    """A forge as a job of Actions sees it, and what others do there."""

    forge: Forge

    def push(self, branch: str, files: Mapping[str, bytes | None], by: str) -> str: ...
    def open(self, head: str, by: str) -> int: ...
    def merge(self, number: int, by: str, method: str) -> str: ...
    def review(self, number: int, by: str, state: str) -> None: ...
    def comment(self, number: int, body: str, by: str) -> None: ...
    def upload(self, name: str, files: Mapping[str, bytes]) -> int: ...
    def expire(self, name: str) -> None: ...
    def protect(self, branch: str) -> None: ...
    def forbid_pulls(self) -> None: ...
    def dispatched(self) -> list[dict[str, str]]: ...
    def close(self) -> None: ...


class FakeWorld:
    def __init__(self, folder: Path) -> None:
        self.forge = FakeForge(folder / "acme.git")

    def push(self, branch: str, files: Mapping[str, bytes | None], by: str) -> str:
        return self.forge.push(branch, files, by=by)

    def open(self, head: str, by: str) -> int:
        with self.forge.acting(by):
            return self.forge.open_pull(head=head, base="main", title=head, body="").number

    def merge(self, number: int, by: str, method: Any) -> str:
        return self.forge.merge(number, by=by, method=method)

    def review(self, number: int, by: str, state: Any) -> None:
        self.forge.review(number, by, state)

    def comment(self, number: int, body: str, by: str) -> None:
        with self.forge.acting(by):
            self.forge.comment(number, body)

    def upload(self, name: str, files: Mapping[str, bytes]) -> int:
        run = self.forge.add_run()
        self.forge.add_artifact(name, files, run_id=run.id)
        return run.id

    def expire(self, name: str) -> None:
        for artifact in self.forge.artifacts(name):
            self.forge.expire(artifact)

    def protect(self, branch: str) -> None:
        self.forge.protect(branch)

    def forbid_pulls(self) -> None:
        self.forge.can_open_pulls = False

    def dispatched(self) -> list[dict[str, str]]:
        return [one.inputs for one in self.forge.dispatches]

    def close(self) -> None:
        pass


class GitHubWorld:
    def __init__(self, folder: Path) -> None:
        sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
        from standin import model
        from standin.server import Server
        from standin.state import State

        self._model = model
        self._state = State(folder, "acme/llm", "main")
        self._server = Server(self._state)
        self.folder = self._state.git.path
        bot = self._state.account(model.BOT)
        self._job = self._state.mint(bot, "workflow", permissions=PERMISSIONS)
        self.forge = self._as(self._job)
        self._tokens: dict[str, Any] = {}

    def address(self) -> tuple[str, str]:
        """Of the server, and a token for it."""
        return self._state.url, self._job.value

    def _as(self, token: Any) -> GitHubForge:
        client = Client("acme/llm", token.value, self._state.url, sleep=lambda _: None)
        return GitHubForge("acme/llm", token.value, self._state.url, client=client)

    def _token(self, by: str) -> Any:
        if by not in self._tokens:
            self._tokens[by] = self._state.mint(self._state.account(by, role="write"))
        return self._tokens[by]

    def _ask(self, by: str, verb: str, path: str, body: Any) -> Any:
        client = Client("acme/llm", self._token(by).value, self._state.url)
        return client.ask("act", verb, path, needs="nothing", body=body).data

    def push(self, branch: str, files: Mapping[str, bytes | None], by: str) -> str:
        from evalkit.testing.bare_repository import BareRepository

        self._token(by)
        repository = BareRepository(self._state.git.path, "main")
        before = repository.head_of(branch)
        base = before or repository.head_of("main")
        parents = [base] if base else []
        new = repository.write("Change", files, parents=parents, author=by, when=self._state.now())
        assert repository.move(branch, new, before)
        self._state.moved(f"refs/heads/{branch}", before, new, self._token(by))
        return new

    def open(self, head: str, by: str) -> int:
        return self._as(self._token(by)).open_pull(head=head, base="main", title=head, body="").number

    def merge(self, number: int, by: str, method: str) -> str:
        return self._ask(by, "PUT", f"/pulls/{number}/merge", {"merge_method": method})["sha"]

    def review(self, number: int, by: str, state: str) -> None:
        words = {"approved": "APPROVE", "changes_requested": "REQUEST_CHANGES", "commented": "COMMENT"}
        self._ask(by, "POST", f"/pulls/{number}/reviews", {"event": words[state], "body": "So be it."})

    def comment(self, number: int, body: str, by: str) -> None:
        self._as(self._token(by)).comment(number, body)

    def upload(self, name: str, files: Mapping[str, bytes]) -> int:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for path, content in files.items():
                archive.writestr(path, content)
        content, state = buffer.getvalue(), self._state
        head, now = state.git.head("main"), state.now()
        path = ".github/workflows/evaluate.yml"
        run = self._model.Run(
            state.next_id("run", 501), path, "evaluate", "push", {}, "refs/heads/main", "main", head, head,
            "acme/llm", state.account("casey"), now,
        )  # fmt: skip
        state.runs[run.id] = run
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        number = state.next_id("artifact", 701)
        made = self._model.Artifact(number, name, content, digest, run.id, now, timedelta(days=90))
        state.artifacts[number] = made
        return run.id

    def expire(self, name: str) -> None:
        for artifact in self._state.artifacts.values():
            if artifact.name == name:
                artifact.retention = timedelta(days=-1)

    def protect(self, branch: str) -> None:
        self._state.settings.protect(branch, checks=(), approvals=0)

    def forbid_pulls(self) -> None:
        self._state.settings.allow_actions_prs = False

    def dispatched(self) -> list[dict[str, str]]:
        return [one.payload["inputs"] for one in self._state.events if one.name == "workflow_dispatch"]

    def close(self) -> None:
        self._server.close()
