"""How a suite writes scorers, and what it hears about mistakes."""

from __future__ import annotations

import subprocess
import sys

import jsonschema_rs
import pytest

from evalkit.evals.case import Answer, Case
from evalkit.evals.scorers.arguments import InvalidScorer
from evalkit.evals.scorers.base import ScorerConfigError
from evalkit.evals.scorers.spec import SCORERS, parse_scorer, parse_scorers, scorer_json_schema


def spec(raw):
    return parse_scorer(raw, custom={})


def test_the_three_short_forms_mean_the_same():
    forms = ["exact_match", {"exact_match": None}, {"exact_match": {}}, {"exact_match": {"strip": True}}]
    assert len({str(spec(form).canonical()) for form in forms}) == 1
    assert spec({"regex": "a+"}).canonical() == spec({"regex": {"pattern": "a+"}}).canonical()
    assert spec({"multiple_choice": ["A", "B"]}).args == {"choices": ["A", "B"]}


def test_the_canonical_form_holds_what_decides_the_score_and_nothing_else():
    raw = {
        "regex_extract": {
            "pattern": "A: (.*)",
            "weight": 2,
            "label": "answer",
            "match": "last",
            "expected": 3,
        }
    }
    assert spec(raw).canonical() == {
        "name": "regex_extract",
        "version": "1",
        "args": {"pattern": "A: (.*)"},
        "weight": 2.0,
        "negate": False,
        "expected": 3,
    }


@pytest.mark.parametrize("name", sorted(SCORERS))
def test_spelling_out_every_default_changes_no_canonical_form(name):
    needed = {
        "regex_extract": {"pattern": "a"},
        "json_schema": {"schema": {"type": "object"}},
        "json_path": {"path": "$.a"},
        "similarity": {"method": "rouge_l"},
        "latency_max_ms": {"limit": 1},
        "cost_max_usd": {"limit": 1},
        "python": {"name": "isclose"},
    }.get(name, {})
    custom = {"isclose": "bisect:insort"}
    model = type(parse_scorer({name: dict(needed)}, custom=custom).scorer).Arguments
    defaults = model.model_validate(dict(needed)).model_dump(by_alias=True, exclude_none=True)
    plain, spelled = ({name: needed}, {name: defaults})
    assert parse_scorer(plain, custom=custom).canonical() == parse_scorer(spelled, custom=custom).canonical()


def test_the_suites_expected_replaces_the_cases():
    scorer = spec({"exact_match": {"expected": "yes"}}).scorer
    assert scorer.score(Case("a", 0, {}, "no"), Answer("yes")).value == 1
    assert scorer.check(Case("a", 0, {})) is None


def test_negate_turns_the_value_around_and_says_so():
    scorer = spec({"contains": {"any": ["x"], "negate": True}}).scorer
    assert scorer.score(Case("a", 0, {}), Answer("abc")).value == 1
    score = scorer.score(Case("a", 0, {}), Answer("xyz"))
    assert (score.value, score.reason) == (0, "holds, and the suite negates it")
    half = spec({"similarity": {"method": "levenshtein", "negate": True}}).scorer
    score = half.score(Case("a", 0, {}, "ab"), Answer("ax"))
    assert (score.value, score.reason) == (0.5, "0.500 before `negate`")


def test_negate_does_not_turn_an_unread_answer_into_a_right_one():
    scorer = spec({"regex_extract": {"pattern": "A: (.*)", "negate": True}}).scorer
    score = scorer.score(Case("a", 0, {}, "5"), Answer("no idea"))
    assert (score.value, score.extracted) == (0, False)


def test_labels_are_made_unique_and_own_labels_stay():
    raws = [{"regex": "a"}, {"regex": "b"}, {"regex": {"pattern": "c", "label": "regex-2"}}, {"regex": "d"}]
    assert [each.label for each in parse_scorers(raws, custom={})] == [
        "regex",
        "regex-3",
        "regex-2",
        "regex-4",
    ]


