from __future__ import annotations

import pytest

from evalkit.evals.scorers import patterns
from evalkit.evals.scorers.unmeasurable import Unmeasurable


@pytest.mark.parametrize(
    ("raw", "expected", "output", "value"),
    [
        ({"regex": "b+"}, None, "abbc", 1),
        ({"regex": "^b"}, None, "a\nb", 0),
        ({"regex": {"pattern": "^b", "multiline": True}}, None, "a\nb", 1),
        ({"regex": {"pattern": "a.b", "dotall": True}}, None, "a\nb", 1),
        ({"regex": {"pattern": "B", "ignore_case": True}}, None, "abc", 1),
        ("regex", "^[0-9]+$", "123", 1),
        ("regex", "^[0-9]+$", "12a", 0),
        ({"regex_extract": r"A: (\d+)"}, "7", "A: 5\nA: 7", 1),
        ({"regex_extract": {"pattern": r"A: (\d+)", "match": "first"}}, "5", "A: 5\nA: 7", 1),
        ({"regex_extract": r"\d+"}, "7", "5 or 7", 1),
        ({"regex_extract": {"pattern": r"(\d+)-(\d+)", "group": 2}}, "7", "5-7", 1),
        ({"regex_extract": {"pattern": r"(\d+)-(\d+)", "group": 0}}, "5-7", "5-7", 1),
        ({"regex_extract": {"pattern": r"(?P<a>\d+)-(\d+)", "group": "a"}}, "5", "5-7", 1),
        ({"regex_extract": "is (.*)"}, "(B)", "it is (B).", 1),
        ({"regex_extract": "is (.*)"}, "No.", "it is No", 1),
        ({"regex_extract": {"pattern": "is (.*)", "normalize": []}}, "(B)", "it is (B).", 0),
        ({"regex_extract": {"pattern": "IS (.*)", "ignore_case": True}}, "yes", "it is YES", 1),
        ({"regex_extract": {"pattern": "A: (.*)", "numeric": True}}, "1500", "A: $1,500.", 1),
        ({"regex_extract": {"pattern": "A: (.*)", "numeric": True}}, 3, "A: 3.0", 1),
        ({"regex_extract": {"pattern": "A: (.*)", "numeric": True}}, 3, "A: 3.1", 0),
        ({"regex_extract": {"pattern": "A: (.*)", "numeric": True, "abs_tol": 0.1}}, 3, "A: 3.1", 1),
    ],
)
def test_patterns_find_what_counts(judge, raw, expected, output, value):
    score = judge(raw, expected, output)
    assert (score.value, score.extracted) == (value, True)


def test_nothing_extracted_is_an_outcome_of_its_own(judge):
    score = judge({"regex_extract": "A: (.*)"}, "5", "five")
    assert (score.value, score.extracted, score.label) == (0, False, None)
    assert score.reason == "nothing matched 'A: (.*)'"


def test_a_group_that_took_no_part_in_the_match_extracts_nothing(judge):
    assert not judge({"regex_extract": "A: (x)?"}, "x", "A: y").extracted


def test_what_is_no_number_is_not_extracted_as_one(judge):
    score = judge({"regex_extract": {"pattern": "A: (.*)", "numeric": True}}, "-1.8", "A: -1.8 billion")
    assert (score.value, score.extracted, score.got) == (0, False, "-1.8 billion")
    assert score.reason == "matched '-1.8 billion', which is not a number"


def test_the_class_is_comparable_with_expected(judge):
    assert judge({"regex_extract": "is (.*)"}, "(B)", "it is (C).").label == "(C)"
    assert judge({"regex_extract": {"pattern": "A: (.*)", "numeric": True}}, "3", "A: 3.0").label == "3"
    assert judge({"regex_extract": {"pattern": "A: (.*)", "numeric": True}}, "3", "A: 4.0").label == "4"


@pytest.mark.parametrize("scorer", ["regex", "regex_extract"])
def test_a_pattern_that_explodes_leaves_the_case_unscored(judge, monkeypatch, scorer):
    monkeypatch.setattr(patterns, "TIMEOUT_S", 0.05)
    with pytest.raises(Unmeasurable, match="make it simpler"):
        judge({scorer: "\\s+$"}, "x", (" " * 1000 + "x") * 1000)


@pytest.mark.parametrize(
    ("raw", "expected", "reason"),
    [
        ("regex", None, "has no `expected` to compare with"),
        ("regex", 5, "has an `expected` that is no pattern (text)"),
        (
            "regex",
            "(",
            "has an `expected` that cannot be used: `pattern` is no valid regular expression: missing ) at character 2",
        ),
        ({"regex": "a"}, None, None),
        ({"regex_extract": "a"}, None, "has no `expected` to compare with"),
        (
            {"regex_extract": {"pattern": "a", "numeric": True}},
            "x",
            "has an `expected` that is not a number: 'x'",
        ),
    ],
)
def test_a_case_that_cannot_be_scored_is_found_before_the_run(check, raw, expected, reason):
    assert check(raw, expected) == reason
