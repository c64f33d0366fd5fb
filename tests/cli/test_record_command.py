from __future__ import annotations

import json

import pytest
from forge_project import SUITE, ForgeProject, new_entry


@pytest.fixture
def project(tmp_path, monkeypatch):
    made = ForgeProject(tmp_path, monkeypatch)
    yield made
    made.world.close()


def candidate(project, passed=60):
    number = project.propose("topic", new_entry("billing"))
    if passed is not None:
        project.measured("billing", "topic", passed)
    return number


def test_without_push_it_shows_the_commit_and_makes_none(project, evalkit):
    number, head = candidate(project), project.head("topic")
    done = evalkit("record", "--pr", str(number))
    assert done.code == 0
    assert f"This would be committed to topic, on top of {head[:12]}:" in done.out
    assert f"  registry/evidence/billing/v1/{SUITE}.json\n" in done.out
    assert "  Record evaluations of billing@v1\n" in done.out
    assert "  Evalkit-Run: " in done.out
    assert f"evalkit record --pr {number} --push" in done.out
    assert project.head("topic") == head


def test_with_push_the_branch_has_evidence_status_and_one_comment(project, evalkit, tmp_path, monkeypatch):
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    number = candidate(project)
    project.world.forge.set_status(project.head("topic"), "check", "success", "well")
    done = evalkit("record", "--pr", str(number), "--push", "--format", "json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["commit"] == project.head("topic")
    assert (said["status"], said["status_of"], said["comment"]) == ("success", said["head"], "added")
    assert said["evaluations"][0]["verdict"] == "pass"
    assert project.world.forge.status(project.head("topic"), "check") == "success"
    assert "run: run-billing-1-60" in project.text("registry/entries/billing/v1.yaml", "topic")
    (comment,) = project.world.forge.comments(number)
    assert comment.body.startswith('<!-- evalkit:v1 {"kind":"evaluation"} -->\n')
    assert "The evaluation passes" in comment.body
    assert "The evaluation passes" in summary.read_text()
    again = json.loads(evalkit("record", "--pr", str(number), "--push", "--format", "json").out)
    assert (again["commit"], again["comment"], again["status"]) == (None, "unchanged", None)


def test_a_failed_gate_is_recorded_and_is_no_failure_of_recording(project, evalkit):
    number = candidate(project, passed=10)
    project.world.forge.set_status(project.head("topic"), "check", "success", "well")
    done = evalkit("record", "--pr", str(number), "--push")
    assert done.code == 0
    assert "billing@v1 on common-eval@v1: fail" in done.out
    (comment,) = project.world.forge.comments(number)
    assert "1 failed" in comment.body


def test_what_was_not_measured_is_a_warning(project, evalkit):
    number = candidate(project, passed=None)
    done = evalkit("record", "--pr", str(number))
    assert done.code == 0
    assert "EK888" in done.err


def test_a_pull_request_that_is_not_there_is_refused(project, evalkit):
    done = evalkit("record", "--pr", "77")
    assert (done.code, done.out) == (1, "")
    assert "EK885 there is no pull request #77" in done.err


def test_a_pull_request_without_entries_has_nothing_to_record(project, evalkit):
    number = project.propose("topic", {"README.md": "Bye.\n"})
    done = evalkit("record", "--pr", str(number))
    assert done.code == 0
    assert done.out == f"#{number} changes no entry that policy asks an evaluation of.\n"
