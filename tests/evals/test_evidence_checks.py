from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "registry"))
from planting import entry, plant  # small projects, valid and not

from evalkit.evals.checks.everything import check_project
from evalkit.evals.evidence import Evidence, EvidenceRun, evidence_path
from evalkit.registry.project import Project
from evalkit.registry.resolve import resolve_config
from evalkit.runtime.refs import Ref

DIGEST = "sha256:" + "0" * 64
MODEL = "gpt-4o-2024-11-20"


def run(generation: str, **changes) -> EvidenceRun:
    return EvidenceRun.model_validate(
        {
            "run_id": "r1",
            "created": "2026-05-01T00:00:00Z",
            "source": "ci",
            "generation_digest": generation,
            "suite_digest": DIGEST,
            "measurement_digest": DIGEST,
            "verdict": "pass",
            "score": 0.95,
            "ci95": [0.9, 0.98],
            "primary": "mean",
            "cases": 40,
            "scored": 40,
            "errors": 0,
            "cached": 0,
            "repeats": 1,
            "evalkit_version": "0.1.0",
        }
        | changes
    )


def problems(root: Path, *, status: str = "production", block: dict | None = None, **of_run) -> list[tuple]:
    """What check says of an entry with such a status, such a run on record, and such an `eval` block."""
    plant(root, [])
    path = root / "registry/entries/base/v1.yaml"
    path.write_text(entry("base", model=MODEL, status=status, extra="approved_by: somebody\n"))
    project = Project(root)
    digest = resolve_config(project, project.target("base@v1")).digest
    evidence = Evidence(entry="base", version=1, suite="base-eval@v1", runs=[run(digest, **of_run)])
    file = evidence_path(root, Ref("base", 1), Ref("base-eval", 1))
    file.parent.mkdir(parents=True)
    file.write_bytes(evidence.to_bytes())
    keys = {"suite": "base-eval@v1", "score": 0.95, "run": "r1", "evidence": f'"{evidence.digest}"'} | (
        block or {}
    )
    written = "".join(f"  {key}: {value}\n" for key, value in keys.items())
    path.write_text(path.read_text() + f"eval:\n{written}")
    report = check_project(Project(root), date(2026, 6, 1))
    return [(p.code, p.location.path, p.location.line) for p in report.problems]


PATH = "registry/entries/base/v1.yaml"


def test_an_entry_that_says_what_its_evidence_says_is_well(tmp_path):
    assert problems(tmp_path) == []


@pytest.mark.parametrize(
    ("block", "code", "line"),
    [
        ({"score": 0.97}, "EK219", 11),
        ({"run": "r2"}, "EK219", 12),
        ({"evidence": f'"{DIGEST}"'}, "EK219", 13),
    ],
)
def test_an_entry_that_says_something_else_is_wrong(tmp_path, block, code, line):
    assert problems(tmp_path, block=block) == [(code, PATH, line)]
    assert code in {c for c, _, _ in problems(tmp_path / "draft", status="draft", block=block)}


@pytest.mark.parametrize(
    "changes", [{"verdict": "fail"}, {"verdict": "inconclusive"}, {"generation_digest": DIGEST}]
)
def test_an_evaluation_that_failed_or_is_of_another_config_is_unverified_where_it_serves(tmp_path, changes):
    assert [code for code, _, _ in problems(tmp_path, **changes)] == ["EK207"]
    assert problems(tmp_path / "draft", status="draft", **changes) == []


def test_scores_are_compared_with_the_pool_of_all_runs(tmp_path):
    scores = {"a" * 16: (2, 2.0), "b" * 16: (1, 0.0)}
    assert problems(tmp_path, scores=scores, block={"score": 0.5}) == []
