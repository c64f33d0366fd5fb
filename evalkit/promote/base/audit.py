"""The whole main line, step by step: what landed there although the rules forbid it.

A rule that was broken long ago cannot be kept any more, so a record in `registry/overrides/` settles it here even when it
was added later; in a change of today only a record of the same change counts.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from evalkit.errors import Location, Problem, UsageError
from evalkit.promote.base.past import Past
from evalkit.promote.base.past_files import (
    broken_components,
    broken_evidence,
    broken_suites,
    edited_entries,
)
from evalkit.promote.base.snapshot import entry_path
from evalkit.promote.base.transitions import CODES
from evalkit.promote.base.versions import Versions
from evalkit.promote.history import Repository
from evalkit.promote.history.commits import commits
from evalkit.registry.lifecycle import NEVER_OVERRIDDEN, violations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from evalkit.runtime.refs import Ref
    from evalkit.runtime.serving import EntryState

    _Shape: TypeAlias = tuple[tuple[tuple[object, ...] | None, tuple[object, ...] | None], ...]

__all__ = ["AuditReport", "audit_history"]

SETTLES_EDIT = "rewrites"
"""What a record names in its `change` to settle an edit of what is immutable."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was found on the main line."""

    problems: tuple[Problem, ...]
    """Oldest first; each names its commit."""
    commits: int
    """How many commits the line has."""
    line: str
    """The ref that was followed."""


@dataclass(slots=True)
class Breach:
    """A rule that a step broke."""

    place: int
    code: str
    path: str
    message: str
    hint: str
    name: str
    """With `version` and `kind`: what a record that settles it names."""
    version: int
    kind: str


def audit_history(root: Path, ref: str | None = None) -> AuditReport:
    """Every illegal transition, edit of what is immutable, reused number, deletion and edit of evidence on the main line.

    Args:
        root: the project's directory.
        ref: the end of the line; without one the main line's.

    Raises:
        UsageError: EK803, the clone is shallow; otherwise as `evalkit.promote.history`.
    """
    repository = Repository.of(root)
    line = ref or repository.main_ref()
    past = Past(root, repository.commit(line).id)
    if past.is_cut:
        message = f"this clone is shallow and does not hold the history of the registry: {len(past.line.ids):,} commits are here"
        hint = "run `git fetch --unshallow`; in GitHub Actions, give actions/checkout `fetch-depth: 0`"
        raise UsageError(Problem("EK803", message, hint=hint))
    found = sorted(_breaches(past), key=lambda one: (one.place, one.path, one.code))
    open_ones = [one for one in found if not _is_settled(past, one)]
    known = commits(past.git, [past.line.ids[one.place] for one in open_ones])
    problems = []
    for one in open_ones:
        commit = known[past.line.ids[one.place]]
        when = past.line.time(one.place)
        message = f"commit {commit.id[:12]} of {when:%Y-%m-%d} by {commit.author}: {one.message}"
        problems.append(Problem(one.code, message, Location(one.path), one.hint))
    return AuditReport(tuple(problems), len(past.line.ids), line)


def _breaches(past: Past) -> Iterator[Breach]:
    began = past.began
    names: dict[str, Versions] = defaultdict(Versions)
    legal: set[_Shape] = set()
    for place, steps in past.steps():
        for name, step in steps.items():
            versions = names[name]
            before, after = versions.take(step)
            if place != began and before != after:
                yield from _illegal(place, name, before, after, versions.used, legal)
            versions.used |= step.states.keys()
        if place != began:
            for path, ref, what in edited_entries(past, place):
                message = f"{ref} had left draft, and its config was edited: {what}"
                yield _edit(place, "EK831", path, message, ref)
    for one in (*broken_evidence(past), *broken_components(past), *broken_suites(past)):
        yield _edit(one.place, one.code, one.path, one.message, one.entry)


def _edit(place: int, code: str, path: str, message: str, ref: Ref) -> Breach:
    hint = f"put it back unless that is done, and settle it with a record of '{SETTLES_EDIT}' for v{ref.version} in registry/overrides/{ref.name}.yaml"
    return Breach(place, code, path, message, hint, ref.name, ref.version, SETTLES_EDIT)


def _illegal(
    place: int,
    name: str,
    before: Mapping[int, EntryState],
    after: Mapping[int, EntryState],
    used: set[int],
    legal: set[_Shape],
) -> Iterator[Breach]:
    """What a step of one name breaks; `legal` gathers what is known to break nothing."""
    shape = _shape(before, after)
    if shape in legal and not (after.keys() - before.keys()) & used:
        return
    found = violations(before, after, used)
    if not found:
        legal.add(shape)
    for one in found:
        hint = f"it cannot be undone; settle it with a record of '{one.kind}' for v{one.version} in registry/overrides/{name}.yaml"
        if one.kind in NEVER_OVERRIDDEN:
            hint = one.hint.replace("NAME", name)
        code = CODES.get(one.kind, "EK838")
        path = entry_path(name, one.version)
        yield Breach(place, code, path, f"{name}: {one.message}", hint, name, one.version, one.kind)


def _shape(before: Mapping[int, EntryState], after: Mapping[int, EntryState]) -> _Shape:
    """A step without its numbers. The lifecycle knows versions by their order alone, and most steps are alike."""
    return tuple(
        (_said(before.get(version)), _said(after.get(version)))
        for version in sorted(before.keys() | after.keys())
    )


def _said(state: EntryState | None) -> tuple[object, ...] | None:
    return (state.status, state.traffic, state.control, state.percent, state.unit) if state else None


def _is_settled(past: Past, breach: Breach) -> bool:
    if breach.kind in NEVER_OVERRIDDEN:
        return False
    return any(
        place >= breach.place and (version, kind) == (breach.version, breach.kind)
        for place, version, kind in past.overrides(breach.name)
    )
