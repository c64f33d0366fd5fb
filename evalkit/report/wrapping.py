"""Sentences on lines of a given width. What a reader copies out of them (commands, paths, digests) stays in one piece."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final

from evalkit.report.neutral import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["WIDTH", "table", "wrapped"]

WIDTH: Final = 80
"""Columns of what nobody looks at through a terminal: a file, a pipe, a CI log."""

_OPTION: Final = r"""--[a-z][a-z-]*(?: (?:"[^"]*"|'[^']*'|[^\s;,"'-][^\s;,]*))?"""
_WHOLE: Final = re.compile(
    rf"evalkit [a-z]+(?: [a-z][a-z0-9-]*(?![^\s;,]))?(?: (?:{_OPTION}|[^\s;,]*[@=…/][^\s;,]*))*"  # a command
    rf"|{_OPTION}(?: {_OPTION})*"
    r"|[\w.]+: \{[^{}]*\}"  # YAML to paste
    r"|\([^()\s][^()]{0,28}\)|[\d.]+ %"  # a short aside, a share: they read better in one piece
)
_GLUE: Final = "\x00"
"""Stands for a space that is no place to break at: `visible` leaves none of it in a text."""


def wrapped(text: str, width: int = WIDTH, indent: str = "", hang: str = "  ") -> list[str]:
    """Foreign text on lines of at most `width` columns; a word, or a command, that is longer has a line to itself.

    Args:
        text: one paragraph; line feeds in it count as spaces.
        width: in columns.
        indent: before every line.
        hang: before every line but the first, in addition.
    """
    glued = _WHOLE.sub(lambda match: match[0].replace(" ", _GLUE), visible(text))
    lines = textwrap.wrap(
        glued,
        width,
        initial_indent=indent,
        subsequent_indent=indent + hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]


def table(rows: Sequence[tuple[str, str, str]], width: int = WIDTH) -> list[str]:
    """Three columns below each other. Where they are too wide, the last two share the room and their cells wrap."""
    head, middle, last = (max(len(row[column]) for row in rows) for column in range(3))
    room = width - head - len("    " + "  ")
    if middle + last > room:
        middle = min(middle, max(room // 2, room - last))
        last = room - middle
    lines: list[str] = []
    for label, *cells in rows:
        left, right = (wrapped(cell, size, hang="") for cell, size in zip(cells, (middle, last), strict=True))
        for number in range(max(len(left), len(right), 1)):
            parts = (label if number == 0 else "", _nth(left, number), _nth(right, number))
            lines.append(f"  {parts[0]:<{head}}  {parts[1]:<{middle}}  {parts[2]}".rstrip())
    return lines


def _nth(lines: list[str], number: int) -> str:
    return lines[number] if number < len(lines) else ""
