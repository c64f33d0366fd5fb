"""What a step tells GitHub Actions: its summary, annotations, outputs, and what to keep out of the log.

GitHub drops without a word what is beyond its limits: a summary of more than 1 MiB as a whole, the eleventh error and
the eleventh warning of a step (docs.github.com, "Workflow commands"). So evalkit keeps to them and says what is left
out. Outside Actions, nothing here does anything.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evalkit.errors import Problem, UsageError
from evalkit.report.problems import problem_text
from evalkit.runtime.install import install_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import ModuleType

__all__ = ["annotate", "cut", "mask", "set_output", "write_summary"]

SUMMARY_BYTES: Final = 1024 * 1024
ANNOTATIONS: Final = 10
"""Of each kind, in one step."""
_SHORTEST_SECRET: Final = 4
"""Masking less would blank out half of the log, and protect nothing."""
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING: Final = re.compile(r" {0,3}#{1,6}(\s|$)")


def write_summary(markdown: str) -> bool:
    """Add to the summary of this step, as much as fits, cut where a section ends.

    What other commands of the same step wrote counts too.

    Returns:
        Whether all of it is there. False outside Actions, too.
    """
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return False
    file = Path(path)
    room = SUMMARY_BYTES - (file.stat().st_size if file.exists() else 0) - 1  # the line feed at its end
    note = "\n_The rest is in the log and in the artifacts of this run: a summary has at most 1 MiB._\n"
    text = cut(markdown, room, note)
    if text:
        _library().append_job_summary(text)
    return text == markdown


def cut(markdown: str, limit: int, note: str, size: Callable[[str], int] | None = None) -> str:
    """Markdown with whole sections left out at its end, and a note in their place, if it is too long.

    A section begins with a heading. If not even the first fits, it is cut at a blank line.

    Args:
        markdown: the text.
        limit: the most that the result may measure, note and all; nothing is left if not even the note fits.
        note: what to say at the end of a text that was cut.
        size: measures a text; bytes of UTF-8 without it.
    """
    measure = size or (lambda text: len(text.encode()))
    if measure(markdown) <= limit:
        return markdown
    room = limit - measure(note)
    kept = _leading(_split(markdown, _HEADING.match), room, measure)
    if not kept:
        kept = _leading(_split(markdown, lambda line: not line.strip()), room, measure)
        if _HEADING.match(kept) and kept.count("\n") == 1:
            kept = ""  # a heading with nothing below it
    return kept + note if room >= 0 else ""


def _leading(pieces: Iterable[str], room: int, measure: Callable[[str], int]) -> str:
    kept: list[str] = []
    for piece in pieces:
        room -= measure(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept)


def _split(markdown: str, begins: Callable[[str], object]) -> Iterable[str]:
    """The pieces of a text, each beginning with such a line; a block of code is never taken apart."""
    piece: list[str] = []
    fence = ""
    for line in markdown.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if not fence and piece and begins(line):
            yield "".join(piece)
            piece = []
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        piece.append(line)
    yield "".join(piece)


def annotate(problems: Iterable[Problem], folder: str = "") -> None:
    """Show problems beside the lines that they are about: errors first, and no more than GitHub shows.

    The whole list is for the log, and the caller's to print. Annotations go to stderr, which GitHub reads as well.

    Args:
        problems: of any number.
        folder: where the project lies in its repository, for paths: empty at its top.
    """
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    listed = list(problems)
    errors = [problem for problem in listed if problem.severity == "error"]
    warnings = [problem for problem in listed if problem.severity != "error"]
    library = _library()
    with redirect_stdout(sys.stderr):
        _show(errors, library.error, folder)
        _show(warnings, library.warning, folder)
        left = sum(max(0, len(kind) - ANNOTATIONS) for kind in (errors, warnings))
        if left:
            library.notice(f"{left} more in the log")


def _show(problems: Sequence[Problem], command: Callable[..., None], folder: str) -> None:
    for problem in problems[:ANNOTATIONS]:
        place = problem.location
        text = problem_text(problem.replace(location=None), in_actions=True).rstrip("\n")
        command(
            text,
            title=problem.code,
            file="/".join(filter(None, (folder.strip("/"), place.path))) if place else None,
            line=place.line or None if place else None,
            col=place.column or None if place else None,
        )


def set_output(name: str, value: str) -> None:
    """An output of this step, for later steps and jobs. It may have several lines."""
    if os.environ.get("GITHUB_OUTPUT"):
        _library().set_output(name, value)


def mask(value: str) -> None:
    """Keep a secret out of the log, line by line, as the runner reads it. Say it before anything can print it."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    lines = [line.strip() for line in value.splitlines()]
    with redirect_stdout(sys.stderr):
        for secret in dict.fromkeys(line for line in lines if len(line) >= _SHORTEST_SECRET):
            _library().add_mask(secret)


def _library() -> ModuleType:
    try:
        import github_action_utils
    except ModuleNotFoundError:
        hint = install_hint("github")
        message = "speaking to GitHub Actions needs github-action-utils"
        raise UsageError(Problem("EK904", message, hint=hint)) from None
    return github_action_utils
