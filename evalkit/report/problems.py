"""Problems as text. What a file, a path or a server says is in them, so each part stays on its own line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evalkit.report.neutral import actions_log, one_line

if TYPE_CHECKING:
    from evalkit.errors import Problem

__all__ = ["problem_text"]

_LIMIT: Final = 4_000


def problem_text(problem: Problem, *, in_actions: bool) -> str:
    """`path:line:column: CODE message` and, on a second line, the help; ends with a line feed.

    Control characters are spelt out. `in_actions` keeps the text from being a workflow command.
    """
    text = one_line(str(problem.replace(hint=None)), _LIMIT) + "\n"
    if problem.hint:
        text += f"  help: {one_line(problem.hint, _LIMIT)}\n"
    return actions_log(text) if in_actions else text
