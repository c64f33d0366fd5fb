from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from promotion_world import NAME, SUITE, Died, World

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))

from report_material import order_run

from evalkit.errors import Problem
from evalkit.github.branches import CLOSED
from evalkit.github.forge import ForgeError
from evalkit.github.marker import parse
from evalkit.promote.base.check import check_change

BRANCH = "evalkit/promote/triage-v1-to-staging"
EVIDENCE = f"registry/evidence/{NAME}/v1/{SUITE}.json"


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def proposed(world):
    """v1 is a draft that passed, and its pull request is open."""
    world.draft(1)
    world.evaluated(1)
    assert [one.action for one in world.sync()] == ["opened"]
    world.forge.writes.clear()
    return world


def test_a_draft_that_passed_gets_a_pull_request_with_one_commit(proposed):
    (pull,) = proposed.open()
    assert (pull.title, pull.head, pull.base) == ("Promote triage@v1 to staging", BRANCH, "main")
    assert set(pull.labels) == {"evalkit", "evalkit: promotion"}
    marker = parse(pull.body)
    assert (marker.kind, marker.entry, marker.version, marker.target) == ("promotion", NAME, "1", "staging")
    assert len(proposed.forge.commits_of(pull.number)) == 1
    before, after = proposed.entry(1).splitlines(), proposed.entry(1, BRANCH).splitlines()
    added = [line for line in after if line not in before]
    assert len(added) == 2
    assert added[0].startswith("eval: { suite: triage-eval@v1, score: 1")
    assert added[1].startswith("status: staging ")
    assert '"attestation"' in proposed.text(EVIDENCE, BRANCH)
    assert "**`triage@v1` passed `triage-eval@v1`: 1.000" in pull.body
    assert 'a click on "Approve workflows to run"' in pull.body
    assert "Ana" not in pull.body
    assert "casey" in pull.body


def test_nothing_is_opened_without_a_pass(world):
    for version, kind in ((1, "fail"), (2, "inconclusive")):
        world.draft(version)
        world.evaluated(version, kind)
    world.draft(3)
    assert world.sync() == []
    assert world.forge.writes == []


def test_a_second_time_changes_nothing(proposed):
    (one,) = proposed.sync()
    assert one.action == "unchanged"
    assert proposed.forge.writes == []
    proposed.push({"README.md": "hello"})
    assert [one.action for one in proposed.sync()] == ["unchanged"]
    assert proposed.forge.writes == []


def test_what_the_check_of_the_pull_request_says_is_that_it_may_be_merged(proposed):
    (pull,) = proposed.open()
    from evalkit.github.checkout import fetch

    fetch(proposed.clone, ["main", BRANCH], {})
    report = check_change(proposed.root, "origin/main", pull.head_sha)
    assert [problem for problem in report.problems if problem.severity == "error"] == []


def test_a_forged_score_promotes_nothing(world):
    world.draft(1)
    world.committed(1, world.evidence_run(1, "pass"))
    assert world.sync() == []
    real = world.evaluated(1, "fail")
    world.committed(1, real.model_copy(update={"verdict": "pass", "score": 1.0, "run_id": "forged"}))
    assert world.sync() == []
    assert world.open() == []


@pytest.mark.parametrize(
    "run",
    [
        {"path": ".github/workflows/other.yml"}, {"event": "pull_request"}, {"head_branch": "feature", "head_sha": "1" * 40},
        {"head_repository": "mallory/llm"},
    ],
)  # fmt: skip
def test_an_artifact_of_an_untrusted_run_promotes_nothing(world, run):
    world.draft(1)
    world.evaluated(1, **run)
    assert world.sync() == []


def test_more_evidence_refreshes_the_pull_request_in_place(proposed):
    (before,) = proposed.open()
    proposed.evaluated(1)
    assert [one.action for one in proposed.sync()] == ["refreshed"]
    (after,) = proposed.open()
    assert after.number == before.number
    assert proposed.forge.writes == ["commit", "update_pull"]
    assert "| 20 | 2 |" in after.body
    assert parse(after.body).commit == after.head_sha
    assert [one.action for one in proposed.sync()] == ["unchanged"]


