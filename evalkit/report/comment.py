"""What evalkit says in the conversation and in the step summary: the sticky comment on a candidate, and what may move."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evalkit.report import figures, wording
from evalkit.report.markdown import COMMENT_BYTES
from evalkit.report.neutral import Markdown, markdown, markdown_code
from evalkit.report.tables import case_table, code_in_html, line
from evalkit.report.templates import markdown_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.evals.record import RunRecord
    from evalkit.promote.facts import SuiteVerdict
    from evalkit.promote.plan import Plan
    from evalkit.report.cases import CaseList

__all__ = ["Evaluated", "comment_body", "promotions_summary"]

_LIMITS: Final = (20, 10, 5, 2, 0)
_ICONS: Final = {"pass": "✅", "fail": "❌"}


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One (entry, suite) that was evaluated for a pull request."""

    record: RunRecord
    cases: CaseList | None = None
    pooled: SuiteVerdict | None = None
    """The verdict on all runs in CI of this config together; None where only this run is known."""
    url: str | None = None
    """Of the workflow run."""
    problem: str | None = None
    """Why the run is not recorded, where it is not: a sentence without its full stop."""


def comment_body(
    results: Sequence[Evaluated],
    *,
    outputs: bool = False,
    notes: Sequence[str] = (),
    max_bytes: int = COMMENT_BYTES,
) -> str:
    """The one comment that evalkit keeps up to date on a candidate's pull request, below its hidden marker.

    Args:
        results: what was evaluated; failing ones come first in the text.
        outputs: whether inputs and outputs of cases may be shown.
        notes: sentences below the table, such as who has to click what.
        max_bytes: of UTF-8; lists are cut, and say so.
    """
    order = {"fail": 0, "inconclusive": 1, "none": 1, "pass": 2}
    ordered = sorted(results, key=lambda one: (order[_verdict(one)], _ref(one), one.record.suite))
    template = markdown_environment().get_template("comment.md.j2")
    text = ""
    for limit in _LIMITS:
        rows = ordered if limit else ordered[:100]
        rendered = template.render(
            headline=_headline(results),
            rows=[_row(one) for one in rows],
            more=figures.count(len(ordered) - len(rows)),
            details=[_detail(one, limit, outputs=outputs) for one in (ordered if limit else [])],
            shows_outputs=outputs,
            steps=list(dict.fromkeys(step for one in ordered for step in _steps(one))),
            notes=[markdown(note) for note in notes],
        )
        text = re.sub(r"\n{3,}", "\n\n", rendered).strip() + "\n"
        if len(text.encode()) <= max_bytes:
            return text
    return f"{_headline(results)}\n"


def _verdict(one: Evaluated) -> str:
    return one.pooled.verdict if one.pooled is not None else one.record.verdict


def _ref(one: Evaluated) -> str:
    return f"{one.record.entry}@v{one.record.version}"


def _headline(results: Sequence[Evaluated]) -> Markdown:
    passed = sum(_verdict(one) == "pass" for one in results)
    if not results:
        return Markdown("Nothing in this pull request needs an evaluation.")
    if passed == len(results):
        what = "The evaluation passes" if passed == 1 else f"All {passed:,} evaluations pass"
        return Markdown(f"✅ **{what}.**")
    failed = sum(_verdict(one) == "fail" for one in results)
    open_ = len(results) - passed - failed
    counts = [
        f"{count:,} {word}"
        for count, word in ((failed, "failed"), (open_, "undecided"), (passed, "passed"))
        if count
    ]
    return Markdown(f"{'❌' if failed else '⚠️'} **{', '.join(counts)}.**")


def _row(one: Evaluated) -> Markdown:
    record, pooled = one.record, one.pooled
    score = pooled.score if pooled is not None and pooled.score is not None else record.score
    low, high = (pooled.lower, pooled.upper) if pooled is not None else (record.ci95 or (None, None))
    least = wording.threshold(record)
    verdict = _verdict(one)
    return line(
        markdown_code(_ref(one), 120),
        markdown_code(record.suite, 80),
        Markdown(f"{_ICONS.get(verdict, '⚠️')} {verdict}"),
        Markdown(figures.score(score, least)),
        Markdown("" if low is None or high is None else f"{low:.3f} to {high:.3f}"),
        Markdown("" if least is None else f"{least:g}"),
        Markdown(figures.part(record.scored, record.cases)),
        Markdown(figures.count(pooled.runs if pooled is not None else 1)),
    )


