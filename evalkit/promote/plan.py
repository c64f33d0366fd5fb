"""A plan: what would change in the registry, why it may, and how it is undone. Pure data, made by pure functions.

Every planner ends in `conclude`, which holds what is true of all plans: who serves before and after comes from
`evalkit.runtime.serving`, what is legal from `evalkit.registry.lifecycle`, and a plan that is refused edits nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from evalkit.promote.edits import AddOverride, Edit, SetKeys, described, path_of, rendered, states_after
from evalkit.registry.lifecycle import ENVIRONMENTS, NEVER_OVERRIDDEN, violations
from evalkit.runtime.serving import conflicts, serving

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from evalkit.promote.facts import NameFacts
    from evalkit.runtime.serving import Serving

__all__ = ["FileChange", "Force", "Plan", "Proposal", "Refusal", "Section", "Shift", "conclude", "unclear"]

_NO_OVERRIDE = "Nothing needed an override; none is recorded."


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why a plan is not carried out."""

    kind: str
    """What an override names: a kind of `lifecycle.Violation`, or `evidence`, `gate`, `canary`, …"""
    code: str
    """Documented in docs/errors.md."""
    message: str
    fix: str
    """What to do about it."""
    version: int | None = None
    can_override: bool = False
    is_undecided: bool = False
    """It was measured, or is being measured, and the outcome is not clear yet: nothing is known to be bad."""


