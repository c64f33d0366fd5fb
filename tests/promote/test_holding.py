from __future__ import annotations

import pytest
from plan_material import day, plant

from evalkit.promote.holding import plan_hold, plan_unhold
from evalkit.report.plans import plan_text


@pytest.fixture
def tree(tmp_path):
    return plant(tmp_path, {14: "production", 15: "draft"})


def carry_out(tree, plan) -> None:
    for change in plan.changes:
        if change.after is None:
            (tree.root / change.path).unlink()
        else:
            tree.write(change.path, change.after.decode())


def test_holding_a_content_and_lifting_it_reads_well(tree, matches_golden):
    digest = tree.facts().versions[15].digest
    plan = plan_hold(tree.facts(), digest, "legal reads the prompt", "Ada", None)
    matches_golden("hold.txt", plan_text(plan))
    carry_out(tree, plan)
    assert plan_hold(tree.facts(), digest, "again", "Bo", None).outcome == "nothing"
    lifted = plan_unhold(tree.facts(), digest, "they are done", "Ada")
    matches_golden("unhold.txt", plan_text(lifted))
    carry_out(tree, lifted)
    assert not (tree.root / "registry/holds/triage.yaml").exists()
    assert plan_unhold(tree.facts(), digest, "again", "Ada").outcome == "nothing"


def test_holding_every_version_until_a_day_reads_well(tree, matches_golden):
    plan = plan_hold(tree.facts(), None, "no changes in the holidays", "Ada", day("2027-01-06"))
    matches_golden("hold-all.txt", plan_text(plan))


def test_lifting_the_hold_on_all_leaves_those_on_single_contents(tree):
    digest = tree.facts().versions[15].digest
    tree.hold(
        f"holds:\n  # legal\n  - digest: {digest}\n    reason: legal\n    by: Bo\n"
        "  - all: true\n    reason: holidays\n    by: Bo\n"
    )
    carry_out(tree, plan_unhold(tree.facts(), None, "over", "Ada"))
    assert tree.read("registry/holds/triage.yaml") == (
        f"holds:\n  # legal\n  - digest: {digest}\n    reason: legal\n    by: Bo\n"
    )
    refused = plan_unhold(tree.facts(), None, "over", "Ada")
    assert 'evalkit unhold triage@v15 --reason "…" --apply' in refused.refusals[0].fix


def test_only_a_person_lifts_a_hold(tree):
    tree.hold("{ all: true, reason: holidays, by: Bo }\n")
    plan = plan_unhold(tree.facts(), None, "over", "github-actions[bot]")
    assert plan.refusals[0].code == "EK819"


def test_a_digest_that_no_version_has_is_refused(tree):
    assert plan_hold(tree.facts(), "sha256:" + "0" * 64, "x", "Ada", None).is_refused
