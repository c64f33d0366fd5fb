"""What the HTML page shows, as plain texts in the order of the page: all decisions, no markup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evalkit.report import figures, wording
from evalkit.report.diff import word_diff
from evalkit.report.neutral import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.evals.record import RunRecord, SliceRecord
    from evalkit.report.cases import CaseView, Clipped
    from evalkit.report.diff import Segments

__all__ = [
    "Bar",
    "CaseRow",
    "Entry",
    "SliceRow",
    "Tile",
    "case_row",
    "details",
    "run_bar",
    "slice_row",
    "tiles",
]

_EXCERPT: Final = 90


@dataclass(frozen=True, slots=True)
class Bar:
    """A score from 0 to 1 as positions for SVG: `62.70%`. Empty texts draw nothing."""

    tone: str
    """The verdict's name, or `none`."""
    score: str
    interval_start: str
    interval_width: str
    threshold: str


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of the run."""

    label: str
    value: str
    small: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One slice."""

    tag: str
    cases: str
    small: str
    score: str
    bar: Bar
    interval: str
    floor: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One labelled text of a case: `pieces` with what they are (`""`, `want` and `have` where two texts differ)."""

    name: str
    pieces: list[tuple[str, str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case and repeat: the line that is always seen, and what opens below it."""

    outcome: str
    index: int
    latency_ms: float
    tags: str
    """Numbers of its tags in the page's list."""
    id: str
    mark: str
    score: str
    expected: str
    answer: str
    latency: str
    texts: list[Entry]
    remarks: list[Entry]


def run_bar(record: RunRecord) -> Bar:
    """The run's score, interval and threshold."""
    tone = "none" if record.shard else record.verdict
    return _bar(tone, record.score, record.ci95, wording.threshold(record))


def _bar(tone: str, score: float | None, ci95: tuple[float, float] | None, threshold: float | None) -> Bar:
    low, high = ci95 or (0.0, 0.0)
    return Bar(
        tone=tone,
        score="" if score is None else _percent(score),
        interval_start="" if ci95 is None else _percent(low),
        interval_width=_percent(high - low),
        threshold="" if threshold is None else _percent(threshold),
    )


def _percent(value: float) -> str:
    return f"{min(1.0, max(0.0, value)) * 100:.2f}%"


def tiles(record: RunRecord) -> list[Tile]:
    """The figures under the verdict."""
    repeats = f", {record.repeats} repeats" if record.repeats > 1 else ""
    return [
        Tile("Cases scored", figures.count(record.scored), f"of {figures.count(record.cases)}{repeats}"),
        Tile("Not measured", figures.count(record.errors), tone="alert" if record.errors else ""),
        Tile(
            "Latency p50",
            figures.latency(record.latency_ms.get("p50")),
            f"p95 {figures.latency(record.latency_ms.get('p95'))}",
        ),
        Tile(
            "Tokens in",
            figures.count(record.tokens.get("in")),
            f"out {figures.count(record.tokens.get('out'))}",
        ),
        Tile("Cost", figures.usd(record.cost_usd)),
        Tile("From the cache", figures.count(record.cached), "answers"),
    ]


def slice_row(tag: str, part: SliceRecord) -> SliceRow:
    """One line of the table of slices."""
    return SliceRow(
        tag=tag,
        cases=figures.count(part.cases),
        small="" if part.scored == part.cases else f" ({figures.count(part.scored)} scored)",
        score=figures.score(part.score, part.floor),
        bar=_bar(part.verdict or "none", part.score, part.ci95, part.floor),
        interval=figures.interval(part.ci95),
        floor="" if part.floor is None else f"{part.floor:g}",
        verdict=part.verdict or "",
    )


def case_row(view: CaseView, *, tags: str, has_repeats: bool) -> CaseRow:
    """One case; `tags` are the numbers that the page's filter knows its tags by."""
    marks = [f"repeat {view.repeat + 1}"] if has_repeats else []
    marks += ["must pass"] if view.must_pass else []
    return CaseRow(
        outcome=view.outcome,
        index=view.index,
        latency_ms=-1 if view.latency_ms is None else round(view.latency_ms, 1),
        tags=tags,
        id=one_line(view.id, _EXCERPT),
        mark=", ".join(marks),
        score=figures.score(view.score),
        expected=one_line(view.expected.text, _EXCERPT) if view.expected else "",
        answer=one_line(view.answer.text, _EXCERPT) or view.error_type,
        latency=figures.latency(view.latency_ms),
        texts=list(_texts(view)),
        remarks=list(_remarks(view)),
    )


def _texts(view: CaseView) -> Iterator[Entry]:
    want: Segments | None = None
    have: Segments | None = None
    answer = view.got or view.output
    if view.outcome == "failed" and view.expected and answer:
        want, have = word_diff(view.expected.text, answer.text) or (None, None)
    for name, value in view.inputs:
        yield _text(name, value)
    if view.expected is not None:
        yield _text("expected", view.expected, want, "want")
    if view.got is not None:
        yield _text("got", view.got, have, "have")
    if view.output is not None and view.output != view.got:
        yield _text("output", view.output, None if view.got else have, "have")
    if view.tool_calls is not None:
        yield _text("tool calls", view.tool_calls)


def _text(name: str, value: Clipped, segments: Segments | None = None, kind: str = "") -> Entry:
    note = f"{figures.count(value.left_out)} more characters are in samples.jsonl." if value.left_out else ""
    if segments is None:
        return Entry(name, [(value.text, "")], note)
    return Entry(name, [(piece, kind if differs else "") for piece, differs in segments], note)


def _remarks(view: CaseView) -> Iterator[Entry]:
    if view.error_type:
        message = f": {view.error_message}" if view.error_message else ""
        yield Entry(
            "failure" if view.error_kind == "candidate" else "error", [(view.error_type + message, "")]
        )
    for label, value, reason in view.scores:
        yield Entry(label, [(f"{figures.score(value)}{': ' if reason else ''}{reason}", "")])
    if not view.extracted:
        yield Entry("unread", [("Nothing could be read from the answer.", "")])
    yield Entry("about", [(" · ".join(_about(view)), "")])


def _about(view: CaseView) -> Iterator[str]:
    yield from view.tags
    if view.latency_ms is not None:
        yield figures.latency(view.latency_ms)
    tokens_in, tokens_out = view.tokens
    if tokens_in is not None or tokens_out is not None:
        yield f"{figures.count(tokens_in)} tokens in, {figures.count(tokens_out)} out"
    if view.cost_usd is not None:
        yield figures.usd(view.cost_usd)
    if view.cached:
        yield "from the cache"
    if view.served_model:
        yield view.served_model
    if view.location:
        yield view.location


def details(record: RunRecord) -> list[tuple[str, str]]:
    """The small print at the end."""
    rows = [
        ("run", record.run_id),
        ("started", record.started_at),
        ("served by", ", ".join(record.served_models)),
    ]
    rows += [(name, figures.score(value)) for name, value in record.metrics.items()]
    rows += [
        ("source", dict(wording.facts(record))["source"]),
        ("generation", record.generation_digest),
        ("suite", record.suite_digest),
        ("measurement", record.measurement_digest),
        ("evalkit", record.evalkit_version),
    ]
    return [(name, value) for name, value in rows if value]
