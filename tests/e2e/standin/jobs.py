"""The jobs of one run, each in a call of act of its own: order, permissions, environment, secrets, reusable workflows."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from .act_runner import ActCall, ActResult, prepare_tools, read_log, run_act
from .actions import local_repositories
from .copies import COLLECTOR, Chain, temporary_copies
from .homes import Homes
from .model import BOT, CheckRun, JobRun, Run
from .workflow_file import SCOPES, WorkflowFile, branch_allowed

if TYPE_CHECKING:
    from pathlib import Path

    from .state import State

__all__ = ["RunOfJobs"]

STATUS_FUNCTIONS = ("always()", "failure()", "cancelled()")


class RunOfJobs:
    """Brings one run to its end."""

    def __init__(self, state: State, run: Run, libraries: dict[str, Path], timeout_s: float) -> None:
        self.state = state
        self.run = run
        self.folder = state.root / "runs" / f"{run.id}-{run.attempt}"
        self.homes = Homes(state, libraries)
        self.timeout_s = timeout_s
        self.tools = prepare_tools(state.root)
        self.workflow = self._file(state.repository, run.path, run.sha)
        self.calls = 0

    def execute(self) -> None:
        """All jobs; the run's conclusion at the end."""
        run = self.run
        run.status = "in_progress"
        ceiling = dict.fromkeys(SCOPES, "read" if run.is_fork else "write")
        if run.is_fork:
            ceiling["id-token"] = "none"
        self._all(self.workflow, "", ceiling, [])
        results = {job.result for job in run.jobs.values()}
        run.conclusion = (
            "failure" if "failure" in results else "skipped" if results <= {"skipped"} else "success"
        )
        run.status = "completed"

    def _all(
        self,
        workflow: WorkflowFile,
        prefix: str,
        ceiling: dict[str, str],
        callers: list[tuple[WorkflowFile, str, str]],
    ) -> None:
        """The jobs of a file in the order of their needs, independent ones side by side."""
        waiting = list(workflow.jobs)
        going: dict[Future[None], str] = {}
        with ThreadPoolExecutor(2) as pool:
            while waiting or going:
                for name in list(waiting):
                    if all(self._is_done(prefix + need) for need in workflow.needs(name)):
                        waiting.remove(name)
                        going[pool.submit(self._job, workflow, name, prefix, ceiling, callers)] = name
                if not going:
                    raise ValueError(
                        f"{workflow.path}: the needs of {waiting} go in a circle or are not there"
                    )
                done, _ = wait(going, return_when=FIRST_COMPLETED)
                for future in done:
                    del going[future]
                    future.result()

    def _is_done(self, name: str) -> bool:
        return name in self.run.jobs and self.run.jobs[name].result not in {"queued", "in_progress"}

    def _job(
        self,
        workflow: WorkflowFile,
        name: str,
        prefix: str,
        ceiling: dict[str, str],
        callers: list[tuple[WorkflowFile, str, str]],
    ) -> None:
        about, key = workflow.jobs[name], prefix + name
        job = JobRun(key, "in_progress")
        with self.state.lock:
            self.run.jobs[key] = job
        needs = [self.run.jobs[prefix + need] for need in workflow.ancestors(name)]
        condition = str(about.get("if", ""))
        if any(need.result != "success" for need in needs) and not any(
            part in condition for part in STATUS_FUNCTIONS
        ):
            self._finish(job, "skipped", str(about.get("name", name)))
            return
        default = (
            "write-all"
            if self.state.settings.default_permissions == "write"
            else {"contents": "read", "packages": "read"}
        )
        job.permissions = workflow.permissions(name, default if not callers else dict(ceiling), ceiling)
        if (called := self._called(workflow, name)) and "strategy" not in about:
            self._reusable(called, workflow, name, prefix, job, callers)
        else:
            self._one(workflow, name, prefix, job, callers)

    def _file(self, repository: str, path: str, ref: str) -> WorkflowFile:
        """A workflow file of the repository or of a library."""
        home = self.homes.of(repository, ref)
        if home is None:
            raise ValueError(f"{repository} is no repository that the stand-in knows")
        return WorkflowFile(path, home.read(path), home)

    def _called(self, workflow: WorkflowFile, name: str) -> WorkflowFile | None:
        """The reusable workflow that a job calls."""
        uses = str(workflow.jobs[name].get("uses", ""))
        home = workflow.home
        if not uses or home is None:
            return None
        if uses.startswith("./"):
            return self._file(home.repository, uses.removeprefix("./"), home.ref)
        owner, short, path = uses.partition("@")[0].split("/", 2)
        return self._file(f"{owner}/{short}", path, uses.partition("@")[2])

    def _reusable(
        self,
        called: WorkflowFile,
        workflow: WorkflowFile,
        name: str,
        prefix: str,
        job: JobRun,
        callers: list[tuple[WorkflowFile, str, str]],
    ) -> None:
        """Each job of a called workflow by itself, then once more all as replays for the call's outputs."""
        inner = f"{prefix}{name} / "
        chain = [*callers, (workflow, name, prefix)]
        self._all(called, inner, job.permissions, chain)
        result = self._act({}, called, None, inner, job, chain)
        ended = result.needs.get(COLLECTOR, {}).get(name, {})
        job.outputs = {key: str(value) for key, value in (ended.get("outputs") or {}).items()}
        job.result = ended.get("result", "failure")

    def _one(
        self,
        workflow: WorkflowFile,
        name: str,
        prefix: str,
        job: JobRun,
        callers: list[tuple[WorkflowFile, str, str]],
    ) -> None:
        shown = str(workflow.jobs[name].get("name", name))
        environment = workflow.environment(name, self.run.payload.get("inputs") or {})
        held = self.state.settings.environments.get(environment) if environment else None
        is_allowed = held is None or branch_allowed(held.branches, self.run.ref)
        about = workflow.jobs[name]
        # GitHub asks `if` before the environment and the matrix; act would look at the matrix first.
        if "if" in about and (not is_allowed or "${{" in str(about.get("strategy", ""))):
            bare = {key: about[key] for key in ("needs", "if") if key in about}
            steps = {"runs-on": "ubuntu-latest", "steps": [{"run": "true"}]}
            asked = self._act({}, workflow, name, prefix, job, callers, instead=bare | steps)
            if self._ended(asked, name, callers).get("result") == "skipped":
                self._finish(job, "skipped", shown)
                return
        if not is_allowed:
            place = self.run.ref.removeprefix("refs/heads/")
            message = f'Branch "{place}" is not allowed to deploy to {environment} due to environment protection rules.'
            job.annotations.append({"level": "error", "message": message})
            job.log += message + "\n"
            self._finish(job, "failure", shown)
            return
        secrets = (
            {} if self.run.is_fork else {**self.state.settings.secrets, **(held.secrets if held else {})}
        )
        job.secrets = tuple(sorted(secrets))
        plain = shown if "${{" not in shown and "strategy" not in workflow.jobs[name] else None
        with self.state.lock:
            checks = [self._check(plain, prefix)] if plain else []
        started = time.monotonic()
        result = self._act(secrets, workflow, name, prefix, job, callers, held.variables if held else {})
        job.seconds = time.monotonic() - started
        read_log(job, shown, result.lines, name, len(callers))
        ended = self._ended(result, name, callers)
        if not ended:
            job.log += result.stderr + "\n"
            ended = {"result": "failure"}
        job.outputs = {key: str(value) for key, value in (ended.get("outputs") or {}).items()}
        self._finish(job, ended["result"], shown, checks, prefix)

    @staticmethod
    def _ended(result: ActResult, name: str, callers: list[tuple[WorkflowFile, str, str]]) -> dict[str, Any]:
        """The result and outputs of a job; empty if act did not get that far."""
        deepest = f"{COLLECTOR}-{len(callers)}" if callers else COLLECTOR
        found = result.needs.get(deepest, {}).get(name)
        if found is None and callers:
            first = result.needs.get(COLLECTOR, {}).get(callers[0][1], {})
            return {"result": "skipped"} if first.get("result") == "skipped" else {}
        return found or {}

    def _act(
        self, secrets: dict[str, str], workflow: WorkflowFile, name: str | None, prefix: str, job: JobRun,
        callers: list[tuple[WorkflowFile, str, str]], variables: dict[str, str] | None = None,
        instead: dict[str, Any] | None = None,
    ) -> ActResult:  # fmt: skip
        """One call of act. `name` None: the called workflow's jobs are all replays; `instead`: another job in its place."""
        state, run = self.state, self.run
        with state.lock:
            self.calls += 1
            folder = self.folder / f"{self.calls:03}-{job.id.replace(' / ', '-')}"
            folder.mkdir(parents=True)
            account = state.accounts[BOT]
            token = state.mint(account, "workflow", permissions=job.permissions, run_id=run.id, job=job.id)
        chain: Chain = [*callers, (workflow, name, prefix)]
        files = temporary_copies(folder, chain, run.jobs, instead)
        flags = self._actions(chain)
        env = {
            "GITHUB_REPOSITORY": state.repository, "GITHUB_SERVER_URL": state.url, "GITHUB_API_URL": state.url,
            "GITHUB_GRAPHQL_URL": f"{state.url}/graphql", "GITHUB_RUN_ID": str(run.id), "GITHUB_RUN_NUMBER": str(run.id),
            "GITHUB_RUN_ATTEMPT": str(run.attempt), "GITHUB_REF": run.ref, "GITHUB_REF_NAME": run.ref.split("/", 2)[2],
            "GITHUB_WORKFLOW_REF": f"{state.repository}/{run.path}@{run.ref}", "GITHUB_WORKFLOW_SHA": run.sha,
            "GITHUB_TRIGGERING_ACTOR": run.actor.login, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
        }  # fmt: skip
        call = ActCall(
            folder, state.git.path, run.sha, chain[0][0].path, files, run.event, run.payload, run.actor.login, env,
            {**secrets, "GITHUB_TOKEN": token.value}, {**state.settings.variables, **(variables or {})}, flags, self.timeout_s,
        )  # fmt: skip
        try:
            return run_act(call, self.tools)
        finally:
            with state.lock:
                for held in state.tokens.values():
                    if (held.run_id, held.job) == (run.id, job.id):
                        held.is_revoked = True
            if not state.keep_folders:
                for name_of_folder in ("clone", "act", "home"):
                    shutil.rmtree(folder / name_of_folder, ignore_errors=True)

    def _actions(self, chain: Chain) -> list[str]:
        """Flags for every action that the files of a call use, and the default branch's (a job may check that out)."""
        state = self.state
        default = self.homes.of(state.repository, state.git.head(state.default_branch) or self.run.sha)
        starts = [home for home in [default, *(file.home for file, _, _ in chain)] if home]
        homes, others = self.homes.known(starts)
        with state.lock:
            stubs = local_repositories(others, state.root / "actions")
        return stubs + [f"{name}={home.folder}" for name, home in homes.items()]

    def _check(self, name: str, prefix: str) -> CheckRun:
        shown = f"{prefix}{name}"
        made = CheckRun(
            self.state.next_id("check", 8001),
            self.run.head_sha,
            shown,
            self.run.id,
            "in_progress",
            None,
            self.state.now(),
        )
        self.state.check_runs.append(made)
        return made

    def _finish(
        self, job: JobRun, result: str, shown: str, checks: list[CheckRun] | None = None, prefix: str = ""
    ) -> None:
        """The job's result, and check runs for each of its cells."""
        with self.state.lock:
            cells = job.names if job.names and result != "skipped" else {shown: result}
            for name, ended in cells.items():
                check = next(
                    (item for item in checks or [] if item.name == f"{prefix}{name}"), None
                ) or self._check(name, prefix)
                verdict = result if len(cells) == 1 else ended
                check.status, check.conclusion, check.completed = "completed", verdict, self.state.now()
            job.result = result
            job.names = dict.fromkeys(cells, result) if len(cells) == 1 else cells
