"""What has not earned its promotion gets none, by the workflow files that ship: failed, measured again, or made up."""

from __future__ import annotations

import copy
import json

import shipped

EVIDENCE = "registry/evidence/triage/v1/triage-eval@v1.json"
ENTRY = "registry/entries/triage/v1.yaml"


def named(runs, path):
    return [run for run in runs if run.path == f".github/workflows/{path}.yml"]


def forged(evidence: dict) -> dict:
    """The same file with one more run, in which every case was right, and which cites the artifact of the real one."""
    grown = copy.deepcopy(evidence)
    run = copy.deepcopy(grown["runs"][-1])
    run |= {"run_id": "20261124T000000Z-again", "verdict": "pass", "score": 1.0, "ci95": [0.9, 1.0]}
    run["scores"] = {key: [50, 50.0] for key in run["scores"]}
    grown["runs"].append(run)
    return grown


def test_neither_a_failure_nor_asking_again_nor_a_made_up_score_promotes(tmp_path) -> None:
    with shipped.world(tmp_path) as world:
        hub = world.hub

        # It fails. The score is told all the same: on the branch, and in a comment that says why.
        hub.push(world.alice, "triage-v1", shipped.candidate(1, system="Guess."), message="Add triage@v1")
        pull = hub.open_pr(world.alice, "triage-v1", title="Triage, guessing")
        runs = world.settle()
        (started,) = [run for run in named(runs, "evaluate") if run.event == "workflow_dispatch"]
        assert started.jobs["merge"].result == "failure"
        assert started.jobs["record"].result == "success"
        evidence = json.loads(hub.file(EVIDENCE, "triage-v1"))
        assert [run["verdict"] for run in evidence["runs"]] == ["fail"]
        (comment,) = hub.comments(pull.number)
        assert "failed" in comment
        assert "may be merged as a draft" in comment

        # Asking again changes nothing: no answer is asked for, nothing is committed, said or uploaded.
        before = (hub.head("triage-v1"), len(hub.artifacts), len(world.model.requests), comment)
        hub.dispatch(world.bob, "evaluate.yml", {"pr": str(pull.number), "head": hub.head("triage-v1")})
        hub.close_pr(world.alice, pull)
        world.settle()
        hub.push(world.alice, "triage-v1-again", {}, onto="triage-v1", message="Once more")
        again = hub.open_pr(world.alice, "triage-v1-again", title="Triage, once more")
        world.settle()
        (same,) = hub.comments(pull.number)
        assert (hub.head("triage-v1"), len(hub.artifacts), len(world.model.requests), same) == before

        # Merged as a draft, it is not proposed, and the summary says why.
        hub.review(world.bob, again)
        hub.merge(world.bob, again, "squash")
        runs = world.settle()
        (promote,) = named(runs, "promote")
        assert promote.conclusion == "success"
        assert "triage@v1" in promote.summary
        assert world.open_pulls() == []
        assert len(world.model.requests) == before[2]

        # A made-up run cites the real artifact. The check refuses it; and merged past the check it still counts nothing.
        text = json.dumps(forged(evidence), indent=1)
        entry = world.entry(1).replace("score: 0.5", "score: 1.0")
        hub.push(world.alice, "better", {EVIDENCE: text, ENTRY: entry}, message="It is better than that")
        claim = hub.open_pr(world.alice, "better", title="It is better than that")
        (check,) = named(world.settle(), "check")
        assert check.conclusion == "failure"
        assert "EK881" in check.log
        hub.settings.protected.clear()
        hub.merge(hub.owner, claim, "merge")
        runs = world.settle()
        assert "20261124T000000Z-again" in hub.file(EVIDENCE)
        assert world.status(1) == "draft"
        assert world.open_pulls() == []
        assert len(world.model.requests) == before[2]
        assert hub.contract.violations == []
