from __future__ import annotations

import re
from dataclasses import replace
from math import floor

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats as scipy_stats

from evalkit.evals.gate import (
    Comparison,
    GateRules,
    Judgement,
    Measured,
    SliceMeasured,
    compare,
    judge,
    smallest_passing_n,
    worst,
)
from evalkit.evals.stats import Estimate, estimate, lower_bound_required, wilson_lower
from evalkit.evals.suite import Suite
from evalkit.registry.json_schema import json_schema

VERDICTS = ("pass", "inconclusive", "fail")
verdicts = st.sampled_from(VERDICTS)


def binary(n: int, right: int) -> list[float]:
    return [1.0] * right + [0.0] * (n - right)


def run(cases: int, right: int, *, errors: int = 0, **more) -> Measured:
    """A run of pass/fail cases, `errors` of them unmeasured."""
    found = estimate(binary(cases - errors, right))
    return Measured(**{"cases": cases, "scored": cases - errors, "errors": errors, "estimate": found, **more})


def part(cases: int, right: int, *, errors: int = 0) -> SliceMeasured:
    return SliceMeasured(cases, cases - errors, estimate(binary(cases - errors, right)))


def against_baseline(cases: int, lost: int, gained: int, right: int | None = None) -> Comparison:
    """`lost` cases were right in the baseline only, `gained` in the candidate only."""
    ids = [f"case-{i:03}" for i in range(cases)]
    right = cases - lost if right is None else right
    candidate = [0.0] * lost + [1.0] * right + [0.0] * (cases - lost - right)
    baseline = [1.0] * lost + [0.0] * gained + candidate[lost + gained :]
    return compare(dict(zip(ids, candidate, strict=True)), dict(zip(ids, baseline, strict=True)))


def verdict_of(measured: Measured, **rules) -> str:
    return judge(GateRules(**rules), measured).verdict


def only_reason(measured: Measured, **rules) -> str:
    return judge(GateRules(**rules), measured).reasons[0]


# --- the order of verdicts --------------------------------------------------------------------------------------------


@given(verdicts, verdicts, verdicts)
def test_worst_is_a_total_order_with_pass_as_identity(a, b, c):
    assert worst(a, worst(b, c)) == worst(worst(a, b), c)
    assert worst(a, b) == worst(b, a)
    assert worst(a, a) == a
    assert worst("pass", a) == a
    assert worst("fail", a) == "fail"


# --- the score --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "verdict"), [(100, "pass"), (91, "pass"), (90, "inconclusive"), (89, "fail"), (0, "fail")]
)
def test_100_cases_at_090_need_91_right(right, verdict):
    assert verdict_of(run(100, right), min_score=0.9) == verdict


@pytest.mark.parametrize(("threshold", "n"), [(0.95, 25), (0.99, 43), (0.9, 16)])
def test_a_perfect_score_passes_from_the_smallest_suite_on(threshold, n):
    assert smallest_passing_n(threshold) == n == GateRules(min_score=threshold).smallest_passing_n
    assert verdict_of(run(n, n), min_score=threshold) == "pass"
    assert verdict_of(run(n - 1, n - 1), min_score=threshold) == "inconclusive"


def test_strict_allows_no_slack():
    assert verdict_of(run(52, 52), min_score=0.95, strict=True) == "pass"
    assert verdict_of(run(51, 51), min_score=0.95, strict=True) == "inconclusive"
    assert "0.95 (the gate is strict)" in only_reason(run(51, 51), min_score=0.95, strict=True)


def test_a_score_that_reaches_the_threshold_but_for_rounding_reaches_it():
    values = [0.0, 0.2, 1.0] * 100
    assert sum(values[:3]) / 3 < 0.4  # by the last bit
    measured = Measured(
        cases=300, scored=300, errors=0, estimate=replace(estimate(values), mean=sum(values[:3]) / 3)
    )
    assert verdict_of(measured, min_score=0.4, slack=0.1) == "pass"
    assert judge(GateRules(min_score=0.85, slack=0.15), run(100, 85)).verdict == "pass"


def test_the_cases_said_to_be_missing_are_enough_and_not_far_too_many():
    found = judge(GateRules(min_score=0.9), run(40, 37))
    assert found.missing_cases == 22
    assert "22 more cases at this score would settle it" in found.reasons[0]
    assert wilson_lower(62 * 37 / 40, 62) >= 0.85 > wilson_lower(61 * 37 / 40, 61)


def test_a_score_exactly_on_a_strict_line_says_that_no_number_of_cases_would_do():
    found = judge(GateRules(min_score=0.9, strict=True), run(100, 90))
    assert (found.verdict, found.missing_cases) == ("inconclusive", None)
    assert "At exactly this score no number of cases would settle it" in found.reasons[0]


@pytest.mark.parametrize(
    ("n", "right", "threshold", "shown"),
    [
        (10_000, 8_997, 0.9, "0.8997"),
        (1000, 899, 0.9, "0.899"),
        (3000, 2999, 0.5, "0.9997"),
        (7, 3, 0.9, "0.43"),
    ],
)
def test_a_score_is_never_rounded_across_its_threshold_or_to_1(n, right, threshold, shown):
    assert only_reason(run(n, right), min_score=threshold).startswith(f"Score {shown} ")


