"""`pause`, `split`, `retire`: how much of production's traffic a version gets. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from evalkit.promote.edits import Edit, SetKeys, states_after, unapproved
from evalkit.promote.plan import Proposal, Refusal, Section, conclude, unclear
from evalkit.promote.wording import arms_text, listed, serving_text, since_text
from evalkit.registry.lifecycle import arms
from evalkit.runtime.serving import conflicts, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalkit.promote.facts import NameFacts
    from evalkit.promote.plan import Force, Plan
    from evalkit.registry.writeback import Change
    from evalkit.runtime.serving import EntryState, Serving

__all__ = ["plan_pause", "plan_retire", "plan_split", "silenced"]

_FAST = "This only lowers exposure: evalkit check and one reviewer are enough."


def silenced(facts: NameFacts, after: Mapping[int, EntryState], keep: int | None) -> list[SetKeys]:
    """The edits that set `percent` to 0 for every staging entry that would be a canary in these states, but for one.

    When a production version goes, staging entries that it had overtaken are newer than production again: their old
    `percent` must not come back to life.
    """
    newest = max(arms({version: state.replace(percent=None) for version, state in after.items()}), default=0)
    return [
        SetKeys(version, {"rollout": _stopped(facts, version)})
        for version, state in sorted(after.items())
        if state.status == "staging" and state.percent and version > newest and version != keep
    ]


def _stopped(facts: NameFacts, version: int) -> Change:
    return {**(facts.versions[version].rollout or {}), "percent": 0}


def plan_pause(facts: NameFacts, reason: str | None) -> Plan:
    """The plan that sets the live canary's `percent` to 0; the version stays in staging."""
    title = f"Pause {facts.name}"
    if (refused := unclear(facts, "pause", title)) is not None:
        return refused
    live = facts.serving("production")
    if live is None or live.canary is None:
        return conclude(facts, _nothing_to_pause(facts, live, title))
    canary = live.canary
    ref = facts.ref(canary.version)
    proposal = Proposal(
        command="pause",
        title=f"Pause the canary {ref}",
        version=canary.version,
        edits=(SetKeys(canary.version, {"rollout": _stopped(facts, canary.version)}),),
        sections=(
            Section(
                "What happens",
                (
                    f"v{canary.version} takes {canary.percent:g} % of production now, and none afterwards.",
                    f"Its share goes back to {arms_text(live.weights)}. v{canary.version} stays in staging.",
                ),
            ),
        ),
        undo=(f"Set rollout.percent back to {canary.percent:g} in {facts.entry_path(canary.version)}.",),
        next_steps=(_FAST,),
        reason=reason,
    )
    return conclude(facts, proposal)


def _nothing_to_pause(facts: NameFacts, live: Serving | None, title: str) -> Proposal:
    if live is not None and len(live.weights) > 1:
        newest = facts.ref(max(live.weights))
        message = f"{facts.name} has no live canary; production is an A/B of {arms_text(live.weights)}"
        fix = (
            f'take an arm out with evalkit retire {newest} --reason "…", or change the weights with '
            f"evalkit split {facts.name} {' '.join(f'v{v}=…' for v in sorted(live.weights))}"
        )
        return Proposal("pause", title, refusals=(Refusal("no-canary", "EK821", message, fix),))
    who = f"v{live.primary} serves production alone" if live else "nobody serves production"
    return Proposal("pause", title, idle=f"{facts.name} has no live canary: {who}.")


def plan_retire(facts: NameFacts, version: int, reason: str | None, force: Force | None = None) -> Plan:
    """The plan that retires one version for good."""
    ref = facts.ref(version)
    title = f"Retire {ref}"
    if (refused := unclear(facts, "retire", title)) is not None:
        return refused
    state = facts.versions[version].state
    if state.status == "retired":
        return conclude(facts, Proposal("retire", title, version=version, idle=f"{ref} is retired already."))
    live = facts.serving("production")
    edits = [SetKeys(version, {"status": "retired"})]
    keep = live.canary.version if live and live.canary else None
    edits += silenced(facts, states_after(facts.states, edits), keep)
    after = states_after(facts.states, edits)
    proposal = Proposal(
        command="retire",
        title=title,
        version=version,
        edits=tuple(edits),
        sections=(Section("What happens", tuple(_retiring(facts, version, edits))),),
        warnings=tuple(_retire_warnings(facts, version, live, after)),
        undo=(
            f"Nothing retired serves again. Make a new version of it: evalkit new {facts.name} --from {ref}",
        ),
        next_steps=(_FAST,),
        reason=reason,
    )
    return conclude(facts, proposal, force)


