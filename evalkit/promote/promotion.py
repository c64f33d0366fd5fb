"""`promote`: what may move to staging or production, what may not, and why. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.promote.edits import SetKeys, states_after, unapproved
from evalkit.promote.plan import Proposal, Refusal, Section, conclude, unclear
from evalkit.promote.requirements import objections
from evalkit.promote.wording import changes_section, listed, score_text, serving_text, since_text
from evalkit.runtime.serving import conflicts, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from evalkit.promote.facts import NameFacts
    from evalkit.promote.plan import Force, Plan
    from evalkit.promote.requirements import Stage
    from evalkit.runtime.serving import Serving

__all__ = ["plan_promotion", "plan_promotions"]

SHUTDOWN_DAYS = 30
"""A model that ends within so many days may be promoted, with a warning."""

_NEXT: dict[str, Stage] = {"draft": "staging", "staging": "production"}


def plan_promotions(facts: NameFacts, to: Stage | None, today: date) -> list[Plan]:
    """A plan for each version of a name that may come to move, oldest first.

    Of several that could enter the same environment only the newest does: the others would not serve there.
    """
    if (refused := unclear(facts, "promote", f"Promote {facts.name}")) is not None:
        return [refused]
    plans = [
        plan_promotion(facts, version, to, today)
        for version in facts.candidates
        if to is None or facts.versions[version].state.status == ("draft" if to == "staging" else "staging")
    ]
    newest: dict[str, int] = {}
    for plan in plans:
        if plan.outcome == "possible" and plan.version is not None:
            newest[plan.title.rpartition(" ")[2]] = plan.version
    kept: list[Plan] = []
    for plan in plans:
        winner = newest.get(plan.title.rpartition(" ")[2])
        if plan.outcome == "possible" and plan.version is not None and winner != plan.version:
            kept.append(_second(facts, plan.version, plan.title, winner or 0))
        else:
            kept.append(plan)
    return kept


def plan_promotion(
    facts: NameFacts, version: int, to: Stage | None, today: date, force: Force | None = None
) -> Plan:
    """The plan that moves one version to its next environment, or to the one that is named.

    Args:
        facts: the name, with the evidence of this version.
        version: it exists.
        to: None is one step: a draft to staging, a staging entry to production.
        today: models shut down and holds run out on days.
        force: lets it past what can be overridden, with a record.
    """
    found = facts.versions[version]
    status = found.state.status
    stage: Stage = to or _NEXT.get(status, "production")
    title = f"Promote {facts.ref(version)} to {stage}"
    if (refused := unclear(facts, "promote", title)) is not None:
        return refused
    if status == stage or (status, stage) == ("production", "staging"):
        return conclude(facts, _already(facts, version, stage, title))
    before = facts.serving(stage)
    edits = [unapproved(facts, SetKeys(version, {"status": stage}))]
    surplus = _surplus(facts, edits, version) if stage == "production" else ()
    edits += [SetKeys(old, {"status": "retired"}) for old in surplus]
    after = states_after(facts.states, edits)
    live = None if conflicts(after.values()) else serving(after.values(), stage)
    refusals = (*objections(facts, version, stage, today), *_returning(facts, version, before, live))
    proposal = Proposal(
        command="promote",
        title=title,
        version=version,
        edits=tuple(edits),
        sections=(
            Section("The evidence", tuple(_evidence(facts, version, stage))),
            Section("What it replaces", tuple(_replaced(facts, version, stage, live, surplus))),
            changes_section(facts, before.primary if before else None, version),
        ),
        refusals=refusals,
        warnings=tuple(_warnings(facts, version, stage, live, today)),
        undo=tuple(_undo(facts, version, stage, before)),
        next_steps=tuple(_next_steps(facts, version, stage)),
        reason=_reason(facts, version, stage),
    )
    return conclude(facts, proposal, force)


def _already(facts: NameFacts, version: int, stage: Stage, title: str) -> Proposal:
    status = facts.versions[version].state.status
    live = facts.serving(stage)
    role = "serves it" if live and version in live.weights else "does not serve it: a newer one does"
    idle = f"{facts.ref(version)} is in {status} already, and {role}."
    if status != stage:
        idle = f"{facts.ref(version)} is in production already, which is beyond staging."
    return Proposal("promote", title, version=version, idle=idle)


def _second(facts: NameFacts, version: int, title: str, winner: int) -> Plan:
    """Of an older version that could have moved as well."""
    message = f"{facts.ref(winner)} moves to the same environment and is newer, so v{version} would not serve"
    fix = f"promote it by name if that is what you want: evalkit promote {facts.ref(version)}"
    refusal = Refusal("overtaken", "EK811", message, fix, version)
    return conclude(facts, Proposal("promote", title, version=version, refusals=(refusal,)))


def _surplus(facts: NameFacts, edits: list[SetKeys], version: int) -> tuple[int, ...]:
    """Former production versions beyond those that policy keeps, once the new one serves; ascending."""
    after = states_after(facts.states, edits)
    live = None if conflicts(after.values()) else serving(after.values(), "production")
    return tuple(sorted(live.standby[facts.standby :])) if live and version in live.weights else ()


def _returning(
    facts: NameFacts, version: int, before: Serving | None, live: Serving | None
) -> Iterator[Refusal]:
    """A former version with a weight left over would form an A/B with the new one, and come back by that."""
    if before is None or live is None or version not in live.weights:
        return
    for other in sorted(live.weights.keys() - before.weights.keys() - {version}):
        left = facts.versions[other].state.traffic or 0
        message = f"v{other} has traffic: {left:g} left over, and would serve again beside v{version}"
        fix = f"evalkit split {facts.name} v{other}=0, or evalkit retire {facts.ref(other)}"
        yield Refusal("returns", "EK811", message, fix, other)


def _evidence(facts: NameFacts, version: int, stage: Stage) -> Iterator[str]:
    found = facts.versions[version]
    for verdict in found.evidence:
        figures = score_text(verdict)
        yield f"{verdict.suite}: {'no evidence' if verdict.verdict == 'none' else verdict.verdict}" + (
            f", {figures}" if figures else ""
        )
    if not facts.suites:
        yield "policy requires no suite"
    if stage == "production":
        if facts.production_gate == "eval":
            yield "canary: policy asks for none (production_gate: eval)"
        elif facts.is_first_release():
            yield "no canary: first release"
        elif found.canary:
            yield f"canary: {found.canary} (run {found.canary_run})"


def _replaced(
    facts: NameFacts, version: int, stage: Stage, live: Serving | None, surplus: tuple[int, ...]
) -> Iterator[str]:
    before = facts.serving(stage)
    if before is None:
        yield f"Nothing: nobody serves {stage} yet."
        return
    if stage == "staging":
        if live and live.primary != version:
            yield f"Nothing: v{live.primary} is newer and goes on serving staging."
        else:
            yield f"v{before.primary}, which serves staging now."
        return
    if live and len(live.weights) > 1:
        joined = "joins the A/B" if len(before.weights) > 1 else "starts an A/B, since both have traffic"
        yield f"v{version} {joined}: {serving_text(live)}. The primary is v{live.primary}."
        return
    yield f"v{before.primary}{since_text(facts, before.primary)}. It becomes the standby that a rollback returns to."
    if len(before.weights) > 1:
        yield f"That ends the A/B of {listed(sorted(before.weights))}."
    if surplus:
        keeps = f"policy keeps {facts.standby} standby version{'s' if facts.standby > 1 else ''}"
        yield f"{listed(surplus)} {'are' if len(surplus) > 1 else 'is'} retired with it: {keeps}."


def _warnings(
    facts: NameFacts, version: int, stage: Stage, live: Serving | None, today: date
) -> Iterator[str]:
    found = facts.versions[version]
    for model in found.models:
        if model.last_day and 0 < (model.last_day - today).days <= SHUTDOWN_DAYS:
            yield f"{model.id} shuts down on {model.last_day}, in {(model.last_day - today).days} days."
    if stage != "production":
        return
    if found.state.traffic and live and len(live.weights) == 1:
        yield f"traffic: {found.state.traffic:g} has no effect: no other production version has any."
    idle = [
        other
        for other, state in sorted(facts.states.items())
        if state.status == "staging" and other < version
    ]
    if idle:
        yield f"{listed(idle)} in staging will never serve any more; retire {'them' if len(idle) > 1 else 'it'}."


def _undo(facts: NameFacts, version: int, stage: Stage, before: Serving | None) -> Iterator[str]:
    if stage == "staging":
        yield f'evalkit retire {facts.ref(version)} --reason "…" --apply'
    elif before is None:
        yield "There is no earlier version to return to: keep a fallback in the application until there is one."
    elif len(before.weights) > 1:
        yield f'evalkit retire {facts.ref(version)} --reason "…" --apply    takes the arm out again'
    else:
        yield f'evalkit rollback {facts.name} --reason "…" --apply    returns to v{before.primary}'


def _next_steps(facts: NameFacts, version: int, stage: Stage) -> Iterator[str]:
    if facts.approvals:
        asks = f"{facts.approvals} approval{'s' if facts.approvals > 1 else ''}"
        yield f"Commit it on a branch and open a pull request: policy asks for {asks} by somebody who did not write it."
    if stage == "staging":
        if facts.production_gate == "canary" and not facts.is_first_release():
            yield f"Then give it a slice of production in {facts.entry_path(version)}: rollout: {{ percent: 5 }}"
        else:
            yield f"Then, when it has proved itself in staging: evalkit promote {facts.ref(version)}"
    else:
        yield "It serves as soon as the change is on the main line and applications refresh."


def _reason(facts: NameFacts, version: int, stage: Stage) -> str:
    return "; ".join(_evidence(facts, version, stage))
