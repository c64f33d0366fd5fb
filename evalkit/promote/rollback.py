"""`rollback`: back to what served before, without being told what that was. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from evalkit.promote.edits import AddHold, Edit, SetKeys, states_after
from evalkit.promote.exposure import silenced
from evalkit.promote.plan import Proposal, Refusal, Section, conclude, unclear
from evalkit.promote.wording import changes_section, listed, serving_text, since_text
from evalkit.registry.lifecycle import arms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from evalkit.promote.facts import NameFacts
    from evalkit.promote.plan import Plan
    from evalkit.runtime.serving import Serving

__all__ = ["PROVEN", "plan_rollback", "time_served"]

PROVEN = timedelta(days=1)
"""So long a version must have served production before a rollback chooses it by itself."""


def plan_rollback(facts: NameFacts, to: int | None, reason: str, by: str, now: datetime) -> Plan:
    """The plan that retires what serves production, so that a former version serves again.

    By itself it chooses the newest version that was production's primary for a day and whose model still exists; under
    an A/B its primary comes first, then the other arms, then the standby. Every production version that is newer than
    the target is retired (of an A/B, only the newest arm and what is newer than the others), what served is held, and
    canaries stop: what they are compared with changes.

    Args:
        facts: the name.
        to: the target, or None to have one chosen.
        reason: for the hold and for the commit.
        by: who rolls back.
        now: aware; the day decides which models exist.
    """
    title = f"Roll back {facts.name}"
    if (refused := unclear(facts, "rollback", title)) is not None:
        return refused
    live = facts.serving("production")
    if live is None:
        return conclude(facts, _nobody(facts, title))
    if to is not None and live.primary == to and len(live.weights) == 1:
        idle = f"v{to} serves production already."
        return conclude(facts, Proposal("rollback", title, version=to, idle=idle))
    if to is None and (refusal := _ahead(facts, live)) is not None:
        return conclude(facts, Proposal("rollback", title, refusals=(refusal,)))
    notes: list[str] = []
    target = to if to is not None else _choice(facts, live, now, notes)
    refusal = _unfit(facts, to, live, now) if to is not None else None
    if target is None:
        refusal = _no_target(facts, live, notes)
    if refusal is not None or target is None:
        refusals = (refusal,) if refusal else ()
        return conclude(facts, Proposal("rollback", title, refusals=refusals))
    newest = _newest_kept(live, target, to)
    retired = [v for v, state in facts.states.items() if state.status == "production" and v > newest]
    edits: list[Edit] = [SetKeys(version, {"status": "retired"}) for version in sorted(retired)]
    stopped = silenced(facts, states_after(facts.states, edits), keep=None)
    edits += stopped
    held, unheld = _holds(facts, [v for v in retired if v in live.weights], target, reason, by)
    edits += held
    proposal = Proposal(
        command="rollback",
        title=f"Roll back {facts.name} from {listed(sorted(set(retired) & live.weights.keys()))} to v{target}",
        version=target,
        edits=tuple(edits),
        sections=(
            Section("Why this version", tuple(_why(facts, target, to, now, notes))),
            Section("What happens", tuple(_what(facts, live, retired, stopped, held))),
            changes_section(facts, live.primary if live.primary != target else max(retired), target),
        ),
        warnings=(*unheld, *_warnings(facts, target, live, now)),
        undo=(
            "Nothing retired serves again. Make the fix a new version:",
            f"evalkit new {facts.name} --from {facts.ref(max(retired))}",
        ),
        next_steps=(
            "This only lowers exposure: evalkit check and one reviewer are enough.",
            f"Applications serve v{target} as soon as the change is on the main line and they refresh.",
        ),
        reason=reason,
    )
    return conclude(facts, proposal)


def time_served(facts: NameFacts, version: int, now: datetime) -> timedelta | None:
    """For how long a version was production's primary, all its times together; None where history does not tell."""
    if facts.spans is None:
        return None
    spans = [span for span in facts.spans if span.version == version]
    return sum(((span.until or now) - span.since for span in spans), timedelta())


