"""`evalkit rollback`: back to what served production before."""

from __future__ import annotations

import shlex

import click

from evalkit.cli.common import find_project
from evalkit.cli.planning import decider, finish, now, plan_options, reason_option, version_number

EPILOG = """\b
Examples:
  evalkit rollback support-triage --reason "invented refunds"           what it would do, and to which version
  evalkit rollback support-triage --reason "invented refunds" --apply   ... and edit the files
  evalkit rollback support-triage --to v12 --reason "…" --apply         further back: everything in between is retired

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
    output_format: str,
) -> int:
    """Take NAME's production back to the version before. No version is needed, and the choice is explained.

    Nothing is changed without --apply.
    """
    from evalkit.promote.gather import gather, production_spans
    from evalkit.promote.rollback import plan_rollback

    project = find_project(ctx)
    version = version_number(to, name) if to is not None else None
    facts = gather(project, name, spans=production_spans(project.root, name))
    who = decider(by, project.root)
    plan = plan_rollback(facts, version, reason, who, now())
    parts = ["evalkit", "rollback", name, *(["--to", to] if to else []), "--reason", reason]
    again = shlex.join([*parts, *(["--by", by] if by else [])])
    return finish(project, [plan], apply=apply, output_format=output_format, again=again)
