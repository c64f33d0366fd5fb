"""`evalkit log`: what happened to a name."""

from __future__ import annotations

import click

from evalkit.cli.auditing import clock_for, known_history, line_options, now, print_lines, project_root
from evalkit.cli.common import format_option, print_json

EPILOG = """\b
Examples:
  evalkit log support-triage                        promotions, rollbacks, canaries, A/B weights, holds
  evalkit log support-triage --since "last monday"  ... of this week
  evalkit log support-triage --all --limit 5        drafts, edits, scores and approvals too
  evalkit log support-triage --format csv > log.csv

\b
A change takes effect with the commit that brings it to the main line; its time is that commit's. Names that are gone
are found as well.
Exit codes: 0, also when nothing happened; 2 for a name that never was.
"""


@click.command(name="log", epilog=EPILOG)
@click.argument("name")
@click.option("--since", metavar="WHEN", help="Only from then on: a date, a time, a phrase or a commit.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The newest N.")
@click.option("--all", "everything", is_flag=True, help="Drafts, edits, scores and approvals too.")
@line_options
@format_option("text", "json", "csv")
@click.pass_context
def command(
    ctx: click.Context,
    name: str,
    since: str | None,
    limit: int | None,
    everything: bool,
    ref: str | None,
    tz: str | None,
    output_format: str,
) -> None:
    """Show each transition of NAME, newest first: when, what, by whom, approved by whom, and why."""
    from evalkit.promote.asof import since_moment
    from evalkit.promote.audit import is_notable, with_holds
    from evalkit.promote.history import Repository
    from evalkit.promote.history.held import hold_changes
    from evalkit.report import audit
    from evalkit.report.spreadsheet import csv_text

    clock = clock_for(tz)
    repository = Repository.of(project_root(ctx))
    line = repository.main_ref() if ref is None else ref
    start = since_moment(repository, since, now(), clock.zone, line) if since is not None else None
    holds = hold_changes(repository, name, line)
    history = known_history(repository, name, line)
    moved = [change for change in history.transitions() if everything or is_notable(change)]
    shown = with_holds(moved, holds)[::-1]
    if start is not None:
        shown = [change for change in shown if change.commit.time >= start]
    total, shown = len(shown), shown[:limit]
    if output_format == "json":
        print_json(
            {
                "schema_version": 1,
                "name": name,
                "ref": line,
                "since": audit.iso(start),
                "renamed_from": history.renamed_from,
                "renamed_to": history.renamed_to,
                "transitions": [audit.change_data(change) for change in shown],
            }
        )
        return
    if output_format == "csv":
        rows = [{**audit.change_data(c), "authors": "; ".join(c.authors)} for c in shown]
        click.echo(csv_text(audit.LOG_COLUMNS, rows), nl=False)
        return
    print_lines([*audit.log_head(history, line, total, len(shown), start, clock, everything=everything)])
    for changes in audit.by_commit(shown):
        print_lines(["", *audit.change_lines(changes, clock)])
