"""The body of a promotion pull request: what a reviewer who never saw evalkit needs to decide.

The texts of prompts, cases, models and people are foreign: each expression of the template is literal prose, a code span
or a fenced block (`neutral`, `fences`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from evalkit.report import figures
from evalkit.report.changes import differences_blocks, serving_rows, undo_block
from evalkit.report.markdown import COMMENT_BYTES
from evalkit.report.neutral import Markdown, markdown, markdown_code
from evalkit.report.tables import case_table, code_in_html, line, slice_table
from evalkit.report.templates import markdown_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.evals.evidence import EvidenceRun
    from evalkit.evals.record import RunRecord
    from evalkit.promote.facts import SuiteVerdict
    from evalkit.promote.plan import Plan
    from evalkit.registry.differences import Difference
    from evalkit.report.cases import CaseList

__all__ = ["Measured", "Promotion", "RunPlace", "promotion_body"]

_LIMITS: Final = (200, 100, 50, 20, 10, 5, 2, 0)
"""Rows of each list and lines of each diff: the largest number with which the body fits is taken."""
_URL: Final = re.compile(r"https?://[A-Za-z0-9.:-]+/[A-Za-z0-9._~/-]*")


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where one counted run can be looked at."""

    run_id: str
    created: str
    """UTC, ISO 8601."""
    url: str | None = None
    """Of the workflow run."""
    artifact: str | None = None
    artifact_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured with one required suite."""

    verdict: SuiteVerdict
    min_score: float | None
    """What the gate asks of the score; None if it asks nothing of it."""
    lower_required: float | None
    """What it asks of the lower end of the likely range."""
    path: str
    """Of the evidence file in the project."""
    suite_digest: str = ""
    measurement_digest: str = ""
    runs: tuple[EvidenceRun, ...] = ()
    """That count, oldest first."""
    serving: tuple[EvidenceRun, ...] = ()
    """The same suite on what serves now, oldest first."""
    places: tuple[RunPlace, ...] = ()
    record: RunRecord | None = None
    """Of the newest run, from its artifact; None if that is gone."""
    cases: CaseList | None = None
    """Its cases, from the same artifact."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """Everything that the body says."""

    plan: Plan
    entry: str
    """`order-extract@v3`."""
    stage: str
    """`staging` or `production`."""
    replaces: int | None
    """The version that serves there now; None for the first one."""
    differences: tuple[Difference, ...] = ()
    """Between the config of that version and the new one."""
    measured: tuple[Measured, ...] = ()
    digest: str = ""
    """The generation digest."""
    approvals: int = 1
    authors: tuple[str, ...] = ()
    """Who wrote the version; they may not approve it."""
    files: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What is committed: each path, and what changes in it in words."""
    stamps: tuple[str, ...] = ()
    """Approvals of earlier promotions that are recorded along with this one, in words."""
    outputs: bool = False
    """Whether inputs and outputs of cases may be shown."""
    needs_click: bool = False
    """Whether checks wait for a person, since the pull request was opened with GITHUB_TOKEN."""
    notes: tuple[str, ...] = field(default=())
    """Sentences to add below the verdict, such as `no canary: first release`."""


def promotion_body(promotion: Promotion, *, max_bytes: int = COMMENT_BYTES) -> str:
    """The body below the hidden marker, at most `max_bytes` of UTF-8.

    Where it would be longer, all lists are cut after the same number of rows, and say how many more there are; verdict,
    approval, rollback and the place of the evidence are always there.
    """
    template = markdown_environment().get_template("promotion.md.j2")
    text = ""
    for limit in _LIMITS:
        rendered = template.render(_context(promotion, limit))
        text = re.sub(r"\n{3,}", "\n\n", rendered).strip() + "\n"
        if len(text.encode()) <= max_bytes:
            return text
    return _cut(text, max_bytes)


