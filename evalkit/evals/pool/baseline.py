"""The baseline of a pool: whose runs it is compared with, case by case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.evals.gate import GateRules, compare
from evalkit.evals.pool.pooled import pooled
from evalkit.runtime.refs import Ref
from evalkit.runtime.serving import serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.evals.gate import Comparison
    from evalkit.evals.pool.evidences import Evidences
    from evalkit.evals.pool.facts import SuiteFacts
    from evalkit.evals.pool.pooled import Pool
    from evalkit.registry.project import Project

__all__ = ["Against", "against", "serving_ref"]


@dataclass(frozen=True, slots=True)
class Against:
    """The gate's rules, and what it is told about the baseline."""

    rules: GateRules
    comparison: Comparison | None = None
    missing: str | None = None
    """Why there is no comparison although one is needed, as a clause."""
    said: tuple[str, ...] = ()
    """Sentences to add."""
    shown: Comparison | None = None
    """For the shadow rules, where the binding ones were judged when the run was made."""


def serving_ref(project: Project, entry: Ref) -> Ref | None:
    """Who serves the entry's name in production, unless it is the entry itself.

    Raises:
        ValueError: who serves is not clear.
        UnknownEntry, SchemaError: the entries of the name cannot be read.
    """
    found = serving(project.states(entry.name), "production")
    if found is None or found.primary == entry.version:
        return None
    return Ref(entry.name, found.primary)


def against(
    evidences: Evidences, pool: Pool, facts: SuiteFacts, baseline: str | None, sources: Sequence[str]
) -> Against:
    """Compare the pool with the pool of the baseline's config, by case.

    A single run that was compared with this baseline is not compared again. Where single cases cannot be compared, the
    newest run's own comparison stands in, if that run passed.

    Raises:
        SchemaError: EK208, evidence of the baseline is broken.
    """
    rules, newest = facts.suite.gate, pool.runs[-1]
    if not rules.needs_baseline or baseline is None:
        return Against(rules)
    compared = (newest.baseline_digest, newest.suite_digest) == (baseline, facts.digest)
    judged_then = rules.without_baseline()
    judged_already = compared and len(pool.runs) == 1
    if judged_already and not (rules.shadow and rules.shadow.needs_baseline):
        return Against(judged_then)
    same = [run for run in evidences.of_config(baseline) if run.measurement_digest == facts.measurement]
    counting = [run for run in same if run.source in sources]
    means = pooled(counting).means
    comparison: Comparison | None = None
    if means and pool.means:
        comparison = compare(_by_id(pool.means, facts), _by_id(means, facts), _clusters(facts))
    if judged_already:
        return Against(judged_then, shown=comparison)
    if comparison is not None:
        return Against(rules, comparison)
    if compared and newest.verdict == "pass":
        said = (
            f"The newest run ({newest.run_id}) was compared with the baseline ({baseline[:19]}…), and passed."
        )
        return Against(judged_then, said=(said,))
    if not counting:
        listed = " or ".join(sources)
        missing = f"there is no {listed} run of its config ({baseline[:19]}…) with these cases and scorers"
    else:
        missing = (
            "the scores of single cases were not kept, and the newest run did not pass its own comparison"
        )
    return Against(rules, missing=missing)


def _by_id(means: dict[str, float], facts: SuiteFacts) -> dict[str, float]:
    return {facts.cases[key].id: mean for key, mean in means.items() if key in facts.cases}


def _clusters(facts: SuiteFacts) -> dict[str, str] | None:
    named = {case.id: case.cluster for case in facts.cases.values() if case.cluster is not None}
    return named or None
