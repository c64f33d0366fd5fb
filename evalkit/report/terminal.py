"""The table at the end of a run, for people at a terminal and readers of a CI log.

Foreign text reaches rich only inside `Text`, so none of it is read as console markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evalkit.report import figures, neutral, wording
from evalkit.report.slices import pick_slices

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from rich.console import RenderableType

    from evalkit.evals.record import RunRecord
    from evalkit.report.cases import CaseList, CaseView

__all__ = ["open_console", "print_report"]

_COLOURS: Final = {"pass": "green", "fail": "red", "inconclusive": "yellow", None: "default"}
_MAX_SLICES: Final = 30


def open_console(stream: TextIO) -> Console:
    """A console on this stream: as wide as the terminal (80 elsewhere), in colour on a terminal unless NO_COLOR."""
    return Console(file=stream, markup=False, highlight=False, emoji=False, soft_wrap=False)


def print_report(
    console: Console,
    record: RunRecord,
    cases: CaseList,
    *,
    outputs: bool = True,
    worst: int = 5,
    report_path: str | None = None,
    in_actions: bool = False,
) -> None:
    """Print verdict, reasons, slices, worst cases and figures.

    `outputs=False` shows case ids and scores, and no text of any case. `in_actions` keeps foreign text from being
    a workflow command. Only what the stream's encoding can carry is written.
    """
    shown = cases if outputs else cases.redacted()
    with console.capture() as capture:
        console.print(Group(*_parts(record, shown, worst=worst, report_path=report_path)))
    text = "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())
    if in_actions:
        text = neutral.actions_log(text)
    console.file.write(neutral.encodable(text, console.encoding))
    console.file.flush()


def _parts(
    record: RunRecord, cases: CaseList, *, worst: int, report_path: str | None
) -> Iterable[RenderableType]:
    yield _headline(record)
    yield _bullets([*record.reasons, *record.shadow])
    if record.slices:
        yield _title("Slices")
        yield _slices(record)
    if cases.worst and worst:
        count = cases.counts.get("failed", 0)
        yield _title(
            f"Worst cases ({min(worst, len(cases.worst))} of {figures.count(count)} below full score)"
        )
        yield from (_case(view) for view in cases.worst[:worst])
    if cases.unscored and worst:
        count = cases.counts.get("error", 0)
        yield _title(f"Not measured ({min(worst, len(cases.unscored))} of {figures.count(count)})")
        yield from (_case(view) for view in cases.unscored[:worst])
    yield _title("Run")
    yield _facts(record)
    if report_path:
        # A path is there to be copied: it is never cut, however narrow the terminal.
        line = Text.assemble(
            ("  report".ljust(14), "dim"), _foreign(report_path), no_wrap=True, overflow="ignore"
        )
        yield line


def _foreign(text: str, style: str = "", limit: int = 2_000) -> Text:
    return Text(neutral.terminal(text, limit), style=style)


def _title(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _headline(record: RunRecord) -> Text:
    colour = _COLOURS[None if record.shard else record.verdict]
    line = Text.assemble((f" {wording.verdict_word(record)} ", f"bold reverse {colour}"), " ")
    line.append_text(_foreign("".join(text for text, _ in wording.phrases(wording.headline(record))), "bold"))
    return Text("\n").join([line, _foreign(wording.scoring(record))])


def _bullets(texts: Iterable[str]) -> Table:
    """A hanging indent, so that long reasons wrap under themselves."""
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=2, justify="right")
    grid.add_column(ratio=1)
    for text in texts:
        grid.add_row("-", _foreign(text))
    return grid


def _slices(record: RunRecord) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("slice", no_wrap=True, overflow="ellipsis", min_width=8, max_width=40)
    for name in ("cases", "score", "95 % interval", "floor"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    picked = pick_slices(record, _MAX_SLICES)
    for tag, part in picked:
        table.add_row(
            _foreign(tag, limit=200),
            figures.part(part.scored, part.cases),
            figures.score(part.score, part.floor),
            figures.interval(part.ci95),
            "" if part.floor is None else f"{part.floor:g}",
            Text(part.verdict or "", style=_COLOURS[part.verdict]),
        )
    padded = Padding(table, (0, 0, 0, 2))
    left_out = len(record.slices) - len(picked)
    return Group(padded, Text(f"  ... {left_out} more in the report", style="dim")) if left_out else padded


def _case(view: CaseView) -> RenderableType:
    heading = Text("  ", no_wrap=True, overflow="ellipsis")
    heading.append(figures.score(view.score), style="yellow" if view.outcome == "error" else "red")
    heading.append("  ")
    heading.append_text(_foreign(view.id, "bold", 200))
    for mark in _marks(view):
        heading.append("  ")
        heading.append_text(_foreign(mark, "dim", 200))
    lines = [(name, text) for name, text in _case_lines(view) if text]
    if not lines:
        return heading
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=17, style="dim")
    grid.add_column(ratio=1)
    for name, text in lines:
        cell = _foreign(text, limit=400)
        cell.no_wrap, cell.overflow = name != "why", "ellipsis"
        grid.add_row(f"         {name}", cell)
    return Group(heading, grid)


def _marks(view: CaseView) -> Iterable[str]:
    if view.must_pass:
        yield "must pass"
    yield from view.tags
    if view.location:
        yield view.location


def _case_lines(view: CaseView) -> Iterable[tuple[str, str]]:
    if len(view.inputs) == 1:
        yield "input", view.inputs[0][1].text
    else:
        yield "input", ", ".join(f"{name}: {value.text[:400]}" for name, value in view.inputs)
    if view.expected is not None:
        yield "expected", view.expected.text
    if view.outcome != "error":
        yield "got", view.answer.text
    yield "why", view.why


def _facts(record: RunRecord) -> Table:
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=13, style="dim")
    grid.add_column(ratio=1)
    rows = wording.facts(record)
    rows += [("note", note) for note in record.notes]
    for label, text in rows:
        grid.add_row(f"  {label}", _foreign(text))
    return grid
