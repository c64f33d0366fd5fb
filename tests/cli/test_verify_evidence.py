from __future__ import annotations

import json

import pytest
from forge_project import SUITE, ForgeProject, new_entry

PATH = f"registry/evidence/billing/v1/{SUITE}.json"


@pytest.fixture
def project(tmp_path, monkeypatch, evalkit):
    """The clone is at a branch with recorded evidence."""
    made = ForgeProject(tmp_path, monkeypatch)
    number = made.propose("topic", new_entry("billing"))
    made.measured("billing", "topic", 54)
    made.world.forge.set_status(made.head("topic"), "check", "success", "well")
    assert evalkit("record", "--pr", str(number), "--push").code == 0
    from record_material import git

    git(made.root, "fetch", "-q", "origin")
    git(made.root, "checkout", "-q", "topic")
    yield made
    made.world.close()


def change(project, edit):
    path = project.root / PATH
    data = json.loads(path.read_text())
    edit(data["runs"][0])
    path.write_text(json.dumps(data, indent=1))


def test_evidence_that_holds(project, evalkit):
    done = evalkit("verify", "evidence")
    assert done.code == 0
    assert done.out == f"billing/v1/{SUITE}.json\n  run-billing-1-54              ci      admitted\n"
    assert done.err == "1 file, 1 run, 0 errors, 0 warnings\n"


def test_a_forged_score_is_refused_by_its_artifact(project, evalkit):
    def edit(run):
        run["score"] = 1.0
        run["scores"] = {key: [1, 1.0] for key in run["scores"]}

    change(project, edit)
    done = evalkit("verify", "evidence", PATH)
    assert done.code == 1
    assert "  refused\n" in done.out
    assert "EK881 run-billing-1-54 does not count: its artifact says otherwise: score, scores" in done.out
    assert "EK219" in done.out


def test_sums_that_do_not_add_up_are_found_without_asking_anybody(project, evalkit, monkeypatch):
    monkeypatch.delenv("GITHUB_TOKEN")
    change(project, lambda run: run.update(score=0.95))
    done = evalkit("verify", "evidence")
    assert done.code == 1
    assert "EK843 the score is 0.95, and the scores of its cases have a mean of 0.9" in done.out


def test_without_a_token_a_warning_says_that_nobody_was_asked(project, evalkit, monkeypatch):
    monkeypatch.delenv("GITHUB_TOKEN")
    done = evalkit("verify", "evidence", "--format", "json")
    assert done.code == 0
    said = json.loads(done.out)
    assert [run["standing"] for run in said["runs"]] == ["not verified"]
    assert [(one["code"], one["severity"]) for one in said["problems"]] == [("EK882", "warning")]


def test_a_run_without_an_attestation_is_refused_with_or_without_a_token(project, evalkit, monkeypatch):
    change(project, lambda run: run.pop("attestation"))
    for _ in range(2):
        done = evalkit("verify", "evidence")
        assert done.code == 1
        assert "EK883" in done.out
        monkeypatch.delenv("GITHUB_TOKEN", raising=False)


def test_only_what_was_added_since_a_base(project, evalkit):
    assert "1 run" in evalkit("verify", "evidence", "--base", "origin/main").err
    assert "0 runs" in evalkit("verify", "evidence", "--base", "HEAD").err


def test_evidence_that_lost_something_since_its_base_is_refused(project, evalkit):
    (project.root / PATH).unlink()
    done = evalkit("verify", "evidence", "--base", "HEAD")
    assert done.code == 1
    assert "EK841" in done.out


def test_a_broken_file_is_told_at_its_place(project, evalkit):
    (project.root / PATH).write_text("{")
    done = evalkit("verify", "evidence", "registry/evidence")
    assert done.code == 1
    assert f"{PATH}:1:2: EK208" in done.out


def test_a_file_that_is_not_there_is_a_usage_error(project, evalkit):
    assert evalkit("verify", "evidence", "nowhere.json").code == 2
    assert evalkit("verify", "evidence", "--rebuild").code == 2
    assert evalkit("verify", "bundle").code == 2
