"""What a pool must know of the suite as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from evalkit.errors import ConfigError
from evalkit.evals.cases import iter_valid_cases
from evalkit.evals.checks.examine import examine_cases
from evalkit.evals.evidence import hashed_id
from evalkit.evals.plan import cases_display, measurement_digest, suite_digest
from evalkit.evals.suite import load_suite

if TYPE_CHECKING:
    from evalkit.evals.suite import LoadedSuite, Suite
    from evalkit.registry.project import Project
    from evalkit.runtime.refs import Ref

__all__ = ["CaseFacts", "SuiteFacts", "suite_facts"]


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """One case, without its content."""

    id: str
    tags: tuple[str, ...]
    cluster: str | None
    must_pass: bool


@dataclass(frozen=True)  # no slots: the cases are read on first use
class SuiteFacts:
    """A valid suite and what it measures."""

    loaded: LoadedSuite
    display: str
    """How messages show the file of the cases."""
    count: int
    """Cases."""
    must_pass: int
    """Cases that must pass."""
    measurement: str
    """The measurement digest: runs that share it are pooled."""
    digest: str
    """The suite digest: measurement, gate and primary metric."""

    @property
    def suite(self) -> Suite:
        """The suite itself."""
        return self.loaded.suite

    @cached_property
    def cases(self) -> dict[str, CaseFacts]:
        """By hashed id, in the order of the suite.

        Raises:
            ConfigError: EK401, the file of the cases changed while it was read.
        """
        return {
            hashed_id(case.id): CaseFacts(case.id, case.tags, case.cluster, case.must_pass)
            for case in iter_valid_cases(self.loaded, self.display)
        }


def suite_facts(project: Project, ref: Ref) -> SuiteFacts:
    """Read a suite and its cases.

    Raises:
        UnresolvedReference: EK201, there is no such suite.
        ConfigError: with every problem of the suite and its cases.
    """
    loaded = load_suite(project, str(ref))
    display = cases_display(project, loaded)
    summary = examine_cases(loaded, [], display)
    if summary.problems:
        raise ConfigError(summary.problems)
    measurement = measurement_digest(loaded, summary)
    return SuiteFacts(
        loaded,
        display,
        count=summary.count,
        must_pass=summary.must_pass,
        measurement=measurement,
        digest=suite_digest(loaded, measurement),
    )
