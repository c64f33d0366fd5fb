"""`evalkit split`: the weights of an A/B."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project
from evalkit.cli.planning import carry_out, plan_options, reason_option, version_number
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from evalkit.promote.plan import Plan
    from evalkit.registry.project import Project

EPILOG = """\b
Examples:
  evalkit split support-triage v14=70 v15=30    weights are relative
  evalkit split support-triage v14=70 v15=30 --apply
  evalkit split support-triage v14=50 v15=50 --control v14

A version in staging gets its weight in advance: it takes part when it is promoted. Every arm that is live must be named;
0 takes one out. To end an A/B, retire the arm that lost.

Exit codes: 0 there is a plan, or nothing to do; 1 refused; 2 usage.
"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.argument("weights", nargs=-1, required=True, metavar="V=WEIGHT...")
@click.option(
    "--control", metavar="V", help="The arm that others are compared with; by default the one that is."
)
@reason_option(required=False)
@plan_options
@click.pass_context
def command(
    ctx: click.Context,
    name: str,
    weights: tuple[str, ...],
    control: str | None,
    reason: str | None,
    apply: bool,
    open_pr: bool,
    output_format: str,
) -> int:
    """Give versions of NAME their weights in an A/B, such as v14=70 v15=30.

    Nothing is changed without --apply or --open-pr.
    """
    from evalkit.promote.exposure import plan_split
    from evalkit.promote.gather import gather

    project = find_project(ctx)
    shares = _weights(name, weights)
    chosen = version_number(control, name) if control is not None else None

    def plan(project: Project) -> Plan:
        return plan_split(gather(project, name), shares, chosen, reason)

    parts = ["evalkit", "split", name, *weights, *(["--control", control] if control else [])]
    again = shlex.join([*parts, *(["--reason", reason] if reason else [])])
    return carry_out(project, plan, apply=apply, open_pr=open_pr, output_format=output_format, again=again)


def _weights(name: str, texts: tuple[str, ...]) -> dict[int, float]:
    found: dict[int, float] = {}
    for text in texts:
        version, equals, weight = text.partition("=")
        try:
            number = float(weight)
        except ValueError:
            equals = ""
            number = 0.0
        if not equals:
            hint = f"write it like this: evalkit split {name} v14=70 v15=30"
            raise UsageError(Problem("EK901", f"'{text}' is no weight of a version", hint=hint))
        parsed = version_number(version, name)
        if parsed in found:
            raise UsageError(
                Problem("EK901", f"v{parsed} is named twice", hint="give each version one weight")
            )
        found[parsed] = number
    return found
