"""The workflow files that ship, from a candidate's pull request to the bundle that staging resolves."""

from __future__ import annotations

import json

import pytest
import shipped

from evalkit import Registry


def _log(runs) -> str:
    return "\n".join(f"{run.path} {run.event} {run.conclusion}\n{run.log[-6000:]}" for run in runs)


@pytest.mark.parametrize(("kind", "method"), [("actions", "squash"), ("app", "merge"), ("actions", "rebase")])
def test_a_candidate_is_evaluated_promoted_approved_and_published(tmp_path, kind, method) -> None:
    with shipped.world(tmp_path, kind) as world:
        hub = world.hub

        # A candidate: its score comes back as one commit on its branch.
        hub.push(world.alice, "triage-v1", shipped.candidate(1), message="Add triage@v1")
        pull = hub.open_pr(world.alice, "triage-v1", title="Triage, the first version")
        runs = world.settle()
        assert all(run.conclusion == "success" for run in runs), _log(runs)
        entry = world.entry(1, "triage-v1")
        assert "eval: " in entry or "eval:\n" in entry
        assert "score: 0.9" in entry
        evidence = json.loads(hub.file("registry/evidence/triage/v1/triage-eval@v1.json", "triage-v1"))
        assert [run["source"] for run in evidence["runs"]] == ["ci"]
        assert evidence["runs"][0]["attestation"]["workflow"] == ".github/workflows/evaluate.yml"
        assert len(world.model.requests) == shipped.CASES
        comments = hub.comments(pull.number)
        assert len(comments) == 1
        assert "triage@v1" in comments[0]
        assert world.entry(1, "main") if hub.file("registry/entries/triage/v1.yaml") else True

        # It is reviewed and merged; the gate has passed, so that a promotion is proposed.
        hub.review(world.bob, pull)
        hub.merge(world.bob, pull, method)
        runs = world.settle()
        assert all(run.conclusion == "success" for run in runs), _log(runs)
        assert len(world.model.requests) == shipped.CASES, "what has evidence is not evaluated again"
        (promotion,) = world.open_pulls("evalkit/promote/")
        assert world.status(1) == "draft"
        changed = hub.git("diff", "--stat", "main", promotion.head)
        assert "registry/entries/triage/v1.yaml | 2 +-" in changed

        # Who wrote it cannot approve it; somebody else can.
        world.approve_waiting()
        hub.review(world.bob, promotion)
        world.settle()
        world.approve_waiting()
        hub.merge(world.bob, promotion, method)
        runs = world.settle()
        assert all(run.conclusion == "success" for run in runs), _log(runs)
        assert world.status(1) == "staging"

        # The stamp: main is protected, so it comes as a pull request, or rides on the next promotion.
        for stamp in world.open_pulls("evalkit/"):
            world.approve_waiting()
            hub.review(world.bob, stamp)
            hub.merge(world.bob, stamp, method)
            runs = world.settle()
        assert "approved_by: bob" in world.entry(1)

        # What running applications fetch.
        release = hub.state.releases["evalkit-bundle"]
        asset = next(one for one in release.assets if one.name == "bundle.json")
        place = tmp_path / "bundle.json"
        place.write_bytes(asset.content)
        with Registry.open(str(place)) as registry:
            config = registry.resolve("triage", env="staging")
        assert config.version == 1
        assert hub.contract.violations == []
