"""`evalkit diff`: what differs between two entries in what decides the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.registry.differences import Difference

EPILOG = """\b
Examples:
  evalkit diff support-triage@v13 support-triage@v14     prompt text, params, tools, model
  evalkit diff support-triage@v13 support-triage         ... with its newest draft
  evalkit diff a@v1 b@v1 --format json

Exit code 0, whether they differ or not: the text (or `same_generation` in the JSON) says so.
"""


@click.command(epilog=EPILOG)
@click.argument("a")
@click.argument("b")
@format_option("text", "json")
@click.pass_context
def command(ctx: click.Context, a: str, b: str, output_format: str) -> None:
    """Show what differs between entries A and B, with the text of their prompts.

    Names, versions and comments decide no answer and are left out: two entries with the same generation digest ask
    the same model the same way.
    """
    from evalkit.registry.differences import differences
    from evalkit.registry.resolve import resolve_config

    project = find_project(ctx)
    sides = [project.target(a), project.target(b)]
    left, right = (resolve_config(project, side) for side in sides)
    names = [f"{side.model.name}@v{side.model.version}" for side in sides]
    changes = differences(left, right)
    if output_format == "json":
        print_json(
            {
                "schema_version": 1,
                "a": {"entry": names[0], "digest": left.digest},
                "b": {"entry": names[1], "digest": right.digest},
                "same_generation": left.digest == right.digest,
                "changes": [change.to_dict() for change in changes],
            }
        )
        return
    _print_text(names, changes, left.digest, right.digest)


def _print_text(names: list[str], changes: Sequence[Difference], a: str, b: str) -> None:
    from evalkit.report.neutral import visible

    if a == b:
        click.echo(f"{names[0]} and {names[1]} have the same generation digest: {a}")
        click.echo("They ask the same model the same way; evidence of one is evidence of the other.")
        return
    click.echo(f"a: {names[0]}  {a}")
    click.echo(f"b: {names[1]}  {b}")
    for change in changes:
        click.echo("")
        for line in change.lines():
            click.echo(visible(line))
