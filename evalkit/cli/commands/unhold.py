"""`evalkit unhold`: lift a hold."""

from __future__ import annotations

import shlex

import click

from evalkit.cli.common import find_project
from evalkit.cli.planning import decider, finish, held_digest, plan_options, reason_option

EPILOG = """\b
Examples:
  evalkit unhold support-triage@v15 --reason "fixed in the client" --apply   the hold on this content
  evalkit unhold support-triage --reason "the holidays are over" --apply     the hold on every version

Only a person lifts a hold: --by, or git's user.name.

Exit codes: 0 there is a plan, or nothing is held; 1 refused; 2 usage.
"""


@click.command(epilog=EPILOG)
@click.argument("target")
@click.option("--digest", metavar="D", help="Lift the hold on this generation digest of the name TARGET.")
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
    output_format: str,
) -> int:
    """Lift the hold on TARGET: one version's content (name@v15), or the hold on every version of a name.

    Nothing is changed without --apply.
    """
    from evalkit.promote.holding import plan_unhold

    project = find_project(ctx)
    facts, held = held_digest(project, target, digest, every=False)
    plan = plan_unhold(facts, held, reason, decider(by, project.root))
    parts = ["evalkit", "unhold", target, *(["--digest", digest] if digest else []), "--reason", reason]
    again = shlex.join([*parts, *(["--by", by] if by else [])])
    return finish(project, [plan], apply=apply, output_format=output_format, again=again)