def _nobody(facts: NameFacts, title: str) -> Proposal:
    message = f"nobody serves production of {facts.name}, so there is nothing to roll back"
    fix = f"evalkit list shows what there is; evalkit promote {facts.name} shows what may serve"
    return Proposal("rollback", title, refusals=(Refusal("no-target", "EK817", message, fix),))


def _ahead(facts: NameFacts, live: Serving) -> Refusal | None:
    """Where the tree and the main line disagree: rolling back twice by accident would go one version too far."""
    last = facts.spans[-1] if facts.spans else None
    if last is None or last.until is not None or last.version == live.primary:
        return None
    message = f"v{live.primary} serves here, and on the main line v{last.version} does"
    fix = (
        "if this is a rollback that you made, commit it: it is done; if your branch is behind, update it; "
        "to go on from here, name the target with --to V"
    )
    return Refusal("ahead", "EK818", message, fix, live.primary)


def _order(live: Serving) -> list[int]:
    """Where a rollback may lead, best first: the primary of an A/B, its other arms, then the standby."""
    newest = max(live.weights)
    others = sorted(
        (v for v in live.weights if v != newest), key=lambda v: (v == live.primary, v), reverse=True
    )
    return [*others, *(v for v in live.standby if v < newest)]


def _choice(facts: NameFacts, live: Serving, now: datetime, notes: list[str]) -> int | None:
    for version in _order(live):
        objection = _objection(facts, version, now)
        if objection is None:
            return version
        notes.append(f"v{version} is passed over: {objection}.")
    return None


def _objection(facts: NameFacts, version: int, now: datetime) -> str | None:
    """Why a version is no target by itself."""
    if (objection := _unusable(facts, version, now)) is not None:
        return objection
    served = time_served(facts, version, now)
    if served is not None and served < PROVEN:
        return (
            f"it served production for {_span_text(served)} only"
            if served
            else "it never was production's primary"
        )
    return None


def _unusable(facts: NameFacts, version: int, now: datetime) -> str | None:
    found = facts.versions[version]
    if found.digest is None:
        return f"it does not resolve ({'; '.join(found.broken) or 'unknown why'})"
    if found.last_day is not None and found.last_day <= now.date():
        return f"its model was shut down on {found.last_day}"
    return None


def _unfit(facts: NameFacts, to: int, live: Serving, now: datetime) -> Refusal | None:
    """Why the version that was named cannot be the target."""
    name = facts.name
    order = _order(live)
    options = (
        f"roll back {' or '.join(f'--to v{v}' for v in order)}" if order else "there is no other version"
    )
    if to not in facts.versions:
        return Refusal("no-target", "EK817", f"there is no {facts.ref(to)}", options)
    status = facts.versions[to].state.status
    if status == "retired":
        fix = f"roll forward: evalkit new {name} --from {facts.ref(to)}, then promote it; or {options}"
        message = f"{facts.ref(to)} is retired, and a retired version never serves again"
        return Refusal("no-target", "EK817", message, fix, to)
    if status != "production":
        message = f"{facts.ref(to)} is {'a draft' if status == 'draft' else 'in staging'} and never served production"
        return Refusal("no-target", "EK817", message, f"evalkit promote {facts.ref(to)}; or {options}", to)
    if to not in order:
        message = f"v{to} is the newest that serves: there is nothing newer to take back"
        return Refusal("no-target", "EK817", message, options, to)
    if (objection := _unusable(facts, to, now)) is not None:
        return Refusal("no-target", "EK817", f"v{to} cannot serve: {objection}", options, to)
    return None


def _no_target(facts: NameFacts, live: Serving, notes: list[str]) -> Refusal:
    name = facts.name
    order = _order(live)
    why = " ".join(notes) or f"v{live.primary} is the only version in production."
    steps = [f'evalkit rollback {name} --to v{order[0]} --reason "…"'] if order else []
    steps.append(f"fix forward with evalkit new {name} --from {facts.ref(live.primary)}")
    if live.canary:
        steps.insert(0, f'if the canary is what misbehaves: evalkit pause {name} --reason "…"')
    return Refusal("no-target", "EK817", f"there is no version to return to. {why}", "; or ".join(steps))


