"""A plan as Markdown: who serves before and after, what differs, and how it is undone."""

from __future__ import annotations

import json
import re
from itertools import groupby
from typing import TYPE_CHECKING, Any

from evalkit.promote.wording import serving_text
from evalkit.report.fences import diff_block, shell_block
from evalkit.report.markdown import COMMENT_BYTES
from evalkit.report.neutral import Markdown, markdown, markdown_code
from evalkit.report.tables import line
from evalkit.report.templates import markdown_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.promote.plan import Plan, Shift
    from evalkit.registry.differences import Difference
    from evalkit.runtime.serving import Serving

__all__ = ["change_body", "differences_blocks", "serving_rows", "undo_block"]

_SHORT = 100
"""A value up to this length is shown beside its key."""


def change_body(
    plan: Plan, *, stamps: Sequence[str] = (), needs_click: bool = False, max_bytes: int = COMMENT_BYTES
) -> str:
    """The body of a pull request that carries out a plan which is no promotion, below the hidden marker.

    Args:
        plan: possible.
        stamps: approvals that are recorded along with it, in words.
        needs_click: whether checks wait for a person, since the token is GITHUB_TOKEN.
        max_bytes: of UTF-8.
    """
    template = markdown_environment().get_template("change.md.j2")
    text = ""
    for limit in (200, 50, 20, 5, 0):
        rendered = template.render(
            title=markdown(plan.title),
            reason=markdown(_reason(plan)),
            serving=serving_rows(plan.shifts),
            warnings=[markdown(one) for one in plan.warnings],
            overridden=[markdown(one.message) for one in plan.overridden],
            sections=[(markdown(one.title), section_blocks(one.lines, limit)) for one in plan.sections],
            files=[
                (markdown_code(change.path), [markdown_code(said) for said in change.summary])
                for change in plan.changes
            ],
            undo=undo_block(plan.undo),
            stamps=[markdown(stamp) for stamp in stamps],
            needs_click=needs_click,
        )
        text = re.sub(r"\n{3,}", "\n\n", rendered).strip() + "\n"
        if len(text.encode()) <= max_bytes:
            return text
    return text[: max_bytes // 4]


def _reason(plan: Plan) -> str:
    """From the trailer of the commit message, which is where a plan keeps it."""
    found = [one for one in plan.commit_message.splitlines() if one.startswith("Reason: ")]
    return found[-1].removeprefix("Reason: ") if found else ""


def serving_rows(shifts: Sequence[Shift]) -> list[Markdown]:
    """A row an environment: who serves now, and who then; nothing where that is not clear."""
    production = next((shift for shift in shifts if shift.env == "production"), None)
    rows: list[Markdown] = []
    for shift in shifts:
        now, then = _who(shift.before), _who(shift.after)
        is_same = now == then
        if production is not None and shift is not production:
            now = _as(now, shift.before, production.before)
            then = _as(then, shift.after, production.after)
        cell = "the same" if is_same or now == then else f"**{then}**"
        rows.append(line(Markdown(shift.env), Markdown(now), Markdown(cell)))
    return rows


def _as(text: str, live: Serving | None, production: Serving | None) -> str:
    return "as production" if live is not None and live == production else text


def _who(live: Serving | None) -> str:
    standby = f" (standby: {', '.join(f'v{v}' for v in live.standby)})" if live and live.standby else ""
    return markdown(serving_text(live) + standby)


def differences_blocks(found: Sequence[Difference], limit: int) -> list[Markdown]:
    """What differs, a list item for each short value and a diff for each text."""
    blocks = [_difference(one, limit) for one in found[:limit]]
    rest = len(found) - len(blocks)
    return [*blocks, Markdown(f"- … {rest:,} more")] if rest > 0 else blocks


def _difference(one: Difference, limit: int) -> Markdown:
    key = markdown_code(one.key, 120)
    if one.diff is not None:
        return Markdown(f"\n{key}\n\n{diff_block(one.diff, limit)}\n")
    before, after = _shown(one.a), _shown(one.b)
    if max(len(before), len(after)) > _SHORT:
        lines = [f"-{before}"] * (one.a is not None) + [f"+{after}"] * (one.b is not None)
        return Markdown(f"\n{key}\n\n{diff_block(lines, limit)}\n")
    return Markdown(f"- {key}: {_code(one.a, before)} → {_code(one.b, after)}")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _code(value: Any, shown: str) -> str:
    return "none" if value is None else markdown_code(shown) or "(empty)"


def section_blocks(lines: Sequence[str], limit: int) -> list[Markdown]:
    """Sentences as list items; what is indented below a sentence is a diff."""
    blocks: list[Markdown] = []
    for is_diff, group in groupby(lines, key=lambda text: text.startswith("  ")):
        if is_diff:
            blocks.append(Markdown(f"\n{diff_block([text[2:] for text in group], limit)}\n"))
        else:
            blocks += [Markdown(f"- {markdown(text)}") for text in group]
    return blocks


def undo_block(undo: Sequence[str]) -> list[Markdown]:
    """How a plan is undone: sentences, and commands that open the pull request which does it."""
    return list(_undo(undo))


def _undo(undo: Sequence[str]) -> Iterator[Markdown]:
    for is_command, group in groupby(undo, key=lambda text: text.startswith("evalkit ")):
        if is_command:
            yield shell_block(_command(text) for text in group)
        else:
            yield from (markdown(text) for text in group)


def _command(text: str) -> str:
    command, _, said = text.partition("    ")
    command = command.replace(" --apply", " --open-pr")  # from a pull request, the way back is a pull request
    return f"{command}   # {said.strip()}" if said else command
