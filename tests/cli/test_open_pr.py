from __future__ import annotations

import json

import pytest
from forge_project import ForgeProject


@pytest.fixture
def project(tmp_path, monkeypatch):
    return ForgeProject(tmp_path, monkeypatch)


def opened(evalkit, *arguments):
    result = evalkit(*arguments, "--open-pr", "--format", "json")
    return result, json.loads(result.out)["pull_requests"]


def test_what_passed_on_the_default_branch_gets_its_pull_request_once(evalkit, project):
    project.measured("triage", "main")
    result, (one,) = opened(evalkit, "promote")
    assert result.code == 0
    assert (one["subject"], one["action"]) == ("Promote triage@v1 to staging", "opened")
    branch = "evalkit/promote/triage-v1-to-staging"
    assert "status: staging" in project.text("registry/entries/triage/v1.yaml", branch)
    head = project.head(branch)
    _, (again,) = opened(evalkit, "promote", "triage")
    assert (again["action"], again["number"]) == ("unchanged", one["number"])
    assert project.head(branch) == head
    text = evalkit("promote", "--open-pr").out
    assert f"#{one['number']} is as it should be" in text


def test_what_failed_gets_none(evalkit, project):
    project.measured("triage", "main", passed=0)
    result, pulls = opened(evalkit, "promote")
    assert (result.code, pulls) == (0, [])
    assert "triage@v1" in result.out


def test_a_retirement_by_pull_request_leaves_the_files_here_alone(evalkit, project):
    before = (project.root / "registry/entries/triage/v1.yaml").read_text()
    result, (one,) = opened(evalkit, "retire", "triage@v1", "--reason", "not needed")
    assert (result.code, one["action"]) == (0, "opened")
    assert "status: retired" in project.text("registry/entries/triage/v1.yaml", "evalkit/retire/triage-v1")
    assert (project.root / "registry/entries/triage/v1.yaml").read_text() == before


def test_a_rollback_with_nothing_to_return_to_is_refused(evalkit, project):
    result, pulls = opened(evalkit, "rollback", "triage", "--reason", "x", "--by", "ana")
    assert (result.code, pulls) == (1, [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("promote", "--apply"), "two ways"), (("promote", "--to", "staging"), "neither --to"),
        (("promote", "triage@v1"), "all versions of a name"), (("pause", "triage", "--apply"), "two ways"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(evalkit, project, arguments, said):
    result = evalkit(*arguments, "--open-pr")
    assert result.code == 2
    assert said in result.err
