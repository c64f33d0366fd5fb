"""What is wrong in the files: workflows, CODEOWNERS, `evalkit.yaml`. Pure but for reading them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import Location
from evalkit.github.doctor.finding import Finding
from evalkit.github.doctor.workflows import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from evalkit.github.doctor.workflows import Workflow
    from evalkit.registry.schema.project import ProjectConfig

__all__ = ["COMMANDS", "check_command", "in_files"]

COMMANDS = {
    "evalkit check": "checks each change",
    "evalkit run": "evaluates candidates",
    "evalkit promote": "opens promotion pull requests",
    "evalkit approve": "stamps approvals",
    "evalkit publish": "hands the bundle to applications",
    "evalkit rollback": "is the fast way back",
}
"""What a project's workflows do between them, by the command that does it."""

_REUSABLE = {command: f"/.github/workflows/{file}.yml@" for command, file in {
    "evalkit check": "check",
    "evalkit run": "evaluate",
    "evalkit promote": "promote",
    "evalkit approve": "approve",
    "evalkit publish": "publish",
    "evalkit rollback": "rollback",
}.items()}  # fmt: skip

_OWNED = ("registry/", "suites/", ".github/", "evalkit.yaml")
_CODEOWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")


def in_files(root: Path, config: ProjectConfig, workflows: Sequence[Workflow]) -> Iterator[Finding]:
    """Every finding that needs no forge."""
    yield from _config(config)
    yield from _broken(workflows)
    ours = [one for one in workflows if one.is_ours()]
    yield from _missing(config, ours, is_empty=not workflows)
    for one in ours:
        yield from _one(one)
    yield from _keys(config, ours)
    yield from _schedule(ours)
    yield from _owners(root)


def check_command(workflows: Sequence[Workflow]) -> Workflow | None:
    """The workflow that checks changes."""
    return next(
        (one for one in workflows if _does(one, "evalkit check") and "pull_request" in one.triggers), None
    )


def _does(workflow: Workflow, command: str) -> bool:
    called = any(_REUSABLE[command] in use.text for use in workflow.uses())
    return called or any(command in job.commands() for job in workflow.jobs())


def _config(config: ProjectConfig) -> Iterator[Finding]:
    place = Location("evalkit.yaml")
    if config.forge is None:
        yield Finding(
            "no-forge",
            "error",
            "evalkit.yaml has no 'forge': evidence is not compared with the workflow run that made it",
            "add: forge: { kind: github }",
            place,
        )
    if config.policy.defaults.approvals == 0:
        yield Finding(
            "no-approval",
            "warning",
            "policy.defaults.approvals is 0: promotions need nobody's approval",
            "set policy.defaults.approvals to 1 or more",
            place,
        )
    if config.policy.allow_self_approval:
        yield Finding(
            "self-approval",
            "warning",
            "policy.allow_self_approval is true: who wrote a candidate may approve it",
            "remove it as soon as a second person can review",
            place,
        )


def _broken(workflows: Sequence[Workflow]) -> Iterator[Finding]:
    for one in workflows:
        for problem in one.problems:
            yield Finding(
                "broken-workflow",
                "error",
                f"the workflow cannot be read: {problem.message}",
                problem.hint or "put it right; GitHub does not run it either",
                problem.location or Location(one.path),
            )


def _missing(config: ProjectConfig, ours: Sequence[Workflow], *, is_empty: bool) -> Iterator[Finding]:
    for command, does in COMMANDS.items():
        if not any(_does(one, command) for one in ours):
            yield Finding(
                "missing-workflow",
                "error" if command in {"evalkit check", "evalkit run", "evalkit promote"} else "warning",
                f"no workflow runs '{command}', which {does}",
                "copy the workflow of that name from evalkit, or call it: uses: OWNER/evalkit/.github/workflows/…"
                if not is_empty
                else "copy evalkit's workflows, or call them: uses: OWNER/evalkit/.github/workflows/…",
                Location(FOLDER),
            )
    if config.forge and ours:
        wanted = config.forge.evaluate_workflow
        if all(one.path != wanted for one in ours):
            yield Finding(
                "evaluate-workflow",
                "error",
                f"forge.evaluate_workflow is {wanted}, and there is no such workflow: no evidence would count",
                "name the file that evaluates",
                Location("evalkit.yaml"),
            )


def _one(workflow: Workflow) -> Iterator[Finding]:
    yield from _triggers(workflow)
    for use in workflow.uses():
        if not use.is_local and not use.is_pinned:
            yield Finding(
                "unpinned-action",
                "error",
                f"{use.text} is not pinned: whoever moves that tag runs code in this job",
                "pin the full commit id, with the version as a comment",
                use.place,
            )
    permissions = workflow.data.get("permissions")
    jobs = list(workflow.jobs())
    if permissions is None and any("permissions" not in job.data for job in jobs):
        yield Finding(
            "no-permissions",
            "error",
            "no 'permissions': the jobs get what the repository gives by default",
            "put 'permissions: {}' at the top, and what each job needs at the job",
            Location(workflow.path, 1, 1),
        )
    blocks = [(permissions, workflow.source.locate(["permissions"], key=True))]
    blocks += [(job.data.get("permissions"), job.place) for job in jobs]
    for block, place in blocks:
        if block == "write-all":
            yield Finding(
                "write-all",
                "error",
                "'permissions: write-all' lets every step write everywhere",
                "give each job what it needs",
                place,
            )
    for job in jobs:
        if job.environment is None and _holds_keys(job.data):
            yield Finding(
                "keys-without-environment",
                "error",
                f"the job {job.id} gets secrets and names no environment: the workflow of any branch could take them",
                "keep keys in the environment 'evalkit', which admits the default branch only, and name it",
                job.place,
            )