def _cut(text: str, max_bytes: int) -> str:
    """Whole sections from the top, for as long as they fit."""
    note = "\nMore is in the files of this pull request: the rest of this text was too long for a body.\n"
    kept = ""
    for section in re.split(r"(?m)^(?=### )", text):
        if len((kept + section + note).encode()) > max_bytes:
            return kept + note
        kept += section
    return kept


def _context(promotion: Promotion, limit: int) -> dict[str, object]:
    plan, measured = promotion.plan, promotion.measured
    newest = [one for one in measured if one.record is not None]
    return {
        "verdict": Markdown("; ".join(_sentence(promotion.entry, one) for one in measured)),
        "entry": markdown_code(promotion.entry),
        "stage": promotion.stage,
        "is_first": promotion.replaces is None,
        "replaces": Markdown(f"v{promotion.replaces}"),
        "notes": [markdown(note) for note in promotion.notes],
        "warnings": [markdown(warning) for warning in plan.warnings],
        "replaced": [
            markdown(text) for one in plan.sections if one.title == "What it replaces" for text in one.lines
        ],
        "serving": serving_rows(plan.shifts),
        "differences": differences_blocks(promotion.differences, limit),
        "scores": [_score_row(one) for one in measured],
        "reasons": [(markdown_code(one.verdict.suite), one.verdict.reasons[:5]) for one in measured],
        "compared": [row for one in measured if (row := _compared(one, limit)) is not None],
        "slices": [
            (code_in_html(one.verdict.suite), slice_table(one.record, limit)) for one in newest if one.record
        ],
        "cases": [_cases(one, promotion, limit) for one in newest],
        "shows_outputs": promotion.outputs,
        "figures": [row for one in measured for row in _figures(promotion, one)],
        "approvals": promotion.approvals,
        "authors": [markdown(author) for author in promotion.authors[:20]],
        "stamps": [markdown(stamp) for stamp in promotion.stamps],
        "needs_click": promotion.needs_click,
        "undo": undo_block(plan.undo),
        "files": [
            (markdown_code(path), [markdown_code(one) for one in said]) for path, said in promotion.files
        ],
        "evidence": [_evidence(one, limit) for one in measured],
        "digest": markdown_code(promotion.digest),
    }


def _sentence(entry: str, one: Measured) -> str:
    """`order-extract@v3` passed `order-extract-eval@v1`: 0.912 (95 % 0.84 to 0.95), needs 0.90 within its slack."""
    found = one.verdict
    what = {"pass": "passed", "fail": "failed"}.get(found.verdict, "is not decided on")
    return f"{markdown_code(entry)} {what} {markdown_code(found.suite)}" + (
        f": {_score(one)}" if found.score is not None else ""
    )


def _score(one: Measured) -> str:
    found = one.verdict
    text = figures.score(found.score, one.min_score)
    if found.lower is not None and found.upper is not None:
        text += f" (95 % {found.lower:.2f} to {found.upper:.2f})"
    if one.min_score is None:
        return text
    return f"{text}, needs {_needed(one.min_score)}" + (
        " within its slack" if one.lower_required is not None and one.lower_required < one.min_score else ""
    )


def _needed(value: float) -> str:
    """Two decimals at least, and none that the gate does not have: `0.90`, `0.925`."""
    return f"{value:.2f}" if round(value, 2) == value else f"{value:g}"


def _score_row(one: Measured) -> Markdown:
    found = one.verdict
    needs = "" if one.min_score is None else _needed(one.min_score)
    if one.min_score is not None and one.lower_required is not None:
        needs += f", lower end {_needed(round(one.lower_required, 4))}"
    counted = one.runs[-1] if one.runs else None
    return line(
        markdown_code(found.suite, 80),
        Markdown({"pass": "✅ pass", "fail": "❌ fail"}.get(found.verdict, f"⚠️ {found.verdict}")),
        Markdown(figures.score(found.score, one.min_score)),
        Markdown(
            "" if found.lower is None or found.upper is None else f"{found.lower:.3f} to {found.upper:.3f}"
        ),
        Markdown(needs),
        Markdown(figures.part(counted.scored, counted.cases) if counted else ""),
        Markdown(figures.count(found.runs)),
    )


