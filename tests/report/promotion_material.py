"""A promotion as it looks in practice: plan, figures and places of its evidence."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "promote"))

from plan_material import NOW, TODAY, Tree, days, passed, plant
from report_material import order_run

from evalkit.evals.evidence import EvidenceRun
from evalkit.promote.promotion import plan_promotion
from evalkit.promote.rollback import plan_rollback
from evalkit.registry.differences import differences
from evalkit.report.cases import collect
from evalkit.report.pull_request import Measured, Promotion, RunPlace

RUN = "https://github.example/acme/llm/actions/runs/4711"


def tree(root: Path, **keys) -> Tree:
    """v13 and v14 served, v15 was a clean canary."""
    versions = {
        13: "production",
        14: "production",
        15: {"status": "staging", "rollout": "{ percent: 10 }", "canary": "{ verdict: clean, run: c-1 }"},
    }
    return plant(root, versions, spans=[days(13, 40, 6), days(14, 6)], **keys)


def evidence_run(run_id: str = "20261123T081500Z-51aa02", **changes) -> EvidenceRun:
    values = {
        "run_id": run_id,
        "created": "2026-11-23T08:15:00Z",
        "source": "ci",
        "generation_digest": "sha256:" + "3b" * 32,
        "suite_digest": "sha256:" + "c4" * 32,
        "measurement_digest": "sha256:" + "91" * 32,
        "verdict": "pass",
        "score": 0.9312,
        "primary": "mean",
        "cases": 120,
        "scored": 118,
        "errors": 2,
        "cached": 0,
        "repeats": 1,
        "latency_ms": {"p50": 612.0, "p95": 1_480.0},
        "tokens": {"in": 41_300, "out": 5_430},
        "cost_usd": 0.0213,
        "evalkit_version": "0.1.0",
    }
    return EvidenceRun.model_validate(values | changes, strict=False)


def measured(**changes) -> Measured:
    record, samples = order_run("pass", entry="triage", version=15, suite="triage-eval@v1", source="ci")
    record.baseline = {
        "entry": "triage", "version": 14, "score": 0.9125, "difference": 0.0187, "low": -0.012, "high": 0.049,
        "better": ["order-003", "order-006", "order-010"], "worse": ["order-021"],
    }  # fmt: skip
    values = {
        "verdict": replace(passed(), reasons=("Mean score 0.931 reaches 0.9 (95 % range 0.90 to 0.95).",)),
        "min_score": 0.9,
        "lower_required": 0.85,
        "path": "registry/evidence/triage/v15/triage-eval@v1.json",
        "suite_digest": "sha256:" + "c4" * 32,
        "measurement_digest": "sha256:" + "91" * 32,
        "runs": (evidence_run(), evidence_run("20261124T101500Z-7f3a9c", created="2026-11-24T10:15:00Z")),
        "serving": (
            evidence_run(
                "20261101T090000Z-0c11aa", cost_usd=0.0202, latency_ms={"p50": 655.0, "p95": 1500.0}
            ),
        ),
        "places": (
            RunPlace(
                "20261123T081500Z-51aa02",
                "2026-11-23T08:15:00Z",
                f"{RUN}0",
                "evalkit-evidence-3b3b-9191",
                "sha256:" + "5a" * 32,
            ),
            RunPlace(
                "20261124T101500Z-7f3a9c",
                "2026-11-24T10:15:00Z",
                f"{RUN}1",
                "evalkit-evidence-3b3b-9191",
                "sha256:" + "6b" * 32,
            ),
        ),
        "record": record,
        "cases": collect(samples),
    }
    return Measured(**(values | changes))


def promotion(root: Path, **changes) -> Promotion:
    facts = tree(root).facts()
    plan = plan_promotion(facts, 15, None, TODAY)
    values = {
        "plan": plan,
        "entry": "triage@v15",
        "stage": "production",
        "replaces": 14,
        "differences": tuple(differences(facts.versions[14].config, facts.versions[15].config)),
        "measured": (measured(),),
        "digest": facts.versions[15].digest,
        "authors": ("Ana Doe", "bo"),
        "files": tuple((change.path, change.summary) for change in plan.changes),
        "outputs": True,
    }
    return Promotion(**(values | changes))


def first_release(root: Path, **changes) -> Promotion:
    facts = plant(root, {1: "staging"}).facts()
    one = measured(
        record=None, cases=None, serving=(), path="registry/evidence/triage/v1/triage-eval@v1.json"
    )
    values = {
        "plan": plan_promotion(facts, 1, None, TODAY),
        "files": (("registry/entries/triage/v1.yaml", ("status: staging -> production",)),),
        "entry": "triage@v1",
        "stage": "production",
        "replaces": None,
        "measured": (one,),
        "digest": facts.versions[1].digest,
        "notes": ("No canary: first release",),
        "needs_click": True,
    }
    return Promotion(**(values | changes))


def rollback(root: Path):
    return plan_rollback(tree(root).facts(), None, "invented refunds", "Ana", NOW)
