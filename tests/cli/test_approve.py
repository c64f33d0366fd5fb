from __future__ import annotations

import json

import pytest
from forge_project import ForgeProject, entry

PATH = "registry/entries/triage/v1.yaml"
BRANCH = "evalkit/promote/triage-v1-to-staging"
BOT = "github-actions[bot]"


@pytest.fixture
def project(tmp_path, monkeypatch):
    made = ForgeProject(tmp_path, monkeypatch)
    yield made
    made.world.close()


def merged(project, reviewer: str | None, method="merge"):
    number = project.propose(BRANCH, {PATH: entry("triage", status="staging")}, by="dana")
    if reviewer is not None:
        project.world.review(number, reviewer, "approved")
    project.world.merge(number, "dana", method)
    return number


def event(tmp_path, number, *, is_merged=True):
    path = tmp_path / "event.json"
    pull = {
        "number": number,
        "merged": is_merged,
        "merge_commit_sha": "0" * 40,
        "head": {"ref": BRANCH, "sha": "0" * 40, "repo": {"full_name": "acme/llm"}},
        "base": {"ref": "main", "sha": "0" * 40},
    }
    path.write_text(json.dumps({"action": "closed", "pull_request": pull, "sender": {"login": "dana"}}))
    return str(path)


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_the_reviewer_of_the_event_is_stamped(project, evalkit, tmp_path, method):
    number = merged(project, "robin", method)
    done = evalkit("approve", "--event", event(tmp_path, number), "--push")
    assert done.code == 0, done.err
    assert done.out.startswith(f"triage@v1: approved by robin in #{number}\nStamped, with commit ")
    assert "approved_by: robin\n" in project.text(PATH)


def test_without_push_nothing_is_changed(project, evalkit):
    number, head = merged(project, "robin"), project.head()
    done = evalkit("approve", "--pending")
    assert done.out == (
        f"triage@v1: approved by robin in #{number}\n"
        "This is a plan; nothing was changed. Carry it out with --push.\n"
    )
    assert project.head() == head


def test_twice_is_as_good_as_once(project, evalkit):
    merged(project, "robin")
    assert evalkit("approve", "--pending", "--push").code == 0
    head = project.head()
    done = evalkit("approve", "--pending", "--push")
    assert (done.code, done.out) == (0, "Nothing to stamp.\n")
    assert project.head() == head


def test_a_protected_branch_gets_a_pull_request(project, evalkit):
    merged(project, "robin")
    project.world.protect("main")
    said = json.loads(evalkit("approve", "--pending", "--push", "--format", "json").out)
    assert said["commit"] is None
    pull = project.world.forge.pull(said["pull_request"])
    assert (pull.head, pull.title) == ("evalkit/stamps", "Stamp approvals")
    assert said["stamps"] == [{"entry": "triage@v1", "approved_by": "robin", "pull_request": 1}]


def test_what_nobody_approved_is_said_and_is_no_failure(project, evalkit, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    number = merged(project, None)
    done = evalkit("approve", "--event", event(tmp_path, number), "--push")
    assert (done.code, done.out) == (0, "Nothing can be stamped yet.\n")
    assert "EK890" in done.err
    assert "::warning" in done.err


def test_the_author_alone_is_a_failure(project, evalkit):
    merged(project, "casey")
    done = evalkit("approve", "--pending", "--push")
    assert done.code == 1
    assert (
        "EK891 triage@v1 was promoted by #1 and is approved by its authors alone: casey wrote it" in done.err
    )


def test_what_was_not_merged_needs_nothing(project, evalkit, tmp_path):
    done = evalkit("approve", "--event", event(tmp_path, 5, is_merged=False))
    assert (done.code, done.out) == (0, "Nothing to stamp: #5 is not merged.\n")


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("push", {"ref": "refs/heads/main", "before": "1" * 40, "after": "2" * 40}),
        ("workflow_dispatch", {"ref": "refs/heads/main", "inputs": None, "sender": {"login": "dana"}}),
        ("schedule", {"schedule": "7 3 * * *"}),
    ],
)
def test_an_event_of_no_pull_request_stamps_all_that_is_due(
    project, evalkit, tmp_path, monkeypatch, name, payload
):
    merged(project, "robin")
    monkeypatch.setenv("GITHUB_EVENT_NAME", name)
    path = tmp_path / "event.json"
    path.write_text(json.dumps(payload))
    assert evalkit("approve", "--event", str(path), "--push").code == 0
    assert "approved_by: robin\n" in project.text(PATH)


def test_an_event_or_pending_is_named(project, evalkit, tmp_path):
    assert evalkit("approve").code == 2
    assert evalkit("approve", "--pending", "--event", event(tmp_path, 5)).code == 2


def test_a_file_that_is_no_event_is_refused(project, evalkit, tmp_path):
    path = tmp_path / "event.json"
    path.write_text("[]")
    done = evalkit("approve", "--event", str(path))
    assert done.code == 2
    assert "EK870" in done.err