def test_another_primary_metric_is_named():
    measured = run(100, 80, primary="f1_macro")
    assert only_reason(measured, min_score=0.9).startswith("Score (f1_macro) 0.80 is below the required 0.90")


def test_too_few_clusters_are_inconclusive_and_few_clusters_are_said():
    clusters = [i % 4 for i in range(60)]
    measured = run(60, 60, estimate=estimate(binary(60, 60), clusters=clusters))
    assert verdict_of(measured, min_score=0.9) == "inconclusive"
    assert "the 60 cases come in 4 clusters; an interval needs at least 5" in only_reason(
        measured, min_score=0.9
    )
    low = run(60, 30, estimate=estimate(binary(60, 30), clusters=clusters))
    assert (
        only_reason(low, min_score=0.9) == "Score 0.50 is below the required 0.90 (60 cases in 4 clusters)."
    )
    few = run(90, 88, estimate=estimate(binary(90, 88), clusters=[i % 18 for i in range(90)]))
    assert verdict_of(few, min_score=0.9) == "pass"
    assert "Note: 18 clusters are few" in only_reason(few, min_score=0.9)
    fewer = run(60, 57, estimate=estimate(binary(60, 57), clusters=[i % 12 for i in range(60)]))
    assert "20 more cases in new clusters at this score" in only_reason(fewer, min_score=0.9)


def test_an_undefined_score_is_inconclusive():
    measured = run(40, 40, estimate=estimate([]), primary="pass@2")
    assert verdict_of(measured, min_score=0.5) == "inconclusive"
    assert only_reason(measured, min_score=0.5).startswith("Score (pass@2) is undefined")


# --- unmeasurable -----------------------------------------------------------------------------------------------------


def test_no_case_is_inconclusive():
    measured = Measured(cases=0, scored=0, errors=0, estimate=estimate([]))
    assert judge(GateRules(min_score=0.9), measured).reasons == [
        "The run has no case, so there is nothing to judge."
    ]


def test_too_many_errors_are_inconclusive_even_for_a_terrible_score():
    found = judge(
        GateRules(min_score=0.9, slices={"hard": 0.5}), run(100, 3, errors=3, slices={"hard": part(30, 0)})
    )
    assert found.verdict == "inconclusive"
    assert found.reasons[0].startswith("3 of 100 cases could not be measured (3 %; at most 2 % may be)")
    assert found.reasons[1] == "What was measured so far: Score 0.03 (3 of 97 cases)."
    assert found.slices["hard"].verdict == "inconclusive"
    assert verdict_of(run(100, 3, errors=2), min_score=0.9) == "fail"


def test_cases_that_are_neither_scored_nor_counted_as_errors_are_unmeasured_too():
    measured = replace(run(100, 90, errors=10), errors=0)
    assert verdict_of(measured, min_score=0.5) == "inconclusive"


def test_fewer_cases_than_min_cases_are_inconclusive_even_for_a_terrible_score():
    found = judge(GateRules(min_score=0.9, min_cases=50), run(10, 1))
    assert (found.verdict, found.missing_cases) == ("inconclusive", 40)
    assert found.reasons[0] == "Too few cases: 10 scored, 50 needed (min_cases). 40 more would do."


def test_unmeasured_cases_do_not_count_toward_min_cases():
    assert verdict_of(run(100, 99, errors=1), min_score=0.9, min_cases=100) == "inconclusive"


def test_of_several_numbers_of_missing_cases_the_largest_is_given():
    found = judge(GateRules(min_score=0.9, slices={"hard": 0.5}), run(40, 37, slices={"hard": part(15, 15)}))
    assert found.missing_cases == 22
    found = judge(GateRules(min_score=0.9, slices={"hard": 0.5}), run(40, 37, slices={"hard": part(0, 0)}))
    assert found.missing_cases == 22


def test_a_few_cases_can_fail_a_score_but_a_gate_without_one_needs_20():
    assert verdict_of(run(5, 1), min_score=0.9) == "fail"
    assert verdict_of(run(19, 19, latency_p95_ms=10.0), max_latency_p95_ms=100) == "inconclusive"
    assert verdict_of(run(20, 20, latency_p95_ms=10.0), max_latency_p95_ms=100) == "pass"
    assert verdict_of(run(19, 19, latency_p95_ms=10.0), max_latency_p95_ms=100, min_cases=19) == "pass"


@pytest.mark.parametrize(
    "counts", [{"cases": 3, "scored": 4, "errors": 0}, {"cases": 3, "scored": -1, "errors": 0}]
)
def test_impossible_counts_are_refused(counts):
    with pytest.raises(ValueError, match="impossible counts"):
        Measured(estimate=estimate([1.0]), **counts)


# --- must_pass --------------------------------------------------------------------------------------------------------


