"""`evalkit replay`: score the recordings that a change brings."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, in_actions, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.cli.results import RunView
    from evalkit.promote.replay import Replays

EPILOG = """\b
Examples:
  evalkit replay --base origin/main                   the recordings among the files here
  evalkit replay --base origin/main --head feature    ... of a commit
  evalkit replay --base B --head H --format github    ... for the summary of a workflow's step

\b
A recording lies at registry/recordings/<entry>/v1/<suite>@v1.jsonl: the samples.jsonl of `evalkit run` is one.
Exit codes: 0 whatever the verdict, which is information; 2 usage or configuration.
"""


@click.command(epilog=EPILOG)
@click.option(
    "--base", required=True, metavar="REF", help="Score what changed since it left REF, by the rules of REF."
)
@click.option("--head", metavar="REF", help="Look at this commit instead of the files here.")
@format_option("table", "json", "github")
@click.pass_context
def command(ctx: click.Context, base: str, head: str | None, output_format: str) -> None:
    """Score the recorded answers that a change brings along with its candidates. No model is asked, no key is read.

    For a change that gets no keys, such as a fork's pull request. Suites, scorers and policy are those of REF. A
    recording counts for the config that its lines name, and for no other; it is never evidence. Where there is none,
    the command says what a maintainer has to do.
    """
    from evalkit.promote.base.change import Change
    from evalkit.promote.replay import replay
    from evalkit.report.progress import RunProgress

    project = find_project(ctx)
    change = Change(project.root, base, head)
    outputs = change.config_before.artifacts.outputs or not in_actions()
    place = project.state_dir() / "replays" / change.head[:12]
    found = replay(change, place, RunProgress(io.StringIO()), outputs=outputs)
    _show(found, output_format, outputs=outputs)


def _show(found: Replays, output_format: str, *, outputs: bool) -> None:
    from evalkit.report.neutral import actions_log
    from evalkit.report.replays import replays_data, replays_text

    if output_format == "json":
        print_json(replays_data(found))
        return
    views = _views(found, outputs=outputs)
    if views:
        from evalkit.cli.results import show

        show(views, "table", outputs=outputs)
    text = replays_text(found)
    click.echo(actions_log(text) if in_actions() else text, nl=False)
    if output_format == "github":
        from evalkit.github.summary import write_summary
        from evalkit.report.replays import replays_markdown

        summaries = [(view.directory / "summary.md").read_text(encoding="utf-8") for view in views]
        write_summary(replays_markdown(found, summaries))


def _views(found: Replays, *, outputs: bool) -> Sequence[RunView]:
    from evalkit.cli.results import view_of

    finished = [one.finished for one in found.evaluations if one.finished is not None]
    return [view_of(done.result.record, done.directory, outputs=outputs) for done in finished]
