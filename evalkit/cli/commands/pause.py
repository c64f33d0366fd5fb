"""`evalkit pause`: stop a canary."""

from __future__ import annotations

import shlex

import click

from evalkit.cli.common import find_project
from evalkit.cli.planning import finish, plan_options, reason_option

EPILOG = """\b
Examples:
  evalkit pause support-triage                                what it would do
  evalkit pause support-triage --reason "slow answers" --apply

Exit codes: 0 there is a plan, or no canary is live; 1 there is an A/B instead, which it does not touch; 2 usage.
"""


@click.command(epilog=EPILOG)
@click.argument("name")
@reason_option(required=False)
@plan_options
@click.pass_context
def command(ctx: click.Context, name: str, reason: str | None, apply: bool, output_format: str) -> int:
    """Stop NAME's live canary: its percent becomes 0, and it stays in staging.

    Nothing is changed without --apply.
    """
    from evalkit.promote.exposure import plan_pause
    from evalkit.promote.gather import gather

    project = find_project(ctx)
    plan = plan_pause(gather(project, name), reason)
    again = shlex.join(["evalkit", "pause", name, *(["--reason", reason] if reason else [])])
    return finish(project, [plan], apply=apply, output_format=output_format, again=again)
