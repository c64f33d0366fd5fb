from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evalkit.errors import SchemaError
from evalkit.evals.evidence import (
    MAX_BYTES,
    Attestation,
    Evidence,
    EvidenceRun,
    evidence_path,
    hashed_id,
    read_evidence,
    with_run,
)
from evalkit.runtime.refs import Ref

DIGEST = "sha256:" + "a" * 64


def run(run_id: str, scores: dict[str, tuple[int, float]] | None, **changes) -> EvidenceRun:
    means = [total / count for count, total in (scores or {}).values()]
    values = {
        "run_id": run_id,
        "created": "2026-11-24T12:00:00Z",
        "source": "local",
        "generation_digest": DIGEST,
        "suite_digest": DIGEST,
        "measurement_digest": DIGEST,
        "verdict": "pass",
        "score": sum(means) / len(means) if means else None,
        "ci95": None,
        "primary": "mean",
        "cases": len(means),
        "scored": len(means),
        "errors": 0,
        "cached": 0,
        "repeats": 1,
        "evalkit_version": "0.1.0",
        "scores": scores,
        **changes,
    }
    return EvidenceRun.model_validate(values)


EMPTY = Evidence(entry="triage", version=14, suite="triage-eval@v4")


def test_the_place_of_an_evidence_file(tmp_path):
    path = evidence_path(tmp_path, Ref("triage", 14), Ref("triage-eval", 4))
    assert path == tmp_path / "registry/evidence/triage/v14/triage-eval@v4.json"


def test_a_run_is_added_once():
    one = with_run(EMPTY, run("r1", {"a": (1, 1.0)}))
    assert with_run(one, run("r1", {"a": (1, 0.0)})) is one


def test_a_run_that_asked_nothing_new_is_not_added_again():
    one = with_run(EMPTY, run("r1", {"a": (1, 1.0)}))
    assert with_run(one, run("r2", {"a": (1, 1.0)}, cached=1)) is one
    assert len(with_run(one, run("r2", {"a": (1, 1.0)}, cached=0)).runs) == 2


def test_a_cached_run_under_another_suite_version_is_evidence_of_its_own():
    one = with_run(EMPTY, run("r1", {"a": (1, 1.0)}))
    other = run("r2", {"a": (1, 1.0)}, cached=1, measurement_digest="sha256:" + "b" * 64)
    assert len(with_run(one, other).runs) == 2


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([0.0, 0.5, 1.0]), min_size=1), min_size=1
    )
)
def test_the_pooled_score_is_the_mean_over_cases_of_the_mean_over_runs(runs):
    evidence = EMPTY
    for number, scores in enumerate(runs):
        evidence = with_run(evidence, run(f"r{number}", {key: (1, value) for key, value in scores.items()}))
    per_case: dict[str, list[float]] = {}
    for scores in runs:
        for key, value in scores.items():
            per_case.setdefault(key, []).append(value)
    means = [sum(values) / len(values) for values in per_case.values()]
    assert evidence.pooled_score(evidence.runs[0]) == pytest.approx(sum(means) / len(means))


def test_only_runs_of_the_same_source_are_pooled():
    evidence = with_run(EMPTY, run("r1", {"a": (1, 1.0)}))
    evidence = with_run(evidence, run("r2", {"a": (1, 0.0)}, source="ci"))
    assert [evidence.pooled_score(one) for one in evidence.runs] == [1.0, 0.0]


def test_the_file_reads_back_as_it_was_written(tmp_path):
    evidence = with_run(EMPTY, run("r1", {hashed_id("ä"): (1, 1.0)}, ci95=[0.5, 1.0]))
    path = tmp_path / "e.json"
    path.write_bytes(evidence.to_bytes())
    again = read_evidence(path, "e.json")
    assert again == evidence
    assert again.digest == evidence.digest
    json.loads(evidence.to_bytes())


