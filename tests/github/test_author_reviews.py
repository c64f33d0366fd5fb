"""An approval by somebody who wrote what it approves is dismissed while the pull request is still open."""

from __future__ import annotations

import pytest
from record_material import RULES, World, new_entry
from test_approvals import PATH, approvals, promotion

from evalkit.github.author_reviews import dismiss, own_approvals


@pytest.fixture
def world(tmp_path):
    """casey wrote triage@v1, which is a draft on the default branch."""
    world = World(tmp_path, RULES)
    world.push("main", new_entry("triage"), by="casey")
    return world


def states(world, pull):
    return [(one.author, one.state) for one in world.forge.reviews(pull.number)]


def test_an_authors_approval_is_dismissed_and_another_persons_stays(world):
    pull = promotion(world)
    world.forge.review(pull.number, "casey")
    world.forge.review(pull.number, "robin")
    found = own_approvals(approvals(world), pull.number)
    assert [(one.login, str(one.entry)) for one in found] == [("casey", "triage@v1")]
    assert "wrote it" in found[0].reason
    assert found[0].message.startswith("@casey wrote it")
    dismiss(approvals(world), pull.number, found)
    assert states(world, pull) == [("casey", "dismissed"), ("robin", "approved")]


def test_a_second_run_changes_nothing(world):
    pull = promotion(world)
    world.forge.review(pull.number, "casey")
    dismiss(approvals(world), pull.number, own_approvals(approvals(world), pull.number))
    world.forge.writes.clear()
    again = own_approvals(approvals(world), pull.number)
    dismiss(approvals(world), pull.number, again)
    assert again == []
    assert world.forge.writes == []


def test_whoever_wrote_the_prompt_is_an_author_too(world):
    files = new_entry("sort")
    world.push("main", {path: text for path, text in files.items() if "/prompts/" in path}, by="robin")
    world.push("main", files, by="casey")
    pull = promotion(world, name="sort", branch="evalkit/promote/sort-v1-to-staging")
    world.forge.review(pull.number, "robin")
    (found,) = own_approvals(approvals(world), pull.number)
    assert "wrote sort-prompt@v1" in found.reason


def test_a_commit_to_something_else_makes_no_author(world):
    world.push("main", {"notes.md": "x\n"}, by="robin")
    pull = promotion(world)
    world.forge.review(pull.number, "robin")
    assert own_approvals(approvals(world), pull.number) == []


def test_where_policy_lets_authors_approve_nothing_is_dismissed(tmp_path):
    world = World(tmp_path, RULES.replace("policy:\n", "policy:\n  allow_self_approval: true\n"))
    world.push("main", new_entry("triage"), by="casey")
    pull = promotion(world)
    world.forge.review(pull.number, "casey")
    assert own_approvals(approvals(world), pull.number) == []


def test_a_pull_request_that_moves_nothing_has_no_authors_to_keep_away(world):
    world.push("docs", {"notes.md": "why\n"}, by="casey")
    pull = world.propose("docs", by="casey", title="Notes")
    world.forge.review(pull.number, "robin")
    assert own_approvals(approvals(world), pull.number) == []


def test_what_is_merged_or_not_there_is_left_alone(world):
    pull = promotion(world)
    world.forge.review(pull.number, "casey")
    world.forge.merge(pull.number, by="robin")
    assert own_approvals(approvals(world), pull.number) == []
    assert own_approvals(approvals(world), 4711) == []


def test_whoever_wrote_nothing_may_approve_a_retirement(world):
    world.push("main", {PATH: world.text(PATH).replace("status: draft", "status: staging")}, by="casey")
    pull = promotion(world, to="retired", branch="evalkit/retire/triage-v1")
    world.forge.review(pull.number, "robin")
    assert own_approvals(approvals(world), pull.number) == []
