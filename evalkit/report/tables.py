"""Tables in Markdown that several texts on the forge share; every cell is neutral already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.report import figures
from evalkit.report.neutral import Markdown, markdown_code, one_line, xml_text
from evalkit.report.slices import pick_slices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.evals.record import RunRecord
    from evalkit.report.cases import CaseView

__all__ = ["case_table", "code_in_html", "line", "slice_table"]


def line(*cells: Markdown) -> Markdown:
    """One row."""
    return Markdown("| " + " | ".join(cells) + " |")


def code_in_html(text: str, limit: int = 120) -> Markdown:
    """Foreign text as code inside an element such as `<summary>`, where Markdown is not read."""
    return Markdown(f"<code>{xml_text(one_line(text, limit))}</code>")


def slice_table(record: RunRecord, limit: int) -> list[Markdown]:
    """The slices of a run with their floors; nothing if it has none."""
    slices = pick_slices(record, limit)
    if not slices:
        return []
    rows = [
        line(*map(Markdown, ("slice", "cases", "score", "95 % range", "needs", "verdict"))),
        _ruler("lrrrrl"),
    ]
    rows += [
        line(
            markdown_code(tag, 80),
            Markdown(figures.part(part.scored, part.cases)),
            Markdown(figures.score(part.score, part.floor)),
            Markdown(figures.interval(part.ci95)),
            Markdown("" if part.floor is None else f"{part.floor:g}"),
            Markdown(part.verdict or "not judged"),
        )
        for tag, part in slices
    ]
    return rows


def case_table(views: Sequence[CaseView], *, outputs: bool) -> list[Markdown]:
    """Cases with what was asked, expected and answered, or with their ids and scores alone; nothing if there are none."""
    if not views:
        return []
    names = ["case", "score", *(["input", "expected", "got", "why"] if outputs else [])]
    rows = [line(*map(Markdown, names)), _ruler("lr" + "llll" * outputs)]
    rows += [line(*_case(view)[: len(names)]) for view in views]
    return rows


def _case(view: CaseView) -> list[Markdown]:
    texts = [f"{name}: {value.text[:400]}" for name, value in view.inputs]
    if len(view.inputs) == 1:
        texts = [view.inputs[0][1].text[:400]]
    return [
        markdown_code(view.id, 80),
        Markdown(figures.score(view.score)),
        markdown_code("; ".join(texts), 200),
        markdown_code(view.expected.text if view.expected else "", 120),
        markdown_code(view.answer.text, 120),
        markdown_code(view.why, 200),
    ]


def _ruler(sides: str) -> Markdown:
    return Markdown("|" + "".join(":--|" if side == "l" else "--:|" for side in sides))
