"""`evalkit run`: evaluate entries, show what came out, write it back."""

from __future__ import annotations

import io
import math
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.common import find_project, format_option, in_actions, print_json
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.evals.options import Shard
    from evalkit.evals.record import Source
    from evalkit.evals.session import Finished, Session
    from evalkit.registry.project import Project
    from evalkit.report.cases import CaseList

EXIT_OF = {"pass": 0, "inconclusive": 3, "fail": 1}
_WORST_FIRST = (1, 3, 0)

EPILOG = """\b
Examples:
  evalkit run order-extract@v2                        one version, every suite that policy requires
  evalkit run order-extract                           its newest draft
  evalkit run order-extract@v2 --limit 10             a quick look at ten cases
  evalkit run order-extract@v2 --write-back           ... and put the score into the entry
  evalkit run a@v3 b@v1 --format json > runs.json     several, for a script
  evalkit run a@v3 --suite a-eval@v2 --replay answers.jsonl

\b
Exit codes: 0 passed, 1 the gate failed, 2 usage or configuration, 3 inconclusive, 130 interrupted.
Answers are cached in .evalkit/: the same command goes on where an interrupted one stopped.
"""


def read_shard(ctx: click.Context, param: click.Parameter, value: str | None) -> Shard | None:
    """`2/5` as the second of five parts."""
    from evalkit.evals.options import Shard

    if value is None:
        return None
    first, _, second = value.partition("/")
    if first.isdigit() and second.isdigit() and 1 <= int(first) <= int(second) <= 10_000:
        return Shard(int(first), int(second))
    raise click.BadParameter(f"'{value}' is not written I/N, with I from 1 to N", ctx, param)


@click.command(epilog=EPILOG)
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@click.option(
    "--suite", "suites", multiple=True, metavar="S", help="Instead of the suites that policy requires."
)
@click.option(
    "--replay", type=click.Path(path_type=Path), metavar="FILE", help="Score recorded answers; call nobody."
)
@click.option("--baseline", metavar="B", help="Compare with this entry, case by case.")
@click.option("--repeats", type=click.IntRange(1, 1000), metavar="K", help="Ask each case K times.")
@click.option("--shard", callback=read_shard, metavar="I/N", help="Only this part of the cases.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N cases.")
@click.option("--concurrency", type=click.IntRange(1, 1024), default=16, show_default=True, metavar="N")
@click.option(
    "--max-cost",
    type=click.FloatRange(min=0, min_open=True),
    metavar="USD",
    help="Stop before it costs more.",
)
@click.option(
    "--cache",
    type=click.Choice(["reuse", "refresh", "off"]),
    default="reuse",
    show_default=True,
    help="Take answers that were given before; ask again; or neither read nor write.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="DIR", help="Default: a new one in .evalkit/runs/."
)
@click.option(
    "--write-back", is_flag=True, help="Put the score into the entry and the run into its evidence."
)
@format_option("table", "json", "markdown", "junit")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.pass_context
def command(
    ctx: click.Context,
    targets: tuple[str, ...],
    suites: tuple[str, ...],
    replay: Path | None,
    baseline: str | None,
    repeats: int | None,
    shard: Shard | None,
    limit: int | None,
    concurrency: int,
    max_cost: float | None,
    cache: str,
    output: Path | None,
    write_back: bool,
    output_format: str,
    quiet: bool,
) -> int:
    """Evaluate entries: TARGET is a name, name@v14, or an entry file.

    A bare name is its newest draft, else its newest entry. Everything is validated before the first request.
    """
    from evalkit.evals.providers.replay import Recording
    from evalkit.evals.session import Session, SessionOptions
    from evalkit.report.problems import problem_text

    project = find_project(ctx)
    if max_cost is not None and not math.isfinite(max_cost):
        raise click.BadParameter("a budget is a number of US dollars", ctx, param_hint="--max-cost")
    _refuse_contradictions(write_back=write_back, limit=limit, shard=shard, repeats=repeats)
    _refuse_output(project, output)
    recording = Recording(replay) if replay else None
    options = SessionOptions(
        targets=tuple(dict.fromkeys(targets)),
        suites=suites,
        baseline=baseline,
        repeats=repeats,
        shard=shard,
        limit=limit,
        concurrency=concurrency,
        max_cost_usd=max_cost,
        cache_mode=cache,
        output_dir=output,
        source=_source(),
    )
    session = Session(project, options, os.environ, recording)
    with closing(recording) if recording else _nothing():
        planned = session.plans()
        outputs = project.config.artifacts.outputs or not in_actions()
        reports: list[CaseList] = []
        finished = session.run(
            planned, _progress(quiet=quiet), lambda done: reports.append(_report(done, outputs=outputs))
        )
    for problem in session.warnings:
        sys.stderr.write(problem_text(problem, in_actions=in_actions()))
    if write_back:
        _write_back(session, finished)
    _show(list(zip(finished, reports, strict=True)), output_format, outputs=outputs)
    if any(done.result.stopped == "interrupted" for done in finished) or len(finished) < len(planned):
        return 130
    return _exit_code(finished)


