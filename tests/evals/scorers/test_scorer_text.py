from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.evals.scorers.normalise import normaliser


@pytest.mark.parametrize(
    ("raw", "expected", "output", "value"),
    [
        ("exact_match", "yes", " yes\n", 1),
        ("exact_match", " yes", "yes", 1),
        ("exact_match", "yes", "Yes", 0),
        ({"exact_match": {"strip": False}}, "yes", "yes\n", 0),
        ({"exact_match": {"ignore_case": True}}, "STRASSE", "straße", 1),
        ("exact_match", 3, "3", 1),
        ("exact_match", True, "true", 1),
        ("exact_match", True, "True", 0),
        ({"exact_match": {"normalize": ["whitespace"]}}, "a b", "a \n b", 1),
        ({"exact_match": {"normalize": ["punctuation"]}}, "its 5", "it's (5)!", 1),
        ({"exact_match": {"normalize": ["articles"]}}, "the cat", "cat", 1),
        ({"exact_match": {"normalize": ["articles"]}}, "theatre", "atre", 0),
        ({"exact_match": {"normalize": ["unicode"]}}, "ABC", "\uff21\uff22\uff23", 1),
        ({"exact_match": {"normalize": ["final_stop"]}}, "Yes", "Yes.", 1),
        ({"contains": "b"}, None, "abc", 1),
        ({"contains": ["a", "z"]}, None, "abc", 0),
        ({"contains": {"any": ["a", "z"]}}, None, "abc", 1),
        ({"contains": {"any": "z", "all": "a"}}, None, "abc", 0),
        ({"contains": {"any": "B", "ignore_case": True}}, None, "abc", 1),
        ("contains", ["a", 3], "a3", 1),
        ("contains", "B", "abc", 0),
    ],
)
def test_text_is_compared_as_asked(judge, raw, expected, output, value):
    score = judge(raw, expected, output)
    assert score.value == value
    assert (score.reason is None) == (value == 1)


def test_what_was_read_is_the_class(judge):
    assert judge("exact_match", "yes", " yes ").label == "yes"
    assert judge("exact_match", "yes", "no\n").label == "no"
    assert judge({"exact_match": {"ignore_case": True}}, "Yes", "YES").label == "Yes"
    assert judge({"exact_match": True}, None, "true").label == "true"
    assert judge("exact_match", "yes", "x" * 201).label is None


def test_the_reason_shows_both_sides_on_one_short_line(judge):
    reason = judge("exact_match", "yes", "no\nnever " + "x" * 5000).reason
    assert reason.startswith("got 'no\\nnever xx")
    assert reason.endswith("…', expected 'yes'")
    assert len(reason) < 150


@pytest.mark.parametrize("raw", ["exact_match", "contains", "regex", "numeric", {"similarity": "rouge_l"}])
def test_an_answer_without_text_is_unread(judge, raw):
    score = judge(raw, "5", None)
    assert (score.value, score.extracted, score.reason) == (0, False, "the answer has no text")


def test_only_the_first_mebibyte_of_an_answer_is_considered(judge):
    assert judge({"contains": "needle"}, None, "x" * (1 << 20) + "needle").value == 0


@pytest.mark.parametrize(
    ("raw", "expected", "reason"),
    [
        ("exact_match", None, "has no `expected` to compare with"),
        ("exact_match", ["a"], 'has an `expected` that is not one text or number: ["a"]'),
        ("contains", None, "has no `expected` to compare with"),
        ("contains", [], "has an `expected` that is not text to look for: []"),
        ("contains", [""], 'has an `expected` that is not text to look for: [""]'),
        ("contains", {"a": 1}, 'has an `expected` that is not text to look for: {"a": 1}'),
        ({"contains": "a"}, None, None),
    ],
)
def test_a_case_that_cannot_be_scored_is_found_before_the_run(check, raw, expected, reason):
    assert check(raw, expected) == reason


steps = st.sets(st.sampled_from(["unicode", "punctuation", "articles", "whitespace", "final_stop"]))


@given(st.text(max_size=60), st.booleans(), steps)
def test_equal_texts_stay_equal_however_they_are_normalised(judge, text, ignore_case, chosen):
    raw = {"exact_match": {"ignore_case": ignore_case, "normalize": sorted(chosen)}}
    assert judge(raw, text, text).value == 1


@given(st.text(max_size=60))
def test_the_order_in_which_steps_are_named_makes_no_difference(text):
    forward = normaliser(strip=True, ignore_case=False, steps=["articles", "unicode", "whitespace"])
    backward = normaliser(strip=True, ignore_case=False, steps=["whitespace", "unicode", "articles"])
    assert forward(text) == backward(text)
