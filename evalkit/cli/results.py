"""What the commands that end with a run share: its reports, how it is shown, and the exit code."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import in_actions, print_json
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalkit.evals.record import RunRecord
    from evalkit.registry.project import Project
    from evalkit.report.cases import CaseList

__all__ = ["RunView", "exit_code", "refuse_output", "show", "view_of"]

_EXIT_OF = {"pass": 0, "inconclusive": 3, "fail": 1}
_WORST_FIRST = (1, 3, 0)


@dataclass(frozen=True, slots=True)
class RunView:
    """A finished run whose reports are written."""

    record: RunRecord
    directory: Path
    cases: CaseList


def view_of(record: RunRecord, directory: Path, *, outputs: bool) -> RunView:
    """Write the files beside `run.json`: for people, and for a workflow summary."""
    from evalkit.evals.saved import load_run
    from evalkit.report.cases import collect
    from evalkit.report.html import html_report
    from evalkit.report.markdown import summary

    cases = collect(load_run(directory).samples())
    with (directory / "report.html").open("w", encoding="utf-8") as page:
        page.writelines(html_report(record, cases, outputs=outputs))
    (directory / "summary.md").write_text(summary(record, cases, outputs=outputs), encoding="utf-8")
    return RunView(record, directory, cases)


def show(views: Sequence[RunView], output_format: str, *, outputs: bool) -> None:
    """Print runs: `table`, `json` (a list if there are several), `markdown` or `junit`."""
    if output_format == "json":
        records = [view.record.to_dict() for view in views]
        print_json(records[0] if len(records) == 1 else records)
    elif output_format == "junit":
        from evalkit.evals.saved import load_run
        from evalkit.report.junit import junit_xml

        runs = [(view.record, load_run(view.directory).samples) for view in views]
        for piece in junit_xml(runs, outputs=outputs):
            click.echo(piece, nl=False)
    elif output_format == "markdown":
        for view in views:
            click.echo((view.directory / "summary.md").read_text(encoding="utf-8"), nl=False)
    else:
        from evalkit.report.terminal import open_console, print_report

        for view in views:
            print_report(
                open_console(sys.stdout),
                view.record,
                view.cases,
                outputs=outputs,
                report_path=_relative(view.directory / "report.html"),
                in_actions=in_actions(),
            )


def exit_code(records: Iterable[RunRecord]) -> int:
    """The worst of the verdicts; a part of a run is merged, never gated."""
    codes = {0 if record.shard else _EXIT_OF[record.verdict] for record in records}
    return next(code for code in _WORST_FIRST if code in codes)


def refuse_output(project: Project | None, output: Path) -> None:
    """Results overwrite an earlier run's, and nothing else.

    Raises:
        UsageError: EK902, something else lies there.
    """
    place = output.resolve()
    own = [(project.root / name).resolve() for name in ("registry", "suites")] if project else []
    problem: str | None = None
    if output.exists() and not output.is_dir():
        problem = "is a file"
    elif any(place.is_relative_to(folder) for folder in own):
        problem = "is where the project keeps its own files"
    elif (output / "run.json").exists() and not (output / "samples.jsonl").exists():
        problem = "holds a run.json that no run has written"
    if problem:
        hint = "name a new directory; without --output, a run goes to .evalkit/runs/"
        raise UsageError(Problem("EK902", f"--output {output} {problem}", hint=hint))


def _relative(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
