"""The run as Markdown: a workflow's step summary, the comment on a pull request, `summary.md`.

Foreign text is literal prose or a code span (`neutral`); no output can end a table, mention a person, load an image
or hide a comment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from evalkit.report import figures, wording
from evalkit.report.neutral import Markdown, markdown, markdown_code
from evalkit.report.slices import pick_slices
from evalkit.report.templates import markdown_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evalkit.evals.record import RunRecord, SliceRecord
    from evalkit.report.cases import CaseList, CaseView

__all__ = ["COMMENT_BYTES", "SUMMARY_BYTES", "summary"]

COMMENT_BYTES: Final = 60_000
"""GitHub refuses bodies over 65,536 characters, and counts some of them more than once."""
SUMMARY_BYTES: Final = 1024 * 1024
"""GitHub drops a step's whole summary above 1 MiB."""

_ICONS: Final = {"pass": "✅", "fail": "❌", "inconclusive": "⚠️"}
_LIMITS: Final = (2000, 500, 200, 100, 50, 20, 10, 5, 2, 1, 0)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Rows(Generic[T]):
    """The first rows, and how many more there are."""

    shown: list[T]
    more: int


@dataclass(frozen=True, slots=True)
class _Table:
    title: Markdown
    header: Markdown
    ruler: Markdown
    rows: _Rows[Markdown]
    is_folded: bool


def summary(
    record: RunRecord, cases: CaseList, *, outputs: bool = True, max_bytes: int = SUMMARY_BYTES
) -> str:
    """The verdict in a sentence, why, slices, worst cases, figures, and what to do next.

    `outputs=False` shows the cases' ids and scores only. The text is at most `max_bytes` of UTF-8: every list is
    cut after the same number of rows, the largest that fits, and says how many more there are.
    """
    template = markdown_environment().get_template("summary.md.j2")
    shown = cases if outputs else cases.redacted()
    for limit in _LIMITS:
        rendered = template.render(_context(record, shown, outputs=outputs, limit=limit))
        text = re.sub(r"\n{3,}", "\n\n", rendered).strip() + "\n"
        if len(text.encode()) <= max_bytes:
            return text
    return f"{_icon(record)} {wording.verdict_word(record)}\n"


def _context(record: RunRecord, cases: CaseList, *, outputs: bool, limit: int) -> dict[str, object]:
    return {
        "icon": _icon(record),
        "headline": _sentence(wording.headline(record)),
        "scoring": wording.scoring(record).capitalize(),
        "reasons": _rows([*record.reasons, *record.shadow], limit, markdown),
        "tables": list(_tables(record, cases, outputs=outputs, limit=limit)),
        "steps": [_sentence(step) for step in wording.next_steps(record)],
        "run_id": markdown_code(record.run_id),
        "generation": markdown_code(record.generation_digest),
        "suite": markdown_code(record.suite_digest),
        "measurement": markdown_code(record.measurement_digest),
        "version": markdown_code(f"evalkit {record.evalkit_version}"),
    }


def _tables(record: RunRecord, cases: CaseList, *, outputs: bool, limit: int) -> Iterable[_Table]:
    slices = pick_slices(record, limit)
    yield _table(
        "Slices",
        [
            ("slice", "l"),
            ("cases", "r"),
            ("score", "r"),
            ("95 % interval", "r"),
            ("floor", "r"),
            ("verdict", "l"),
        ],
        _Rows([_line(_slice_cells(tag, part)) for tag, part in slices], len(record.slices) - len(slices)),
    )
    columns = [("case", "l"), ("score", "r")]
    columns += [("input", "l"), ("expected", "l"), ("got", "l"), ("why", "l")] if outputs else []
    for title, views, total in (
        ("Worst cases: {} of {} below full score", cases.worst, cases.counts.get("failed", 0)),
        ("Not measured: {} of {}", cases.unscored, cases.counts.get("error", 0)),
    ):
        rows = _rows(views, limit, lambda view: _line(_case_cells(view)[: len(columns)]))
        yield _table(title.format(len(rows.shown), figures.count(total)), columns, rows, is_folded=True)
    facts = wording.facts(record)
    notes = [("note", note) for note in record.notes[:limit]]
    rows = _Rows(
        [_line([markdown(cell) for cell in row]) for row in facts + notes], len(record.notes) - len(notes)
    )
    yield _table("Run", [("", "l"), ("", "l")], rows)


def _table(
    title: str, columns: Sequence[tuple[str, str]], rows: _Rows[Markdown], *, is_folded: bool = False
) -> _Table:
    return _Table(
        title=Markdown(title),
        header=_line([Markdown(name) for name, _ in columns]),
        ruler=Markdown("|" + "".join(":--|" if side == "l" else "--:|" for _, side in columns)),
        rows=rows,
        is_folded=is_folded,
    )


def _rows(items: Sequence[T], limit: int, render: Callable[[T], Markdown]) -> _Rows[Markdown]:
    return _Rows([render(item) for item in items[:limit]], max(0, len(items) - limit))


def _line(cells: Iterable[Markdown]) -> Markdown:
    return Markdown("| " + " | ".join(cells) + " |")


def _slice_cells(tag: str, part: SliceRecord) -> list[Markdown]:
    return [
        markdown_code(tag, 80),
        Markdown(figures.part(part.scored, part.cases)),
        Markdown(figures.score(part.score, part.floor)),
        Markdown(figures.interval(part.ci95)),
        Markdown("" if part.floor is None else f"{part.floor:g}"),
        Markdown(part.verdict or ""),
    ]


def _case_cells(view: CaseView) -> list[Markdown]:
    inputs = "; ".join(
        value.text[:400] if len(view.inputs) == 1 else f"{name}: {value.text[:400]}"
        for name, value in view.inputs
    )
    return [
        markdown_code(view.id, 80),
        Markdown(figures.score(view.score)),
        markdown_code(inputs, 200),
        markdown_code(view.expected.text if view.expected else "", 120),
        markdown_code(view.answer.text, 120),
        markdown_code(view.why, 200),
    ]


def _icon(record: RunRecord) -> Markdown:
    return Markdown("🧩" if record.shard else _ICONS[record.verdict])


def _sentence(sentence: str) -> Markdown:
    """A sentence of `wording`, its names and commands as code."""
    return Markdown("".join(_phrase(text, is_code=is_code) for text, is_code in wording.phrases(sentence)))


def _phrase(text: str, *, is_code: bool) -> str:
    if is_code:
        return markdown_code(text)
    before, after = " " * text.startswith(" "), " " * text.endswith(" ")
    return f"{before}{markdown(text)}{after}"
