"""Every other change by pull request: rollback, retire, pause, hold, unhold, split. A person asked for it, so it needs no gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from evalkit.errors import Problem, UsageError
from evalkit.github.branches import WORKFLOWS, Branches, Outcome, Wanted
from evalkit.github.checkout import at
from evalkit.github.marker import Marker
from evalkit.github.placing import placed, prepared
from evalkit.promote.edits import SetKeys
from evalkit.registry.project import Project
from evalkit.report.changes import change_body
from evalkit.runtime.digest import digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evalkit.github.forge import Forge
    from evalkit.promote.plan import Plan

__all__ = ["FAST", "change_branch", "open_change"]

FAST: Final = frozenset({"rollback", "retire", "pause", "hold"})
"""Commands that only lower exposure."""

_SHORT = 8


def change_branch(plan: Plan) -> str:
    """The one branch of a change: the same for the same effect, whoever asks for it and why.

    `evalkit/rollback/support-triage-to-v13`, `evalkit/retire/support-triage-v14`, `evalkit/pause/support-triage-5f0c21d3`.
    """
    if plan.command == "rollback" and plan.version is not None:
        effect = f"to-v{plan.version}"
    elif plan.command == "retire" and plan.version is not None:
        effect = f"v{plan.version}"
    else:
        effect = digest(_effects(plan)).removeprefix("sha256:")[:_SHORT]
    return f"evalkit/{plan.command}/{plan.name}-{effect}"


def open_change(
    forge: Forge,
    root: Path,
    planner: Callable[[Project], Plan],
    *,
    environ: Mapping[str, str],
    log: Callable[[str], None] | None = None,
) -> tuple[Plan, Outcome | None]:
    """Plan on the head of the default branch, and open the pull request that carries the plan out.

    Asked for again, it is the same pull request, refreshed if anything in it would differ. One that a person closed is
    opened again: a person asks for it.

    Args:
        forge: the repository.
        root: the project in a clone of it. Its work tree is neither read nor changed.
        planner: makes the plan of the project as it is on the default branch.
        environ: for git, with what `Actions` reads.
        log: told what was done.

    Returns:
        The plan, and what became of its pull request; None where the plan is refused or there is nothing to do.

    Raises:
        ForgeError: the forge refused; asking again goes on from there.
        UsageError: EK901, it is a plan for a promotion, which `sync_promotions` opens.
    """
    head = prepared(forge, root, environ)
    with at(root, head) as tree:
        plan = planner(Project(tree))
        if plan.command == "promote":
            hint = "evalkit promote --open-pr opens what may move, and nothing else"
            raise UsageError(Problem("EK901", "a promotion is opened by its gate alone", hint=hint))
        if plan.outcome != "possible":
            return plan, None
        files = placed(tree)({change.path: change.after for change in plan.changes})
    labels = [
        "evalkit",
        f"evalkit: {plan.command}",
        *(["evalkit: fast"] if plan.command in FAST and not plan.overridden else []),
    ]
    wanted = Wanted(
        marker=Marker(
            kind=plan.command,
            entry=plan.name,
            version=None if plan.version is None else str(plan.version),
            digest=digest(_effects(plan)),
        ),
        branch=change_branch(plan),
        title=plan.title,
        body=change_body(plan, needs_click=forge.login() == WORKFLOWS),
        message=plan.commit_message,
        files=files,
        labels=tuple(labels),
        may_be_declined=False,
    )
    outcome = Branches(forge, head).keep(wanted, lambda: None)
    if log is not None:
        log(f"{outcome.subject}: {outcome.said}")
    return plan, outcome


def _effects(plan: Plan) -> list[object]:
    """What the plan changes, without who wants it and why."""
    effects: list[object] = []
    for one in plan.edits:
        if isinstance(one, SetKeys):
            keys = {
                key: dict(value) if isinstance(value, Mapping) else value
                for key, value in one.changes.items()
            }
            effects.append({"version": one.version, "keys": keys})
        else:
            records = getattr(one, "records", None) or (getattr(one, "record", {}),)
            held = sorted(str(record.get("digest") or record.get("version") or "all") for record in records)
            effects.append({"kind": type(one).__name__, "records": held})
    return effects