def test_all_problems_of_all_scorers_are_reported_at_once():
    raws = [
        {"regex": "("},
        "exact_mach",
        {"numeric": {"abs_tol": -1, "rel_tolerance": 0.1}},
        {"json_valid": {"label": "x"}},
        {"json_valid": {"label": "x"}},
    ]
    with pytest.raises(InvalidScorer) as caught:
        parse_scorers(raws, custom={})
    assert [(problem.path, problem.at_key) for problem in caught.value.problems] == [
        ((0, "regex"), False),
        ((1,), False),
        ((2, "numeric", "abs_tol"), False),
        ((2, "numeric", "rel_tolerance"), True),
        ((4, "json_valid", "label"), False),
    ]


def test_a_suite_without_scorers_asserts_nothing():
    with pytest.raises(InvalidScorer, match="asserts nothing"):
        parse_scorers([], custom={})


@pytest.mark.parametrize(
    ("raw", "path", "message", "hint"),
    [
        ("exact_mach", (), "there is no scorer `exact_mach`", "did you mean `exact_match`?"),
        ({"json-path": "$.a"}, ("json-path",), "there is no scorer `json-path`", "did you mean `json_path`?"),
        (
            {"regex": {"patern": "a"}},
            ("regex", "patern"),
            "`regex` has no argument `patern`",
            "did you mean `pattern`?",
        ),
        (
            {"numeric": {"zzz": 1}},
            ("numeric", "zzz"),
            "`numeric` has no argument `zzz`",
            "its arguments are abs_tol, expected, label, match, negate, rel_tol, weight",
        ),
        ({"numeric": {1: 1}}, ("numeric", 1), "`numeric` has no argument `1`", None),
        (
            {"json_valid": {"expected": 1}},
            ("json_valid", "expected"),
            "`json_valid` has no argument `expected`",
            "`json_valid` compares with nothing: remove it",
        ),
        ("regex_extract", (), "`regex_extract` needs `pattern`", None),
        ({"json_path": {}}, ("json_path",), "`json_path` needs `path`", None),
        ({"regex": 5}, ("regex",), "`pattern` must be text, not 5", 'put it in quotes: "5"'),
        ({"regex": ""}, ("regex",), "`pattern` must not be empty", None),
        ({"contains": []}, ("contains",), "`all` must not be empty", None),
        ({"contains": ["a", 5]}, ("contains", 1), "`all[1]` must be text, not 5", 'put it in quotes: "5"'),
        (
            {"exact_match": {"strip": "no"}},
            ("exact_match", "strip"),
            "`strip` must be true or false, not 'no'",
            None,
        ),
        ({"numeric": {"abs_tol": "x"}}, ("numeric", "abs_tol"), "`abs_tol` must be a number, not 'x'", None),
        (
            {"numeric": {"abs_tol": float("inf")}},
            ("numeric", "abs_tol"),
            "`abs_tol` must be a finite number",
            None,
        ),
        ({"numeric": {"weight": 0}}, ("numeric", "weight"), "`weight` must be greater than 0, not 0", None),
        ({"latency_max_ms": -1}, ("latency_max_ms",), "`limit` must be greater than 0, not -1", None),
        (
            {"similarity": {"method": "rouge"}},
            ("similarity", "method"),
            "`method` must be one of levenshtein, rouge_l, not 'rouge'",
            "did you mean `rouge_l`?",
        ),
        ({"exact_match": {"expected": None}}, ("exact_match", "expected"), "`expected` is empty", None),
        ({"json_valid": True}, ("json_valid",), "`json_valid` takes no bare value", None),
        (
            {"multiple_choice": ["A", "a"]},
            ("multiple_choice",),
            "`choices` has the same choice twice, case aside",
            None,
        ),
        (
            {"contains": {"any": "a", "expected": "b"}},
            ("contains", "expected"),
            "`expected` is not used beside `any` and `all`",
            "keep one of them",
        ),
        ({"regex": {"pattern": "a", "expected": "b"}}, ("regex", "expected"), None, "keep one of them"),
        (
            {"json_path": {"path": "$", "rel_tol": 1}},
            ("json_path", "rel_tol"),
            "`rel_tol` needs `numeric: true`",
            None,
        ),
        ({"regex_extract": {"pattern": "a", "abs_tol": 1}}, ("regex_extract", "abs_tol"), None, None),
        (
            {"json_path": {"path": "$", "nodes": "list", "numeric": True}},
            ("json_path", "numeric"),
            None,
            None,
        ),
        ({"tool_call": {"expected": "x"}}, ("tool_call", "expected"), None, None),
        ({"regex": "a", "weight": 2}, (), "this is no scorer", "put the other keys inside: `regex: {...}`"),
        (
            {"regex": "a", "numeric": {}},
            (),
            "this is no scorer",
            "each scorer is an item of the list: begin each with `- `",
        ),
        (7, (), "this is no scorer", "write `name`, `{name: value}` or `{name: {argument: value}}`"),
        ({}, (), "this is no scorer", None),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_way_to_fix_it(problems, raw, path, message, hint):
    ((at, said, help_),) = problems(raw)
    assert at == path
    assert message is None or said == message
    assert hint is None or help_ == hint


@pytest.mark.parametrize(
    ("raw", "path", "message"),
    [
        (
            {"regex": "ab(c"},
            ("regex",),
            "`pattern` is no valid regular expression: missing ) at character 5",
        ),
        (
            {"regex_extract": {"pattern": "*a"}},
            ("regex_extract", "pattern"),
            "`pattern` is no valid regular expression: nothing to repeat at character 1",
        ),
        (
            {"regex_extract": {"pattern": "(a)", "group": 2}},
            ("regex_extract", "group"),
            "`pattern` has no group 2",
        ),
        (
            {"json_path": "$.a["},
            ("json_path",),
            "`path` is no valid JSONPath: unbalanced brackets at character 5",
        ),
        (
            {"json_path": {"path": "queue"}},
            ("json_path", "path"),
            "`path` is no valid JSONPath: expected '$', found 'q' at character 1",
        ),
        (
            {"json_schema": {"schema": {"properties": {"a": {"minimum": "x"}}}}},
            ("json_schema", "schema"),
            '`schema` is no valid JSON Schema: $.properties.a.minimum: "x" is not of type "number"',
        ),
    ],
)
def test_a_pattern_that_does_not_compile_is_reported_with_the_position(problems, raw, path, message):
    assert [problem[:2] for problem in problems(raw)] == [(path, message)]


def test_a_schema_that_is_not_under_its_key_is_told_where_it_goes(problems):
    ((path, message, _),) = problems({"json_schema": {"type": "object", "properties": {}}})
    assert path == ("json_schema",)
    assert "goes under `schema`" in message


def test_every_problem_is_a_scorer_config_error_that_names_its_argument():
    with pytest.raises(ScorerConfigError, match="must be a number") as caught:
        spec({"numeric": {"abs_tol": "x"}})
    assert caught.value.argument == "abs_tol"


def test_building_scorers_loads_no_library_that_they_do_not_use():
    code = """
import sys
from evalkit.evals.scorers.spec import parse_scorers
parse_scorers(["exact_match", "contains", "numeric", "tool_call", "json_valid", {"json_path": "$.a.b"}], custom={})
print(sorted(sys.modules.keys() & {"regex", "rapidfuzz", "jsonschema_rs", "jsonpath_rfc9535", "numpy", "pandas"}))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("raw", "valid"),
    [
        ("exact_match", True),
        ("regex_extract", False),  # it needs a pattern
        ("exact_mach", False),
        ({"exact_match": None}, True),
        ({"exact_match": "yes"}, True),
        ({"contains": "a"}, True),
        ({"contains": ["a", "b"]}, True),
        ({"contains": {"any": "a", "weight": 2}}, True),
        ({"contains": {"anny": "a"}}, False),
        ({"json_schema": {"schema": {"type": "object"}}}, True),
        ({"json_schema": {"type": "object"}}, False),
        ({"numeric": {"weight": 0}}, False),
        ({"tool_call": []}, True),
        ({"regex": "a", "numeric": {}}, False),
    ],
)
def test_the_schema_for_editors_agrees_with_the_parser(raw, valid):
    assert jsonschema_rs.validator_for(scorer_json_schema()).is_valid(raw) is valid
    if valid:
        spec(raw)
    else:
        with pytest.raises(InvalidScorer):
            spec(raw)