def _compared(one: Measured, limit: int) -> dict[str, Any] | None:
    """The run's own comparison with what served when it ran, where it has one."""
    baseline = one.record.baseline if one.record else None
    if not baseline:
        return None
    worse, better = (list(baseline.get(key) or ()) for key in ("worse", "better"))
    difference, low, high = (baseline.get(key) for key in ("difference", "low", "high"))
    around = "" if low is None or high is None else f" (95 % {low:+.3f} to {high:+.3f})"
    return {
        "suite": markdown_code(one.verdict.suite),
        "with": markdown_code(f"{baseline.get('entry')}@v{baseline.get('version')}"),
        "score": Markdown(figures.score(baseline.get("score"))),
        "difference": Markdown("" if difference is None else f"{difference:+.3f}{around}"),
        "better": figures.count(len(better)),
        "worse": figures.count(len(worse)),
        "worse_ids": [markdown_code(str(case), 80) for case in worse[: min(limit, 20)]],
        "more": figures.count(max(0, len(worse) - min(limit, 20))),
    }


def _cases(one: Measured, promotion: Promotion, limit: int) -> dict[str, Any]:
    cases = one.cases
    views = [] if cases is None else (cases if promotion.outputs else cases.redacted()).worst
    total = one.record.scored if one.record else 0
    return {
        "suite": markdown_code(one.verdict.suite),
        "table": case_table(views[: min(limit, 10)], outputs=promotion.outputs),
        "shown": min(len(views), limit, 10),
        "wrong": figures.count(cases.counts.get("failed", 0) if cases else 0),
        "all": figures.count(total),
    }


def _figures(promotion: Promotion, one: Measured) -> Iterator[Markdown]:
    sides = [(promotion.entry, one.runs)]
    if promotion.replaces is not None:
        name = promotion.entry.partition("@")[0]
        sides.append((f"{name}@v{promotion.replaces}", one.serving))
    for ref, runs in sides:
        newest = runs[-1] if runs else None
        if newest is None:
            yield line(
                markdown_code(one.verdict.suite, 80), markdown_code(ref, 80), *[Markdown(figures.MISSING)] * 5
            )
            continue
        asked = newest.scored * newest.repeats
        cost = None if newest.cost_usd is None or not asked else 1000 * newest.cost_usd / asked
        used = [newest.tokens.get(key) for key in ("in", "out")]
        each = [figures.MISSING if some is None or not asked else f"{some / asked:,.0f}" for some in used]
        yield line(
            markdown_code(one.verdict.suite, 80),
            markdown_code(ref, 80),
            Markdown(figures.usd(cost)),
            *(Markdown(text) for text in each),
            Markdown(figures.latency(newest.latency_ms.get("p50"))),
            Markdown(figures.latency(newest.latency_ms.get("p95"))),
        )


def _evidence(one: Measured, limit: int) -> dict[str, Any]:
    shown = one.places[-max(1, min(limit, 20)) :]
    return {
        "path": markdown_code(one.path),
        "runs": [_place(place) for place in shown],
        "more": figures.count(len(one.places) - len(shown)),
        "suite": markdown_code(one.verdict.suite),
        "suite_digest": markdown_code(one.suite_digest),
        "measurement": markdown_code(one.measurement_digest),
    }


def _place(place: RunPlace) -> Markdown:
    link = f"[workflow run]({place.url})" if place.url and _URL.fullmatch(place.url) else ""
    return line(
        markdown_code(place.run_id, 80),
        markdown(place.created),
        Markdown(link or "not attested"),
        markdown_code(place.artifact or "", 120),
        markdown_code((place.artifact_digest or "")[:19] + "…" if place.artifact_digest else ""),
    )