def test_a_failed_must_pass_case_fails_whatever_else_holds():
    assert verdict_of(run(100, 99, must_pass_failed=["a"]), min_score=0.5) == "fail"
    found = judge(GateRules(min_score=0.9), run(100, 20, errors=50, must_pass_failed=["b", "a"]))
    assert found.verdict == "fail"
    assert found.reasons[0] == "2 cases that must pass did not: a, b."


def test_an_unmeasured_must_pass_case_is_inconclusive_unless_something_fails():
    assert verdict_of(run(100, 99, must_pass_unscored=["a"]), min_score=0.5) == "inconclusive"
    assert verdict_of(run(100, 9, must_pass_unscored=["a"]), min_score=0.5) == "fail"


def test_a_long_list_of_ids_is_cut_and_says_so():
    reason = only_reason(run(100, 80, must_pass_failed=[f"c{i:02}" for i in range(20)]), min_score=0.5)
    assert reason.endswith("c08, c09 and 10 more.")


# --- slices, metrics, latency, cost -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measured", "verdict", "words"),
    [
        (part(25, 20), "pass", "Slice 'hard': 0.80 reaches its floor 0.80 (20 of 25 cases)."),
        (part(25, 19), "fail", "Slice 'hard': 0.76 is below its floor 0.80 (19 of 25 cases)."),
        (
            part(19, 0),
            "inconclusive",
            "too few cases: 19 scored, 20 needed (slice_min_cases). 1 more would do.",
        ),
        (part(25, 24, errors=1), "pass", "1.00 reaches"),
        (part(25, 23, errors=2), "inconclusive", "2 of 25 cases could not be measured"),
        (part(200, 196, errors=4), "pass", "reaches"),
        (part(0, 0), "inconclusive", "No case has the tag 'hard'"),
        (None, "inconclusive", "No case has the tag 'hard'"),
        (SliceMeasured(20, 20, estimate([])), "inconclusive", "undefined"),
    ],
)
def test_a_declared_slice_is_judged_or_inconclusive(measured, verdict, words):
    slices = {} if measured is None else {"hard": measured}
    found = judge(
        GateRules(min_score=0.5, slices={"hard": 0.8}), run(500, 490, slices={**slices, "other": part(9, 0)})
    )
    assert found.verdict == found.slices["hard"].verdict == verdict
    assert found.slices["hard"].floor == 0.8
    assert list(found.slices) == ["hard"]
    assert any(words in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("rules", "measured", "verdict", "words"),
    [
        ({"metrics": {"f1_macro": 0.8}}, {"metrics": {"f1_macro": 0.8}}, "pass", "f1_macro 0.80 reaches"),
        ({"metrics": {"f1_macro": 0.8}}, {"metrics": {"f1_macro": 0.799}}, "fail", "f1_macro 0.799 is below"),
        ({"metrics": {"f1_macro": 0.8}}, {"metrics": {"f1_macro": None}}, "inconclusive", "undefined"),
        (
            {"metrics": {"f1_macro": 0.8}},
            {"metrics": {"f1_macro": float("nan")}},
            "inconclusive",
            "undefined",
        ),
        ({"metrics": {"f1_macro": 0.8}}, {}, "inconclusive", "undefined"),
        (
            {"max_latency_p95_ms": 2000},
            {"latency_p95_ms": 2000.0},
            "pass",
            "2000 ms is within the allowed 2000 ms",
        ),
        (
            {"max_latency_p95_ms": 2000},
            {"latency_p95_ms": 2000.4},
            "fail",
            "2000.4 ms is above the allowed 2000 ms",
        ),
        (
            {"max_latency_p50_ms": 900},
            {"latency_p95_ms": 100.0},
            "inconclusive",
            "max_latency_p50_ms cannot be",
        ),
        ({"max_latency_p50_ms": 0.5}, {"latency_p50_ms": 0.7}, "fail", "0.7 ms is above the allowed 0.5 ms"),
        (
            {"max_cost_usd_per_case": 0.001},
            {"mean_cost_usd": 0.0004},
            "pass",
            "0.0004 USD on average, within",
        ),
        (
            {"max_cost_usd_per_case": 0.001},
            {"mean_cost_usd": 0.00123},
            "fail",
            "0.0012 USD on average, above",
        ),
        ({"max_cost_usd_per_case": 0.001}, {}, "inconclusive", "cost of the answers is not known"),
        ({"max_cost_usd_per_case": 0}, {"mean_cost_usd": 0.0}, "pass", "within the allowed 0.00 USD"),
    ],
)
def test_limits_are_judged_on_the_observed_value_and_unknown_is_never_within(rules, measured, verdict, words):
    found = judge(GateRules(min_score=0.5, **rules), run(100, 90, **measured))
    assert found.verdict == verdict
    assert any(words in reason for reason in found.reasons), found.reasons


# --- the baseline -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "gained", "verdict"),
    [
        (0, 0, "pass"),
        (2, 0, "pass"),
        (4, 0, "inconclusive"),
        (5, 0, "fail"),
        (6, 1, "inconclusive"),
        (10, 9, "pass"),
    ],
)
def test_a_candidate_fails_when_significantly_worse_and_is_inconclusive_when_the_drop_could_be_luck(
    lost, gained, verdict
):
    compared = against_baseline(100, lost, gained)
    assert (
        verdict_of(run(100, 100 - lost, comparison=compared), min_score=0.5, max_regression=0.02) == verdict
    )


