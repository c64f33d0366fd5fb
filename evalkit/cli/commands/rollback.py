"""`evalkit rollback`: back to what served production before."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project
from evalkit.cli.planning import carry_out, decider, now, plan_options, reason_option, version_number

if TYPE_CHECKING:
    from evalkit.promote.plan import Plan
    from evalkit.registry.project import Project

EPILOG = """\b
Examples:
  evalkit rollback faq --reason "wrong prices"            the plan
  evalkit rollback faq --reason "wrong prices" --apply    ... and edit files
  evalkit rollback faq --to v12 --reason "wrong prices"   further back: all in
                                                          between is retired

The target is the newest version that served production for a day and whose model still exists. What is taken back is
retired and held: automation does not promote the same content again until a person lifts the hold.

Exit codes: 0 there is a plan, or nothing to do; 1 there is no version to return to; 2 usage.
"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option("--to", metavar="V", help="The version to return to, such as v12; by default it is chosen.")
@reason_option(required=True)
@click.option("--by", metavar="WHO", help="Who rolls back; by default git's user.name.")
@plan_options
@click.pass_context
def command(
    ctx: click.Context,
    name: str,
    to: str | None,
    reason: str,
    by: str | None,
    apply: bool,
    open_pr: bool,
    output_format: str,
) -> int:
    """Take NAME's production back to the version before. No version is needed, and the choice is explained.

    Nothing is changed without --apply or --open-pr.
    """
    from evalkit.promote.gather import gather, production_spans
    from evalkit.promote.rollback import plan_rollback

    project = find_project(ctx)
    version = version_number(to, name) if to is not None else None
    who = decider(by, project.root)

    def plan(project: Project) -> Plan:
        facts = gather(project, name, spans=production_spans(project.root, name))
        return plan_rollback(facts, version, reason, who.name, now())

    parts = ["evalkit", "rollback", name, *(["--to", to] if to else []), "--reason", reason]
    again = shlex.join([*parts, *(["--by", by] if by else [])])
    return carry_out(
        project, plan, apply=apply, open_pr=open_pr, output_format=output_format, again=again, who=who
    )