def _retiring(facts: NameFacts, version: int, edits: list[SetKeys]) -> Iterator[str]:
    status = facts.versions[version].state.status
    live, staged = facts.serving("production"), facts.serving("staging")
    after = states_after(facts.states, edits)
    then = None if conflicts(after.values()) else serving(after.values(), "production")
    if live and version in live.weights:
        yield f"v{version}{since_text(facts, version)} leaves production."
        if then and len(live.weights) > 1:
            fate = "goes on" if len(then.weights) > 1 else "ends"
            yield f"The A/B {fate}: {serving_text(then)} serves what it served."
        elif then:
            yield f"v{then.primary}, the newest standby, serves in its place."
    elif live and version in live.standby:
        left = [v for v in live.standby if v != version]
        yield f"v{version} serves nobody now; a rollback can no longer return to it."
        yield f"Standby afterwards: {listed(left) if left else 'none'}."
    elif live and live.canary and live.canary.version == version:
        yield f"The canary ends: its {live.canary.percent:g} % goes back to {arms_text(live.weights)}."
    elif staged and version in staged.weights:
        yield f"v{version} leaves staging."
    else:
        yield f"v{version} is {'a draft' if status == 'draft' else f'in {status}'} and serves nobody."
    for edit in edits[1:]:
        yield f"v{edit.version} in staging would be a canary again by this; its percent is set to 0."


def _retire_warnings(
    facts: NameFacts, version: int, live: Serving | None, after: Mapping[int, EntryState]
) -> Iterator[str]:
    if live is None or version not in live.weights:
        return
    if len(live.weights) == 1:
        yield f"evalkit rollback {facts.name} does this too, chooses what to return to, and holds the content."
    if live.canary:
        yield f"The canary v{live.canary.version} goes on, compared with another baseline: its figures start anew."
    then = None if conflicts(after.values()) else serving(after.values(), "production")
    for other in sorted(then.weights.keys() - live.weights.keys()) if then else ():
        if other > version:
            yield f"v{other} is newer than v{version} and did not serve until now."


def plan_split(
    facts: NameFacts, weights: Mapping[int, float], control: int | None, reason: str | None
) -> Plan:
    """The plan that gives versions their weights in an A/B.

    Production versions get them at once. A staging version gets its weight in advance: it takes part when it is
    promoted. Every arm that is live now must be named; 0 takes one out. One arm is the control: the one that is
    named, else the one that is marked, else the primary.

    Args:
        facts: the name.
        weights: relative, by version; at least one.
        control: the arm that others are compared with.
        reason: for the commit.
    """
    title = f"Split {facts.name}: {', '.join(f'v{v}={w:g}' for v, w in sorted(weights.items()))}"
    if (refused := unclear(facts, "split", title)) is not None:
        return refused
    refusals = list(_split_refusals(facts, weights, control))
    if refusals:
        return conclude(facts, Proposal("split", title, refusals=tuple(refusals)))
    chosen = control if control is not None else _control(facts, weights)
    edits = _split_edits(facts, weights, chosen)
    after = states_after(facts.states, edits)
    if (refusal := _odd_outcome(facts, weights, after)) is not None:
        return conclude(facts, Proposal("split", title, refusals=(refusal,)))
    proposal = Proposal(
        command="split",
        title=title,
        edits=edits,
        sections=(Section("What happens", tuple(_splitting(facts, weights, chosen, after))),),
        undo=_undo_split(facts, weights),
        next_steps=("This may raise exposure: it is reviewed like a promotion.",),
        reason=reason,
    )
    return conclude(facts, proposal)


def _undo_split(facts: NameFacts, weights: Mapping[int, float]) -> tuple[str, ...]:
    before = {version: facts.versions[version].state.traffic for version in sorted(weights)}
    if any(weight is None for weight in before.values()):
        new = listed([version for version, weight in before.items() if weight is None])
        return (f"Remove traffic from {new}, and control where it was set.",)
    return (f"evalkit split {facts.name} {' '.join(f'v{v}={w:g}' for v, w in before.items())}",)


