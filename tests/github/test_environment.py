"""What Actions says about the job, and about the event that started it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.errors import UsageError
from evalkit.github.environment import Actions
from evalkit.github.events import (
    DispatchEvent,
    OtherEvent,
    PullRequestEvent,
    PushEvent,
    ReviewEvent,
    read_event,
)

if TYPE_CHECKING:
    from pathlib import Path

JOB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "acme/llm",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_API_URL": "https://api.github.com",
    "GITHUB_TOKEN": "ghs_x",
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_WORKFLOW_REF": "acme/llm/.github/workflows/evaluate.yml@refs/heads/main",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_EVENT_PATH": "/event.json",
    "GITHUB_SHA": "a" * 40,
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_ACTOR": "casey",
}
REQUIRED = [
    "repository", "token", "run_id", "run_attempt", "run_url", "workflow_path", "event_name", "event_path", "sha",
    "ref", "actor",
]  # fmt: skip


def test_a_job_is_described_by_its_environment() -> None:
    job = Actions(JOB)
    assert job.in_actions
    assert not job.is_app
    assert (job.repository, job.token, job.run_id, job.run_attempt) == ("acme/llm", "ghs_x", 77, 2)
    assert job.run_url == "https://github.com/acme/llm/actions/runs/77"
    assert job.workflow_path == ".github/workflows/evaluate.yml"
    assert (job.event_name, str(job.event_path), job.actor) == ("push", "/event.json", "casey")
    assert (job.sha, job.ref) == ("a" * 40, "refs/heads/main")


@pytest.mark.parametrize("name", REQUIRED)
def test_what_is_missing_is_named_with_what_to_do(name: str) -> None:
    with pytest.raises(UsageError, match="EK870") as caught:
        getattr(Actions({}), name)
    assert caught.value.problems[0].hint


def test_outside_actions_the_public_github_is_meant_and_another_name_of_the_token_is_read() -> None:
    person = Actions({"GH_TOKEN": "ghp_y"})
    assert not person.in_actions
    assert (person.api_url, person.server_url, person.token) == (
        "https://api.github.com",
        "https://github.com",
        "ghp_y",
    )
    assert person.has_token
    assert not Actions({"GITHUB_TOKEN": ""}).has_token


def test_an_app_says_so_itself_since_its_token_looks_like_that_of_a_job() -> None:
    assert Actions({"EVALKIT_TOKEN_KIND": "app"}).is_app


def test_a_number_that_is_none_is_a_problem_and_no_traceback() -> None:
    with pytest.raises(UsageError, match="EK870"):
        _ = Actions({"GITHUB_RUN_ID": "seven"}).run_id


def event(folder: Path, name: str, payload: Any) -> Any:
    path = folder / "event.json"
    path.write_text(payload if isinstance(payload, str) else json.dumps(payload))
    return read_event(path, name)


PULL = {
    "number": 7,
    "merged": True,
    "merge_commit_sha": "c" * 40,
    "head": {"ref": "evalkit/x", "sha": "a" * 40, "repo": {"full_name": "acme/llm"}},
    "base": {"ref": "main", "sha": "b" * 40},
}


def test_a_merged_pull_request(tmp_path: Path) -> None:
    found = event(
        tmp_path, "pull_request", {"action": "closed", "pull_request": PULL, "sender": {"login": "casey"}}
    )
    assert found == PullRequestEvent(
        action="closed",
        number=7,
        head="evalkit/x",
        head_sha="a" * 40,
        head_repository="acme/llm",
        base="main",
        base_sha="b" * 40,
        is_merged=True,
        merge_commit="c" * 40,
        sender="casey",
    )


def test_the_trial_merge_of_an_open_pull_request_is_no_merge_and_a_fork_may_be_gone(tmp_path: Path) -> None:
    pull = {**PULL, "merged": False, "head": {**PULL["head"], "repo": None}}
    found = event(
        tmp_path, "pull_request", {"action": "opened", "pull_request": pull, "sender": {"login": "casey"}}
    )
    assert (found.is_merged, found.merge_commit, found.head_repository) == (False, None, None)


def test_a_review(tmp_path: Path) -> None:
    review = {"user": {"login": "robin"}, "state": "APPROVED", "commit_id": "a" * 40}
    payload = {"action": "submitted", "review": review, "pull_request": {"number": 7}}
    found = event(tmp_path, "pull_request_review", payload)
    assert found == ReviewEvent("submitted", 7, "robin", "approved", "a" * 40)


def test_a_push_of_a_new_branch_has_nothing_before_it(tmp_path: Path) -> None:
    found = event(tmp_path, "push", {"ref": "refs/heads/x", "before": "0" * 40, "after": "a" * 40})
    assert found == PushEvent("refs/heads/x", None, "a" * 40)


def test_the_inputs_of_a_dispatch_are_text_as_expressions_read_them(tmp_path: Path) -> None:
    inputs = {"pr": "7", "fast": True, "none": None}
    payload = {"ref": "refs/heads/main", "inputs": inputs, "sender": {"login": "casey"}}
    found = event(tmp_path, "workflow_dispatch", payload)
    assert found == DispatchEvent("refs/heads/main", {"pr": "7", "fast": "true", "none": ""}, "casey")
    assert event(tmp_path, "workflow_dispatch", {**payload, "inputs": None}).inputs == {}


def test_other_events_have_their_name(tmp_path: Path) -> None:
    assert event(tmp_path, "schedule", {"schedule": "7 3 * * *"}) == OtherEvent("schedule")


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("push", "{"),
        ("push", []),
        ("push", {}),
        ("pull_request", {"pull_request": None}),
        ("workflow_dispatch", {"ref": 1, "inputs": []}),
    ],
)
def test_a_file_that_is_not_of_the_event_is_a_problem(tmp_path: Path, name: str, payload: Any) -> None:
    with pytest.raises(UsageError, match="EK870"):
        event(tmp_path, name, payload)


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="EK870"):
        read_event(tmp_path / "none.json", "push")
