"""`evalkit report`: a finished run again, in any form."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, in_actions, print_json
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from evalkit.evals.saved import SavedRun

EPILOG = """\b
Examples:
  evalkit report                                  the newest run, as evalkit run showed it
  evalkit report out/ --format markdown           a run by its directory
  evalkit report 20261124T114013Z-a@v2-... --format junit > junit.xml

\b
The exit code is 0 whatever the verdict: this command shows a run, it does not judge it.
"""


@click.command(epilog=EPILOG)
@click.argument("run", required=False)
@format_option("table", "json", "markdown", "junit", "html")
@click.pass_context
def command(ctx: click.Context, run: str | None, output_format: str) -> None:
    """Show a finished run: its directory, its id, or the newest one."""
    from evalkit.report.cases import collect

    saved = _find(ctx, run)
    record = saved.record
    if output_format == "json":
        print_json(record.to_dict())
        return
    if output_format == "junit":
        from evalkit.report.junit import junit_xml

        sys.stdout.writelines(junit_xml([(record, saved.samples)], outputs=record.outputs))
        return
    cases = collect(saved.samples())
    if output_format == "markdown":
        from evalkit.report.markdown import summary

        click.echo(summary(record, cases, outputs=record.outputs), nl=False)
    elif output_format == "html":
        from evalkit.report.html import html_report

        sys.stdout.writelines(html_report(record, cases, outputs=record.outputs))
    else:
        from evalkit.report.terminal import open_console, print_report

        page = saved.directory / "report.html"
        shown = str(page) if page.exists() else None
        print_report(
            open_console(sys.stdout),
            record,
            cases,
            outputs=record.outputs,
            report_path=shown,
            in_actions=in_actions(),
        )


def _find(ctx: click.Context, run: str | None) -> SavedRun:
    from evalkit.evals.saved import load_run

    if run is not None and Path(run).is_dir():
        return load_run(run)
    runs = find_project(ctx).root / ".evalkit" / "runs"
    if run is not None and "/" not in run and "\\" not in run and (runs / run).is_dir():
        return load_run(runs / run)
    if run is not None:
        from evalkit.runtime.sources.file import similar

        guess = similar(str(runs / run))
        hint = f"{f'did you mean {guess}? ' if guess else ''}runs are the directories of {runs}"
        raise UsageError(Problem("EK905", f"there is no run '{run}'", hint=hint))
    finished = sorted(path for path in runs.glob("*") if (path / "run.json").is_file())
    if not finished:
        raise UsageError(Problem("EK905", "nothing has been run here yet", hint="evalkit run TARGET"))
    return load_run(finished[-1])
