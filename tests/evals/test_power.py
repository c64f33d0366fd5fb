"""What a suite can decide: the figures are those of whole enumeration, and of the gate itself."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from evalkit.evals.checks.examine import CaseSummary
from evalkit.evals.gate import GateRules, Measured, judge
from evalkit.evals.power import power_of
from evalkit.evals.stats import estimate, mcnemar, newcombe_paired
from evalkit.evals.stats.power import (
    detectable_drop,
    mcnemar_power,
    non_inferior_power,
    pairs_for_drop,
    pairs_for_non_inferior,
)
from evalkit.evals.suite import Suite


def suite(gate: dict, **keys) -> Suite:
    raw = {
        "name": "s",
        "version": 1,
        "cases": "cases.jsonl",
        "scorers": ["exact_match"],
        "gate": gate,
        **keys,
    }
    return Suite.model_validate(raw)


def of(count: int, gate: dict, *, clusters: dict[str, int] | None = None, repeats: int = 1, **options):
    summary = CaseSummary(count=count, clusters=Counter(clusters or {}), tags=Counter({"hard": 13}))
    return power_of(suite(gate, repeats=repeats), summary, ref="s@v1", **options)


# --- against a baseline -----------------------------------------------------------------------------------------------


@given(st.integers(1, 30), st.floats(0, 0.5), st.floats(0, 0.5))
@settings(max_examples=40, deadline=None)
def test_the_power_of_mcnemar_is_that_of_every_outcome_counted(n, lost, gained):
    total = 0.0
    for differ in range(n + 1):
        for worse in range(differ + 1):
            if mcnemar(worse, differ - worse).one_sided <= 0.05:
                share = lost / (lost + gained) if lost + gained else 0.0
                total += binom.pmf(differ, n, lost + gained) * binom.pmf(worse, differ, share)
    assert mcnemar_power(n, lost, gained) == pytest.approx(total, abs=1e-9)


def test_the_exact_power_of_the_textbook_approximation_is_lower_than_it_says():
    assert pairs_for_drop(0.05, 0.06) == 162  # the approximation says 143
    assert mcnemar_power(162, 0.055, 0.005) >= 0.8 > mcnemar_power(161, 0.055, 0.005)
    assert mcnemar_power(143, 0.055, 0.005) == pytest.approx(0.732, abs=0.001)


def test_the_drop_that_is_said_to_be_found_is_found_and_none_below_five_cases():
    for n in (20, 100, 1000):
        drop = detectable_drop(n, 0.06)
        both = max(drop, 0.06)
        assert mcnemar_power(n, (both + drop) / 2, (both - drop) / 2) >= 0.8
    assert detectable_drop(4, 0.06) is None
    assert pairs_for_drop(0.00001, 0.06) is None


@pytest.mark.parametrize(("lost", "gained", "n"), [(-0.1, 0.1, 10), (0.7, 0.7, 10), (0.1, 0.1, 0)])
def test_shares_that_cannot_be_are_refused(lost, gained, n):
    with pytest.raises(ValueError, match="shares of cases"):
        mcnemar_power(n, lost, gained)


def test_an_equal_candidate_is_shown_to_be_as_good_as_often_as_every_outcome_counted_says():
    n, share, margin, right = 60, 0.1, 0.1, 0.9
    total = 0.0
    for differ in range(n + 1):
        both = min(max(0, round(right * n - differ / 2)), n - differ)
        for lost in range(differ + 1):
            if newcombe_paired(both, differ - lost, lost, n - both - differ, 0.9)[0] > -margin:
                total += binom.pmf(differ, n, share) * binom.pmf(lost, differ, 0.5)
    assert non_inferior_power(n, share, margin, right) == pytest.approx(total, abs=1e-9)
    assert pairs_for_non_inferior(0.06, 0.05, 0.9) == 175


# --- a suite ----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 200), st.floats(0.05, 0.99), st.floats(0, 0.2), st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_chances_are_those_of_the_gate_itself(n, threshold, slack, strict):
    gate = {"min_score": threshold, "slack": slack, "strict": strict}
    verdicts = []
    for right in range(n + 1):
        measured = Measured(
            cases=n, scored=n, errors=0, estimate=estimate([1.0] * right + [0.0] * (n - right))
        )
        verdicts.append(judge(GateRules(**gate), measured).verdict)
    for one in of(n, gate).figures.chances:
        exact = Counter()
        for right, verdict in enumerate(verdicts):
            exact[verdict] += binom.pmf(right, n, one.truth)
        assert (one.passes, one.inconclusive, one.fails) == pytest.approx(
            (exact["pass"], exact["inconclusive"], exact["fail"]), abs=1e-9
        )


def test_a_suite_says_what_it_needs():
    found = of(100, {"min_score": 0.9, "slices": {"hard": 0.8}})
    assert (found.smallest_passing, found.figures.needed_right) == (16, 91)
    assert found.cases_for_drop == 162
    assert found.slices == {"hard": (13, 20)}
    passes = {one.truth: one.passes for one in found.figures.chances}
    assert passes[0.85] == pytest.approx(0.055, abs=0.001)
    assert passes[0.95] == pytest.approx(0.972, abs=0.001)
    assert (found.cases_for_non_inferior, found.figures.equal_is_shown) == (None, None)
    assert found.figures_at_worst is None
    margin = of(100, {"min_score": 0.9, "non_inferior": 0.05})
    assert 0.5 < margin.figures.equal_is_shown < 0.7
    assert 150 < margin.cases_for_non_inferior < 250


def test_below_min_cases_nothing_is_decided():
    found = of(50, {"min_score": 0.9, "min_cases": 100})
    assert (found.smallest_passing, found.figures.needed_right, found.figures.passes_from) == (
        100,
        None,
        None,
    )
    assert all((one.passes, one.inconclusive) == (0, 1) for one in found.figures.chances)


def test_a_gate_that_nothing_can_pass_or_that_has_no_min_score_says_so():
    never = of(50, {"min_score": 1.0, "strict": True})
    assert (never.smallest_passing, never.cases_for_good) == (None, None)
    without = of(50, {"slices": {"hard": 0.8}})
    assert (without.figures.chances, without.good_truth, without.smallest_passing) == ((), None, 20)


def test_clusters_are_divided_by_the_design_effect():
    found = of(100, {"min_score": 0.8}, clusters={f"d{i}": 10 for i in range(10)})
    assert (found.design.clusters, found.design.mean_size) == (10, 10)
    assert found.design.effects == {0.1: pytest.approx(1.9), 0.3: pytest.approx(3.7), 1.0: pytest.approx(10)}
    assert found.figures_at_worst.cases == 10
    unequal = of(100, {"min_score": 0.8}, clusters={"big": 50, **{f"d{i}": 5 for i in range(6)}})
    assert unequal.design.clusters == 27  # 20 cases are in none
    assert unequal.design.mean_size == pytest.approx((2500 + 150 + 20) / 100)
    assert of(100, {"min_score": 0.8}, clusters={f"d{i}": 1 for i in range(100)}).design is None


@pytest.mark.parametrize("option", ["drop", "discordant", "power"])
@pytest.mark.parametrize("value", [0.0, 1.0, -0.1])
def test_numbers_that_make_no_sense_are_refused(option, value):
    with pytest.raises(ValueError, match="between 0 and 1"):
        of(100, {"min_score": 0.8}, **{option: value})