def _split_refusals(facts: NameFacts, weights: Mapping[int, float], control: int | None) -> Iterator[Refusal]:
    name = facts.name
    for version, weight in sorted(weights.items()):
        found = facts.versions.get(version)
        if found is None:
            yield Refusal(
                "no-arm", "EK821", f"there is no {facts.ref(version)}", f"evalkit list shows {name}"
            )
        elif found.state.status not in {"staging", "production"}:
            status = found.state.status
            message = (
                f"{facts.ref(version)} is {'a draft' if status == 'draft' else status} and takes no traffic"
            )
            fix = f"evalkit promote {facts.ref(version)}" if status == "draft" else "leave it out"
            yield Refusal("no-arm", "EK821", message, fix, version)
        if not (math.isfinite(weight) and weight >= 0):
            yield Refusal(
                "no-arm", "EK821", f"v{version}={weight} is no weight", "a weight is a number from 0"
            )
    live = facts.serving("production")
    current = live.weights if live and len(live.weights) > 1 else {}
    if missing := sorted(current.keys() - weights.keys()):
        message = (
            f"{listed(missing)} {'are' if len(missing) > 1 else 'is'} in the A/B too ({arms_text(current)})"
        )
        fix = f"say its weight as well: {' '.join(f'v{version}={current[version]:g}' for version in missing)}"
        yield Refusal("no-arm", "EK821", message, f"{fix}, or 0 to take it out")
    if control is not None and not weights.get(control):
        message = f"the control v{control} has no weight in this split"
        yield Refusal("no-arm", "EK821", message, "name one of the arms as control")


def _control(facts: NameFacts, weights: Mapping[int, float]) -> int:
    positive = sorted(version for version, weight in weights.items() if weight > 0)
    marked = [version for version in positive if facts.versions[version].state.control]
    live = facts.serving("production")
    if marked:
        return marked[0]
    if live is not None and live.primary in positive:
        return live.primary
    return positive[0] if positive else min(weights)


def _split_edits(facts: NameFacts, weights: Mapping[int, float], control: int) -> tuple[Edit, ...]:
    positive = [version for version, weight in weights.items() if weight > 0]
    edits: list[Edit] = []
    for version, weight in sorted(weights.items()):
        state = facts.versions[version].state
        changes: dict[str, Change] = {}
        if state.traffic != weight:
            changes["traffic"] = int(weight) if float(weight).is_integer() else weight
        if state.control and version != control:
            changes["control"] = None
        if version == control and not state.control and len(positive) > 1:
            changes["control"] = True
        if changes:
            edits.append(unapproved(facts, SetKeys(version, changes)))
    for version, state in sorted(facts.states.items()):
        if version not in weights and state.control and state.status in {"staging", "production"}:
            edits.append(unapproved(facts, SetKeys(version, {"control": None})))
    return tuple(edits)


def _odd_outcome(
    facts: NameFacts, weights: Mapping[int, float], after: Mapping[int, EntryState]
) -> Refusal | None:
    """A version with weight 0 must not end up serving: with one weight left, the newest production version serves."""
    then = None if conflicts(after.values()) else serving(after.values(), "production")
    for version in sorted(then.weights) if then else ():
        if version in weights and weights[version] == 0:
            positive = [v for v, weight in weights.items() if weight > 0]
            message = f"v{version}=0 would leave v{version}, the newest in production, serving everything"
            instead = f"so that {listed(sorted(positive))} serves" if positive else "if it is not to serve"
            fix = f'{instead}: evalkit retire {facts.ref(version)} --reason "…"'
            return Refusal("no-arm", "EK821", message, fix, version)
        if version not in weights and version not in arms(facts.states):
            message = f"with these weights v{version} would serve, which you did not name"
            fix = f'give it a weight, or retire it first: evalkit retire {facts.ref(version)} --reason "…"'
            return Refusal("no-arm", "EK821", message, fix, version)
    return None


def _splitting(
    facts: NameFacts, weights: Mapping[int, float], control: int, after: Mapping[int, EntryState]
) -> Iterator[str]:
    then = serving(after.values(), "production")
    if then and len(then.weights) > 1:
        yield f"Production: {serving_text(then)}."
        others = sorted(then.weights.keys() - {then.primary})
        yield f"v{then.primary} is the control: what resolve returns, and what {listed(others)} is compared with."
        if then.canary:
            yield f"The canary v{then.canary.version} takes its {then.canary.percent:g} % first."
    elif then:
        yield f"No A/B is live by this: production is served by {serving_text(then)}."
    for version in sorted(weights):
        if facts.versions[version].state.status == "staging":
            yield f"v{version} is in staging: its weight counts when it is promoted. v{control} is the control then."
    yield "Weights are relative; keys move only between arms whose weight changes (docs/variants.md)."
