"""`evalkit run`: evaluate entries, show what came out, write it back."""

from __future__ import annotations

import io
import math
import os
import sys
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.common import find_project, format_option, in_actions
from evalkit.cli.results import exit_code, refuse_output, show, view_of
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from evalkit.cli.results import RunView
    from evalkit.evals.options import Shard
    from evalkit.evals.plan import Plan
    from evalkit.evals.record import Source
    from evalkit.evals.session import Finished, Session
    from evalkit.registry.project import Project

EPILOG = """\b
Examples:
  evalkit run order-extract@v2                        one version, every suite that policy requires
  evalkit run order-extract                           its newest draft
  evalkit run order-extract@v2 --limit 10             a quick look at ten cases
  evalkit run order-extract@v2 --write-back           ... and put the score into the entry
  evalkit run a@v3 b@v1 --format json > runs.json     several, for a script
  evalkit run a@v3 --suite a-eval@v2 --replay answers.jsonl
  evalkit run a@v3 --head my-branch                   the entry of another branch, by the rules of this one

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
@click.option(
    "--head",
    metavar="REF",
    help="Take the entries, and the prompts, tools and classes they refer to, from this commit; all else from the files here.",
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
    head: str | None,
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
    _refuse_contradictions(write_back=write_back, limit=limit, shard=shard, repeats=repeats, head=head)
    if output is not None:
        refuse_output(project, output)
    outputs = project.config.artifacts.outputs or not in_actions()
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
        outputs=outputs,
    )
    views: list[RunView] = []

    def report(done: Finished) -> None:
        views.append(view_of(done.result.record, done.directory, outputs=outputs))

    with closing(recording) if recording else nullcontext(), _candidates(project, head, targets) as found:
        session = Session(project, options, os.environ, recording, candidates=found)
        planned = session.plans()
        if recording is None:
            _say_unread_addresses([one for pair in planned for one in pair[:2] if one is not None])
        finished = session.run(planned, _progress(quiet=quiet), report)
    for problem in session.warnings:
        sys.stderr.write(problem_text(problem, in_actions=in_actions()))
    if write_back:
        _write_back(session, finished)
    show(views, output_format, outputs=outputs)
    if any(done.result.stopped == "interrupted" for done in finished) or len(finished) < len(planned):
        return 130
    return exit_code(view.record for view in views)


def _refuse_contradictions(
    *, write_back: bool, limit: int | None, shard: Shard | None, repeats: int | None, head: str | None
) -> None:
    partial = {"--limit": limit, "--shard": shard, "--repeats": repeats}
    given = [name for name, value in partial.items() if value is not None]
    if write_back and given:
        message = f"--write-back records the suite as it is, and {given[0]} changes what is asked"
        raise UsageError(Problem("EK902", message, hint=f"leave out {given[0]}"))
    if write_back and head is not None:
        message = "--write-back edits the files here, and --head evaluates those of another commit"
        raise UsageError(Problem("EK902", message, hint="check that commit out, or leave out --write-back"))


def _candidates(
    project: Project, head: str | None, targets: Sequence[str]
) -> AbstractContextManager[Project | None]:
    """Where the entries lie, if that is another commit."""
    from evalkit.promote.overlay import candidates
    from evalkit.runtime.refs import Ref

    if head is None:
        return nullcontext()
    refs = [(target, Ref.parse(target)) for target in targets]
    problems = [
        Problem("EK901", f"'{target}' names no version, and --head needs one", hint="write it like name@v3")
        for target, ref in refs
        if ref is None
    ]
    if problems:
        raise UsageError(problems)
    return candidates(project, head, [ref for _, ref in refs if ref is not None])


def _source() -> Source:
    return "ci" if in_actions() else "local"


def _progress(*, quiet: bool) -> Any:
    from evalkit.report.progress import RunProgress

    return RunProgress(io.StringIO() if quiet else sys.stderr)


def _say_unread_addresses(plans: Sequence[Plan]) -> None:
    from evalkit.evals.addresses import unread_addresses
    from evalkit.report.neutral import actions_log
    from evalkit.report.wrapping import wrapped

    for note in unread_addresses({plan.provider_name: plan.provider for plan in plans}, os.environ):
        text = "\n".join(wrapped(f"note: {note}")) + "\n"
        sys.stderr.write(actions_log(text) if in_actions() else text)


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
