"""`evalkit promote`: what may move to staging or production, and moving it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project
from evalkit.cli.planning import entry_of, finish, force_of, now, plan_options, reason_option
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from evalkit.promote.gather import Judge
    from evalkit.promote.plan import Force, Plan
    from evalkit.promote.requirements import Stage
    from evalkit.registry.project import Project

EPILOG = """\b
Examples:
  evalkit promote                                       everything that may move, and what may not and why
  evalkit promote support-triage                        ... of one name
  evalkit promote support-triage@v15                    one version, one step
  evalkit promote support-triage@v15 --apply            ... and edit the files
  evalkit promote support-triage --to production        only what may enter production
  evalkit promote support-triage@v15 --override --reason "…"   past the rules, on record

A draft goes to staging, a staging entry to production. Only runs of CI count as evidence.

Exit codes: 0 there is a plan, or nothing to do; 1 what you named is refused; 2 usage.
"""


@click.command(epilog=EPILOG)
@click.argument("target", required=False)
@click.option("--to", type=click.Choice(["staging", "production"]), help="Only into this environment.")
@click.option("--override", is_flag=True, help="Go past what can be overridden; a record is written.")
@reason_option(required=False)
@click.option("--by", metavar="WHO", help="Who overrides; by default git's user.name.")
@plan_options
@click.pass_context
def command(
    ctx: click.Context,
    target: str | None,
    to: Stage | None,
    override: bool,
    reason: str | None,
    by: str | None,
    apply: bool,
    output_format: str,
) -> int:
    """Show what may move to staging or production, why, what it replaces, and how to undo it.

    TARGET is a name, name@v15, or an entry file; without it, every name is looked at. Nothing is changed without
    --apply.
    """
    from evalkit.promote.gather import pooled_judge
    from evalkit.runtime.refs import is_name

    project = find_project(ctx)
    bare = target is None or (is_name(target) and bool(project.versions(target)))
    if override and bare:
        hint = "evalkit promote NAME@v15 --override --reason R"
        raise UsageError(Problem("EK901", "--override is for one version; say which", hint=hint))
    if reason and not override:
        hint = "leave --reason out; or add --override to break a rule for that reason"
        raise UsageError(Problem("EK901", "a promotion's reason is its evidence, not --reason", hint=hint))
    force = force_of(override=override, reason=reason, by=by, root=project.root)
    if bare:
        names = project.names() if target is None else [str(target)]
        judge = pooled_judge(project)
        plans = [plan for name in names for plan in _of_name(project, name, to, judge)]
    else:
        plans = [_of_version(project, str(target), to, force)]
    again = _again(target, to, force)
    if not plans:
        where = target or "this project"
        click.echo(
            f"Nothing to do: {where} has no draft and no staging version that could move.",
            err=output_format == "json",
        )
        if output_format != "json":
            return 0
    return finish(
        project, plans, apply=apply, output_format=output_format, again=again, asked=target is not None
    )


def _of_name(project: Project, name: str, to: Stage | None, judge: Judge) -> list[Plan]:
    from evalkit.promote.gather import gather, production_spans
    from evalkit.promote.promotion import plan_promotions

    facts = gather(project, name, judge=judge)
    plans = plan_promotions(facts, to, now().date())
    if all(plan.is_refused for plan in plans) and (facts.contradictions or facts.serving("production")):
        return plans  # history would only add since when what serves does; asking it for many names is slow
    return plan_promotions(replace(facts, spans=production_spans(project.root, name)), to, now().date())


def _of_version(project: Project, target: str, to: Stage | None, force: Force | None) -> Plan:
    from evalkit.promote.gather import gather, pooled_judge, production_spans
    from evalkit.promote.promotion import plan_promotion

    entry = entry_of(project, target, "promote").model
    spans = production_spans(project.root, entry.name)
    facts = gather(project, entry.name, spans=spans, judge=pooled_judge(project), only=[entry.version])
    return plan_promotion(facts, entry.version, to, now().date(), force)


def _again(target: str | None, to: Stage | None, force: Force | None) -> str:
    parts = ["evalkit", "promote", *([target] if target else []), *(["--to", to] if to else [])]
    if force:
        parts += ["--override", "--reason", force.reason, "--by", force.by]
    return shlex.join(parts)