def test_a_conflict_with_the_default_branch_is_planned_anew(proposed):
    text = proposed.entry(1).replace("status: draft ", "owner: ana\nstatus: draft ")
    proposed.push({f"registry/entries/{NAME}/v1.yaml": text})
    assert [one.action for one in proposed.sync()] == ["refreshed"]
    (pull,) = proposed.open()
    assert "owner: ana" in proposed.entry(1, BRANCH)
    proposed.forge.merge(pull.number)
    assert "status: staging" in proposed.entry(1)


@pytest.mark.parametrize("how", ["negative", "stale", "held", "moved", "gone", "overtaken"])
def test_what_may_move_no_longer_is_closed_with_the_reason(proposed, how):
    (pull,) = proposed.open()
    said = {
        "negative": "triage-eval@v1: inconclusive", "stale": "the suite changed since", "held": "ana holds every version",
        "moved": "triage@v1 is in staging already", "gone": "there is no triage@v1 any more", "overtaken": "v",
    }[how]  # fmt: skip
    if how == "negative":
        for _ in range(3):
            proposed.evaluated(1, "fail")
        said = "triage-eval@v1: fail"
    elif how == "stale":
        proposed.push(
            {
                "registry/prompts/triage-prompt/v1.yaml": proposed.text(
                    "registry/prompts/triage-prompt/v1.yaml"
                ).replace("Rule 1", "Rule 9")
            }
        )
    elif how == "held":
        proposed.hold()
    elif how == "moved":
        proposed.push(
            {f"registry/entries/{NAME}/v1.yaml": proposed.entry(1).replace("draft ", "staging ", 1)}
        )
    elif how == "gone":
        proposed.draft(2)
        proposed.push({f"registry/entries/{NAME}/v1.yaml": None})
    else:
        proposed.draft(2, "production")
    outcomes = proposed.sync()
    assert "closed" in [one.action for one in outcomes]
    comments = [one.body for one in proposed.forge.comments(pull.number)]
    assert len(comments) == 1
    assert said in comments[0]
    assert proposed.forge.pull(pull.number).state == "closed"
    assert proposed.forge.head_of(BRANCH) is None
    proposed.forge.writes.clear()
    proposed.sync()
    assert "comment" not in proposed.forge.writes


def test_a_newer_version_takes_the_place_and_the_older_one_is_closed_with_a_link(proposed):
    (old,) = proposed.open()
    proposed.draft(2)
    proposed.evaluated(2)
    assert [one.action for one in proposed.sync()] == ["opened", "closed"]
    (new,) = proposed.open()
    assert new.title == "Promote triage@v2 to staging"
    (comment,) = proposed.forge.comments(old.number)
    assert f"#{new.number} takes its place." in comment.body


def test_what_was_closed_by_evalkit_comes_back_when_it_may(proposed):
    (old,) = proposed.open()
    proposed.hold()
    proposed.sync()
    assert parse(proposed.forge.pull(old.number).body).kind == "promotion" + CLOSED
    proposed.unhold()
    assert [one.action for one in proposed.sync()] == ["opened"]
    assert proposed.open()[0].number != old.number


def test_what_a_person_closed_stays_closed_until_it_says_something_else(proposed):
    (pull,) = proposed.open()
    with proposed.forge.acting("ana"):
        proposed.forge.close_pull(pull.number)
    proposed.forge.writes.clear()
    proposed.evaluated(1)
    (one,) = proposed.sync()
    assert (one.action, one.number) == ("declined", pull.number)
    assert proposed.forge.writes == []
    prompt = "registry/prompts/triage-prompt/v1.yaml"
    proposed.push({prompt: proposed.text(prompt).replace("Rule 1", "Rule 9")})
    assert proposed.sync() == []
    proposed.evaluated(1)
    assert [one.action for one in proposed.sync()] == ["opened"]
    assert "Rule 9" in proposed.text(prompt, BRANCH)


def test_what_a_person_committed_to_is_left_alone_and_that_is_said_once(proposed):
    (pull,) = proposed.open()
    proposed.push({"notes.txt": "mine"}, by="ana", branch=BRANCH)
    head = proposed.forge.head_of(BRANCH)
    proposed.evaluated(1)
    for _ in range(2):
        assert [one.action for one in proposed.sync()] == ["left"]
    proposed.hold()
    assert [one.action for one in proposed.sync()] == ["left"]
    assert proposed.forge.head_of(BRANCH) == head
    assert proposed.forge.writes == ["comment"]
    assert proposed.forge.pull(pull.number).state == "open"


