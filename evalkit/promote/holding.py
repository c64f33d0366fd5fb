"""`hold` and `unhold`: what automation does not promote. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.promote.edits import AddHold, RemoveHolds
from evalkit.promote.plan import Proposal, Refusal, Section, conclude
from evalkit.promote.wording import listed

if TYPE_CHECKING:
    from datetime import date

    from evalkit.promote.facts import NameFacts
    from evalkit.promote.plan import Plan

__all__ = ["plan_hold", "plan_unhold"]

_BOT = "[bot]"


def plan_hold(facts: NameFacts, digest: str | None, reason: str, by: str, until: date | None) -> Plan:
    """The plan that holds one content, or with no digest every version of the name."""
    held = [version for version, found in facts.versions.items() if found.digest == digest]
    what = f"{listed(sorted(held))} of {facts.name}" if digest and held else f"every version of {facts.name}"
    title = f"Hold {what}"
    if digest is not None and not held:
        message = f"no version of {facts.name} in staging or production, and no draft that may move, has this digest"
        fix = "evalkit show prints an entry's digest; evalkit hold NAME@v14 takes it by itself"
        refusal = Refusal("no-digest", "EK821", message, fix)
        return conclude(facts, Proposal("hold", f"Hold {facts.name}", refusals=(refusal,)))
    existing = [hold for hold in facts.holds if hold.digest == digest and hold.until is None]
    if existing:
        idle = f"{existing[0].by} holds {what} already: {existing[0].reason}"
        return conclude(facts, Proposal("hold", title, idle=idle))
    record: dict[str, Any] = {"digest": digest} if digest else {"all": True}
    record |= {"reason": reason, "by": by} | ({"until": until.isoformat()} if until else {})
    ends = f"until {until}, inclusive" if until else "until a person lifts it"
    lines = [f"evalkit promote refuses {what}, {ends}.", "Who serves does not change."]
    if digest:
        lines.append(
            "The hold is on the content: a version with another number and the same digest is held too."
        )
    proposal = Proposal(
        command="hold",
        title=title,
        edits=(AddHold(record),),
        sections=(Section("What happens", tuple(lines)),),
        undo=(f'evalkit unhold {facts.ref(held[0]) if digest else facts.name} --reason "…" --apply',),
        reason=reason,
    )
    return conclude(facts, proposal)


def plan_unhold(facts: NameFacts, digest: str | None, reason: str, by: str) -> Plan:
    """The plan that lifts the holds on one content, or with no digest those on every version."""
    held = [version for version, found in facts.versions.items() if digest and found.digest == digest]
    what = f"{listed(sorted(held))} of {facts.name}" if held else digest or f"every version of {facts.name}"
    title = f"Lift the hold on {what}"
    if by.endswith(_BOT):
        message = f"{by} is no person, and only a person lifts a hold"
        refusal = Refusal("by", "EK819", message, "say who decided it: --by NAME")
        return conclude(facts, Proposal("unhold", title, refusals=(refusal,)))
    lifted = [hold for hold in facts.holds if hold.digest == digest]
    others = [hold for hold in facts.holds if hold.digest != digest]
    if not lifted:
        if others and digest is None:
            message = (
                f"no hold is on every version of {facts.name}; "
                f"{len(others)} {'is on a single version' if len(others) == 1 else 'are on single versions'}"
            )
            known = {found.digest: version for version, found in facts.versions.items() if found.digest}
            options = " or ".join(
                f'evalkit unhold {facts.ref(known[hold.digest])} --reason "…" --apply'
                if hold.digest in known
                else f"--digest {hold.digest}"
                for hold in others
            )
            refusal = Refusal("no-hold", "EK821", message, f"say which: {options}")
            return conclude(facts, Proposal("unhold", title, refusals=(refusal,)))
        return conclude(facts, Proposal("unhold", title, idle=f"Nothing holds {what}."))
    lines = [f"{hold.by} held it: {hold.reason}" for hold in lifted]
    lines.append(f"{by} lifts it. Promotion is judged by the evidence again; who serves does not change.")
    lines += [f"Another hold stays: {hold.by}: {hold.reason}" for hold in others if hold.digest is None]
    proposal = Proposal(
        command="unhold",
        title=title,
        edits=(RemoveHolds(tuple(hold.record for hold in lifted)),),
        sections=(Section("What happens", tuple(lines)),),
        undo=(f'evalkit hold {facts.ref(held[0]) if held else facts.name} --reason "…" --apply',),
        reason=f"{reason} (lifted by {by})",
    )
    return conclude(facts, proposal)
