"""`evalkit who`: who wrote, evaluated and approved a version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evalkit.cli.auditing import clock_for, known_history, line_options, now, print_lines, project_root
from evalkit.cli.common import format_option, print_json
from evalkit.errors import Problem, UnknownEntry, UsageError

if TYPE_CHECKING:
    from evalkit.promote.history import NameHistory

EPILOG = """\b
Examples:
  evalkit who support-triage@v14             who approved it, wrote it, evaluated it; what it did; why it left
  evalkit who support-triage                 the version that serves production now
  evalkit who support-triage@v14 | head -1   who approved this change
  evalkit who support-triage@v14 --format json | jq -r .approver

\b
Written by: the authors of the entry, and of the prompt, tools and class that it refers to, as far as they are newer than
the version that it replaced. Moved by: whoever changed its status or exposure. None of them may approve it.
Exit codes: 0; 2 for a version that never was.
"""


@click.command(name="who", epilog=EPILOG)
@click.argument("target")
@line_options
@format_option("text", "json", "csv")
@click.pass_context
def command(ctx: click.Context, target: str, ref: str | None, tz: str | None, output_format: str) -> None:
    """Show who wrote TARGET, who evaluated and who approved it, its pull requests, and how long it served.

    TARGET is a version, such as support-triage@v14, or a name for what serves production now.
    """
    from evalkit.promote.account import account_of
    from evalkit.promote.history import Repository
    from evalkit.report.account import ACCOUNT_COLUMNS, account_data, account_lines
    from evalkit.report.audit import name_notes
    from evalkit.report.spreadsheet import csv_text
    from evalkit.runtime.refs import Ref

    clock = clock_for(tz)
    asked = now()
    repository = Repository.of(project_root(ctx))
    line = repository.main_ref() if ref is None else ref
    wanted = Ref.parse(target)
    history = known_history(repository, wanted.name if wanted else target, line)
    version = _checked(history, wanted.version) if wanted else _serving(history)
    notes = [*name_notes(history)]
    account = account_of(repository, history, version, repository.commit(line).id)
    data = account_data(account, asked)
    if output_format == "json":
        print_json({"schema_version": 1, "ref": line, **data})
    elif output_format == "csv":
        evaluation = data["evaluation"] or {}
        people = {key: "; ".join(one["person"] for one in data[key]) for key in ("writers", "movers")}
        row = {**data, **{key: evaluation.get(key) for key in ("suite", "score", "run")}, **people}
        click.echo(csv_text(ACCOUNT_COLUMNS, [row]), nl=False)
    else:
        print_lines([*account_lines(account, asked, clock), *(["", *notes] if notes else [])])


def _checked(history: NameHistory, version: int) -> int:
    """The version, if it ever was.

    Raises:
        UnknownEntry: EK202.
    """
    known = sorted({change.version for change in history.transitions()})
    if version not in known:
        hint = f"versions that are or were: {', '.join(f'v{one}' for one in known[-10:])}"
        raise UnknownEntry(Problem("EK202", f"there never was {history.name}@v{version}", hint=hint))
    return version


def _serving(history: NameHistory) -> int:
    """Production's primary.

    Raises:
        UsageError: EK901, there is none.
    """
    found = history.moments[-1].primary("production")
    if found is None:
        newest = max(change.version for change in history.transitions())
        hint = f"name a version: evalkit who {history.name}@v{newest}"
        raise UsageError(Problem("EK901", f"nobody serves {history.name} in production now", hint=hint))
    return found
