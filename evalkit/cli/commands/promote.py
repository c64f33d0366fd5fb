"""`evalkit promote`: what may move to staging or production, and moving it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project
from evalkit.cli.planning import entry_of, finish, force_of, now, plan_options, reason_option, refuse_both
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from evalkit.promote.gather import Judge
    from evalkit.promote.plan import Force, Plan
    from evalkit.promote.requirements import Stage
    from evalkit.registry.project import Project

EPILOG = """\b
Examples:
  evalkit promote                              what may move, and what not
  evalkit promote support-triage               ... of one name
  evalkit promote support-triage@v15           one version, one step
  evalkit promote support-triage@v15 --apply   ... and edit the files
  evalkit promote --to production              only into production
  evalkit promote --open-pr                    pull requests for what may move

\b
Past the rules, on record:
  evalkit promote support-triage@v15 --override --reason "…"

A draft goes to staging, a staging entry to production. Only runs of CI count as evidence.

Exit codes: 0 at least one may move, or there is nothing to do; 1 all are refused; 3 all are refused, and each of them
only because a verdict is not clear yet; 2 usage.
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
    open_pr: bool,
    output_format: str,
) -> int:
    """Show what may move to staging or production, why, what it replaces, and how to undo it.

    TARGET is a name, name@v15, or an entry file; without it, every name is looked at. Nothing is changed without
    --apply or --open-pr.

    With --open-pr the default branch is looked at, and evidence is taken from the artifacts of CI: for all that may move
    a pull request is opened or refreshed, and those that may no longer are closed with the reason.
    """
    from evalkit.promote.gather import pooled_judge
    from evalkit.runtime.refs import is_name

    refuse_both(apply=apply, open_pr=open_pr)
    project = find_project(ctx)
    if open_pr:
        return _open(project, target, to, override=override, output_format=output_format)
    bare = target is None or (is_name(target) and bool(project.versions(target)))
    if override and bare:
        hint = "evalkit promote NAME@v15 --override --reason R"
        raise UsageError(Problem("EK901", "--override is for one version; say which", hint=hint))
    if reason and not override:
        hint = "leave --reason out; or add --override to break a rule for that reason"
        raise UsageError(Problem("EK901", "a promotion's reason is its evidence, not --reason", hint=hint))
    signed = force_of(override=override, reason=reason, by=by, root=project.root)
    force, who = signed or (None, None)
    if bare:
        names = project.names() if target is None else [str(target)]
        judge = pooled_judge(project)
        plans = [plan for name in names for plan in _of_name(project, name, to, judge)]
    else:
        plans = [_of_version(project, str(target), to, force)]
    again = _again(target, to, force if any(plan.overridden for plan in plans) else None)
    if not plans:
        where = target or "this project"
        click.echo(
            f"Nothing to do: {where} has no draft and no staging version that could move.",
            err=output_format == "json",
        )
        if output_format != "json":
            return 0
    return finish(project, plans, apply=apply, output_format=output_format, again=again, who=who)


def _open(
    project: Project, target: str | None, to: Stage | None, *, override: bool, output_format: str
) -> int:
    from evalkit.cli.opening import open_promotions
    from evalkit.runtime.refs import is_name

    if to is not None or override:
        hint = "leave it out: what may move is what its evidence says; past the rules, edit with --apply and open it yourself"
        raise UsageError(Problem("EK901", "--open-pr goes with neither --to nor --override", hint=hint))
    if target is not None and not is_name(target):
        hint = "name the entry without its version, or nothing for all of them"
        raise UsageError(Problem("EK901", "--open-pr sees to all versions of a name", hint=hint))
    return open_promotions(project, None if target is None else [target], output_format=output_format)


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
