"""The run as one self-contained HTML page: nothing is fetched, and nothing in it but our own script can run.

Everything is rendered as rows, so the page is whole without JavaScript; the script only filters, searches and sorts
what is there. The page's content security policy allows exactly our style and our script, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from evalkit.report import figures, neutral, page, wording
from evalkit.report.cases import TEXT_LIMIT
from evalkit.report.slices import pick_slices
from evalkit.report.templates import asset, html_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.evals.record import RunRecord
    from evalkit.report.cases import CaseList, CaseView

__all__ = ["html_report"]

_TEXT_BYTES: Final = 2_500_000
"""For the texts of all cases: with 2,000 rows around them the page stays below 5 MB."""
_TEXT_LIMITS: Final = (TEXT_LIMIT, 8_000, 3_000, 1_200, 500, 200, 80)
_MAX_SLICES: Final = 500


def html_report(record: RunRecord, cases: CaseList, *, outputs: bool = True) -> Iterator[str]:
    """The page in pieces. `outputs=False` leaves out every text of a case."""
    shown = cases if outputs else cases.redacted()
    script, style = asset("report.js").strip(), asset("report.css").strip()
    policy = f"script-src {_source(script)}; style-src {_source(style)}; base-uri 'none'; form-action 'none'"
    word, bar, facts = wording.verdict_word(record), page.run_bar(record), dict(wording.facts(record))
    slices = pick_slices(record, _MAX_SLICES)
    tags = {
        tag: number for number, tag in enumerate(sorted({tag for view in shown.listed for tag in view.tags}))
    }
    yield from (
        html_environment()
        .get_template("report.html.j2")
        .generate(
            record=record,
            policy=f"default-src 'none'; {policy}",
            script=Markup(script),  # noqa: S704 - our own file
            style=Markup(style),  # noqa: S704 - our own file
            title=f"{word}: {record.entry}@v{record.version} on {record.suite}",
            word=word,
            bar=bar,
            score=figures.score(record.score, wording.threshold(record)),
            score_notes=_score_notes(record),
            metrics=facts.get("metrics"),
            tiles=page.tiles(record),
            remarks=[facts[name] for name in ("baseline", "failures", "unread") if name in facts]
            + record.notes,
            slices=[page.slice_row(tag, part) for tag, part in slices],
            slices_note=_more(len(record.slices) - len(slices), "slices are in run.json"),
            choices=_choices(shown.listed),
            tags=[neutral.one_line(tag, 60) for tag in tags],
            cases_note=_cases_note(shown, outputs=outputs),
            outputs=outputs,
            rows=(
                page.case_row(
                    view, tags=" ".join(str(tags[tag]) for tag in view.tags), has_repeats=record.repeats > 1
                )
                for view in _fitted(shown.listed)
            ),
            steps=[wording.phrases(step) for step in wording.next_steps(record)],
            details=page.details(record),
        )
    )


def _source(text: str) -> str:
    """A CSP source for an inline element with exactly this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _score_notes(record: RunRecord) -> list[str]:
    threshold = wording.threshold(record)
    notes = [f"95 % interval {figures.interval(record.ci95)}" if record.ci95 else "no interval"]
    notes += [] if threshold is None else [f"needs {threshold:g}"]
    return notes if record.primary == "mean" else [record.primary, *notes]


def _more(number: int, where: str) -> str:
    return f"{figures.count(number)} more {where}." if number else ""


def _choices(views: Sequence[CaseView]) -> list[tuple[str, str, str]]:
    choices = [("all", "All", figures.count(len(views)))]
    for value, label in (("failed", "Failed"), ("error", "Errors"), ("passed", "Passed")):
        choices.append((value, label, figures.count(sum(view.outcome == value for view in views))))
    return choices


def _cases_note(cases: CaseList, *, outputs: bool) -> str:
    note = f"{figures.count(len(cases.listed))} answers"
    if cases.left_out:
        note += f" listed, {figures.count(cases.left_out)} more are in samples.jsonl"
    return note if outputs else f"{note}; inputs and outputs are left out of this report"


def _fitted(views: Sequence[CaseView]) -> list[CaseView]:
    """The cases with texts cut to the longest limit at which all of them fit the page."""
    for limit in _TEXT_LIMITS:
        clipped = [view.clip(limit) for view in views]
        texts = [text.text for view in clipped for text in view.texts()]
        # Counting characters is quick, and escaping only adds.
        if sum(map(len, texts)) <= _TEXT_BYTES and sum(map(_written, texts)) <= _TEXT_BYTES:
            return clipped
    return [view.clip(_TEXT_LIMITS[-1]) for view in views]


def _written(text: str) -> int:
    return len(str(escape(neutral.html_text(text))).encode())
