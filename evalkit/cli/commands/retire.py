"""`evalkit retire`: take one version out for good."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project
from evalkit.cli.planning import carry_out, entry_of, force_of, plan_options, reason_option

if TYPE_CHECKING:
    from evalkit.promote.plan import Plan
    from evalkit.registry.project import Project

EPILOG = """\b
Examples:
  evalkit retire support-triage@v15                           what it would do
  evalkit retire support-triage@v15 --reason "lost the A/B" --apply

A retired version never serves again. For a production version that misbehaves, evalkit rollback does more.

Exit codes: 0 there is a plan, or it is retired already; 1 refused, such as for the last version that serves; 2 usage.
"""


@click.command(epilog=EPILOG)
@click.argument("target")
@click.option("--override", is_flag=True, help="Go past what can be overridden; a record is written.")
@reason_option(required=False)
@click.option("--by", metavar="WHO", help="Who overrides; by default git's user.name.")
@plan_options
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    override: bool,
    reason: str | None,
    by: str | None,
    apply: bool,
    open_pr: bool,
    output_format: str,
) -> int:
    """Retire TARGET, one version such as name@v15: an arm of an A/B, a canary, a standby, a draft.

    Nothing is changed without --apply or --open-pr.
    """
    from evalkit.promote.exposure import plan_retire
    from evalkit.promote.gather import gather, production_spans

    project = find_project(ctx)
    signed = force_of(override=override, reason=reason, by=by, root=project.root)
    force, who = signed or (None, None)

    def plan(project: Project) -> Plan:
        entry = entry_of(project, target, "retire").model
        spans = production_spans(project.root, entry.name)
        facts = gather(project, entry.name, spans=spans, only=[entry.version])
        return plan_retire(facts, entry.version, reason, force)

    parts = ["evalkit", "retire", target, *(["--reason", reason] if reason else [])]

    def again(made: Plan) -> str:
        return shlex.join([*parts, *(["--override", "--by", force.by] if force and made.overridden else [])])

    return carry_out(
        project, plan, apply=apply, open_pr=open_pr, output_format=output_format, again=again, who=who
    )