def test_a_branch_that_a_person_made_is_not_taken(world):
    world.draft(1)
    world.evaluated(1)
    world.push({"notes.txt": "mine"}, by="ana", branch=BRANCH)
    (one,) = world.sync()
    assert one.action == "left"
    assert world.forge.writes == []


def test_a_commit_that_only_claims_to_be_evalkits_is_undone_by_the_next_refresh(proposed):
    proposed.push({"extra.txt": "smuggled"}, by="github-actions[bot]", branch=BRANCH)
    assert [one.action for one in proposed.sync()] == ["refreshed"]
    assert proposed.text("extra.txt", BRANCH) is None


def test_promotions_follow_one_another_and_the_approval_belongs_to_the_first(proposed):
    (first,) = proposed.open()
    proposed.forge.merge(first.number)
    text = proposed.entry(1).replace("status:", "approved_by: ana\nstatus:")
    proposed.push({f"registry/entries/{NAME}/v1.yaml": text})
    assert [one.subject for one in proposed.sync()] == ["Promote triage@v1 to production"]
    (second,) = proposed.open()
    assert "approved_by" not in proposed.entry(1, second.head)
    assert "status: production" in proposed.entry(1, second.head)
    assert "the score, and the evidence for it" in first.body
    assert "the score, and the evidence for it" not in second.body


def test_a_stamp_that_lands_below_a_promotion_leaves_it_mergeable(proposed):
    """The stamp and the promotion that drops it again touch the same line: the same file, and yet a conflict."""
    (first,) = proposed.open()
    proposed.forge.merge(first.number)
    proposed.sync()
    (second,) = proposed.open()
    entry = f"registry/entries/{NAME}/v1.yaml"
    before = proposed.entry(1, second.head)
    proposed.push({entry: proposed.entry(1).replace("status:", "approved_by: casey\nstatus:")})
    assert [one.action for one in proposed.sync()] == ["refreshed"]
    assert proposed.entry(1, second.head) == before
    proposed.forge.writes.clear()
    assert [one.action for one in proposed.sync()] == ["unchanged"]
    assert proposed.forge.writes == []
    proposed.forge.merge(second.number)
    assert "status: production" in proposed.entry(1)


def test_the_first_release_needs_no_canary_and_says_so(tmp_path):
    world = World(tmp_path, gate="canary", is_app=True)
    world.draft(1, "staging")
    world.evaluated(1)
    assert [one.action for one in world.sync()] == ["opened"]
    (pull,) = world.open()
    assert "No canary: first release." in pull.body
    assert "Approve workflows" not in pull.body


def test_stamps_ride_along_with_a_promotion_of_the_same_name(world):
    world.draft(1, "production")
    world.draft(2)
    world.evaluated(2)
    path = f"registry/entries/{NAME}/v1.yaml"
    stamps = {path: "ana, bo", "registry/entries/other/v1.yaml": "ana"}
    assert [one.action for one in world.sync(stamps=stamps)] == ["opened"]
    (pull,) = world.open()
    assert 'approved_by: "ana, bo"' in world.entry(1, pull.head)
    assert "approved by ana, bo" in pull.body
    assert [one.action for one in world.sync(stamps=stamps)] == ["unchanged"]


def test_a_project_in_a_folder_of_its_repository_is_written_there(tmp_path):
    world = World(tmp_path, prefix="llm/")
    world.draft(1)
    world.evaluated(1)
    assert [one.action for one in world.sync()] == ["opened"]
    head = world.forge.head_of(BRANCH)
    assert b"status: staging" in world.forge.read("llm/registry/entries/triage/v1.yaml", head)
    assert [one.action for one in world.sync()] == ["unchanged"]


@pytest.mark.parametrize("outputs", ["false", "true"])
def test_the_cases_come_from_the_artifact_and_their_texts_only_where_that_is_allowed(tmp_path, outputs):
    world = World(tmp_path, outputs=outputs)
    world.draft(1)
    record, samples = order_run(
        "pass",
        run_id="<run_id>",
        generation_digest="<generation_digest>",
        measurement_digest="<measurement_digest>",
    )
    lines = "".join(f"{sample.to_json()}\n" for sample in samples)
    world.evaluated(
        1, files={"run.json": json.dumps(record.to_dict()).encode(), "samples.jsonl": lines.encode()}
    )
    world.sync()
    (pull,) = world.open()
    assert "order-006" in pull.body
    assert "`two-orders`" in pull.body
    assert ("ORD-" in pull.body) == (outputs == "true")
    assert [one.action for one in world.sync()] == ["unchanged"]