def test_a_significant_drop_fails_without_any_rule_about_it_and_within_max_regression():
    compared = against_baseline(1000, 10, 0)
    assert verdict_of(run(1000, 990, comparison=compared), min_score=0.5) == "fail"
    assert verdict_of(run(1000, 990, comparison=compared), min_score=0.5, max_regression=0.05) == "fail"


def test_too_few_net_losses_say_that_they_can_never_be_told_from_luck():
    found = judge(
        GateRules(min_score=0.5, max_regression=0.02), run(100, 96, comparison=against_baseline(100, 4, 0))
    )
    assert "Fewer than 5 net losses can never be told from luck." in found.reasons[0]
    assert found.reasons[0].endswith("Worse: case-000, case-001, case-002, case-003.")
    assert found.missing_cases == 49
    enough = judge(
        GateRules(min_score=0.5, max_regression=0.0), run(400, 380, comparison=against_baseline(400, 20, 14))
    )
    assert "net losses" not in enough.reasons[0]


def test_a_graded_drop_that_could_be_luck_gives_no_number_of_cases():
    baseline = {f"c{i}": 0.9 for i in range(100)}
    candidate = {**baseline, "c1": 0.0, "c2": 0.0, "c3": 0.1}
    compared = compare(candidate, baseline)
    measured = run(100, 96, comparison=compared)
    found = judge(GateRules(min_score=0.5, max_regression=0.01), measured)
    assert (found.verdict, found.missing_cases) == ("inconclusive", None)


def test_a_baseline_that_is_needed_and_missing_is_inconclusive():
    found = judge(
        GateRules(min_score=0.5, max_regression=0.02),
        run(100, 99, baseline_missing="triage@v3 has no scores"),
    )
    assert found.verdict == "inconclusive"
    assert found.reasons[0] == "The comparison with the baseline is missing: triage@v3 has no scores."


def test_where_no_baseline_exists_the_pass_says_that_the_rule_was_not_judged():
    found = judge(GateRules(min_score=0.5, max_regression=0.02), run(100, 99))
    assert found.verdict == "pass"
    assert found.reasons[-1] == "There is no baseline to compare with, so max_regression was not judged."
    assert verdict_of(run(100, 99), max_regression=0.02) == "inconclusive"


def test_a_comparison_of_a_part_of_the_cases_is_inconclusive():
    compared = against_baseline(95, 0, 0)
    assert verdict_of(run(100, 99, comparison=compared), min_score=0.5) == "inconclusive"
    assert verdict_of(run(100, 99, comparison=against_baseline(96, 0, 0)), min_score=0.5) == "pass"
    assert verdict_of(run(100, 99, comparison=compare({}, {})), min_score=0.5) == "inconclusive"


def test_an_unchanged_candidate_says_so():
    found = judge(GateRules(min_score=0.5), run(100, 100, comparison=against_baseline(100, 0, 0)))
    assert (
        found.reasons[-1]
        == "Not significantly worse than the baseline (each of 100 shared cases scores as before)."
    )


# --- non-inferiority --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "lost", "gained", "margin", "verdict"),
    [
        (300, 5, 5, 0.05, "pass"),
        (300, 0, 0, 0.05, "pass"),
        (40, 2, 2, 0.05, "inconclusive"),  # nothing changed on balance, and 40 cases cannot show it
        (300, 16, 9, 0.05, "inconclusive"),
        (300, 9, 0, 0.05, "fail"),  # within the margin, and still significantly worse
        (300, 14, 14, 0.001, "inconclusive"),
    ],
)
def test_a_candidate_must_be_shown_to_be_as_good_but_for_the_margin(n, lost, gained, margin, verdict):
    compared = against_baseline(n, lost, gained, right=n - lost - gained)
    found = judge(GateRules(min_score=0.5, non_inferior=margin), run(n, n - 20, comparison=compared))
    assert found.verdict == verdict
    if verdict != "fail":
        assert (compared.lower_one_sided > -margin) is (verdict == "pass")


def test_non_inferiority_that_is_not_shown_says_why_and_how_many_cases_would_show_it():
    compared = against_baseline(100, 4, 4, right=90)
    found = judge(GateRules(min_score=0.5, non_inferior=0.05), run(100, 94, comparison=compared))
    assert found.reasons[0] == (
        "Not shown to be as good as the baseline: the score stayed the same over 100 shared cases, but the true loss "
        "could be as large as 0.053, and must be below 0.05 (non_inferior). About 13 more cases with the same difference "
        "would settle it. Below 200 cases this rule is seldom met."
    )
    assert found.missing_cases == 13


def test_an_observed_loss_of_the_margin_says_that_no_number_of_cases_would_settle_it():
    compared = against_baseline(100, 7, 2, right=90)
    found = judge(GateRules(min_score=0.5, non_inferior=0.05), run(100, 92, comparison=compared))
    assert (found.verdict, found.missing_cases) == ("inconclusive", None)
    assert "At this drop no number of cases would settle it; it must be under 0.05." in found.reasons[0]


