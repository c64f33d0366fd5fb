"""`evalkit at`: who served at a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evalkit.cli.auditing import clock_for, known_history, line_options, now, print_lines, project_root
from evalkit.cli.common import format_option, print_json
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from evalkit.promote.history import Repository

EPILOG = """\b
Examples:
  evalkit at "last tuesday 14:00"                        what served then: every name
  evalkit at "last tuesday 14:00" support-triage         ... one of them, with since when and by which commit
  evalkit at 2026-11-03 --env production                 at the end of that day
  evalkit at 2026-11-03T14:00+01:00 --format json
  evalkit at 4f3a2b1c support-triage                     as of a commit, or a tag

\b
WHEN is a date (the end of that day), a time, a phrase, or a commit. A time without a zone is in --tz, by default the
local zone. The output says which moment was looked at.
Exit codes: 0; 1 when nobody served then, which is an answer; 2 for a WHEN that is not clear or has not come yet, or a
name that never was.
"""

ENVIRONMENTS = ("production", "staging")


@click.command(name="at", epilog=EPILOG)
@click.argument("when")
@click.argument("name", required=False)
@click.option("--env", type=click.Choice(ENVIRONMENTS), help="Only this environment.")
@click.option("--long", "is_long", is_flag=True, help="Since when, for every name; slower in a long history.")
@line_options
@format_option("text", "json", "csv")
@click.pass_context
def command(
    ctx: click.Context,
    when: str,
    name: str | None,
    env: str | None,
    is_long: bool,
    ref: str | None,
    tz: str | None,
    output_format: str,
) -> int:
    """Show who served at WHEN: version, share, canary, since when, by which commit, with which model and prompt."""
    from evalkit.promote.asof import as_of
    from evalkit.promote.history import Repository
    from evalkit.promote.standing import standing_of_all, standing_of_name
    from evalkit.promote.zones import zone_text
    from evalkit.report import audit, serving
    from evalkit.report.spreadsheet import csv_text

    repository = Repository.of(project_root(ctx))
    clock = clock_for(tz)
    try:
        is_short = name is None and not is_long
        asked = as_of(repository, when, now(), clock.zone, ref, name=name, all_names=is_short)
    except UsageError as error:
        raise _without_when(repository, when, name, ref) or error from None
    envs = (env,) if env else ENVIRONMENTS
    notes: list[str] = []
    if name is None:
        rows = standing_of_all(repository, asked, envs, since=is_long)
    else:
        rows = standing_of_name(repository, name, asked, envs)
        if not rows:
            notes += audit.name_notes(known_history(repository, name, asked.ref))
    if output_format == "json":
        moment = serving.as_of_data(asked, zone_text(clock.zone))
        print_json({"schema_version": 1, **moment, "serving": [serving.standing_data(row) for row in rows]})
    elif output_format == "csv":
        known = {"commit": asked.commit.id if asked.commit else None, "moment": audit.iso(asked.moment)}
        click.echo(
            csv_text(serving.AT_COLUMNS, [{**serving.standing_data(row), **known} for row in rows]), nl=False
        )
    else:
        answer = serving.serving_lines(rows, name, clock, is_long=is_long)
        print_lines([*serving.as_of_lines(asked, clock), "", *answer, *notes])
    return 0 if any(row.served for row in rows) else 1


def _without_when(repository: Repository, text: str, name: str | None, ref: str | None) -> UsageError | None:
    """The error for a name in the place of WHEN; None if it is none."""
    if text not in repository.names(ref):
        return None
    hint = f"evalkit at {name or 'now'} {text}: WHEN comes first"
    return UsageError(Problem("EK861", f"'{text}' is a name, and WHEN is missing", hint=hint))