def _newest_kept(live: Serving, target: int, to: int | None) -> int:
    """Everything in production above this is retired: the target, or by itself only the newest arm of an A/B."""
    others = live.weights.keys() - {max(live.weights)}
    return max(others) if to is None and target == live.primary and others else target


def _holds(
    facts: NameFacts, served: list[int], target: int, reason: str, by: str
) -> tuple[list[AddHold], list[str]]:
    """A hold on each content that is taken back, and a warning for each that cannot be held."""
    held: list[AddHold] = []
    warnings: list[str] = []
    known = {hold.digest for hold in facts.holds if hold.until is None}
    for version in sorted(served):
        digest = facts.versions[version].digest
        if digest is None:
            warnings.append(f"v{version} does not resolve, so its content cannot be held.")
        elif digest == facts.versions[target].digest:
            warnings.append(
                f"v{version} and v{target} ask the same model the same way: this rollback changes no answer, and the "
                "cause lies elsewhere. No hold is written, since it would hold the target too."
            )
        elif digest not in known:
            known.add(digest)
            held.append(AddHold({"digest": digest, "reason": reason, "by": by}))
    return held, warnings


def _why(facts: NameFacts, target: int, to: int | None, now: datetime, notes: list[str]) -> Iterator[str]:
    served = time_served(facts, target, now)
    yield from notes
    if to is not None:
        yield f"v{target} is what you named." + (
            f" It served production for {_span_text(served)}." if served else ""
        )
    elif served is None:
        yield f"v{target} is the newest former version; git does not tell here how long it served."
        yield f"evalkit log {facts.name} says why."
    elif target in arms(facts.states):
        yield f"v{target} is an arm of the A/B and serves already; it has been the primary for {_span_text(served)}."
    else:
        yield f"v{target} is the newest version that served production for a day or more ({_span_text(served)})."


def _what(
    facts: NameFacts,
    live: Serving,
    retired: list[int],
    stopped: list[SetKeys],
    held: list[AddHold],
) -> Iterator[str]:
    for version in sorted(retired, reverse=True):
        role = since_text(facts, version) if version in live.weights else " (a standby in between)"
        yield f"v{version}{role} is retired. It never serves again."
    if len(live.weights) > 1:
        left = sorted(live.weights.keys() - set(retired))
        fate = f"goes on between {listed(left)}" if len(left) > 1 else "ends"
        yield f"The A/B ({serving_text(live)}) {fate}."
    for edit in stopped:
        yield f"The canary v{edit.version} is paused: it was compared with what is taken back. It stays in staging."
    if held:
        yield (
            "A hold keeps automation from promoting the same content again; only a person lifts it "
            f"(evalkit unhold {facts.ref(max(retired)) if retired else facts.name})."
        )


def _warnings(facts: NameFacts, target: int, live: Serving, now: datetime) -> Iterator[str]:
    if live.canary:
        yield f"If only the canary v{live.canary.version} misbehaves, evalkit pause {facts.name} is enough."
    served = time_served(facts, target, now)
    if served is not None and served < PROVEN and target not in live.weights:
        said = f"for {_span_text(served)} only" if served else "never"
        yield f"v{target} served production {said}."
    last_day = facts.versions[target].last_day
    if last_day is not None and (last_day - now.date()).days <= 30:
        yield f"The model of v{target} shuts down on {last_day}: this is no place to stay."
    digest = facts.versions[target].digest
    for hold in facts.holds:
        if hold.digest == digest and hold.is_active(now.date()):
            yield f"{hold.by} holds the content of v{target}: {hold.reason}"


def _span_text(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    if hours < 1:
        count, unit = max(1, int(hours * 60)), "minute"
    elif hours < 48:
        count, unit = int(hours), "hour"
    else:
        count, unit = span.days, "day"
    return f"{count} {unit}{'' if count == 1 else 's'}"
