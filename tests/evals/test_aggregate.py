from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.evals.aggregate import MAX_KEPT_CASES, Aggregate
from evalkit.evals.record import Sample, SampleError
from evalkit.evals.suite import Suite


def suite(**changes) -> Suite:
    raw = {
        "name": "s",
        "version": 1,
        "cases": "cases.jsonl",
        "scorers": ["exact_match"],
        "gate": {"min_score": 0.5},
        **changes,
    }
    return Suite.model_validate(raw)


def sample(index: int, score: float | None, *, repeat: int = 0, **changes) -> Sample:
    values = {
        "id": f"c{index}",
        "index": index,
        "repeat": repeat,
        "input": {},
        "expected": "x",
        "output": "y",
        "tool_calls": None,
        "score": score,
        "scores": {},
        "reasons": {},
        "error": SampleError("unscored", "timeout", "too slow") if score is None else None,
        **changes,
    }
    return Sample(**values)


def summary(total: Aggregate, cases: int):
    measured = total.measured(cases=cases, comparison=None, baseline_missing=None)
    return measured, total.score(), total.metrics(), total.latency_ms(), total.tokens(), total.evidence_scores


samples_of_cases = st.lists(
    st.tuples(
        st.lists(st.none() | st.sampled_from([0.0, 0.25, 1.0]), min_size=2, max_size=2),
        st.sampled_from([(), ("hard",), ("hard", "long")]),
        st.booleans(),
    ),
    max_size=40,
)


@given(samples_of_cases, st.randoms())
def test_the_order_in_which_answers_come_does_not_matter(cases, shuffler):
    made = [
        sample(
            i, score, repeat=repeat, tags=list(tags), must_pass=must_pass, latency_ms=float(i * 10 + repeat)
        )
        for i, (scores, tags, must_pass) in enumerate(cases)
        for repeat, score in enumerate(scores)
    ]
    shuffled = list(made)
    shuffler.shuffle(shuffled)
    one, other = (Aggregate(suite(repeats=2)) for _ in range(2))
    for item in made:
        one.add(item)
    for item in shuffled:
        other.add(item)
    assert summary(one, len(cases)) == summary(other, len(cases))


@given(samples_of_cases)
def test_every_case_is_scored_or_an_error_and_no_error_is_a_zero(cases):
    total = Aggregate(suite(repeats=2))
    for i, (scores, tags, _) in enumerate(cases):
        for repeat, score in enumerate(scores):
            total.add(sample(i, score, repeat=repeat, tags=list(tags)))
    assert total.scored + total.errors == total.cases == len(cases)
    whole = [sum(scores) / 2 for scores, _, _ in cases if None not in scores]
    expected = sum(whole) / len(whole) if whole else None
    assert total.score() == (None if expected is None else pytest.approx(expected))


def test_a_must_pass_case_fails_below_a_full_score():
    total = Aggregate(suite())
    total.add(sample(0, 0.99, must_pass=True))
    total.add(sample(1, None, must_pass=True))
    total.add(sample(2, 1.0, must_pass=True))
    assert (total.must_pass_failed, total.must_pass_unscored) == (["c0"], ["c1"])


def test_a_cost_that_is_not_known_for_every_answer_is_not_known():
    total = Aggregate(suite())
    total.add(sample(0, 1.0, cost_usd=0.5))
    assert total.measured(cases=1, comparison=None, baseline_missing=None).mean_cost_usd == 0.5
    total.add(sample(1, 1.0))
    assert total.measured(cases=2, comparison=None, baseline_missing=None).mean_cost_usd is None


def test_quantiles_are_by_nearest_rank():
    total = Aggregate(suite())
    for i in range(100):
        total.add(sample(i, 1.0, latency_ms=float(i + 1)))
    assert total.latency_ms() == {"p50": 50.0, "p95": 95.0}


def test_large_suites_keep_no_scores_of_single_cases():
    total = Aggregate(suite())
    for i in range(MAX_KEPT_CASES + 1):
        total.add(sample(i, 1.0))
    assert total.evidence_scores is None
    assert total.scored == MAX_KEPT_CASES + 1


def test_a_label_that_could_not_be_read_counts_as_a_miss():
    total = Aggregate(suite(metrics=["recall_micro", "f1_macro"]))
    total.add(sample(0, 1.0, expected="a", label="a"))
    total.add(sample(1, 0.0, expected="a", label=None))
    assert total.metrics()["recall_micro"] == 0.5
