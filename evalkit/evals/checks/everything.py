"""`evalkit check`: every file of a project, every problem, in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.evals.checks.evidence import check_evaluations, check_evidence
from evalkit.evals.checks.recordings import check_recordings
from evalkit.evals.checks.suites import check_suites, is_wanted, prompts_by_suite
from evalkit.registry.checks import Catalog, check_registry, walk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from evalkit.errors import Problem
    from evalkit.registry.project import Project

__all__ = ["CheckReport", "check_project"]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of a check."""

    problems: tuple[Problem, ...]
    """By file, line and column."""
    files: int
    """How many files were looked at."""

    @property
    def errors(self) -> int:
        """How many problems fail the check."""
        return sum(1 for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> int:
        """How many problems do not."""
        return len(self.problems) - self.errors


def check_project(project: Project, today: date, paths: Sequence[Path] = ()) -> CheckReport:
    """Check a project, or the files at and below some of its paths.

    Args:
        project: where it is.
        today: for exceptions and holds that run out, and models that shut down.
        paths: what to look at; what these files refer to is read in any case.
    """
    below = {project.display(path.absolute()) for path in paths}
    if "." in below:
        below = set()
    folders = tuple(f"{path}/" for path in below)

    def wanted(display: str) -> bool:
        return not below or display in below or display.startswith(folders)

    catalog = Catalog(project, walk(project.root), today)
    suites = {ref for ref in catalog.tree.found["suites"] if below and is_wanted(catalog, ref, wanted)}
    registry = check_registry(
        catalog, wanted, needed=lambda name: any(s in suites for s in catalog.policy_for(name).suites)
    )
    evidence = check_evidence(catalog, wanted)
    recordings = check_recordings(catalog, wanted)
    evaluations = check_evaluations(catalog, registry.entries)
    assigned = prompts_by_suite(catalog, registry.entries)
    of_suites = check_suites(catalog, assigned, wanted)
    problems = dict.fromkeys(
        [
            *registry.problems,
            *evidence.problems,
            *recordings.problems,
            *(p for p in evaluations if p.location and wanted(p.location.path)),
            *of_suites.problems,
        ]
    )
    files = registry.files + evidence.files + recordings.files + of_suites.files
    return CheckReport(tuple(sorted(problems, key=_order)), files)


def _order(problem: Problem) -> tuple[str, int, int, str, str]:
    place = problem.location
    where = (place.path, place.line, place.column) if place else ("", 0, 0)
    return (*where, problem.code, problem.message)
