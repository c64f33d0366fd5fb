"""`evalkit unhold`: lift a hold."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project
from evalkit.cli.planning import carry_out, decider, held_digest, plan_options, reason_option

if TYPE_CHECKING:
    from evalkit.promote.plan import Plan
    from evalkit.registry.project import Project

EPILOG = """\b
Examples:
  evalkit unhold support-triage@v15 --reason "fixed in the client"
      the hold on this content
  evalkit unhold support-triage --reason "the holidays are over"
      the hold on every version

Only a person lifts a hold: --by, or git's user.name.

Exit codes: 0 there is a plan, or nothing is held; 1 refused; 2 usage.
"""


@click.command(epilog=EPILOG)
@click.argument("target")
@click.option(
    "--digest", metavar="D", help="For content that no version has any more: its generation digest."
)
@reason_option(required=True)
@click.option("--by", metavar="WHO", help="Who lifts it; by default git's user.name.")
@plan_options
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    digest: str | None,
    reason: str,
    by: str | None,
    apply: bool,
    open_pr: bool,
    output_format: str,
) -> int:
    """Lift the hold on TARGET: one version's content (name@v15), or the hold on every version of a name.

    Nothing is changed without --apply or --open-pr.
    """
    from evalkit.promote.holding import plan_unhold

    project = find_project(ctx)
    who = decider(by, project.root)

    def plan(project: Project) -> Plan:
        facts, held = held_digest(project, target, digest, every=False)
        return plan_unhold(facts, held, reason, who.name)

    parts = ["evalkit", "unhold", target, *(["--digest", digest] if digest else []), "--reason", reason]
    again = shlex.join([*parts, *(["--by", by] if by else [])])
    return carry_out(
        project, plan, apply=apply, open_pr=open_pr, output_format=output_format, again=again, who=who
    )
