"""`evalkit record`: what CI measured of a pull request's entries, committed to its branch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, in_actions, print_json

if TYPE_CHECKING:
    from evalkit.github.forge import Forge
    from evalkit.github.record import Recorder, RecordPlan

EPILOG = """\b
Examples:
  evalkit record --pr 12           what would be committed to the branch of #12
  evalkit record --pr 12 --push    commit it, set the status, bring the comment up to date

\b
Exit codes: 0 everything that was measured is recorded, whatever the gate says of it (`evalkit merge` tells
that by its own exit code); 1 something could not be recorded; 2 usage, or the forge cannot be asked.
"""


@click.command(epilog=EPILOG)
@click.option("--pr", "number", type=click.IntRange(min=1), required=True, help="The pull request.")
@click.option(
    "--push", is_flag=True, help="Commit, set the status and comment; without it, only show what would be."
)
@format_option("text", "json")
@click.pass_context
def command(ctx: click.Context, number: int, push: bool, output_format: str) -> int:
    """Record the evaluations of a pull request on its branch: evidence and scores, as one commit.

    Evidence is taken from the artifacts of the evaluate workflow's runs on the default branch, and from nowhere else.
    The branch's own files are read as data; nothing of it is run. Run it in a clone of the default branch, with
    GITHUB_TOKEN and GITHUB_REPOSITORY set.
    """
    from evalkit.github.api import GitHubForge
    from evalkit.github.checkout import fetch
    from evalkit.github.record import Recorder, RecordError
    from evalkit.promote.history import Repository

    root = find_project(ctx).root
    forge = GitHubForge.from_environment(os.environ)
    recorder = Recorder(forge, Repository.of(root), fetch=lambda refs: fetch(root, refs, os.environ))
    try:
        plan, commit = recorder.push(number) if push else (recorder.plan(number), None)
    except RecordError as error:
        if push and any(problem.code == "EK886" for problem in error.problems):
            _tell_fork(forge, number)
        raise
    done = _finish(recorder, plan, commit) if push else {}
    if output_format == "json":
        _print_json(plan, commit, done)
    else:
        _print_text(plan, commit, done)
    _annotate(plan)
    return 1 if any(problem.severity == "error" for problem in plan.problems) else 0


def _tell_fork(forge: Forge, number: int) -> None:
    from evalkit.github.forge import ForgeError
    from evalkit.github.record_report import tell_fork

    try:
        tell_fork(forge, number)
    except ForgeError:  # the refusal says the same to whoever reads the log
        click.echo("the token may not comment on this pull request", err=True)


def _finish(recorder: Recorder, plan: RecordPlan, commit: str | None) -> dict[str, str | None]:
    """What follows the commit, each of it as good as done if it was done before."""
    from evalkit.github.check_status import carry_check
    from evalkit.github.forge import ForgeError
    from evalkit.github.record_report import tell
    from evalkit.github.summary import write_summary
    from evalkit.registry.schema.project import ForgeConfig

    forge, admission = recorder.forge, recorder.admission
    failed: ForgeError | None = None
    try:
        comment, body = tell(forge, plan, admission)
        write_summary(body)
    except ForgeError as error:  # without its status, the pull request could not be merged at all
        comment, failed = "", error
    head = commit or plan.head
    recorder.bring([head])
    check = (admission.config.forge or ForgeConfig()).check
    carried = carry_check(forge, admission, head, check, say=lambda text: click.echo(text, err=True))
    if failed is not None:
        raise failed
    return {"comment": comment, "status": carried.state, "status_of": carried.origin}


def _print_json(plan: RecordPlan, commit: str | None, done: dict[str, str | None]) -> None:
    print_json(
        {
            "schema_version": 1,
            "pull_request": plan.pull.number,
            "head": plan.head,
            "commit": commit,
            "message": plan.message if plan.files else None,
            "files": sorted(plan.files),
            **done,
            "evaluations": [
                {
                    "entry": str(row.candidate.entry),
                    "suite": str(row.candidate.suite),
                    "runs": len(row.runs),
                    "added": row.added,
                    "verdict": row.verdict.verdict if row.verdict else None,
                    "score": row.verdict.score if row.verdict else None,
                    "problem": row.problem.message if row.problem else None,
                    "code": row.problem.code if row.problem else None,
                }
                for row in plan.rows
            ],
        }
    )


def _print_text(plan: RecordPlan, commit: str | None, done: dict[str, str | None]) -> None:
    from evalkit.report.neutral import actions_log, one_line
    from evalkit.report.problems import problem_text

    lines: list[str] = []
    for row in plan.rows:
        what = f"{row.candidate.entry} on {row.candidate.suite}"
        if row.problem is None and row.verdict is not None:
            score = f", score {row.verdict.score:.4g}" if row.verdict.score is not None else ""
            lines.append(
                f"{what}: {row.verdict.verdict}{score}, {len(row.runs)} runs, {row.added} of them new"
            )
    if not plan.rows:
        lines.append(f"#{plan.pull.number} changes no entry that policy asks an evaluation of.")
    elif not plan.files:
        lines.append(f"Nothing to commit: {plan.pull.head} has all that CI measured of it.")
    elif commit:
        lines.append(f"Committed {commit[:12]} to {plan.pull.head}:")
    else:
        lines.append(f"This would be committed to {plan.pull.head}, on top of {plan.head[:12]}:")
    if plan.files:
        lines += [f"  {path}" for path in sorted(plan.files)]
        lines += ["with the message:", *(f"  {line}".rstrip() for line in plan.message.rstrip().split("\n"))]
        if commit is None:
            lines.append(f"Do it with: evalkit record --pr {plan.pull.number} --push")
    if done.get("comment"):
        lines.append(f"Comment: {done['comment']}.")
    if done.get("status"):
        lines.append(f"Status: {done['status']}, as {str(done['status_of'])[:12]}.")
    text = "\n".join(one_line(line, 400) if line else "" for line in lines)
    indented = "\n".join(
        shown if not line.startswith("  ") else f"  {shown}"
        for line, shown in zip(lines, text.split("\n"), strict=True)
    )
    click.echo(actions_log(indented) if in_actions() else indented)
    for problem in plan.problems:
        click.echo(problem_text(problem, in_actions=in_actions()), nl=False, err=True)


def _annotate(plan: RecordPlan) -> None:
    if in_actions():
        from evalkit.github.summary import annotate

        annotate(plan.problems)
