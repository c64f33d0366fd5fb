from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.evals.scorers.similarity import levenshtein, rouge_l
from evalkit.evals.scorers.unmeasurable import Unmeasurable


@pytest.mark.parametrize(
    ("args", "expected", "output", "value"),
    [
        ({"method": "levenshtein"}, "kitten", "sitting", 1 - 3 / 7),
        ({"method": "levenshtein"}, "Kitten", "kitten", 5 / 6),
        ({"method": "levenshtein", "ignore_case": True}, "Kitten", " kitten\n", 1),
        ({"method": "levenshtein", "threshold": 0.5}, "kitten", "sitting", 1),
        ({"method": "levenshtein", "threshold": 0.6}, "kitten", "sitting", 0),
        ({"method": "rouge_l"}, "the cat sat on the mat", "The cat sat.", 2 * 3 / 9),
        ({"method": "rouge_l", "ignore_case": False}, "The cat", "the cat", 0.5),
        ({"method": "rouge_l"}, "b a", "a b", 0.5),
        ({"method": "rouge_l"}, ["x", "a b"], "a b", 1),
        ({"method": "rouge_l"}, "a", "...", 0),
    ],
)
def test_similarity_is_computed_as_documented(judge, args, expected, output, value):
    assert judge({"similarity": args}, expected, output).value == pytest.approx(value)


@given(st.text(max_size=40), st.text(max_size=40))
def test_similarity_is_symmetric_and_1_for_equal_texts(left, right):
    for measure in (levenshtein, rouge_l):
        assert 0 <= measure(left, right) <= 1
        assert measure(left, right) == measure(right, left)
        assert measure(left, left) == 1


@pytest.mark.parametrize("expected", [None, 5, [], ["a", ""], ""])
def test_a_reference_must_be_text(check, expected):
    assert check({"similarity": "levenshtein"}, expected) is not None


def test_a_reference_for_rouge_needs_words(check):
    assert check({"similarity": "rouge_l"}, "!!!") == "has an `expected` without words: '!!!'"


@pytest.mark.parametrize(
    ("raw", "measured", "value", "reason"),
    [
        ({"latency_max_ms": 100}, {"latency_ms": 100.0}, 1, None),
        ({"latency_max_ms": {"limit": 100}}, {"latency_ms": 1234.5}, 0, "took 1,234 ms, more than 100 ms"),
        ({"cost_max_usd": 0.01}, {"cost_usd": 0.01}, 1, None),
        ({"cost_max_usd": 0.01}, {"cost_usd": 0.0}, 1, None),
        ({"cost_max_usd": 0.01}, {"cost_usd": 0.02}, 0, "cost $0.02, more than $0.01"),
    ],
)
def test_limits_are_inclusive(judge, raw, measured, value, reason):
    score = judge(raw, None, None, **measured)
    assert (score.value, score.reason) == (value, reason)


@pytest.mark.parametrize("raw", [{"latency_max_ms": 100}, {"cost_max_usd": 0.01}])
@pytest.mark.parametrize("negate", [False, True])
def test_what_was_not_measured_is_unscored_and_never_0(judge, raw, negate):
    ((name, limit),) = raw.items()
    with pytest.raises(Unmeasurable):
        judge({name: {"limit": limit, "negate": negate}}, None, "text")
