"""Write a finished run into the registry: the run into its evidence file, the score into the entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.evals.evidence import (
    Evidence,
    EvidenceRun,
    evidence_path,
    per_case,
    read_evidence,
    with_run,
)
from evalkit.registry.writeback import apply, edit
from evalkit.runtime.atomic import locked, write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.evals.conclude import RunResult
    from evalkit.evals.plan import Plan
    from evalkit.registry.project import Project

__all__ = ["Written", "evidence_of", "save_evidence", "write_back"]

SCORE_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Written:
    """What a write-back did."""

    changed: tuple[Path, ...]
    """The files that changed; none when everything was there already."""
    score: float | None
    """The entry's score now; None if this suite does not give it."""
    runs: int
    """Over how many runs it is taken."""


def write_back(project: Project, plan: Plan, result: RunResult, *, lock_dir: Path) -> Written:
    """Add the run to the evidence, and put `eval:` into the entry if this suite is its first required one.

    Twice in a row changes nothing. Two processes at once lose nothing: they take turns.

    Raises:
        WriteBackError: EK601, the entry cannot be edited safely; nothing was touched.
        SchemaError: EK208, the evidence file is broken; nothing was touched.
    """
    path, entry_path = evidence_path(project.root, plan.entry, plan.suite.ref), plan.loaded.path
    display, entry_display = project.display(path), project.display(entry_path)
    run = evidence_of(result)
    changed: list[Path] = []
    with locked(path, lock_dir):
        before = read_evidence(path, display) or Evidence(
            entry=plan.entry.name, version=plan.entry.version, suite=str(plan.suite.ref)
        )
        evidence = with_run(before, run)
        changes = {"eval": block} if (block := _eval_block(project, plan, run, evidence)) else {}
        edit(entry_path.read_bytes(), changes, path=entry_display)  # refused before anything is written
        if evidence is not before:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, evidence.to_bytes(), display=display)
            changed.append(path)
        if apply(entry_path, changes, display=entry_display, lock_dir=lock_dir):
            changed.append(entry_path)
    score = changes.get("eval", {}).get("score")
    return Written(tuple(changed), None if score is None else float(score), len(evidence.pool(run)))


def _is_first_suite(project: Project, plan: Plan) -> bool:
    required = project.policy_for(plan.entry.name).suites
    return not required or required[0] == plan.suite.ref


def _eval_block(
    project: Project, plan: Plan, run: EvidenceRun, evidence: Evidence
) -> dict[str, str | int | float | bool]:
    """The block after this run; empty if another suite comes first, or nothing was scored.

    It names the newest run of the evidence, which may be an equal, earlier one.
    """
    if not _is_first_suite(project, plan):
        return {}
    newest = next(reversed(evidence.pool(run)), run)
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


def save_evidence(result: RunResult, directory: Path) -> None:
    """Write `evidence.json`: what would be committed of the run. A part of a run, and one that was stopped, is none."""
    path = directory / "evidence.json"
    if result.is_complete and result.record.shard is None:
        write_bytes(path, evidence_of(result).to_bytes(), display=str(path))
    else:
        path.unlink(missing_ok=True)  # of an earlier run into the same directory


def evidence_of(result: RunResult) -> EvidenceRun:
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