def test_a_large_evidence_file_gives_up_the_oldest_cases_first_and_stays_under_its_limit():
    evidence = EMPTY
    scores = {hashed_id(str(i)): (1, 1.0) for i in range(4000)}
    for number in range(6):
        evidence = with_run(evidence, run(f"r{number}", scores))
    assert len(evidence.to_bytes()) <= MAX_BYTES
    kept = [one.scores is not None for one in evidence.runs]
    assert kept == sorted(kept)
    assert kept[-1]
    assert not kept[0]
    assert evidence.pooled_score(evidence.runs[-1]) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("{", 1),
        ('{\n "a": ]', 2),
        ("[]", 1),
        ('{"entry": "triage"}', 1),
        ('{"schema_version": 2}', 1),
    ],
)
def test_a_broken_file_is_an_error_with_the_way_out(tmp_path, text, line):
    path = tmp_path / "e.json"
    path.write_text(text)
    with pytest.raises(SchemaError) as caught:
        read_evidence(path, "registry/e.json")
    (problem,) = caught.value.problems
    assert (problem.code, problem.location.path, problem.location.line) == ("EK208", "registry/e.json", line)
    assert "git" in problem.hint


def test_no_file_is_no_evidence(tmp_path):
    assert read_evidence(tmp_path / "none.json", "none.json") is None


ATTESTED = {
    "workflow_run": 17,
    "attempt": 1,
    "workflow": ".github/workflows/evaluate.yml",
    "commit": "c" * 40,
    "artifact": "evalkit-evidence-0123456789abcdef-0123456789abcdef",
    "artifact_digest": DIGEST,
}


def test_a_file_without_attestations_reads_and_writes_as_before():
    evidence = with_run(EMPTY, run("r1", {"a": (1, 1.0)}))
    raw = evidence.to_bytes()
    assert b"attestation" not in raw
    assert Evidence.model_validate_json(raw, strict=False).to_bytes() == raw


def test_an_attestation_is_kept_and_measures_nothing():
    bare = run("r1", {"a": (2, 1.0)}, metrics={"f1_macro": None}, ci95=[0.1, 0.9])
    attested = bare.model_copy(update={"attestation": Attestation.model_validate(ATTESTED)})
    evidence = with_run(EMPTY, attested)
    again = Evidence.model_validate_json(evidence.to_bytes(), strict=False).runs[0]
    assert again.attestation == attested.attestation
    assert again.fingerprint() == bare.fingerprint()
    assert again.same_measurement(bare)
    assert bare.same_measurement(again)
    assert not again.same_measurement(bare.model_copy(update={"score": 0.25}))
    assert not again.same_measurement(bare.model_copy(update={"run_id": "r2"}))


@pytest.mark.parametrize(
    "change",
    [
        {"workflow_run": 0},
        {"workflow_run": "17"},
        {"attempt": 0},
        {"workflow": ".github/workflows/../evil.yml"},
        {"workflow": "evaluate.yml"},
        {"commit": "c" * 39},
        {"commit": "C" * 40},
        {"artifact": "../x"},
        {"artifact": "x" * 201},
        {"artifact_digest": "c" * 64},
        {"more": 1},
    ],
)
def test_an_attestation_is_strict(change):
    with pytest.raises(ValidationError):
        Attestation.model_validate(ATTESTED | change)


def test_a_single_run_reads_back_as_it_was_written():
    one = run("r1", {"a": (1, 1.0)}, ci95=[0.5, 1.0])
    raw = one.to_bytes()
    assert EvidenceRun.from_bytes(raw, "evidence.json") == one
    assert EvidenceRun.from_bytes(raw, "evidence.json").to_bytes() == raw


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b'{"run_id": 3}'])
def test_what_is_no_run_is_an_error_and_no_traceback(raw):
    with pytest.raises(SchemaError, match="EK208"):
        EvidenceRun.from_bytes(raw, "evidence.json")
