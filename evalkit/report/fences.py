"""Foreign text in fenced blocks of Markdown: a diff, or commands to copy. Nothing inside can end the block."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from evalkit.report.neutral import Markdown, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["diff_block", "fenced", "shell_block"]

_TICKS: Final = re.compile(r"`{3,}")
_LINE: Final = 400
"""Characters of a line that are shown."""


def fenced(lines: Iterable[str], language: str = "") -> Markdown:
    """A fenced code block (CommonMark 4.5): its fence is longer than any run of backticks inside.

    Hidden characters are spelled out, and each item stays one line. `<!--` and `##[` are broken by a zero-width space:
    the one could pass for a hidden marker of evalkit's own, the other for a command in a log.
    """
    shown = [_line(line) for line in lines]
    longest = max((len(run) for line in shown for run in _TICKS.findall(line)), default=2)
    fence = "`" * (longest + 1)
    return Markdown("\n".join([f"{fence}{language}", *shown, fence]))


def diff_block(lines: Sequence[str], limit: int) -> Markdown:
    """A unified diff, its first `limit` lines, and how many more there are."""
    rest = len(lines) - limit
    shown = [
        *lines[:limit],
        *([f"@@ {rest:,} more lines: see the files of this pull request @@"] if rest > 0 else []),
    ]
    return fenced(shown, "diff")


def shell_block(commands: Iterable[str]) -> Markdown:
    """Commands to copy."""
    return fenced(commands, "sh")


def _line(text: str) -> str:
    line = visible(text).replace("\n", "↵")
    if len(line) > _LINE:
        line = f"{line[:_LINE]}… ({len(line) - _LINE:,} more characters)"
    return line.replace("<!--", "<\u200b!--").replace("##[", "#\u200b#[")