def _holds_keys(data: object) -> bool:
    """Whether a job is given a secret other than the token that every job has."""
    text = repr(data)
    return "secrets." in text.replace("secrets.GITHUB_TOKEN", "")


def _triggers(workflow: Workflow) -> Iterator[Finding]:
    place = workflow.source.locate(["on"], key=True)
    if "pull_request_target" in workflow.triggers:
        yield Finding(
            "pull-request-target",
            "error",
            "pull_request_target gives a fork's pull request secrets and a token that writes",
            "use pull_request; evalkit needs nothing more",
            workflow.source.locate(["on", "pull_request_target"], key=True),
        )
    if _does(workflow, "evalkit check") and "pull_request" in workflow.triggers:
        if "merge_group" not in workflow.triggers:
            yield Finding(
                "no-merge-group",
                "warning",
                "a merge queue would wait for ever: the required check does not run in it",
                "add merge_group to the triggers",
                place,
            )
        for job in workflow.jobs():
            shallow = [
                workflow.source.locate(["jobs", job.id, "steps", index, "uses"])
                for index, step in job.steps()
                if str(step.get("uses", "")).startswith("actions/checkout@")
                and (step.get("with") or {}).get("fetch-depth") != 0
            ]
            if shallow and "evalkit check" in job.commands():
                yield Finding(
                    "shallow-checkout",
                    "error",
                    "the checkout has no history: who wrote and who served cannot be known",
                    "with: { fetch-depth: 0 }",
                    shallow[0],
                )


def _keys(config: ProjectConfig, ours: Sequence[Workflow]) -> Iterator[Finding]:
    """Providers whose key no job passes on."""
    running = [job for one in ours for job in one.jobs() if "evalkit run" in job.commands()]
    if not running:
        return
    passed = set().union(*(job.environment_names() for job in running))
    for name, provider in config.providers.items():
        wanted = [provider.api_key_env] if provider.api_key_env else []
        for variable in [*wanted, *provider.headers_env.values()]:
            if variable not in passed:
                yield Finding(
                    "key-not-passed",
                    "warning",
                    f"the provider {name} reads {variable}, and no evaluating job sets it",
                    f"add to the step that evaluates: {variable}: ${{{{ secrets.{variable} }}}}",
                    running[0].place,
                )


def _schedule(ours: Sequence[Workflow]) -> Iterator[Finding]:
    for one in ours:
        crons = one.triggers.get("schedule")
        if not isinstance(crons, list):
            continue
        place = one.source.locate(["on", "schedule"], key=True)
        others = sorted(set(one.triggers) - {"schedule", "workflow_dispatch", "workflow_call"})
        if others:
            yield Finding(
                "shared-schedule",
                "error",
                f"GitHub disables a scheduled workflow after 60 quiet days, here with its other triggers: {', '.join(others)}",
                "give the schedule a file of its own",
                place,
            )
        for cron in crons:
            text = cron.get("cron") if isinstance(cron, dict) else None
            if isinstance(text, str) and text.split()[:1] in (["0"], ["*"]):
                yield Finding(
                    "busy-minute",
                    "warning",
                    f"the schedule '{text}' is at a full hour, when GitHub drops runs",
                    "choose another minute: '17 * * * *'",
                    place,
                )


def _owners(root: Path) -> Iterator[Finding]:
    found = next((path for path in _CODEOWNERS if (root / path).is_file()), None)
    if found is None:
        yield Finding(
            "no-codeowners",
            "warning",
            "there is no CODEOWNERS: nobody in particular is asked to review a promotion",
            f"write .github/CODEOWNERS with {', '.join(_OWNED)} and who owns them",
            Location(".github/CODEOWNERS"),
        )
        return
    lines = (root / found).read_text(encoding="utf-8", errors="replace").splitlines()
    rules = [line.split("#")[0].split() for line in lines]
    for wanted in _OWNED:
        owners = _owners_of(wanted, rules)
        if not owners:
            yield Finding(
                "not-owned",
                "warning",
                f"nobody owns {wanted}: a change of it asks for nobody's review",
                f"add a line: /{wanted} @owner",
                Location(found),
            )


def _owners_of(path: str, rules: Sequence[Sequence[str]]) -> Sequence[str]:
    """Of the last rule that is about a path: that is the one that counts."""
    owners: Sequence[str] = ()
    plain = path.strip("/")
    for rule in rules:
        if not rule:
            continue
        pattern = rule[0].strip("/").removesuffix("/**").removesuffix("/*")
        if pattern in {"*", "**", ""} or pattern == plain or plain.startswith(f"{pattern}/"):
            owners = rule[1:]
    return owners
