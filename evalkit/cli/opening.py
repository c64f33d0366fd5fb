"""`--open-pr`: what the commands that plan do on the forge, and what they say about it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import in_actions, print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalkit.github.branches import Outcome
    from evalkit.promote.plan import Plan
    from evalkit.registry.project import Project

__all__ = ["open_planned", "open_promotions"]


def open_planned(project: Project, planner: Callable[[Project], Plan], *, output_format: str) -> int:
    """Plan on the newest commit of the default branch, and open the pull request for it.

    Returns:
        0 when it is open, or there is nothing to do; 1 when the plan is refused, or the pull request is a person's; 3
        when nothing but a verdict that is not clear yet stands against it.

    Raises:
        ForgeError: the forge refused.
    """
    from evalkit.github.api import GitHubForge
    from evalkit.github.opening import open_change

    forge = GitHubForge.from_environment(os.environ)
    plan, outcome = open_change(forge, project.root, planner, environ=os.environ)
    _print([plan], [] if outcome is None else [outcome], output_format)
    if plan.is_refused:
        return 3 if all(one.is_undecided for one in plan.refusals) else 1
    return 0 if outcome is None or outcome.is_open else 1


def open_promotions(project: Project, names: Sequence[str] | None, *, output_format: str) -> int:
    """Open, refresh and close promotion pull requests.

    Returns:
        0, or 1 when one of them could not be seen to.

    Raises:
        ForgeError: the forge cannot be asked.
    """
    from evalkit.cli.planning import now
    from evalkit.github.api import GitHubForge
    from evalkit.github.promotions import sync_promotions
    from evalkit.github.summary import write_summary
    from evalkit.report.comment import promotions_summary

    forge = GitHubForge.from_environment(os.environ)
    plans: list[Plan] = []
    outcomes = sync_promotions(
        forge, project.root, environ=os.environ, now=now(), names=names, planned=plans.extend
    )
    _print(plans, outcomes, output_format)
    if in_actions():
        write_summary(promotions_summary(plans, [(one.subject, one.said) for one in outcomes]))
    return 1 if any(one.action == "failed" for one in outcomes) else 0


def _print(plans: Sequence[Plan], outcomes: Sequence[Outcome], output_format: str) -> None:
    from evalkit.report.neutral import actions_log, one_line
    from evalkit.report.plans import plan_data, plan_text

    if output_format == "json":
        print_json(
            {
                "schema_version": 1,
                "plans": [plan_data(plan) for plan in plans],
                "pull_requests": [
                    {
                        "subject": one.subject,
                        "action": one.action,
                        "said": one.said,
                        "number": one.number,
                        "url": one.url,
                    }
                    for one in outcomes
                ],
            }
        )
        return
    order = {"possible": 0, "nothing": 1, "refused": 2}
    texts = [plan_text(plan) for plan in sorted(plans, key=lambda plan: order[plan.outcome])]
    lines = [
        one_line(f"{one.subject}: {one.said}" + (f" ({one.url})" if one.url else ""), 400) for one in outcomes
    ]
    text = "\n".join([*texts, *(f"{line}\n" for line in lines or ["Nothing was to be done on the forge."])])
    click.echo(actions_log(text) if in_actions() else text, nl=False)
