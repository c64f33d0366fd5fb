"""From events to runs: which workflow files hear of an event, and running them until nothing is left to do."""

from __future__ import annotations

from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from .jobs import RunOfJobs
from .model import Refused, Run
from .workflow_file import WorkflowFile

if TYPE_CHECKING:
    from pathlib import Path

    from .event import Event
    from .state import State

__all__ = ["Engine"]

STARTED_BY_TOKEN = {"workflow_dispatch", "repository_dispatch"}
NEEDS_A_CLICK = {"opened", "synchronize", "reopened"}
SKIP = ("[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]")


class Engine:
    """Takes the events of the state, makes runs of them, and runs those."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.queue: deque[Run] = deque()
        self.libraries: dict[str, Path] = {}
        self.job_timeout_s = 300.0
        self.broken: list[str] = []
        """Workflow files that could not be read when an event asked for them."""

    def settle(self, parallel: int = 1, limit: int = 200) -> list[Run]:
        """Run whatever was started, and what that starts, until it is quiet. Returns the runs, in order of their start.

        Args:
            parallel: How many runs at once.
            limit: More runs than these mean that workflows start each other without end.
        """
        started: list[Run] = []
        going: set[Future[None]] = set()
        with ThreadPoolExecutor(parallel) as pool:
            while True:
                self.take_events()
                while self.queue and len(going) < parallel:
                    started.append(self.queue.popleft())
                    going.add(pool.submit(self.execute, started[-1]))
                if len(started) > limit:
                    raise AssertionError(f"more than {limit} runs: {[run.path for run in started[-10:]]}")
                if not going:
                    return started
                done, going = wait(
                    going, timeout=0.05 if len(going) < parallel else None, return_when=FIRST_COMPLETED
                )
                for future in done:
                    future.result()

    def take_events(self) -> None:
        """Turn what has happened into queued runs."""
        with self.state.lock:
            while self.state.events:
                self.hear(self.state.events.popleft())

    def hear(self, event: Event) -> None:
        """Make a run of each workflow file that an event starts."""
        state, action = self.state, event.payload.get("action")
        needs_click = False
        if event.kind == "workflow" and event.name not in STARTED_BY_TOKEN:
            needs_click = event.name == "pull_request" and action in NEEDS_A_CLICK
            if not needs_click:
                return
        if event.name in {"push", "pull_request"}:
            message = state.git.show(event.head_sha)["message"]
            if any(mark in message for mark in SKIP):
                return
        paths = [event.only] if event.only else self.files(event.sha)
        for path in paths:
            content = state.git.read(event.sha, path)
            if content is None or path in state.settings.disabled_workflows:
                continue
            try:
                workflow = WorkflowFile(path, content)
            except ValueError as error:
                self.broken.append(str(error))
                continue
            schedule = event.payload.get("schedule")
            if schedule and schedule not in [
                item.get("cron") for item in workflow.triggers.get("schedule") or []
            ]:
                continue
            if not workflow.starts_on(event.name, action, event.ref, event.base_branch, event.paths):
                continue
            run = Run(
                state.next_id("run", 1001), path, workflow.name, event.name, event.payload, event.ref, event.head_branch,
                event.head_sha, event.sha, event.head_repository, event.actor, state.now(), pull=event.pull,
                is_fork=event.head_repository != state.repository and event.name.startswith("pull_request")
                and event.name != "pull_request_target",
            )  # fmt: skip
            state.runs[run.id] = run
            if needs_click:
                run.status, run.conclusion = "completed", "action_required"
            else:
                self.queue.append(run)

    def files(self, sha: str) -> list[str]:
        listing = self.state.git("ls-tree", "--name-only", sha, ".github/workflows/").splitlines()
        return [path for path in listing if path.endswith((".yml", ".yaml"))]

    def execute(self, run: Run) -> None:
        """One run to its end, whatever happens in it."""
        try:
            RunOfJobs(self.state, run, self.libraries, self.job_timeout_s).execute()
        except ValueError as error:
            run.status, run.conclusion, run.problem = "completed", "startup_failure", f"{error}\n"

    def approve(self, run_id: int, by: Any) -> None:
        """Somebody with write access starts a run that waits for it."""
        run = self.state.runs[run_id]
        if run.conclusion != "action_required":
            raise Refused(403, "This workflow run is not waiting for approval")
        if by.is_bot or not by.can_write:
            raise Refused(403, "Must have write access to approve")
        run.status, run.conclusion = "queued", None
        self.queue.append(run)

    def rerun(self, run_id: int) -> Run:
        """ "Re-run all jobs": the same commit and event, one attempt more."""
        run = self.state.runs[run_id]
        run.attempt += 1
        run.status, run.conclusion, run.jobs, run.problem = "queued", None, {}, ""
        self.queue.append(run)
        return run
