"""Write a finished run into the registry: the run into its evidence file, the score into the entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.evals.evidence import EvidenceRun, add_run, evidence_path, per_case
from evalkit.registry.atomic import locked
from evalkit.registry.writeback import apply

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.evals.evaluate import RunResult
    from evalkit.evals.evidence import Evidence
    from evalkit.evals.plan import Plan
    from evalkit.registry.project import Project

__all__ = ["evidence_of", "write_back"]

SCORE_DIGITS = 4


def write_back(project: Project, plan: Plan, result: RunResult, *, lock_dir: Path) -> list[Path]:
    """Add the run to the evidence, and put `eval:` into the entry if this suite is its first required one.

    Twice in a row changes nothing. Two processes at once lose nothing: both files change under the entry's lock.

    Returns:
        The files that changed.

    Raises:
        WriteBackError: EK601, the entry cannot be edited safely; nothing was touched.
        SchemaError: EK208, the evidence file is broken; nothing was touched.
    """
    path = evidence_path(project.root, plan.entry, plan.suite.ref)
    changed: list[Path] = []
    with locked(plan.loaded.path, lock_dir):
        before = path.read_bytes() if path.exists() else None
        run = evidence_of(plan, result)
        display = project.display(path)
        evidence = add_run(
            path, run, entry=plan.entry, suite=plan.suite.ref, lock_dir=lock_dir, display=display
        )
        if path.read_bytes() != before:
            changed.append(path)
        if _is_first_suite(project, plan):
            block = _eval_block(plan, run, evidence)
            shown = project.display(plan.loaded.path)
            if block and apply(plan.loaded.path, {"eval": block}, display=shown):
                changed.append(plan.loaded.path)
    return changed


def _is_first_suite(project: Project, plan: Plan) -> bool:
    required = project.policy_for(plan.entry.name).suites
    return not required or required[0] == plan.suite.ref


def _eval_block(plan: Plan, run: EvidenceRun, evidence: Evidence) -> dict[str, str | int | float]:
    """The block after this run. It names the newest run of the evidence, which may be an equal, earlier one."""
    newest = next((r for r in reversed(evidence.runs) if r.generation_digest == run.generation_digest), run)
    score = evidence.pooled_score(newest)
    if score is None:
        score = newest.score
    if score is None:
        return {}
    return {
        "suite": str(plan.suite.ref),
        "score": round(score, SCORE_DIGITS),
        "run": newest.run_id,
        "evidence": evidence.digest,
    }


def evidence_of(plan: Plan, result: RunResult) -> EvidenceRun:
    """The part of a run that is committed: no model output, case ids only as hashes."""
    record, scores = result.record, result.aggregate.evidence_scores
    return EvidenceRun.model_validate(
        {
            "run_id": record.run_id,
            "created": record.started_at,
            "source": record.source,
            "generation_digest": record.generation_digest,
            "suite_digest": record.suite_digest,
            "measurement_digest": record.measurement_digest,
            "baseline_digest": (record.baseline or {}).get("generation_digest"),
            "verdict": record.verdict,
            "score": record.score,
            "ci95": list(record.ci95) if record.ci95 else None,
            "primary": record.primary,
            "cases": record.cases,
            "scored": record.scored,
            "errors": record.errors,
            "cached": record.cached,
            "repeats": record.repeats,
            "metrics": record.metrics,
            "slices": {
                tag: {"cases": one.cases, "scored": one.scored, "score": one.score}
                for tag, one in record.slices.items()
            },
            "latency_ms": record.latency_ms,
            "tokens": record.tokens,
            "cost_usd": record.cost_usd,
            "served_models": record.served_models,
            "evalkit_version": record.evalkit_version,
            "scores": per_case(scores) if scores is not None else None,
        }
    )
