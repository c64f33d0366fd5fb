from __future__ import annotations

import math

import pytest
from plan_material import TODAY, days, plant

from evalkit.promote.exposure import plan_pause, plan_retire, plan_split
from evalkit.promote.plan import Force
from evalkit.report.plans import plan_text

AB = {
    13: "production",
    14: {"status": "production", "traffic": 70, "control": "true"},
    15: {"status": "production", "traffic": 30},
}


@pytest.fixture
def canary(tmp_path):
    versions = {
        13: "production",
        14: "production",
        15: {"status": "staging", "rollout": "{ percent: 10, unit: key }"},
    }
    return plant(tmp_path, versions, spans=[days(13, 60, 33), days(14, 33)])


@pytest.fixture
def ab(tmp_path):
    return plant(tmp_path, AB, spans=[days(13, 60, 33), days(14, 33)])


def after(plan, env="production"):
    return next(shift.after for shift in plan.shifts if shift.env == env)


def words(plan) -> str:
    assert plan.refusals
    return " ".join(f"{one.message} | {one.fix}" for one in plan.refusals)


def test_a_pause_reads_well_and_changes_one_number(canary, matches_golden):
    plan = plan_pause(canary.facts(), "slow answers")
    matches_golden("pause.txt", plan_text(plan))
    (change,) = plan.changes
    assert change.after == change.before.replace(b"percent: 10", b"percent: 0")


def test_a_pause_and_a_retirement_keep_the_approval(canary):
    canary.entry(15, "staging", rollout="{ percent: 10 }", approved_by="kim")
    for plan in (plan_pause(canary.facts(), "slow"), plan_retire(canary.facts(), 15, "slow")):
        (change,) = plan.changes
        assert b"approved_by: kim" in change.after


def test_every_arm_whose_weight_changes_awaits_an_approval_again(ab):
    ab.entry(14, "production", traffic=70, control="true", approved_by="kim")
    ab.entry(15, "production", traffic=30, approved_by="kim")
    (change,) = plan_split(ab.facts(), {14: 70, 15: 50}, None, "more").changes
    assert change.summary == (
        "traffic: 30 -> 50",
        "approved_by: kim -> (none), until this change is approved",
    )
    assert plan_split(ab.facts(), {14: 70, 15: 30}, None, "the same").outcome == "nothing"


def test_nothing_is_paused_where_no_canary_is_live(tmp_path):
    tree = plant(tmp_path, {14: "production", 15: {"status": "staging", "rollout": "{ percent: 0 }"}})
    plan = plan_pause(tree.facts(), None)
    assert plan.outcome == "nothing"
    assert "v14 serves production alone" in plan.idle


def test_an_ab_is_not_paused_and_the_refusal_names_the_ways(ab, matches_golden):
    matches_golden("pause-ab.txt", plan_text(plan_pause(ab.facts(), None)))


def test_retiring_reads_well(canary, ab, matches_golden):
    matches_golden("retire-arm.txt", plan_text(plan_retire(ab.facts(), 15, "lost the A/B")))


def test_retiring_what_serves_lets_the_standby_serve_and_points_to_rollback(canary, matches_golden):
    matches_golden("retire-serving.txt", plan_text(plan_retire(canary.facts(), 14, "old")))


def test_retiring_the_last_that_serves_is_refused_unless_overridden(tmp_path):
    tree = plant(tmp_path, {14: "production"})
    assert "nobody would serve production" in words(plan_retire(tree.facts(), 14, "gone"))
    plan = plan_retire(tree.facts(), 14, "gone", Force("the feature is gone", "Ada", TODAY))
    assert after(plan) is None
    assert "OVERRIDE" in plan_text(plan)
    assert "Override: empties v14" in plan.commit_message


def test_retiring_twice_is_nothing_to_do(tmp_path):
    tree = plant(tmp_path, {13: "retired", 14: "production"})
    assert plan_retire(tree.facts(), 13, None).outcome == "nothing"


@pytest.mark.parametrize(
    ("version", "said"), [(13, "no longer return"), (15, "canary ends"), (16, "a draft")]
)
def test_retiring_says_what_the_version_was(canary, version, said):
    canary.entry(16, "draft")
    assert said in plan_text(plan_retire(canary.facts(only=[version]), version, None))


def test_a_split_reads_well_and_keeps_its_control(ab, matches_golden):
    plan = plan_split(ab.facts(), {14: 50, 15: 50}, None, None)
    matches_golden("split.txt", plan_text(plan))
    assert after(plan).primary == 14


def test_an_ab_is_prepared_in_staging_and_starts_with_the_promotion(canary, matches_golden):
    plan = plan_split(canary.facts(), {14: 70, 15: 30}, None, None)
    assert dict(after(plan).weights) == {14: 1.0}
    matches_golden("split-prepared.txt", plan_text(plan))


def test_a_standby_may_join(ab):
    plan = plan_split(ab.facts(), {13: 10, 14: 60, 15: 30}, None, None)
    assert dict(after(plan).weights) == {13: 10.0, 14: 60.0, 15: 30.0}


def test_the_control_is_moved_by_name(ab):
    plan = plan_split(ab.facts(), {14: 50, 15: 50}, 15, None)
    assert after(plan).primary == 15
    assert {c.path.rpartition("/")[2]: c.summary for c in plan.changes} == {
        "v14.yaml": ("traffic: 70 -> 50", "control: true -> (none)"),
        "v15.yaml": ("traffic: 30 -> 50", "control: (none) -> true"),
    }


def test_every_live_arm_must_be_named(ab):
    assert "v15 is in the A/B too" in words(plan_split(ab.facts(), {14: 50}, None, None))


@pytest.mark.parametrize("weight", [-1, math.nan, math.inf])
def test_a_weight_is_a_number_from_zero(ab, weight):
    assert "is no weight" in words(plan_split(ab.facts(), {14: weight, 15: 1}, None, None))


def test_weight_zero_does_not_make_a_version_serve_everything(ab):
    assert "serving everything" in words(plan_split(ab.facts(), {14: 100, 15: 0}, None, None))
    assert dict(after(plan_split(ab.facts(), {14: 0, 15: 100}, None, None)).weights) == {15: 1.0}


def test_drafts_and_retired_versions_take_no_traffic(ab):
    ab.entry(12, "retired")
    ab.entry(16, "draft")
    found = words(plan_split(ab.facts(), {12: 1, 14: 1, 15: 1, 16: 1, 99: 1}, None, None))
    assert "triage@v12 is retired" in found
    assert "triage@v16 is a draft" in found
    assert "there is no triage@v99" in found


def test_what_is_so_already_changes_nothing(ab):
    assert plan_split(ab.facts(), {14: 70, 15: 30}, None, None).outcome == "nothing"
