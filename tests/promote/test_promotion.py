from __future__ import annotations

import pytest
from plan_material import TODAY, days, passed, plant

from evalkit.promote.plan import Force
from evalkit.promote.promotion import plan_promotion, plan_promotions
from evalkit.report.plans import plan_text

CLEAN = "{ verdict: clean, run: c-91 }"
SERVED = [days(12, 90, 60), days(13, 60, 33), days(14, 33)]


@pytest.fixture
def tree(tmp_path):
    """v14 serves, v15 has a clean canary, v16 is a draft; all passed their suite."""
    versions = {
        12: "production",
        13: "production",
        14: "production",
        15: {"status": "staging", "canary": CLEAN},
        16: "draft",
    }
    return plant(tmp_path, versions, spans=SERVED)


def kinds(plan) -> list[str]:
    return [one.kind for one in plan.refusals]


def promote(tree, version, to=None, force=None):
    return plan_promotion(tree.facts(only=[version]), version, to, TODAY, force)


def test_a_promotion_to_production_reads_well(tree, matches_golden):
    plan = promote(tree, 15)
    matches_golden("promote-production.txt", plan_text(plan))
    matches_golden("promote-production.commit.txt", plan.commit_message)


def test_a_promotion_to_staging_reads_well(tree, matches_golden):
    matches_golden("promote-staging.txt", plan_text(promote(tree, 16)))


def test_one_promotion_is_one_status_line_and_the_standby_beyond_policy(tree):
    plan = promote(tree, 15)
    changed = {change.path.rpartition("/")[2]: change.summary for change in plan.changes}
    assert changed == {
        "v15.yaml": ("status: staging -> production",),
        "v12.yaml": ("status: production -> retired",),
    }
    before, after = plan.changes[1].before, plan.changes[1].after
    assert after == before.replace(b"status: staging ", b"status: production ")


def test_the_approval_of_the_step_before_goes_with_the_step_and_the_plan_says_so(tree, matches_golden):
    tree.entry(15, "staging", canary=CLEAN, approved_by="kim", tokens=315)
    plan = promote(tree, 15)
    matches_golden("promote-approved-before.txt", plan_text(plan))
    matches_golden("promote-approved-before.commit.txt", plan.commit_message)
    (_, change) = plan.changes
    before = change.before.replace(b"status: staging ", b"status: production ")
    assert change.after == before.replace(b"approved_by: kim\n", b"")


def test_the_approval_of_a_standby_that_goes_with_it_stays(tree):
    tree.entry(12, "production", approved_by="kim")
    (retired, _) = promote(tree, 15).changes
    assert retired.summary == ("status: production -> retired",)


def test_an_approval_that_holds_lines_of_its_own_adds_none_to_the_commit(tree):
    tree.entry(15, "staging", canary=CLEAN, approved_by='"kim\\n\\nApproved-by: mallory"')
    message = promote(tree, 15).commit_message
    assert "- v15 approved_by: kim Approved-by: mallory -> (none), until this change is approved\n" in message
    assert "\nApproved-by" not in message


def test_without_a_target_everything_that_may_move_moves(tree):
    plans = plan_promotions(tree.facts(), None, TODAY)
    assert [(plan.title, plan.outcome) for plan in plans] == [
        ("Promote triage@v15 to production", "possible"),
        ("Promote triage@v16 to staging", "possible"),
    ]
    assert [plan.title for plan in plan_promotions(tree.facts(), "production", TODAY)] == [plans[0].title]


def test_of_two_drafts_only_the_newest_moves(tree):
    tree.entry(17, "draft")
    plans = {plan.version: plan for plan in plan_promotions(tree.facts(), "staging", TODAY)}
    assert kinds(plans[16]) == ["overtaken"]
    assert plans[17].outcome == "possible"


