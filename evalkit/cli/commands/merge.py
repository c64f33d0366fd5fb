"""`evalkit merge`: the parts of a run as one run, judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, in_actions
from evalkit.cli.results import exit_code, refuse_output, show, view_of
from evalkit.errors import UsageError

if TYPE_CHECKING:
    from evalkit.registry.project import Project

EPILOG = """\b
Examples:
  evalkit run a@v3 --suite a-eval@v2 --shard 1/2 --output part-1
  evalkit run a@v3 --suite a-eval@v2 --shard 2/2 --output part-2
  evalkit merge part-1 part-2 --output whole
  evalkit merge parts/* --output whole --format markdown

\b
Exit codes: 0 passed, 1 the gate failed, 2 the parts are not one run, 3 inconclusive.
The figures are those that the run would have had in one piece.
"""


@click.command(epilog=EPILOG)
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    required=True,
    help="Where the whole run goes: run.json, samples.jsonl, evidence.json, the reports.",
)
@format_option("table", "json", "markdown", "junit")
@click.pass_context
def command(ctx: click.Context, directories: tuple[Path, ...], output: Path, output_format: str) -> int:
    """Put the parts of one run together, and judge the whole.

    DIR is what `evalkit run --shard I/N --output DIR` left; all N parts are needed. Parts of different runs, a part
    that is missing, given twice or cut off are refused.
    """
    from evalkit.evals.merge import merge

    project = _project(ctx)
    refuse_output(project, output)
    # Where nobody says that texts may leave, a workflow's artifacts have none.
    outputs = not in_actions() or (project is not None and project.config.artifacts.outputs)
    result = merge(directories, output, outputs=outputs)
    shown = outputs and result.record.outputs
    view = view_of(result.record, output, outputs=shown)
    show([view], output_format, outputs=shown)
    return exit_code([result.record])


def _project(ctx: click.Context) -> Project | None:
    """The project that says whether outputs may be shown; parts can be merged without one."""
    try:
        return find_project(ctx)
    except UsageError:
        return None
