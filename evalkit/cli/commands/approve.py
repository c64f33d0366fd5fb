"""`evalkit approve`: write into promoted entries who approved them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, in_actions, print_json
from evalkit.errors import Problem, UsageError
from evalkit.github.events import PullRequestEvent, ReviewEvent

if TYPE_CHECKING:
    from evalkit.github.approvals import Approvals, Done
    from evalkit.github.events import Event

EPILOG = """\b
Examples:
  evalkit approve --pending                          every stamp that is due
  evalkit approve --pending --push                   ... written
  evalkit approve --event "$GITHUB_EVENT_PATH" --push    in a workflow

\b
Exit codes: 0 stamped, or nothing to stamp (an approval that is missing is a warning); 1 only authors approved,
or a stamp could not be written; 2 usage, or the forge cannot be asked.
"""


@click.command(epilog=EPILOG)
@click.option(
    "--event",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The event that started the workflow. Of a pull request: its own stamps; of a push: all that are due; of a review: dismiss it if it is its author's.",
)
@click.option("--pending", is_flag=True, help="Look through all that awaits a stamp.")
@click.option("--push", is_flag=True, help="Write the stamps; without it, only show them.")
@format_option("text", "json")
@click.pass_context
def command(ctx: click.Context, event: Path | None, pending: bool, push: bool, output_format: str) -> int:
    """Stamp approvals: `approved_by` of entries whose promotion is merged.

    Stamped are the people with write access whose latest review approves what was merged, and who wrote none of it.
    An approval by somebody who did is dismissed as it comes, so that the review stays open for another person.
    Stamps go to the default branch as one commit; where it is protected, into one pull request that is kept up to date.
    Run it in a full clone of the default branch, with GITHUB_TOKEN and GITHUB_REPOSITORY set.
    """
    if (event is None) == (not pending):
        hint = "--event FILE in a workflow, --pending anywhere"
        raise UsageError(Problem("EK901", "name either an event or --pending", hint=hint))
    started = None if event is None else _event(event)
    if isinstance(started, PullRequestEvent) and not started.is_merged:
        if output_format == "json":
            print_json({"schema_version": 1, "applied": False, "stamps": [], "problems": []})
        else:
            click.echo(f"Nothing to stamp: #{started.number} is not merged.")
        return 0
    from evalkit.github.api import GitHubForge
    from evalkit.github.approvals import Approvals, Done
    from evalkit.github.checkout import fetch
    from evalkit.promote.history import Repository

    root = find_project(ctx).root
    forge = GitHubForge.from_environment(os.environ)
    approvals = Approvals(forge, Repository.of(root), fetch=lambda refs: fetch(root, refs, os.environ))
    if isinstance(started, ReviewEvent):
        _reviewed(approvals, started.number, push=push, output_format=output_format)
        return 0
    number = started.number if isinstance(started, PullRequestEvent) else None
    done = approvals.push(number) if push else Done(approvals.look(number))
    if output_format == "json":
        _print_json(done, pushed=push)
    else:
        _print_text(done, pushed=push)
    problems = (*done.plan.problems, *done.problems)
    if in_actions():
        from evalkit.github.summary import annotate

        annotate(problems)
    return 1 if any(problem.severity == "error" for problem in problems) else 0


def _event(path: Path) -> Event:
    from evalkit.github.events import read_event

    return read_event(path, os.environ.get("GITHUB_EVENT_NAME") or "pull_request")


def _reviewed(approvals: Approvals, number: int, *, push: bool, output_format: str) -> None:
    """A review of a pull request that is open: an approval by its author is dismissed, and its reason given."""
    from evalkit.github.author_reviews import dismiss, own_approvals
    from evalkit.report.neutral import actions_log, one_line

    found = own_approvals(approvals, number)
    if push:
        dismiss(approvals, number, found)
    if output_format == "json":
        told = [{"login": one.login, "entry": str(one.entry), "reason": one.reason} for one in found]
        print_json({"schema_version": 1, "applied": push and bool(found), "dismissed": told})
        return
    lines = [f"{one.login} {one.reason}: the approval of {one.entry} does not count" for one in found]
    lines = lines or [f"No approval of #{number} is by an author of what it moves."]
    if found:
        lines.append(
            "Dismissed." if push else "This is a plan; nothing was changed. Carry it out with --push."
        )
    text = "\n".join(one_line(line, 400) for line in lines)
    click.echo(actions_log(text) if in_actions() else text)


def _print_json(done: Done, *, pushed: bool) -> None:
    plan = done.plan
    print_json(
        {
            "schema_version": 1,
            "applied": pushed and bool(plan.files),
            "head": plan.head,
            "commit": done.commit,
            "pull_request": done.pull.number if done.pull else None,
            "published": done.published,
            "stamps": [
                {"entry": str(stamp.entry), "approved_by": stamp.text, "pull_request": stamp.pull}
                for stamp in plan.stamps
            ],
            "files": sorted(plan.files),
            "problems": [
                {"code": p.code, "severity": p.severity, "message": p.message, "help": p.hint}
                for p in (*plan.problems, *done.problems)
            ],
        }
    )


def _print_text(done: Done, *, pushed: bool) -> None:
    from evalkit.report.neutral import actions_log, one_line
    from evalkit.report.problems import problem_text

    plan = done.plan
    lines = [f"{stamp.entry}: approved by {stamp.text} in #{stamp.pull}" for stamp in plan.stamps]
    if not plan.stamps:
        lines.append("Nothing to stamp." if not plan.problems else "Nothing can be stamped yet.")
    elif done.commit:
        lines.append(f"Stamped, with commit {done.commit[:12]}.")
        if done.published:
            lines.append("The workflow that publishes the bundle was started.")
    elif done.pull is not None:
        lines.append(
            f"The default branch is protected: the stamps are in #{done.pull.number}, {done.pull.url}"
        )
    elif not pushed:
        lines.append("This is a plan; nothing was changed. Carry it out with --push.")
    text = "\n".join(one_line(line, 400) for line in lines)
    click.echo(actions_log(text) if in_actions() else text)
    for problem in (*plan.problems, *done.problems):
        click.echo(problem_text(problem, in_actions=in_actions()), nl=False, err=True)