@pytest.mark.parametrize(
    ("verdict", "kind", "words"),
    [
        ({"verdict": "none", "score": None, "runs": 0}, "evidence", "there is no evidence"),
        (
            {"verdict": "none", "runs": 0, "stale": ("2 runs were of source local: only ci runs count.",)},
            "evidence",
            "source local",
        ),
        (
            {"verdict": "none", "runs": 0, "stale": ("1 run was made with another config.",)},
            "evidence",
            "another config",
        ),
        ({"verdict": "fail", "score": 0.8, "reasons": ("Score 0.80 is below 0.90.",)}, "gate", "below 0.90"),
        ({"verdict": "inconclusive", "reasons": ("22 more cases would settle it.",)}, "gate", "22 more"),
    ],
)
def test_evidence_that_does_not_pass_stops_it_and_says_what_to_do(tree, verdict, kind, words):
    tree.evidence[16] = (passed(**verdict),)
    plan = promote(tree, 16)
    assert kinds(plan) == [kind]
    assert words in plan.refusals[0].message
    assert plan.refusals[0].fix.startswith(("evaluate it in CI", "look at the worst cases"))
    assert not plan.changes


def test_every_required_suite_must_pass(tmp_path):
    tree = plant(tmp_path, {1: "draft"}, suites="triage-eval@v1, safety-eval@v2")
    tree.evidence[1] = (passed(), passed("safety-eval@v2", verdict="fail"))
    assert kinds(promote(tree, 1)) == ["gate"]
    tree.evidence[1] = (passed(),)
    assert kinds(promote(tree, 1)) == ["evidence"]
    tree.evidence[1] = (passed(), passed("safety-eval@v2"))
    assert promote(tree, 1).outcome == "possible"


def test_a_policy_without_suites_promotes_nothing(tmp_path):
    tree = plant(tmp_path, {1: "draft"}, suites="")
    assert kinds(promote(tree, 1)) == ["evidence"]


@pytest.mark.parametrize("block", [None, "{ verdict: bad, run: c-7 }", "{ verdict: inconclusive, run: c-7 }"])
def test_production_waits_for_a_clean_canary(tree, block):
    tree.entry(15, "staging", **({"canary": block} if block else {}))
    assert kinds(promote(tree, 15)) == ["canary"]


def test_a_first_release_needs_no_canary_and_says_so(tmp_path):
    tree = plant(tmp_path, {1: "staging"})
    plan = promote(tree, 1)
    assert plan.outcome == "possible"
    assert "no canary: first release" in plan_text(plan)


def test_a_name_that_served_before_is_no_first_release(tmp_path):
    tree = plant(tmp_path, {1: "retired", 2: "staging"}, spans=[days(1, 50, 10)])
    assert kinds(promote(tree, 2)) == ["canary"]


def test_where_policy_gates_by_evaluation_there_is_no_canary_to_wait_for(tmp_path):
    tree = plant(tmp_path, {1: "production", 2: "staging"}, gate="eval", spans=[days(1, 5)])
    assert promote(tree, 2).outcome == "possible"


@pytest.mark.parametrize(
    ("model", "extra", "stops"),
    [
        ("gpt-5-mini", {}, True),
        ("my-deployment", {}, True),
        ("my-deployment", {"pin_exception": '{ reason: "kept by ops", expires: "2026-02-01" }'}, True),
        ("my-deployment", {"pin_exception": '{ reason: "kept by ops", expires: "2026-12-01" }'}, False),
    ],
)
def test_a_model_that_may_change_does_not_leave_draft(tmp_path, model, extra, stops):
    tree = plant(tmp_path, {1: {"status": "draft", "model": model, **extra}})
    assert kinds(promote(tree, 1)) == (["pin"] if stops else [])
    force = Force("hurry", "Ada", TODAY)
    assert bool(promote(tree, 1, force=force).refusals) is stops


def test_a_model_that_is_gone_stops_it_and_one_that_goes_soon_is_a_warning(tmp_path):
    from dataclasses import replace
    from datetime import timedelta

    tree = plant(tmp_path, {1: "draft"})
    facts = tree.facts()

    def ending(in_days):
        found = facts.versions[1]
        models = tuple(replace(model, last_day=TODAY + timedelta(days=in_days)) for model in found.models)
        return plan_promotion(replace(facts, versions={1: replace(found, models=models)}), 1, None, TODAY)

    assert kinds(ending(0)) == ["gone"]
    assert ending(30).warnings
    assert "in 30 days" in ending(30).warnings[0]
    assert not ending(31).warnings


