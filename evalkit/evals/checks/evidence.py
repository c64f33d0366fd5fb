"""Evidence: every file is evalkit's own and in its place, and entries say what their evidence says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError, Location, Problem
from evalkit.evals.evidence import Evidence, read_evidence
from evalkit.registry.resolve import resolve_config
from evalkit.runtime.refs import Ref
from evalkit.runtime.yaml_source import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from evalkit.evals.evidence import EvidenceRun
    from evalkit.registry.checks import Catalog, EntryFacts, Found

__all__ = ["EvidenceReport", "check_evaluations", "check_evidence"]

SCORE_TOLERANCE = 1e-4  # entries hold four digits
_UNVERIFIED = "unverified: it may serve, and it cannot be promoted"


@dataclass(slots=True)
class EvidenceReport:
    """What was found."""

    problems: list[Problem] = field(default_factory=list)
    files: int = 0


def check_evidence(catalog: Catalog, wanted: Callable[[str], bool]) -> EvidenceReport:
    """Check every evidence file on its own: its JSON, its size, its place, and that it is of something."""
    report = EvidenceReport()
    for found in catalog.tree.evidence:
        if not wanted(found.display):
            continue
        report.files += 1
        try:
            evidence = read_evidence(found.path, found.display)
        except EvalkitError as error:
            report.problems += error.problems
            continue
        if evidence is not None:
            report.problems += _misplaced(evidence, found, catalog)
    return report


def _misplaced(evidence: Evidence, found: Found, catalog: Catalog) -> Iterator[Problem]:
    place = Location(found.display, 1, 1)
    expected = {"entry": found.ref.name, "version": found.ref.version, "suite": str(found.suite)}
    wrong = [key for key, value in expected.items() if getattr(evidence, key) != value]
    if wrong:
        # JSON is read as the YAML that it is, only to find the key's line.
        source, _ = parse_yaml(found.path.read_text(encoding="utf-8-sig"), found.display)
        for key in wrong:
            message = f"the evidence is of {key} {getattr(evidence, key)}, and the file lies at that of {expected[key]}"
            hint = "evidence is never copied: restore the file from git, and run the evaluation"
            yield Problem("EK109", message, source.locate((key,)), hint)
    if not catalog.tree.exists("entries", found.ref):
        hint = "an entry that has evidence is retired, not deleted: restore it from git"
        yield Problem("EK201", f"this is evidence of {found.ref}, and there is no such entry", place, hint)
    if found.suite is not None and not catalog.tree.exists("suites", found.suite):
        hint = "a suite that evidence cites is kept: restore it from git"
        yield Problem("EK201", f"this is evidence of {found.suite}, and there is no such suite", place, hint)


def check_evaluations(catalog: Catalog, entries: Iterable[EntryFacts]) -> Iterator[Problem]:
    """Compare what entries say about their evaluation with the evidence, and name those that have none."""
    files = {(found.ref, found.suite): found for found in catalog.tree.evidence}
    for facts in entries:
        serves = facts.status in {"staging", "production"}
        if not facts.eval:
            if serves and "eval" not in facts.places:
                message = f"no evaluation of this {facts.status} entry is recorded; {_UNVERIFIED}"
                yield _warning(message, facts.places.get("status"), facts)
            continue
        suite = Ref.parse(suite) if isinstance(suite := facts.eval.get("suite"), str) else None
        if suite is None:
            continue  # the schema's to report
        found = files.get((facts.ref, suite))
        if found is None:
            if serves:
                message = f"there is no evidence for this evaluation; {_UNVERIFIED}"
                yield _warning(message, facts.places.get("eval"), facts)
            continue
        try:
            evidence = read_evidence(found.path, found.display)
        except EvalkitError:
            continue  # reported with the evidence
        if evidence is not None:
            yield from _compare(facts, evidence, found, catalog, serves=serves)


def _compare(
    facts: EntryFacts, evidence: Evidence, found: Found, catalog: Catalog, *, serves: bool
) -> Iterator[Problem]:
    hint = f"evalkit run {facts.ref} --write-back writes this block; restore it, or evaluate again"
    noted = facts.eval.get("evidence")
    if isinstance(noted, str) and noted != evidence.digest:
        message = f"{found.display} has another digest: {evidence.digest}"
        yield Problem("EK219", message, facts.places.get("eval.evidence"), hint)
    wanted = facts.eval.get("run")
    run = next((r for r in reversed(evidence.runs) if wanted is None or r.run_id == wanted), None)
    if run is None:
        message = f"there is no run {wanted} in {found.display}"
        yield Problem("EK219", message, facts.places.get("eval.run") or facts.places.get("eval"), hint)
        return
    score, recorded = facts.eval.get("score"), _recorded_score(evidence, run)
    if isinstance(score, int | float) and recorded is not None and abs(score - recorded) > SCORE_TOLERANCE:
        message = f"the score is {score}, and the evidence says {round(recorded, 4)}"
        yield Problem("EK219", message, facts.places.get("eval.score"), hint)
    if serves and run.verdict != "pass":
        message = f"its evaluation did not pass (verdict: {run.verdict}); {_UNVERIFIED}"
        yield _warning(message, facts.places.get("eval"), facts)
    if serves and (current := _digest(catalog, facts.ref)) is not None and current != run.generation_digest:
        message = f"it changed since it was evaluated; {_UNVERIFIED}"
        yield _warning(message, facts.places.get("eval"), facts)


def _recorded_score(evidence: Evidence, run: EvidenceRun) -> float | None:
    pooled = evidence.pooled_score(run)
    return run.score if pooled is None else pooled


def _digest(catalog: Catalog, ref: Ref) -> str | None:
    try:
        return resolve_config(catalog.project, catalog.project.entry(ref)).digest
    except EvalkitError:
        return None  # its own problems say why


def _warning(message: str, place: Location | None, facts: EntryFacts) -> Problem:
    hint = f"evalkit run {facts.ref} --write-back"
    return Problem("EK207", message, place, hint, "warning")
