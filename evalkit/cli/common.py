"""What every command shares: the project, the output format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.registry.project import Project

__all__ = ["find_project", "format_option", "print_json"]

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


def print_json(value: Any) -> None:
    """Data on stdout, and nothing but data."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