def _detail(one: Evaluated, limit: int, *, outputs: bool) -> dict[str, object]:
    record = one.record
    cases = one.cases if one.cases is None or outputs else one.cases.redacted()
    views = cases.worst[: min(limit, 5)] if cases is not None else []
    reasons = one.pooled.reasons if one.pooled is not None else tuple(record.reasons)
    return {
        "title": Markdown(f"{code_in_html(_ref(one))} on {code_in_html(record.suite)}"),
        "reasons": [markdown(reason) for reason in reasons[:5]],
        "notes": [markdown(note) for note in record.notes[:3]],
        "problem": markdown(one.problem) if one.problem else None,
        "table": case_table(views, outputs=outputs),
        "shown": len(views),
        "wrong": figures.count(cases.counts.get("failed", 0) if cases is not None else 0),
        "run": markdown_code(record.run_id, 80),
        "url": _url(one.url),
        "is_open": _verdict(one) != "pass",
    }


def _url(url: str | None) -> Markdown | None:
    safe = url is not None and re.fullmatch(r"https?://[A-Za-z0-9.:-]+/[A-Za-z0-9._~/-]*", url)
    return Markdown(url) if url is not None and safe else None


def _steps(one: Evaluated) -> list[Markdown]:
    entry, suite, verdict = markdown_code(_ref(one), 120), markdown_code(one.record.suite, 80), _verdict(one)
    if verdict == "pass":
        return [
            Markdown(
                "What passed: merge when review is done. Then evalkit opens the pull request that promotes it."
            )
        ]
    if verdict == "fail":
        return [
            Markdown(
                f"{entry} fails {suite}: read the worst cases, change the draft, and push. It may be merged as a draft, "
                "and is not promoted."
            )
        ]
    if one.record.errors:
        return [
            Markdown(
                f"{entry} on {suite}: {figures.count(one.record.errors)} cases could not be measured. Run the workflow again; "
                "runs add up."
            )
        ]
    return [
        Markdown(
            f"{entry} on {suite}: too close to the threshold for so few cases. More cases in the suite settle it; "
            "running it again counts, too, and does not turn luck into a pass."
        )
    ]


def promotions_summary(plans: Sequence[Plan], said: Sequence[tuple[str, str]] = ()) -> str:
    """What `promote` found, for the step summary.

    Args:
        plans: of every name.
        said: what was done about pull requests, as (branch or title, sentence).
    """
    order = {"possible": 0, "nothing": 1, "refused": 2}
    ordered = sorted(plans, key=lambda plan: (order[plan.outcome], plan.name, plan.version or 0))
    lines = ["## Promotions", ""]
    if not ordered:
        lines += ["Nothing to do: there is no draft and no staging version that could move.", ""]
    else:
        lines += ["| what | may move | why |", "|:--|:--|:--|"]
        lines += [_plan_row(plan) for plan in ordered[:500]]
        if len(ordered) > 500:
            lines += ["", f"… {len(ordered) - 500:,} more"]
        lines.append("")
    if said:
        lines += ["### Pull requests", ""]
        lines += [
            f"- {markdown_code(subject, 200)}: {markdown(sentence)}" for subject, sentence in said[:500]
        ]
        lines.append("")
    return "\n".join(lines)


def _plan_row(plan: Plan) -> Markdown:
    if plan.outcome == "possible":
        section = next((one for one in plan.sections if one.title == "The evidence"), None)
        return line(
            markdown(plan.title), Markdown("✅ yes"), markdown("; ".join(section.lines if section else ()))
        )
    if plan.outcome == "nothing":
        return line(markdown(plan.title), Markdown("done"), markdown(plan.idle or ""))
    first = plan.refusals[0]
    return line(
        markdown(plan.title),
        Markdown("no"),
        markdown(f"{first.message}. {first.fix[:1].upper()}{first.fix[1:]}"),
    )
