"""The evaluations that are needed, for people, for scripts, and for the matrix of a workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from evalkit.report.figures import usd
from evalkit.report.neutral import Markdown, markdown, markdown_code, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from evalkit.promote.needs import Evaluation, Left, Needs

__all__ = ["matrices", "needs_data", "needs_markdown", "needs_text"]

_COLUMNS: Final = ("entry", "suite", "cases", "parts", "provider", "cost, about")
_RIGHT: Final = {2, 3, 5}
_MAX_REASON: Final = 500
NOTHING: Final = "No evaluation is needed."


def needs_text(needs: Needs) -> str:
    """For a terminal; ends with a line feed. Foreign text in it is harmless."""
    return "\n".join(_lines(needs)) + "\n"


def _lines(needs: Needs) -> Iterator[str]:
    yield _headline(needs)
    if needs.evaluations:
        rows = [_COLUMNS, *(_cells(one) for one in needs.evaluations)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
        yield ""
        for row in rows:
            cells = (
                cell.rjust(width) if column in _RIGHT else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            yield f"  {'  '.join(cells)}".rstrip()
    for title, listed in _titled(needs):
        yield from ("", title)
        for one in listed:
            yield f"  {_name(one)}"
            yield f"    {one_line(one.reason, _MAX_REASON)}"


def needs_markdown(needs: Needs) -> str:
    """For the summary of a step."""
    lines = [f"### {_headline(needs)}"]
    if needs.evaluations:
        rulers = ("--:" if column in _RIGHT else ":--" for column in range(len(_COLUMNS)))
        lines += ["", _row(map(Markdown, _COLUMNS)), _row(map(Markdown, rulers))]
        lines += [_row(map(markdown_code, _cells(one))) for one in needs.evaluations]
    for title, listed in _titled(needs):
        lines += ["", f"#### {title}", ""]
        lines += [f"- {markdown_code(_name(one))}: {markdown(one.reason)}" for one in listed]
    return "\n".join(lines) + "\n"


def needs_data(needs: Needs) -> dict[str, Any]:
    """Plain data; `include` and `merges` are the matrices of the jobs that evaluate and merge."""
    return {
        "schema_version": 1,
        "evaluations": [
            {
                "key": one.question.key,
                "entry": str(one.question.entry),
                "suite": str(one.question.suite),
                "generation_digest": one.question.generation_digest,
                "measurement_digest": one.question.measurement_digest,
                "cases": one.question.cases,
                "repeats": one.question.repeats,
                "shards": one.shards,
                "provider": one.question.provider,
                "estimated_cost_usd": one.question.estimated_cost_usd,
            }
            for one in needs.evaluations
        ],
        "after_merge": [_left(one) for one in needs.after_merge],
        "left_out": [_left(one) for one in needs.left_out],
        "shard_size": needs.shard_size,
        **matrices(needs),
    }


def matrices(needs: Needs) -> dict[str, list[dict[str, Any]]]:
    """`include`: a job a part; `merges`: a job an evaluation."""
    named = [
        (
            {"key": one.question.key, "entry": str(one.question.entry), "suite": str(one.question.suite)},
            one.shards,
        )
        for one in needs.evaluations
    ]
    return {
        "include": [
            {**name, "shard": shard, "shards": shards}
            for name, shards in named
            for shard in range(1, shards + 1)
        ],
        "merges": [{**name, "shards": shards} for name, shards in named],
    }


def _headline(needs: Needs) -> str:
    if not needs.evaluations:
        return NOTHING
    count, jobs = len(needs.evaluations), needs.jobs
    what = "1 evaluation is needed" if count == 1 else f"{count:,} evaluations are needed"
    parts = "1 part" if jobs == 1 else f"{jobs:,} parts"
    costs = [one.question.estimated_cost_usd for one in needs.evaluations]
    known = [cost for cost in costs if cost is not None]
    cost = ""
    if known:
        aside = "baselines aside" if len(known) == len(costs) else "baselines and unknown prices aside"
        cost = f" Cost: about {usd(sum(known))}, {aside}."
    return f"{what}, in {parts} of at most {needs.shard_size:,} answers.{cost}"


def _cells(one: Evaluation) -> tuple[str, ...]:
    question = one.question
    cases = f"{question.cases:,}" + (f" x {question.repeats}" if question.repeats > 1 else "")
    cost = question.estimated_cost_usd
    return (
        str(question.entry),
        str(question.suite),
        cases,
        f"{one.shards:,}",
        question.provider,
        "not known" if cost is None else usd(cost),
    )


def _titled(needs: Needs) -> Iterator[tuple[str, Sequence[Left]]]:
    for title, listed in (("After the merge", needs.after_merge), ("Not evaluated", needs.left_out)):
        if listed:
            yield title, listed


def _name(one: Left) -> str:
    return one.entry if one.suite is None else f"{one.entry} on {one.suite}"


def _left(one: Left) -> dict[str, str | None]:
    return {"entry": one.entry, "suite": one.suite, "reason": one.reason}


def _row(cells: Iterable[Markdown]) -> str:
    return f"| {' | '.join(cells)} |"
