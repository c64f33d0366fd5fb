"""What a pull request is told about its evaluations: the sticky comment, which is the step summary too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.github.comments import keep_comment
from evalkit.github.marker import Marker
from evalkit.report.comment import Evaluated, comment_body

if TYPE_CHECKING:
    from evalkit.github.admission import Admission
    from evalkit.github.forge import Forge
    from evalkit.github.record import RecordPlan, Row

__all__ = ["FORK_BODY", "MARKER", "evaluations_body", "tell", "tell_fork"]

MARKER = Marker(kind="evaluation")

FORK_BODY = """\
**This pull request needs a maintainer's run.**

It comes from a fork, and what a fork proposes is never evaluated with this repository's keys. A maintainer who has read it
can bring the branch into this repository (`git fetch` the pull request, push it under a new name) and open a pull request
from there: that one is evaluated.
"""


def evaluations_body(plan: RecordPlan, admission: Admission) -> str:
    """The text: the gate's verdict on all runs in CI of each entry, and what could not be recorded."""
    results = [one for row in plan.rows if (one := _evaluated(row, admission)) is not None]
    shown = {(one.record.entry, one.record.version, one.record.suite) for one in results}
    notes = [
        f"{row.problem.message}." if row.problem else _without_artifact(row)
        for row in plan.rows
        if (row.candidate.entry.name, row.candidate.entry.version, str(row.candidate.suite)) not in shown
    ]
    return comment_body(results, outputs=admission.config.artifacts.outputs, notes=notes)


def _evaluated(row: Row, admission: Admission) -> Evaluated | None:
    """The newest run whose artifact is still there, with the verdict on all."""
    for run in reversed(row.runs):
        details = admission.details(run)
        if details is not None:
            problem = row.problem.message if row.problem else None
            return Evaluated(details.record, details.cases, row.verdict, admission.url(run), problem)
    return None


def _without_artifact(row: Row) -> str:
    verdict = row.verdict.verdict if row.verdict else "not judged"
    return f"{row.candidate.entry} on {row.candidate.suite}: {verdict}, by {len(row.runs)} recorded runs whose artifacts are gone."


def tell(forge: Forge, plan: RecordPlan, admission: Admission) -> tuple[str, str]:
    """Bring the comment up to date; where nothing is evaluated, there is none to make.

    Returns:
        What was done (`added`, `changed`, `unchanged`), and the text.
    """
    body = evaluations_body(plan, admission)
    if not plan.rows:
        return "unchanged", body
    return keep_comment(forge, plan.pull.number, MARKER, body), body


def tell_fork(forge: Forge, number: int) -> str:
    """Say on a fork's pull request who can have it evaluated.

    Returns:
        `added`, `changed`, `unchanged`.

    Raises:
        ForgeError: the token may not comment.
    """
    return keep_comment(forge, number, MARKER, FORK_BODY)
