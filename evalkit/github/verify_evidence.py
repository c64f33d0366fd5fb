"""Evidence files held against themselves, against what they were, and against the artifacts that they cite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from evalkit.errors import EvalkitError, Location, Problem
from evalkit.evals.checks.everything import check_project
from evalkit.evals.evidence import read_evidence
from evalkit.github.admission import Refused, unadmitted
from evalkit.promote.base.change import Change
from evalkit.promote.base.evidence import (
    EVIDENCE,
    AddedRun,
    added_runs,
    evidence_only_grows,
    place_in,
    unlikely,
)
from evalkit.promote.base.snapshot import entry_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from evalkit.evals.evidence import Evidence
    from evalkit.github.admission import Admission
    from evalkit.registry.project import Project

__all__ = ["EvidenceReport", "RunStanding", "verify_evidence"]


@dataclass(frozen=True, slots=True)
class RunStanding:
    """One run, and whether it counts."""

    path: str
    run_id: str
    source: str
    standing: Literal["admitted", "admitted by age", "refused", "not verified", "does not promote"]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class EvidenceReport:
    """What was found."""

    files: int
    runs: tuple[RunStanding, ...]
    problems: tuple[Problem, ...]
    """By file and line; warnings among them where the forge was not asked."""


def verify_evidence(
    project: Project,
    paths: Sequence[Path],
    today: date,
    *,
    admission: Admission | None = None,
    base: str | None = None,
) -> EvidenceReport:
    """Compute again what can be: form, place, sums, scores, digests in entries; and ask the forge for the rest.

    Args:
        project: whose evidence.
        paths: files and folders; all evidence without any.
        today: as `check_project` takes it.
        admission: by the forge; None leaves runs of CI unverified.
        base: a ref; only what was added since is held against the forge, and evidence may only have grown.

    Raises:
        ForgeError: the forge does not answer.
        UsageError: git fails, or does not know `base`.
    """
    change = None if base is None else Change(project.root, base)
    files: dict[str, Evidence] = {}
    problems: list[Problem] = []
    chosen = list(_chosen(project, paths))
    for path in chosen:
        display = project.display(path)
        try:
            evidence = read_evidence(path, display)
        except EvalkitError:
            continue  # told below, with the rest of the file
        if evidence is not None:
            files[display] = evidence
    entries = {
        project.root / entry_path(match[1], int(match[2]))
        for path in chosen
        if (match := EVIDENCE.fullmatch(project.display(path)))
    }
    if chosen:
        found = check_project(project, today, [*chosen, *entries])
        problems += [one for one in found.problems if _is_ours(one)]
    for display, evidence in files.items():
        raw = (project.root / display).read_bytes()
        for index in range(len(evidence.runs)):
            for key, message in unlikely(evidence.runs, index):
                hint = "restore the file from git; evalkit run --write-back and evalkit record add runs"
                problems.append(Problem("EK843", message, place_in(display, index, raw, key), hint))
    if change is not None:
        problems += evidence_only_grows(change)
    standings, refused = _standings(project, files, admission, change)
    problems = list(dict.fromkeys([*problems, *refused]))
    return EvidenceReport(len(chosen), tuple(standings), tuple(sorted(problems, key=_order)))


def _chosen(project: Project, paths: Sequence[Path]) -> Iterator[Path]:
    top = project.root / "registry" / "evidence"
    for path in sorted(top.glob("*/v*/*.json")):
        if not paths or any(path == one or path.is_relative_to(one) for one in paths):
            yield path


def _is_ours(problem: Problem) -> bool:
    where = problem.location.path if problem.location else ""
    return problem.code == "EK219" or where.startswith("registry/evidence/")


def _standings(
    project: Project, files: dict[str, Evidence], admission: Admission | None, change: Change | None
) -> tuple[list[RunStanding], list[Problem]]:
    """Of each run, or of those that a change adds."""
    if change is not None:
        added = [one for one in added_runs(change) if one.path in files]
    else:
        added = [
            AddedRun(path, run, place_in(path, index, (project.root / path).read_bytes()))
            for path, evidence in files.items()
            for index, run in enumerate(evidence.runs)
        ]
    is_required = project.config.forge is not None
    standings: list[RunStanding] = []
    problems: list[Problem] = []
    for one in added:
        told = unadmitted([one], admission, is_required=is_required)
        problems += told
        standings.append(_standing(one, admission, told, is_required=is_required))
    return standings, problems


def _standing(
    one: AddedRun, admission: Admission | None, told: Sequence[Problem], *, is_required: bool
) -> RunStanding:
    run = one.run
    if run.source != "ci":
        return RunStanding(one.path, run.run_id, run.source, "does not promote")
    if told and told[0].severity == "error":
        return RunStanding(one.path, run.run_id, run.source, "refused", told[0].message)
    if admission is None or not is_required:
        return RunStanding(one.path, run.run_id, run.source, "not verified")
    verdict = admission.admit(run, one.path)
    by_age = not isinstance(verdict, Refused) and verdict.by_age
    return RunStanding(one.path, run.run_id, run.source, "admitted by age" if by_age else "admitted")


def _order(problem: Problem) -> tuple[str, int, int, str]:
    place = problem.location or Location("")
    return place.path, place.line, place.column, problem.code