@dataclass(frozen=True, slots=True)
class Force:
    """`--override`: who lets a change past the rules, and why."""

    reason: str
    by: str
    on: date


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the sentences below it. Both may hold foreign text: each report neutralises it."""

    title: str
    lines: tuple[str, ...]
    verbatim: bool = False
    """Of lines that are compared, such as a diff: no report breaks them."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Who serves an environment, before and after."""

    env: str
    before: Serving | None
    after: Serving | None


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file, before and after; None where there is none."""

    path: str
    """In the project, with forward slashes."""
    before: bytes | None
    after: bytes | None
    summary: tuple[str, ...] = ()
    """What changes in it, in words."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a planner decided; `conclude` makes the plan of it."""

    command: str
    """The subcommand that made it."""
    title: str
    """`Promote support-triage@v15 to production`: also the subject of the commit."""
    edits: tuple[Edit, ...] = ()
    version: int | None = None
    """The one that it is about, if it is about one."""
    sections: tuple[Section, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    reason: str | None = None
    """For the commit."""
    idle: str | None = None
    """Why there is nothing to do, where there is nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change, or why it does not."""

    name: str
    command: str
    title: str
    version: int | None
    edits: tuple[Edit, ...]
    shifts: tuple[Shift, ...]
    """By environment; empty where it is not clear who serves."""
    sections: tuple[Section, ...]
    refusals: tuple[Refusal, ...]
    overridden: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    undo: tuple[str, ...]
    next_steps: tuple[str, ...]
    idle: str | None
    changes: tuple[FileChange, ...]
    basis: Mapping[str, str | None] = field(default_factory=dict)
    """sha256 of every file that the plan was made from; None for one that was not there."""
    commit_message: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether something stands against it. A refused plan edits nothing."""
        return bool(self.refusals)

    @property
    def outcome(self) -> str:
        """`refused`, `nothing` (it is so already) or `possible`."""
        if self.refusals:
            return "refused"
        return "possible" if self.changes else "nothing"


def conclude(facts: NameFacts, proposal: Proposal, force: Force | None = None) -> Plan:
    """The plan of a proposal: judged by the lifecycle, with who serves, bytes, and a message for the commit.

    With `force`, what can be overridden is, and each of it leaves a record among the edits.

    Raises:
        WriteBackError: EK601, a file cannot be edited without touching more than what is asked for.
    """
    before = facts.states
    after = states_after(before, proposal.edits)
    refusals = [*proposal.refusals, *_illegal(facts, proposal.edits)]
    overridden: list[Refusal] = []
    if force is not None:
        overridden = [one for one in refusals if one.can_override]
        refusals = [one for one in refusals if not one.can_override]
    edits: tuple[Edit, ...] = ()
    if not refusals:
        records = _records(facts, overridden, force)
        edits = (*proposal.edits, *records)
    changes = _changes(facts, edits)
    proposal = replace(proposal, title=proposal.title + (" (override)" if overridden else ""))
    return Plan(
        name=facts.name,
        command=proposal.command,
        title=proposal.title,
        version=proposal.version,
        edits=edits if changes else (),
        shifts=_shifts(before, before if refusals else after),
        sections=proposal.sections,
        refusals=tuple(refusals),
        overridden=tuple(overridden),
        warnings=(*proposal.warnings, *((_NO_OVERRIDE,) if force and not overridden else ())),
        undo=proposal.undo if changes else (),
        next_steps=proposal.next_steps if changes else (),
        idle=None if refusals or changes else proposal.idle or "Everything is so already.",
        changes=changes,
        basis={path: digest_of(text) for path, text in facts.files.items()},
        commit_message=_message(facts, proposal, overridden, force) if changes else "",
    )


def unclear(facts: NameFacts, command: str, title: str) -> Plan | None:
    """The refusal of every plan where it is not clear who serves; None where it is."""
    if not (found := facts.contradictions):
        return None
    refusal = Refusal(
        "ambiguous",
        "EK823",
        f"it is not clear who serves {facts.name}: {'; '.join(found)}",
        "evalkit check shows where; put that right first",
    )
    return Plan(
        name=facts.name,
        command=command,
        title=title,
        version=None,
        edits=(),
        shifts=(),
        sections=(),
        refusals=(refusal,),
        overridden=(),
        warnings=(),
        undo=(),
        next_steps=(),
        idle=None,
        changes=(),
    )


def digest_of(text: bytes | None) -> str | None:
    """sha256 of a file's bytes; None for no file."""
    return None if text is None else hashlib.sha256(text).hexdigest()


def _illegal(facts: NameFacts, edits: Sequence[Edit]) -> list[Refusal]:
    before = facts.states
    return [
        Refusal(
            one.kind,
            "EK811",
            f"{facts.name}: {one.message}",
            one.hint.replace("NAME", facts.name),
            one.version,
            can_override=one.kind not in NEVER_OVERRIDDEN | {"below", "revives", "goes-back", "no-weight"},
        )
        for one in violations(before, states_after(before, edits))
    ]


def _records(facts: NameFacts, overridden: Sequence[Refusal], force: Force | None) -> list[AddOverride]:
    records: dict[tuple[int, str], dict[str, Any]] = {}
    for one in overridden:
        if force is None or one.version is None:
            continue
        digest = facts.versions[one.version].digest
        record: dict[str, Any] = {"version": one.version, "change": one.kind}
        record |= {"digest": digest} if digest else {}
        record |= {"reason": force.reason, "by": force.by, "on": force.on.isoformat()}
        records[one.version, one.kind] = record
    return [AddOverride(record) for record in records.values()]


def _changes(facts: NameFacts, edits: Sequence[Edit]) -> tuple[FileChange, ...]:
    after = rendered(facts, edits)
    summaries: dict[str, list[str]] = {}
    for change in edits:
        summaries.setdefault(path_of(change, facts), []).extend(described(change, facts))
    return tuple(
        FileChange(path, facts.files.get(path), text, tuple(summaries[path]))
        for path, text in sorted(after.items())
    )


def _shifts(before: Mapping[int, Any], after: Mapping[int, Any]) -> tuple[Shift, ...]:
    if conflicts(before.values()) or conflicts(after.values()):
        return ()
    return tuple(
        Shift(env, serving(before.values(), env), serving(after.values(), env)) for env in ENVIRONMENTS
    )


def _message(facts: NameFacts, proposal: Proposal, overridden: Sequence[Refusal], force: Force | None) -> str:
    """A commit message: the title, the edits, and trailers that `evalkit log` reads."""
    body = [f"- {line}" for change in proposal.edits for line in _said(change, facts)]
    trailers: list[str] = []
    reason = force.reason if force and overridden else proposal.reason
    if reason:
        trailers.append(f"Reason: {' '.join(reason.split())}")
    trailers += [f"Override: {one.kind} v{one.version}" for one in overridden]
    blocks = [proposal.title, "\n".join(body), "\n".join(trailers)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _said(change: Edit, facts: NameFacts) -> list[str]:
    if isinstance(change, SetKeys):
        return [f"v{change.version} {line}" for line in described(change, facts)]
    verbs = {"+": "adds a", "-": "lifts a"}
    return [f"{verbs[line[0]]}{line[1:]}" for line in described(change, facts)]
