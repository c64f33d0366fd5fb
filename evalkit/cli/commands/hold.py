"""`evalkit hold`: keep automation from promoting something."""

from __future__ import annotations

import shlex

import click

from evalkit.cli.common import find_project
from evalkit.cli.planning import day_option, decider, finish, held_digest, plan_options, reason_option

EPILOG = """\b
Examples:
  evalkit hold support-triage@v15 --reason "legal reads the prompt" --apply     this content, whatever its number
  evalkit hold support-triage --reason "no changes in the holidays" --until 2027-01-06 --apply   every version

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
    output_format: str,
) -> int:
    """Keep TARGET from being promoted: one version's content (name@v15), or every version of a name.

    Who serves does not change. Nothing is changed without --apply.
    """
    from datetime import date

    from evalkit.promote.holding import plan_hold

    project = find_project(ctx)
    facts, held = held_digest(project, target, digest, every=every)
    last = date.fromisoformat(until) if until else None
    plan = plan_hold(facts, held, reason, decider(by, project.root), last)
    parts = [
        "evalkit",
        "hold",
        target,
        *(["--digest", digest] if digest else []),
        *(["--all"] if every else []),
    ]
    parts += ["--reason", reason, *(["--by", by] if by else []), *(["--until", until] if until else [])]
    return finish(project, [plan], apply=apply, output_format=output_format, again=shlex.join(parts))
