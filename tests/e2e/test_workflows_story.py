"""The workflow files that ship, from a candidate's pull request to production, and what running applications fetch."""

from __future__ import annotations

import json

import pytest
import shipped
from standin import Refused

from evalkit import Registry


def log(runs) -> str:
    return "\n".join(f"{run.path} {run.event} {run.conclusion}\n{run.log[-6000:]}" for run in runs)


def settled(world, **options):
    runs = world.settle(**options)
    assert all(run.conclusion == "success" for run in runs), log(runs)
    return runs


def approved(world, pull, method) -> None:
    """What a reviewer does: start the checks if they wait, approve, merge."""
    world.approve_waiting()
    world.hub.review(world.bob, pull)
    settled(world)
    world.hub.merge(world.bob, pull, method)
    settled(world)


def served(world, env: str) -> int:
    """The version that an application resolves from what is published."""
    world.hub.settings.private = False
    place = f"{world.hub.url}/{world.hub.repository}/releases/download/evalkit-bundle/bundle.json"
    with Registry.open(place) as registry:
        return registry.resolve("triage", env=env).version


@pytest.mark.parametrize(("kind", "method"), [("actions", "squash"), ("app", "merge"), ("actions", "rebase")])
def test_a_candidate_is_evaluated_promoted_approved_and_published(tmp_path, kind, method) -> None:
    with shipped.world(tmp_path, kind) as world:
        hub = world.hub

        # A candidate: its score comes back as one commit on its branch, with a comment.
        hub.push(world.alice, "triage-v1", shipped.candidate(1), message="Add triage@v1")
        pull = hub.open_pr(world.alice, "triage-v1", title="Triage, the first version")
        settled(world)
        assert "score: 0.9" in world.entry(1, "triage-v1")
        evidence = json.loads(hub.file("registry/evidence/triage/v1/triage-eval@v1.json", "triage-v1"))
        (run,) = evidence["runs"]
        assert (run["source"], run["attestation"]["workflow"]) == ("ci", ".github/workflows/evaluate.yml")
        assert len(hub.git.commits(hub.head("main"), hub.head("triage-v1"))) == 2
        assert len(world.model.requests) == shipped.CASES
        (comment,) = hub.comments(pull.number)
        assert "triage@v1" in comment

        # It is reviewed and merged like any change. The gate has passed, so its promotion is proposed.
        hub.review(world.bob, pull)
        hub.merge(world.bob, pull, method)
        settled(world)
        assert len(world.model.requests) == shipped.CASES, "what has evidence is not evaluated again"
        assert world.status(1) == "draft"
        (promotion,) = world.open_pulls("evalkit/promote/")
        changed = hub.git("diff", "--stat", f"main...{promotion.head}")
        assert "registry/entries/triage/v1.yaml | 2 +-" in changed
        assert "1 file changed" in changed

        # Who wrote it may not approve it: the approval is dismissed, and the merge still waits for one.
        world.approve_waiting()
        hub.review(world.alice, promotion)
        settled(world)
        assert [(one.user.login, one.state) for one in promotion.reviews] == [("alice", "DISMISSED")]
        with pytest.raises(Refused, match="review"):
            hub.merge(world.alice, promotion, method)
        approved(world, promotion, method)
        assert world.status(1) == "staging"
        assert served(world, "staging") == 1

        # The default branch is protected, so the stamp comes as a pull request.
        (stamp,) = world.open_pulls("evalkit/stamps")
        approved(world, stamp, method)
        assert "approved_by: bob" in world.entry(1)

        if method != "squash":
            assert hub.contract.violations == []
            return  # what follows is the same once more

        # The first release of a name has no canary: production is one more step of the same kind.
        (release,) = world.open_pulls("evalkit/promote/")
        assert "No canary: first release." in release.body
        approved(world, release, method)
        assert world.status(1) == "production"
        assert served(world, "production") == 1
        (stamp,) = world.open_pulls("evalkit/stamps")
        approved(world, stamp, method)
        assert "approved_by: bob" in world.entry(1)
        assert world.open_pulls() == []
        assert hub.contract.violations == []
