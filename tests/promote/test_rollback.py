from __future__ import annotations

from datetime import timedelta

import pytest
from plan_material import NOW, days, plant

from evalkit.promote.rollback import plan_rollback
from evalkit.report.plans import plan_text

SERVED = [days(12, 90, 60), days(13, 60, 33), days(14, 33)]


@pytest.fixture
def tree(tmp_path):
    return plant(tmp_path, {12: "production", 13: "production", 14: "production"}, spans=SERVED)


def back(tree, to=None):
    return plan_rollback(tree.facts(), to, "invented refunds", "Ada", NOW)


def after(plan):
    return plan.shifts[0].after


def test_a_rollback_reads_well(tree, matches_golden):
    plan = back(tree)
    matches_golden("rollback.txt", plan_text(plan))
    matches_golden("rollback.commit.txt", plan.commit_message)


def test_it_is_one_changed_line_and_a_hold_without_an_end(tree):
    plan = back(tree)
    entry, hold = plan.changes
    assert entry.after == entry.before.replace(b"status: production ", b"status: retired ")
    assert hold.before is None
    digest = tree.facts().versions[14].digest
    assert hold.after.decode() == (
        f"holds:\n  - digest: {digest}\n    reason: invented refunds\n    by: Ada\n"
    )


def test_the_approvals_of_what_is_taken_back_stay(tree):
    tree.entry(14, "production", approved_by="kim")
    entry, _ = back(tree).changes
    assert entry.summary == ("status: production -> retired",)
    assert b"approved_by: kim" in entry.after


def test_the_target_served_at_least_a_day(tree, matches_golden):
    tree.spans = [days(12, 90, 60), days(13, 34, 33.5), days(14, 33.5)]
    plan = back(tree)
    assert after(plan).primary == 12
    matches_golden("rollback-passes-over.txt", plan_text(plan))
    tree.spans = [days(12, 90, 60), days(13, 34.5, 33.5), days(14, 33.5)]
    assert after(back(tree)).primary == 13


def test_times_of_service_add_up(tree):
    tree.spans = [days(13, 90, 89.4), days(12, 89, 60), days(13, 60, 59.4), days(14, 33)]
    assert after(back(tree)).primary == 13


def test_the_model_of_the_target_exists_still(tree):
    from dataclasses import replace

    facts = tree.facts()
    gone = tuple(replace(m, last_day=NOW.date()) for m in facts.versions[13].models)
    facts = replace(facts, versions={**facts.versions, 13: replace(facts.versions[13], models=gone)})
    plan = plan_rollback(facts, None, "bad", "Ada", NOW)
    assert after(plan).primary == 12
    assert "its model was shut down" in plan_text(plan)
    named = plan_rollback(facts, 13, "bad", "Ada", NOW)
    assert "cannot serve: its model was shut down" in named.refusals[0].message


def test_further_back_everything_in_between_is_retired_in_one_change(tree, matches_golden):
    plan = back(tree, 12)
    assert sorted(change.path.rpartition("/")[2] for change in plan.changes) == [
        "triage.yaml",
        "v13.yaml",
        "v14.yaml",
    ]
    matches_golden("rollback-to.txt", plan_text(plan))


def test_without_a_target_it_says_what_could_be_done(tmp_path, matches_golden):
    tree = plant(tmp_path, {14: "production"}, spans=[days(14, 33)])
    matches_golden("rollback-none.txt", plan_text(back(tree)))
    tree.entry(13, "production")
    tree.spans = [days(13, 34, 33.8), days(14, 33.8)]
    plan = back(tree)
    assert "served production for 4 hours only" in plan.refusals[0].message
    assert "--to v13" in plan.refusals[0].fix
    assert back(tree, 13).outcome == "possible"
    assert "for 4 hours only" in back(tree, 13).warnings[0]


