"""The one pull request that carries stamps to a default branch that takes no commits but by pull requests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from evalkit.errors import Problem
from evalkit.github.branches import Branches, Wanted
from evalkit.github.marker import Marker
from evalkit.report.neutral import markdown, markdown_code
from evalkit.runtime.digest import digest

if TYPE_CHECKING:
    from evalkit.github.approvals import StampPlan
    from evalkit.github.forge import Forge, PullRequest

__all__ = ["BRANCH", "propose"]

BRANCH = "evalkit/stamps"
_KIND = "stamps"
_WHAT = (
    "These promotions are merged, and this writes into each entry who approved it. It changes nothing that is served, "
    "and needs no stamp of its own: merge it when its check is green."
)
_CLICK = (
    "Its checks wait for somebody with write access: press **Approve workflows to run** below. That is so for every "
    "pull request that a workflow opens with `GITHUB_TOKEN`."
)


def propose(forge: Forge, plan: StampPlan) -> tuple[PullRequest | None, list[Problem]]:
    """Open it, bring it up to date, or close it if no stamp is due any more.

    Returns:
        The pull request, if one is open then, and what stands in the way (EK894, a warning).

    Raises:
        MovedOn: EK872, its branch moved on at every attempt.
        ForgeError: the forge refuses, or does not answer.
    """
    branches = Branches(forge, plan.head)
    if not plan.files:
        outcomes = [
            branches.close(pull, "every approval in it is stamped by now.")
            for pull, _ in branches.open_of(_KIND)
        ]
        left = [one for one in outcomes if one.action == "left"]
    else:
        seen = digest({path: hashlib.sha256(raw).hexdigest() for path, raw in plan.files.items()})
        wanted = Wanted(
            marker=Marker(_KIND, digest=seen),
            branch=BRANCH,
            title="Stamp approvals",
            body=_body(forge, plan),
            message=plan.message,
            files=plan.files,
            labels=("evalkit",),
        )
        outcome = branches.keep(wanted, approve=lambda: None)
        if outcome.is_open and outcome.number is not None:
            return forge.pull(outcome.number), []
        left = [outcome]
    hint = (
        f"write approved_by in a pull request of your own; once {BRANCH} is deleted, evalkit opens one again"
    )
    problems = [
        Problem("EK894", f"approvals are not stamped: {one.said}", hint=hint, severity="warning")
        for one in left
    ]
    number = next((one.number for one in left if one.action == "left" and one.number is not None), None)
    return (forge.pull(number) if number is not None else None), problems


def _body(forge: Forge, plan: StampPlan) -> str:
    lines = [_WHAT, "", "| entry | approved by | in |", "|:--|:--|:--|"]
    lines += [
        f"| {markdown_code(str(stamp.entry))} | {markdown(stamp.text)} | #{stamp.pull} |"
        for stamp in plan.stamps
    ]
    own = [f"- {markdown(f'{stamp.entry}: {stamp.wrote}')}" for stamp in plan.stamps if stamp.wrote]
    if own:
        lines += ["", "Approved by an author, which `policy.allow_self_approval` lets pass:", "", *own]
    if not forge.is_app:
        lines += ["", _CLICK]
    return "\n".join([*lines, ""])