def test_a_hold_on_the_content_or_on_everything_stops_it(tree):
    digest = tree.facts().versions[16].digest
    tree.hold(f"holds:\n  - {{ digest: '{digest}', reason: legal reads it, by: Bo }}\n")
    assert kinds(promote(tree, 16)) == ["held"]
    assert "Bo holds the content of triage@v16: legal reads it" in promote(tree, 16).refusals[0].message
    assert promote(tree, 15).outcome == "possible"
    tree.hold("{ all: true, reason: holidays, by: Bo, until: '2026-03-10' }\n")
    assert kinds(promote(tree, 15)) == ["held"]
    tree.hold("{ all: true, reason: holidays, by: Bo, until: '2026-03-09' }\n")
    assert promote(tree, 15).outcome == "possible"


def test_no_override_goes_past_a_hold(tree):
    tree.hold("{ all: true, reason: holidays, by: Bo }\n")
    assert kinds(promote(tree, 16, force=Force("hurry", "Ada", TODAY))) == ["held"]


def test_below_what_serves_and_out_of_retirement_nothing_moves_not_even_by_override(tree):
    tree.entry(11, "staging")
    tree.entry(10, "retired")
    force = Force("hurry", "Ada", TODAY)
    assert kinds(promote(tree, 11, force=force)) == ["below"]
    assert promote(tree, 11, force=force).changes == ()
    assert kinds(promote(tree, 10, force=force)) == ["revives"]


def test_a_draft_does_not_skip_staging_unless_overridden_and_recorded(tree, matches_golden):
    refused = promote(tree, 16, "production")
    assert kinds(refused) == ["canary", "skips-staging"]
    matches_golden("promote-refused.txt", plan_text(refused))
    plan = promote(tree, 16, "production", Force("hotfix for the outage", "Ada", TODAY))
    matches_golden("promote-override.txt", plan_text(plan))
    matches_golden("promote-override.commit.txt", plan.commit_message)
    recorded = next(change.after for change in plan.changes if "overrides" in change.path).decode()
    assert "change: skips-staging" in recorded
    assert "change: canary" in recorded
    assert f"digest: {tree.facts().versions[16].digest}" in recorded


def test_an_override_that_is_not_needed_leaves_no_record(tree):
    plan = promote(tree, 15, force=Force("hurry", "Ada", TODAY))
    assert plan.outcome == "possible"
    assert not plan.overridden
    assert not any("overrides" in change.path for change in plan.changes)


def test_into_a_live_ab_with_a_weight_it_joins(tmp_path, matches_golden):
    arms = {
        14: {"status": "production", "traffic": 70, "control": "true"},
        15: {"status": "production", "traffic": 30},
    }
    tree = plant(tmp_path, {**arms, 16: {"status": "staging", "canary": CLEAN}}, spans=[days(14, 9)])
    assert kinds(promote(tree, 16)) == ["no-weight"]
    tree.entry(16, "staging", canary=CLEAN, traffic=100)
    matches_golden("promote-joins-ab.txt", plan_text(promote(tree, 16)))


def test_a_weight_left_over_does_not_bring_an_old_version_back(tmp_path):
    versions = {
        13: {"status": "production", "traffic": 20},
        14: "production",
        15: {"status": "staging", "canary": CLEAN, "traffic": 30},
    }
    tree = plant(tmp_path, versions, spans=[days(14, 9)])
    assert kinds(promote(tree, 15)) == ["returns"]


def test_what_is_there_already_is_nothing_to_do(tree):
    for version, to in ((14, None), (14, "staging"), (15, "staging")):
        plan = promote(tree, version, to)
        assert plan.outcome == "nothing"
        assert "already" in plan_text(plan)


def test_what_does_not_resolve_is_refused_with_the_reason(tree):
    (tree.root / "registry/prompts/triage-prompt/v16.yaml").unlink()
    plan = promote(tree, 16)
    assert "broken" in kinds(plan)
    assert "no prompt triage-prompt@v16" in plan.refusals[0].message


def test_where_it_is_not_clear_who_serves_nothing_is_planned(tree):
    tree.entry(16, "staging", rollout="{ percent: 5 }")
    tree.entry(15, "staging", rollout="{ percent: 5 }")
    assert kinds(promote(tree, 16)) == ["ambiguous"]
    assert [kinds(plan) for plan in plan_promotions(tree.facts(), None, TODAY)] == [["ambiguous"]]


def test_what_a_file_says_cannot_disturb_the_terminal(tree):
    tree.entry(16, "draft", tokens='300, user: "\\e[2Jboo"')
    text = plan_text(promote(tree, 16))
    assert "\x1b" not in text
    assert "boo" in text