def test_a_repository_that_lets_workflows_open_nothing_says_so_and_keeps_no_branch(world):
    world.draft(1)
    world.evaluated(1)
    world.forge.can_open_pulls = False
    (one,) = world.sync()
    assert one.action == "failed"
    assert "does not let workflows open pull requests" in one.said
    assert world.forge.head_of(BRANCH) is None


def test_a_forge_that_does_not_answer_closes_nothing(proposed):
    proposed.forge.fail_next("artifacts")
    (one,) = proposed.sync()
    assert one.action == "failed"
    assert len(proposed.open()) == 1
    assert proposed.forge.writes == []


READS = (
    "head_of", "read", "login", "default_branch", "pulls", "artifacts", "run", "download", "login_of", "commits_of",
    "comments",
)  # fmt: skip
WRITES = ("commit", "open_pull", "add_labels", "update_pull", "comment", "delete_branch", "close_pull")
REFUSED = ForgeError(Problem("EK871", "no answer"))


def opening(world) -> None:
    world.draft(1)
    world.evaluated(1)


def closing(world) -> None:
    opening(world)
    world.sync()
    world.hold()


def refreshing(world) -> None:
    opening(world)
    world.sync()
    world.evaluated(1)


def succeeding(world) -> None:
    opening(world)
    world.sync()
    world.draft(2)
    world.evaluated(2)


def _calls(world) -> list[str]:
    """The calls of the port that a whole synchronisation makes."""
    made: list[str] = []
    _wrapped(world, lambda name, call: made.append(name) or call())
    return made


def _interrupted(world, place: int, error: BaseException, *, after: bool) -> None:
    """The call with this number fails; or the process ends once it is done."""
    count = -1

    def step(name, call):
        nonlocal count
        count += 1
        if count != place:
            return call()
        if after:
            call()
        raise error

    _wrapped(world, step)


def _wrapped(world, step) -> None:
    forge = world.forge
    for name in READS + WRITES:
        original = getattr(forge, name)
        setattr(forge, name, lambda *a, _n=name, _o=original, **k: step(_n, lambda: _o(*a, **k)))
    try:
        world.sync()
    except (ForgeError, Died):
        pass
    finally:
        for name in READS + WRITES:
            delattr(forge, name)


def _state(world) -> list[tuple]:
    """What there is to see, without what depends on how many steps it took."""
    seen = []
    for pull in world.forge.pulls(state="all"):
        version = parse(pull.body).version
        comments = [
            one.body.partition("\n")[2].partition("#")[0] for one in world.forge.comments(pull.number)
        ]
        alive = world.forge.head_of(pull.head)
        entry = world.text(f"registry/entries/{NAME}/v{version}.yaml", pull.head) if alive else None
        seen.append(
            (pull.title, pull.state, sorted(pull.labels), comments, entry, pull.body.partition("\n")[2])
        )
    return seen


def _safe(world) -> None:
    """No open promotion says what did not pass."""
    for pull in world.open():
        assert world.tree_verdict(pull.head, int(parse(pull.body).version)) == "pass"


@pytest.mark.parametrize("scenario", [opening, closing, refreshing, succeeding])
def test_wherever_it_is_interrupted_the_next_time_ends_the_same(tmp_path, scenario):
    """A call that fails, and a process that ends right after a write: what lies between two reads leaves no trace."""
    begun = World(tmp_path / "begun")
    scenario(begun)
    whole = begun.copy(tmp_path / "whole")
    calls = _calls(whole)
    assert any(name in WRITES for name in calls)
    places = [(place, REFUSED, False) for place, name in enumerate(calls) if name in WRITES]
    places += [(place, Died(), True) for place, _, _ in places]
    if scenario is opening:
        places += [(calls.index(name), REFUSED, False) for name in READS if name in calls]
    for number, (place, error, after) in enumerate(places):
        world = begun.copy(tmp_path / str(number))
        _interrupted(world, place, error, after=after)
        _safe(world)
        world.sync()
        assert _state(world) == _state(whole), (calls[place], error, after)
        world.forge.writes.clear()
        world.sync()
        assert world.forge.writes == [], (calls[place], error, after)
        shutil.rmtree(world.folder)
