"""What the commands that ask history share: the line, the zone, the clock, and names that are not known."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from evalkit.cli.common import find_project, in_actions
from evalkit.errors import Problem, UnknownEntry, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from evalkit.promote.history import NameHistory, Repository
    from evalkit.report.audit import Clock

__all__ = [
    "clock_for",
    "known_history",
    "line_options",
    "local_zone",
    "now",
    "print_lines",
    "project_root",
    "unknown_name",
]

_NARROWEST = 40
F = TypeVar("F", bound="Callable[..., Any]")


def line_options(command: F) -> F:
    """`--ref` and `--tz`."""
    ref = "The line of history; by default the main line (origin/HEAD, main or master)."
    zone = "Of times that name no zone: Europe/Berlin, UTC, +01:00; by default the local one."
    command = click.option("--tz", metavar="ZONE", help=zone)(command)
    return click.option("--ref", metavar="REF", help=ref)(command)


def project_root(ctx: click.Context) -> Path:
    """The project's directory, as `find_project` finds it, without loading what reads the project's files.

    Raises:
        UsageError: EK903, there is none.
    """
    chosen = ctx.find_root().obj
    start = (Path(chosen) if chosen else Path.cwd()).absolute()
    for folder in (start, *start.parents):
        if (folder / "evalkit.yaml").is_file() or (folder / "registry" / "entries").is_dir():
            return folder
    return find_project(ctx).root


def now() -> datetime:
    """The time at which a command asks, in whole seconds, as commits have them."""
    return datetime.now(UTC).replace(microsecond=0)


def clock_for(tz: str | None) -> Clock:
    """The zone that `--tz` names, or the local one; shown beside UTC on a terminal, or where it was asked for.

    With it goes the width of the lines: the terminal's, and 80 columns where there is none.

    Raises:
        UsageError: EK862.
    """
    from evalkit.promote.zones import zone_named
    from evalkit.report.audit import Clock

    zone = local_zone() if tz is None else zone_named(tz)
    if not sys.stdout.isatty():
        return Clock(zone, both=tz is not None)
    return Clock(zone, both=True, width=max(shutil.get_terminal_size().columns, _NARROWEST))


def local_zone() -> tzinfo:
    """The zone of this machine, with its name and its rules for other days.

    Raises:
        UsageError: EK862, the machine says two different things.
    """
    import warnings

    import tzlocal

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no zone is set anywhere: that is UTC
            found: tzinfo = tzlocal.reload_localzone()  # not the one of a time before TZ was set
    except (KeyError, ValueError, OSError) as error:
        hint = "name it with --tz, such as --tz Europe/Berlin or --tz UTC"
        raise UsageError(Problem("EK862", f"the local time zone is not clear: {error}", hint=hint)) from error
    return found


def known_history(repository: Repository, name: str, ref: str) -> NameHistory:
    """A name's history.

    Raises:
        UnknownEntry: EK202, it has none.
    """
    history = repository.history(name, ref)
    if not history.moments:
        raise unknown_name(repository, name, ref)
    return history


def unknown_name(repository: Repository, name: str, ref: str) -> UnknownEntry:
    """The error for a name that never was on a line."""
    import difflib

    from evalkit.registry.project import Project

    shown = ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")
    if name in Project(repository.root).names():
        hint = f"it is in your files only; what is not on {shown} has not taken effect (--ref HEAD asks your branch)"
        return UnknownEntry(Problem("EK202", f"{name} has no history on {shown}", hint=hint))
    names = repository.names(ref)
    guess = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{guess[0]}'?" if guess else f"names: {', '.join(names[:10]) or 'none yet'}"
    return UnknownEntry(
        Problem("EK202", f"there never was an entry called '{name[:100]}' on {shown}", hint=hint)
    )


def print_lines(lines: list[str]) -> None:
    """Finished lines; hidden characters that are left in them are spelled out."""
    from evalkit.report.neutral import actions_log, visible

    text = "\n".join(visible(line) for line in lines)
    click.echo(actions_log(text) if in_actions() else text)