@pytest.mark.parametrize(
    ("to", "words"),
    [(11, "retired version never serves"), (15, "in staging"), (14, "already"), (9, "no triage@v9")],
)
def test_a_target_that_cannot_serve_is_refused_with_the_way_out(tree, to, words):
    tree.entry(11, "retired")
    tree.entry(15, "staging")
    assert words in plan_text(back(tree, to))


def test_a_live_canary_stops_with_the_rollback(tree, matches_golden):
    tree.entry(15, "staging", rollout="{ percent: 10, unit: key }")
    plan = back(tree)
    assert after(plan).canary is None
    matches_golden("rollback-canary.txt", plan_text(plan))


def test_canaries_that_production_had_overtaken_do_not_come_back(tmp_path):
    versions = {
        12: "production",
        13: {"status": "staging", "rollout": "{ percent: 5 }"},
        14: "production",
        15: {"status": "staging", "rollout": "{ percent: 5 }"},
    }
    tree = plant(tmp_path, versions, spans=[days(12, 90, 33), days(14, 33)])
    plan = back(tree)
    assert plan.outcome == "possible"
    assert after(plan).canary is None


def test_under_an_ab_the_challenger_goes_and_the_control_serves(tmp_path, matches_golden):
    versions = {
        13: "production",
        14: {"status": "production", "traffic": 70, "control": "true"},
        15: {"status": "production", "traffic": 30},
    }
    tree = plant(tmp_path, versions, spans=[days(13, 60, 33), days(14, 33)])
    plan = back(tree)
    assert dict(after(plan).weights) == {14: 1.0}
    matches_golden("rollback-ab.txt", plan_text(plan))


def test_of_three_arms_the_newest_goes_and_the_others_go_on(tmp_path):
    versions = {
        13: {"status": "production", "traffic": 50, "control": "true"},
        14: {"status": "production", "traffic": 30},
        15: {"status": "production", "traffic": 20},
    }
    tree = plant(tmp_path, versions, spans=[days(13, 60)])
    assert dict(after(back(tree)).weights) == {13: 50.0, 14: 30.0}
    assert "goes on between v13 and v14" in plan_text(back(tree))
    assert dict(after(back(tree, 13)).weights) == {13: 1.0}


def test_doing_it_again_before_it_is_merged_does_not_go_one_version_further(tree):
    for change in back(tree).changes:
        tree.write(change.path, change.after.decode())
    plan = back(tree)
    assert [one.kind for one in plan.refusals] == ["ahead"]
    assert back(tree, 13).outcome == "nothing"
    assert after(back(tree, 12)).primary == 12


def test_where_git_does_not_tell_the_newest_standby_is_taken(tree):
    tree.spans = None
    plan = back(tree)
    assert after(plan).primary == 13
    assert "git does not tell" in plan_text(plan)


def test_a_content_that_is_held_already_gets_no_second_hold(tree):
    digest = tree.facts().versions[14].digest
    tree.hold(f"holds:\n  - digest: {digest}\n    reason: before\n    by: Bo\n")
    assert [change.path.rpartition("/")[2] for change in back(tree).changes] == ["v14.yaml"]


def test_the_content_of_the_target_is_never_held(tmp_path):
    same = {"status": "production", "prompt": 1, "tokens": 300}
    tree = plant(tmp_path, {13: same, 14: same}, spans=[days(13, 60, 33), days(14, 33)])
    plan = back(tree)
    assert [change.path.rpartition("/")[2] for change in plan.changes] == ["v14.yaml"]
    assert "changes no answer" in plan.warnings[0]


def test_a_version_that_serves_since_a_minute_is_rolled_back_too(tree):
    tree.spans = [days(13, 60, 0.001), days(14, 0.001)]
    assert NOW - tree.spans[-1].since < timedelta(minutes=2)
    assert after(back(tree)).primary == 13


def test_nobody_serves(tmp_path):
    tree = plant(tmp_path, {1: "draft"})
    assert "nothing to roll back" in back(tree).refusals[0].message
