"""`evalkit pause`: stop a canary."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project
from evalkit.cli.planning import carry_out, plan_options, reason_option

if TYPE_CHECKING:
    from evalkit.promote.plan import Plan
    from evalkit.registry.project import Project

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
def command(
    ctx: click.Context, name: str, reason: str | None, apply: bool, open_pr: bool, output_format: str
) -> int:
    """Stop NAME's live canary: its percent becomes 0, and it stays in staging.

    Nothing is changed without --apply or --open-pr.
    """
    from evalkit.promote.exposure import plan_pause
    from evalkit.promote.gather import gather

    project = find_project(ctx)

    def plan(project: Project) -> Plan:
        return plan_pause(gather(project, name), reason)

    again = shlex.join(["evalkit", "pause", name, *(["--reason", reason] if reason else [])])
    return carry_out(project, plan, apply=apply, open_pr=open_pr, output_format=output_format, again=again)