def _refuse_contradictions(
    *, write_back: bool, limit: int | None, shard: Shard | None, repeats: int | None
) -> None:
    partial = {"--limit": limit, "--shard": shard, "--repeats": repeats}
    given = [name for name, value in partial.items() if value is not None]
    if write_back and given:
        message = f"--write-back records the suite as it is, and {given[0]} changes what is asked"
        raise UsageError(Problem("EK902", message, hint=f"leave out {given[0]}"))


def _refuse_output(project: Project, output: Path | None) -> None:
    """Results overwrite an earlier run's, and nothing else."""
    if output is None:
        return
    place = output.resolve()
    problem: str | None = None
    if output.exists() and not output.is_dir():
        problem = "is a file"
    elif any(place.is_relative_to((project.root / name).resolve()) for name in ("registry", "suites")):
        problem = "is where the project keeps its own files"
    elif (output / "run.json").exists() and not (output / "samples.jsonl").exists():
        problem = "holds a run.json that no run has written"
    if problem:
        hint = "name a new directory, or leave --output out: results go to .evalkit/runs/"
        raise UsageError(Problem("EK902", f"--output {output} {problem}", hint=hint))


def _source() -> Source:
    return "ci" if in_actions() else "local"


def _progress(*, quiet: bool) -> Any:
    from evalkit.report.progress import RunProgress

    return RunProgress(io.StringIO() if quiet else sys.stderr)


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def _report(done: Finished, *, outputs: bool) -> CaseList:
    """Write the files beside `run.json`: for people, and for a workflow summary."""
    from evalkit.evals.saved import load_run
    from evalkit.report.cases import collect
    from evalkit.report.html import html_report
    from evalkit.report.markdown import summary

    cases = collect(load_run(done.directory).samples())
    record = done.result.record
    with (done.directory / "report.html").open("w", encoding="utf-8") as page:
        page.writelines(html_report(record, cases, outputs=outputs))
    (done.directory / "summary.md").write_text(summary(record, cases, outputs=outputs), encoding="utf-8")
    return cases


def _write_back(session: Session, finished: Sequence[Finished]) -> None:
    from evalkit.evals.write_back import write_back

    for done in finished:
        label = f"{done.plan.entry} on {done.plan.suite.ref}"
        if done.result.stopped:
            sys.stderr.write(f"{label}: not written back, the run is not complete\n")
            continue
        written = write_back(
            session.project, done.plan, done.result, lock_dir=session.project.state_dir() / "locks"
        )
        for path in written.changed:
            sys.stderr.write(f"wrote {session.project.display(path)}\n")
        if not written.changed:
            sys.stderr.write(f"{label}: nothing new to write back\n")
        elif written.score is not None and written.runs > 1:
            sys.stderr.write(f"{label}: score {written.score:g} over {written.runs} runs of this config\n")


def _show(finished: Sequence[tuple[Finished, CaseList]], output_format: str, *, outputs: bool) -> None:
    if output_format == "json":
        records = [done.result.record.to_dict() for done, _ in finished]
        print_json(records[0] if len(records) == 1 else records)
    elif output_format == "junit":
        from evalkit.evals.saved import load_run
        from evalkit.report.junit import junit_xml

        runs = [(done.result.record, load_run(done.directory).samples) for done, _ in finished]
        for piece in junit_xml(runs, outputs=outputs):
            click.echo(piece, nl=False)
    elif output_format == "markdown":
        for done, _ in finished:
            click.echo((done.directory / "summary.md").read_text(encoding="utf-8"), nl=False)
    else:
        from evalkit.report.terminal import open_console, print_report

        for done, cases in finished:
            print_report(
                open_console(sys.stdout),
                done.result.record,
                cases,
                outputs=outputs,
                report_path=_relative(done.directory / "report.html"),
                in_actions=in_actions(),
            )


def _relative(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _exit_code(finished: Sequence[Finished]) -> int:
    codes = {0 if done.result.record.shard else EXIT_OF[done.result.record.verdict] for done in finished}
    return next(code for code in _WORST_FIRST if code in codes)
