"""`evalkit hold`: keep automation from promoting something."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project
from evalkit.cli.planning import carry_out, day_option, decider, held_digest, plan_options, reason_option

if TYPE_CHECKING:
    from evalkit.promote.plan import Plan
    from evalkit.registry.project import Project

EPILOG = """\b
Examples:
  evalkit hold support-triage@v15 --reason "legal reads the prompt"
      this content, also under another number
  evalkit hold support-triage --reason "holidays" --until 2027-01-06
      every version

Exit codes: 0 there is a plan, or it is held already; 1 refused; 2 usage.
"""


@click.command(epilog=EPILOG)
@click.argument("target")
@click.option("--digest", metavar="D", help="Hold this generation digest of the name TARGET.")
@click.option("--all", "every", is_flag=True, help="Hold every version of the name TARGET; its default.")
@reason_option(required=True)
@click.option("--by", metavar="WHO", help="Who holds it; by default git's user.name.")
@day_option("--until", "The last day of the hold, such as 2027-01-06; without it a person lifts it.")
@plan_options
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    digest: str | None,
    every: bool,
    reason: str,
    by: str | None,
    until: str | None,
    apply: bool,
    open_pr: bool,
    output_format: str,
) -> int:
    """Keep TARGET from being promoted: one version's content (name@v15), or every version of a name.

    Who serves does not change. Nothing is changed without --apply or --open-pr.
    """
    from datetime import date

    from evalkit.promote.holding import plan_hold

    project = find_project(ctx)
    last = date.fromisoformat(until) if until else None
    who = decider(by, project.root)

    def plan(project: Project) -> Plan:
        facts, held = held_digest(project, target, digest, every=every)
        return plan_hold(facts, held, reason, who.name, last)

    parts = [
        "evalkit",
        "hold",
        target,
        *(["--digest", digest] if digest else []),
        *(["--all"] if every else []),
    ]
    parts += ["--reason", reason, *(["--by", by] if by else []), *(["--until", until] if until else [])]
    again = shlex.join(parts)
    return carry_out(
        project, plan, apply=apply, open_pr=open_pr, output_format=output_format, again=again, who=who
    )
