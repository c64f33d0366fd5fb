"""What every command shares: the project, the output format, how wide a line may be."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.registry.project import Project

__all__ = ["find_project", "format_option", "in_actions", "line_width", "print_json"]

_WIDEST = 100
"""Columns: longer lines are hard to read."""

_UNSEEN = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""Controls, marks of direction, lone surrogates: inside JSON strings they may be written as escapes."""

F = TypeVar("F", bound="Callable[..., Any]")


def find_project(ctx: click.Context) -> Project:
    """The project that `--project` names, or the nearest one from here upwards.

    Raises:
        UsageError: EK903, there is none.
    """
    from evalkit.registry.project import Project

    chosen = ctx.find_root().obj
    return Project.find(Path(chosen) if chosen else Path.cwd())


def format_option(*formats: str) -> Callable[[F], F]:
    """`--format`, the first one the default."""
    choice = click.Choice(formats)
    return click.option("--format", "output_format", type=choice, default=formats[0], show_default=True)


def in_actions() -> bool:
    """Whether GitHub's runner reads what is printed, and would obey a command in it."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def line_width() -> int:
    """Columns that sentences on stdout may take: the terminal's, at most 100; 80 where it is no terminal."""
    from evalkit.report.wrapping import WIDTH

    return min(shutil.get_terminal_size((WIDTH, 24)).columns, _WIDEST) if sys.stdout.isatty() else WIDTH


def print_json(value: Any) -> None:
    """Data on stdout, and nothing but data. Characters that change how a terminal shows text are escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    click.echo(_UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text))