def test_the_pass_of_non_inferiority_says_what_it_rules_out():
    compared = against_baseline(400, 6, 5, right=380)
    found = judge(GateRules(min_score=0.5, non_inferior=0.05), run(400, 386, comparison=compared))
    assert found.verdict == "pass"
    assert found.reasons[-1] == (
        "As good as the baseline but for 0.05 at most (non_inferior): over 400 shared cases the true loss is very "
        "likely below 0.02."
    )


@given(st.integers(30, 400), st.integers(0, 12), st.integers(0, 12), st.floats(0.01, 0.2))
def test_the_pairs_said_to_be_missing_show_non_inferiority(n, lost, gained, margin):
    compared = against_baseline(n, lost, gained, right=n - lost - gained)
    found = judge(GateRules(min_score=0.1, non_inferior=margin), run(n, n - lost, comparison=compared))
    if found.missing_cases is not None:
        total = n + found.missing_cases
        scaled = [round(total * share / n) for share in (lost, gained)]
        again = against_baseline(total, *scaled, right=total - sum(scaled))
        # "About": counts are whole, and the interval is not symmetric.
        room = 1.5 / total + 0.15 * (margin + abs(again.difference))
        assert again.lower_one_sided > -margin - room


def test_graded_and_clustered_scores_are_judged_by_the_bound_of_their_own_interval():
    baseline = {f"c{i}": 0.5 + (i % 5) / 10 for i in range(200)}
    candidate = {case: score + (0.02 if i % 2 else -0.02) for i, (case, score) in enumerate(baseline.items())}
    alone = compare(candidate, baseline)
    together = compare(candidate, baseline, {case: i // 10 for i, case in enumerate(baseline)})
    few = compare(candidate, baseline, {case: i % 3 for i, case in enumerate(baseline)})
    rules = {"min_score": 0.1, "non_inferior": 0.01}
    assert alone.low < alone.lower_one_sided < alone.difference
    assert verdict_of(run(200, 150, comparison=alone), **rules) == "pass"
    assert verdict_of(run(200, 150, comparison=together), **rules) == "pass"
    assert verdict_of(run(200, 150, comparison=few), **rules) == "inconclusive"
    assert "3 clusters" in judge(GateRules(**rules), run(200, 150, comparison=few)).reasons[0]


def test_non_inferiority_without_a_baseline_is_said_and_alone_makes_nothing_pass():
    found = judge(GateRules(min_score=0.5, non_inferior=0.05, max_regression=0.02), run(100, 99))
    assert found.verdict == "pass"
    assert (
        found.reasons[-1]
        == "There is no baseline to compare with, so max_regression and non_inferior were not judged."
    )
    assert verdict_of(run(100, 99), non_inferior=0.05) == "inconclusive"
    missing = run(300, 299, baseline_missing="triage@v3 has no scores")
    assert verdict_of(missing, min_score=0.5, non_inferior=0.05) == "inconclusive"


# --- the shadow -------------------------------------------------------------------------------------------------------


def test_a_shadow_rule_is_judged_and_shown_and_decides_nothing():
    gate = GateRules(min_score=0.8, shadow=GateRules(min_score=0.95, max_latency_p95_ms=500))
    found = judge(gate, run(100, 90, latency_p95_ms=300))
    assert found.verdict == "pass"
    assert not any("0.95" in reason for reason in found.reasons)
    assert found.shadow == [
        "shadow: would fail because score 0.90 is below the required 0.95 (90 of 100 cases; likely range 0.83 to 0.94).",
        "shadow: would pass because p95 latency 300 ms is within the allowed 500 ms.",
    ]


def test_a_shadow_takes_what_it_is_judged_with_from_the_gate():
    gate = GateRules(min_score=0.5, slack=0.2, shadow=GateRules(min_score=0.9))
    assert judge(gate, run(40, 37)).shadow[0].startswith("shadow: would pass")
    gate = GateRules(min_score=0.5, slack=0.2, shadow=GateRules(min_score=0.9, slack=0.05))
    assert judge(gate, run(40, 37)).shadow[0].startswith("shadow: would be inconclusive")
    gate = GateRules(min_score=0.5, shadow=GateRules(min_cases=300))
    assert judge(gate, run(40, 37)).shadow == [
        "shadow: would be inconclusive because too few cases: 40 scored, 300 needed (min_cases). 260 more would do."
    ]
    assert judge(gate, run(400, 370)).shadow == ["shadow: would pass because 400 of 400 cases were scored."]


def test_a_shadow_rule_about_the_baseline_speaks_only_where_a_comparison_is_made():
    gate = GateRules(min_score=0.5, shadow=GateRules(non_inferior=0.05))
    alone = judge(gate, run(100, 90)).shadow
    assert len(alone) == 1
    assert alone[0] == (
        "shadow: would be inconclusive because the comparison with the baseline is missing: a baseline is measured only "
        "for a rule that binds, or with --baseline."
    )
    compared = judge(gate, run(100, 90, comparison=against_baseline(100, 4, 4, right=90))).shadow
    assert compared[0].startswith("shadow: would be inconclusive because not shown to be as good")
    gate = GateRules(min_score=0.5, shadow=GateRules(min_score=0.9))
    assert len(judge(gate, run(100, 90, comparison=against_baseline(100, 20, 0))).shadow) == 1


# --- rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block",
    [
        {"threshold": 0.9},
        {"non_inferior": 0},
        {"shadow": {"shadow": {"min_score": 0.9}}},
        {"shadow": {"threshold": 0.9}},
        {"shadow": 0.9},
        {"min_score": "0.9"},
        {"min_score": True},
        {"min_score": 1.5},
        {"min_score": float("nan")},
        {"min_cases": 10.0},
        {"min_cases": 0},
        {"strict": 1},
        {"max_error_rate": 1},
        {"max_latency_p95_ms": 0},
        {"slices": {"hard": 2}},
        {"slices": {"hard": float("inf")}},
        {"metrics": {"f1_macro": -0.1}},
        {"max_cost_usd_per_case": -1},
    ],
)
def test_unknown_keys_and_values_that_make_no_sense_are_refused(block):
    with pytest.raises(ValidationError):
        GateRules.model_validate(block)


@pytest.mark.parametrize(
    ("block", "asserts"),
    [
        ({}, False),
        ({"min_cases": 100, "slack": 0.1}, False),
        ({"min_score": 0}, False),
        ({"min_score": 0.1}, True),
        ({"slices": {"a": 0.5}}, True),
        ({"metrics": {"mean": 0.5}}, True),
        ({"max_regression": 0}, True),
        ({"max_cost_usd_per_case": 0}, True),
    ],
)
def test_a_gate_knows_whether_it_asserts_something(block, asserts):
    assert GateRules(**block).asserts_something is asserts
    if not asserts:
        assert verdict_of(run(500, 500), **block) == "inconclusive"


def test_rules_know_the_smallest_suite_that_can_pass():
    assert GateRules(min_score=0.9, min_cases=100).smallest_passing_n == 100
    assert GateRules(min_score=1.0, strict=True).smallest_passing_n is None
    assert GateRules(slices={"a": 0.5}).smallest_passing_n == 20
    assert GateRules(slices={"a": 0.5}).lower_bound_required is None


# --- laws -------------------------------------------------------------------------------------------------------------

shares = st.floats(0, 1)
maybe = st.one_of(st.none(), shares, st.just(float("nan")))
rules = st.builds(
    GateRules,
    min_score=st.one_of(st.none(), shares),
    slack=st.floats(0, 0.5),
    strict=st.booleans(),
    min_cases=st.one_of(st.none(), st.integers(1, 60)),
    max_error_rate=st.floats(0, 0.5),
    max_regression=st.one_of(st.none(), shares),
    non_inferior=st.one_of(st.none(), st.floats(0.001, 1)),
    slices=st.dictionaries(st.sampled_from("abc"), shares, max_size=2),
    slice_min_cases=st.integers(1, 30),
    max_latency_p95_ms=st.one_of(st.none(), st.floats(1, 100)),
    max_cost_usd_per_case=st.one_of(st.none(), shares),
    metrics=st.dictionaries(st.sampled_from(["f1_macro", "accuracy"]), shares, max_size=2),
)


@st.composite
def any_measured(draw, nothing_scored=False):
    count = 0 if nothing_scored else draw(st.integers(0, 80))
    values = draw(st.lists(st.one_of(st.sampled_from([0.0, 1.0]), shares), min_size=count, max_size=count))
    errors = draw(st.integers(0, 5))
    lost, gained = draw(st.integers(0, 8)), draw(st.integers(0, 8))
    return Measured(
        cases=count + errors,
        scored=count,
        errors=draw(st.integers(0, 5)),
        estimate=draw(
            st.sampled_from([estimate(values), estimate(values, clusters=[i % 9 for i in range(count)])])
        ),
        must_pass_failed=draw(st.lists(st.sampled_from("xyz"), max_size=1)),
        must_pass_unscored=draw(st.lists(st.sampled_from("xyz"), max_size=1)),
        slices={
            tag: part(n := draw(st.integers(0, 40)), draw(st.integers(0, n)))
            for tag in draw(st.sets(st.sampled_from("abc")))
        },
        latency_p95_ms=draw(st.one_of(st.none(), st.floats(1, 100))),
        mean_cost_usd=draw(maybe),
        metrics=draw(st.dictionaries(st.sampled_from(["f1_macro", "accuracy"]), maybe)),
        comparison=draw(st.sampled_from([None, against_baseline(90, lost, gained)])),
        baseline_missing=draw(st.sampled_from([None, "nothing was found"])),
    )


@given(rules, any_measured())
def test_every_judgement_gives_reasons_and_a_missing_number_only_when_inconclusive(gate, measured):
    found = judge(gate, measured)
    assert found.verdict in VERDICTS
    assert found.reasons
    assert all(reason.endswith(".") and "nan" not in reason.split() for reason in found.reasons)
    assert found.missing_cases is None or (found.verdict == "inconclusive" and found.missing_cases > 0)
    assert set(found.slices) == set(gate.slices)
    assert found == judge(gate, measured)


@given(rules, any_measured(nothing_scored=True))
def test_nothing_scored_never_passes(gate, measured):
    assert judge(gate, measured).verdict != "pass"
    # not even when someone hands over a glowing estimate
    glowing = Estimate(1.0, 100, 0.99, 1.0, 0.99, "Wilson")
    assert judge(gate, replace(measured, estimate=glowing)).verdict != "pass"


@given(st.builds(GateRules, slack=st.floats(0, 0.5), strict=st.booleans()), any_measured())
def test_a_gate_without_rules_never_passes_not_even_beside_a_baseline(gate, measured):
    assert judge(gate, measured).verdict != "pass"


@given(rules, rules, any_measured())
def test_no_shadow_ever_changes_a_verdict_or_a_reason(gate, shadow, measured):
    with_shadow = judge(gate.model_copy(update={"shadow": shadow}), measured)
    assert replace(with_shadow, shadow=[]) == judge(gate, measured)
    assert with_shadow.shadow
    assert all(line.startswith("shadow: would ") and line.endswith(".") for line in with_shadow.shadow)


@given(rules, any_measured())
def test_a_shadow_says_of_the_gates_own_rules_what_the_gate_says(gate, measured):
    more = {"min_score": gate.min_score or 0.5, "max_regression": gate.max_regression or 0.1}
    gate = gate.model_copy(update=more)
    measured = replace(measured, must_pass_failed=(), must_pass_unscored=())
    found = judge(gate.model_copy(update={"shadow": gate}), measured)
    said = {"pass": "would pass", "inconclusive": "would be inconclusive", "fail": "would fail"}
    assert found.shadow[0].startswith(f"shadow: {said[found.verdict]} because ")


def _severity(found: Judgement) -> int:
    return VERDICTS.index(found.verdict)


ADDED = st.one_of(
    st.fixed_dictionaries({"min_score": st.floats(0.01, 1)}),
    st.fixed_dictionaries({"max_regression": shares}),
    st.fixed_dictionaries({"non_inferior": st.floats(0.001, 1)}),
    st.fixed_dictionaries({"max_latency_p95_ms": st.floats(1, 100)}),
    st.fixed_dictionaries({"max_cost_usd_per_case": shares}),
    st.fixed_dictionaries({"slices": st.dictionaries(st.sampled_from("abc"), shares, min_size=1)}),
    st.fixed_dictionaries({"metrics": st.dictionaries(st.sampled_from(["f1_macro"]), shares, min_size=1)}),
)


@given(rules, ADDED, any_measured())
def test_another_rule_never_makes_a_verdict_better_unless_nothing_was_asked_before(gate, added, measured):
    assume(not any(getattr(gate, name) for name in added))
    gate = gate.model_copy(update={"min_cases": gate.min_cases or 1})  # its default depends on min_score
    before, after = judge(gate, measured), judge(gate.model_copy(update=added), measured)
    alone = judge(GateRules(min_cases=gate.min_cases, max_error_rate=gate.max_error_rate, **added), measured)
    if alone.verdict == "pass" and not gate.asserts_something:
        return
    assert _severity(after) >= _severity(before)
    if alone.verdict == "fail":
        assert after.verdict == "fail"


UNKNOWN = (
    {"latency_p95_ms": None},
    {"mean_cost_usd": None},
    {"metrics": {}},
    {"slices": {}},
    {"comparison": None, "baseline_missing": "gone"},
    {"scored": 0},
)


@given(rules, any_measured(), st.sampled_from(UNKNOWN))
def test_what_is_no_longer_known_never_turns_inconclusive_into_pass(gate, measured, unknown):
    if judge(gate, measured).verdict != "pass":
        assert judge(gate, replace(measured, **unknown)).verdict != "pass"


@given(rules, st.integers(1, 40), st.integers(2, 8), st.data())
def test_fewer_cases_of_the_same_score_never_turn_inconclusive_into_pass(gate, n, times, data):
    right = data.draw(st.integers(0, n))
    gate = gate.model_copy(update={"min_score": gate.min_score or 0.5})
    if judge(gate, run(n * times, right * times)).verdict != "pass":
        assert judge(gate, run(n, right)).verdict != "pass"


@given(rules, st.integers(2, 200), st.data())
def test_cases_that_could_not_be_measured_never_help_beyond_what_the_gate_allows(gate, n, data):
    right = data.draw(st.integers(0, n - 1))
    lost = data.draw(st.integers(1, n - right))  # the failures, of all cases, go missing
    assume(lost > gate.max_error_rate * n)
    assert judge(gate, run(n, right, errors=lost)).verdict == "inconclusive"


@given(rules, st.integers(1, 300), st.data())
def test_more_failures_never_improve_the_verdict(gate, n, data):
    right = data.draw(st.integers(1, n))
    fewer = data.draw(st.integers(0, right - 1))
    gate = gate.model_copy(update={"min_score": gate.min_score or 0.5})
    assert _severity(judge(gate, run(n, fewer))) >= _severity(judge(gate, run(n, right)))


@given(rules, st.integers(20, 100), st.integers(0, 10), st.integers(0, 10), st.integers(1, 10))
def test_more_losses_against_the_baseline_never_improve_the_verdict(gate, n, lost, gained, more):
    assume(lost + gained + more <= n)
    before = run(n, n, comparison=against_baseline(n, lost, gained, right=n - lost - more))
    after = run(n, n, comparison=against_baseline(n, lost + more, gained, right=n - lost - more))
    assert _severity(judge(gate, after)) >= _severity(judge(gate, before))


@given(rules, any_measured())
def test_a_failed_must_pass_case_or_a_missing_baseline_never_improves_the_verdict(gate, measured):
    before = _severity(judge(gate, measured))
    assert judge(gate, replace(measured, must_pass_failed=["m"])).verdict == "fail"
    assert _severity(judge(gate, replace(measured, comparison=None, baseline_missing="gone"))) >= min(
        before, 1
    )


@given(shares, st.floats(0, 0.3), st.booleans(), st.lists(shares, min_size=1, max_size=60))
def test_no_suite_below_the_smallest_passing_size_passes(threshold, slack, strict, values):
    gate = GateRules(min_score=threshold, slack=slack, strict=strict)
    measured = Measured(cases=len(values), scored=len(values), errors=0, estimate=estimate(values))
    if judge(gate, measured).verdict == "pass":
        assert len(values) >= gate.smallest_passing_n


@given(st.integers(1, 400), st.data(), st.floats(0.05, 0.99))
def test_the_cases_said_to_be_missing_turn_the_verdict(n, data, threshold):
    right = data.draw(st.integers(0, n))
    found = judge(GateRules(min_score=threshold), run(n, right))
    if found.missing_cases is not None:
        total = n + found.missing_cases
        bound = lower_bound_required(threshold)
        assert wilson_lower(right / n * total, total) >= bound - 1e-9


# --- docs/gate.md -----------------------------------------------------------------------------------------------------


@pytest.fixture
def page(project_root):
    return (project_root / "docs" / "gate.md").read_text(encoding="utf-8")


def _measured_of(example: dict) -> Measured:
    cases, right, errors = example["cases"], example["right"], example.get("errors", 0)
    more = {}
    if "slices" in example:
        more["slices"] = {tag: part(**one) for tag, one in example["slices"].items()}
    if "baseline" in example:
        more["comparison"] = against_baseline(cases, **example["baseline"])
    return run(cases, right, errors=errors, **more)


def test_every_example_on_the_page_is_judged_as_it_says(page):
    examples = [
        yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    ]
    judged = [example for example in examples if "run" in example]
    assert len(judged) == 8
    assert {example["verdict"] for example in judged} == set(VERDICTS)
    for example in judged:
        found = judge(GateRules.model_validate(example["gate"]), _measured_of(example["run"]))
        assert (found.verdict, found.reasons[0]) == (example["verdict"], example["reason"])
    for example in examples:
        GateRules.model_validate(example["gate"])


def _needed(threshold: float, n: int) -> int:
    return next(right for right in range(n + 1) if verdict_of(run(n, right), min_score=threshold) == "pass")


def test_the_numbers_on_the_page_are_right(page):
    rows = re.findall(r"^\| (0\.\d\d) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    assert len(rows) == 4
    for threshold, fewest, strict, of_100, of_200 in rows:
        t = float(threshold)
        assert smallest_passing_n(t) == int(fewest)
        assert smallest_passing_n(t, strict=True) == int(strict)
        assert (_needed(t, 100), _needed(t, 200)) == (int(of_100), int(of_200))
    chances = re.findall(r"^\| (0\.\d\d) \| (\d+) \| (0\.\d\d) \| ([\d.]+) % \|$", page, re.MULTILINE)
    assert len(chances) == 4
    for threshold, n, truth, shown in chances:
        passes = scipy_stats.binom.sf(_needed(float(threshold), int(n)) - 1, int(n), float(truth))
        assert f"{100 * passes:.1f}" == shown
    assert "22 of 100 runs of 50 cases" in page
    assert round(100 * scipy_stats.binom.sf(44, 50, 0.85)) == 22


def test_an_equal_candidate_would_be_refused_almost_half_of_the_time_by_a_rule_against_any_drop():
    # 6 of 100 cases differ, either way equally likely: the chance that more are lost than gained
    refused = sum(
        scipy_stats.binom.pmf(m, 100, 0.06) * scipy_stats.binom.sf(floor(m / 2), m, 0.5) for m in range(101)
    )
    assert 0.40 <= refused <= 0.47


def test_the_page_lists_every_key_with_its_default(page):
    described = json_schema("suite", Suite)["$defs"]["GateRules"]["properties"]
    for name, field in GateRules.model_fields.items():
        assert f"| `{name}` |" in page
        assert described[name]["description"]
        if isinstance(field.default, float | int):
            shown = str(field.default).lower()
            assert f"| `{name}` | `{shown}` |" in page
