from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.evals.scorers.documents import fenced_block, json_equal

SCHEMA = {"type": "object", "required": ["queue"], "properties": {"queue": {"enum": ["billing", "sales"]}}}
FENCED = 'Here:\n```json\n{"queue": "billing"}\n```\nDone.'


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ('{"a": 1}', 1),
        (" [1, 2] \n", 1),
        ("null", 1),
        ("", 0),
        ("{'a': 1}", 0),
        ('{"a": NaN}', 0),
        ("[Infinity]", 0),
        ('{"a": 1} {"a": 2}', 0),
        ("[" * 100_000, 0),
        ("9" * 5000, 0),
        (FENCED, 0),
    ],
)
def test_json_valid_accepts_one_document_of_rfc_8259(judge, output, value):
    assert judge("json_valid", None, output).value == value


def test_json_in_a_code_block_counts_only_where_the_suite_says_so(judge):
    for raw in (
        {"json_valid": {"fenced": True}},
        {"json_schema": {"schema": SCHEMA, "fenced": True}},
        {"json_path": {"path": "$.queue", "fenced": True, "expected": "billing"}},
    ):
        assert judge(raw, None, FENCED).value == 1
        assert judge(raw, None, '{"queue": "billing"}').value == 1
        ((name, args),) = raw.items()
        assert judge({name: args | {"fenced": False}}, None, FENCED).value == 0


def test_the_last_code_block_is_read():
    assert fenced_block("```\n1\n```\n```json\n2\n```\n```\nopen") == "2\n"
    assert fenced_block("no block ``` here") is None


@pytest.mark.parametrize(
    ("output", "value", "reason"),
    [
        ('{"queue": "billing"}', 1, None),
        ('{"queue": "x"}', 0, '$.queue: "x" is not one of "billing" or "sales"'),
        ("{}", 0, '$: "queue" is a required property'),
        ("no", 0, "not JSON: Expecting value at line 1, column 1"),
    ],
)
def test_json_schema_says_where_the_answer_differs(judge, output, value, reason):
    score = judge({"json_schema": {"schema": SCHEMA}}, None, output)
    assert (score.value, score.reason) == (value, reason)
    assert score.extracted == (output != "no")


def test_formats_are_checked_on_request(judge):
    schema = {"format": "date"}
    assert judge({"json_schema": {"schema": schema}}, None, '"soon"').value == 1
    assert judge({"json_schema": {"schema": schema, "formats": True}}, None, '"soon"').value == 0


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9/x.json", "file:///etc/hostname"])
def test_a_schema_never_fetches_anything(problems, uri):
    ((path, message, _),) = problems({"json_schema": {"schema": {"$ref": uri}}})
    assert path == ("json_schema", "schema")
    assert "nothing is fetched" in message


@pytest.mark.parametrize(
    ("args", "expected", "output", "value"),
    [
        ({"path": "$.a.b"}, 1, {"a": {"b": 1}}, 1),
        ({"path": "$.a.b"}, 1, {"a": {"b": 1.0}}, 1),
        ({"path": "$.a"}, 1, {"a": True}, 0),
        ({"path": "$.a"}, True, {"a": 1}, 0),
        ({"path": "$.a"}, "1", {"a": 1}, 0),
        ({"path": "$.a", "numeric": True}, "1", {"a": 1}, 1),
        ({"path": "$.a", "numeric": True, "abs_tol": 0.1}, 1, {"a": "1.05"}, 1),
        ({"path": "$.a", "numeric": True}, 1, {"a": None}, 0),
        ({"path": "$.a"}, "X", {"a": "x"}, 0),
        ({"path": "$.a", "ignore_case": True}, "X", {"a": "x"}, 1),
        ({"path": "$.a", "ignore_case": True}, ["X"], {"a": ["x"]}, 1),
        ({"path": "$"}, {"a": 1}, {"a": 1}, 1),
        ({"path": "$.a[-1]"}, 3, {"a": [1, 2, 3]}, 1),
        ({"path": "$['a b']"}, 3, {"a b": 3}, 1),
        ({"path": "$[?@.x == 1].y"}, 2, [{"x": 1, "y": 2}, {"x": 2, "y": 3}], 1),
        ({"path": "$[*]"}, 1, [1, 1], 0),
        ({"path": "$[*]", "nodes": "any"}, 1, [2, 1], 1),
        ({"path": "$[*]", "nodes": "any"}, 1, [2, 3], 0),
        ({"path": "$[*]", "nodes": "all"}, 1, [1, 1], 1),
        ({"path": "$[*]", "nodes": "all"}, 1, [1, 2], 0),
        ({"path": "$[*]", "nodes": "list"}, [1, 2], [1, 2], 1),
        ({"path": "$[*]", "nodes": "list"}, [1, 2], [2, 1], 0),
        ({"path": "$[*]", "nodes": "list"}, [], [], 1),
    ],
)
def test_json_path_compares_what_it_selects(judge, args, expected, output, value):
    score = judge({"json_path": args}, expected, json.dumps(output))
    assert (score.value, score.extracted) == (value, True)


@pytest.mark.parametrize("path", ["$.a.b", "$.a['b']", "$..b"])
@pytest.mark.parametrize("output", ["{}", '{"a": []}', '{"a": {"c": 1}}', "7"])
def test_a_path_that_selects_nothing_reads_nothing(judge, path, output):
    score = judge({"json_path": path}, 1, output)
    assert (score.value, score.extracted, score.reason) == (0, False, f"`{path}` selects nothing")


def test_the_class_is_the_selected_value(judge):
    assert judge({"json_path": "$.a"}, "x", '{"a": "y"}').label == "y"
    assert judge({"json_path": {"path": "$.a", "expected": True}}, None, '{"a": false}').label == "false"
    assert judge({"json_path": {"path": "$.a", "ignore_case": True}}, "X", '{"a": "x"}').label == "X"
    assert judge({"json_path": "$.a"}, "x", '{"a": ["x"]}').label is None


@pytest.mark.parametrize(
    ("args", "expected", "reason"),
    [
        ({}, None, "has no `expected` to compare with"),
        ({"numeric": True}, "x", "has an `expected` that is not a number: 'x'"),
        ({"nodes": "list"}, 1, "has an `expected` that is not a list: 1"),
    ],
)
def test_a_case_that_cannot_be_scored_is_found_before_the_run(check, args, expected, reason):
    assert check({"json_path": {"path": "$.a", **args}}, expected) == reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values)
def test_json_equality_is_reflexive_symmetric_and_tells_true_from_1(left, right):
    assert json_equal(left, left)
    assert json_equal(left, right) == json_equal(right, left)
    if json_equal(left, right):
        assert left == right
    assert not json_equal([True], [1])
    assert not json_equal([0], [False])


@given(
    st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from("abc"), json_values, max_size=3))
)
def test_the_fast_path_selects_what_the_library_does(document):
    from jsonpath_rfc9535 import find

    from evalkit.evals.scorers.structured import _selector

    for path in ("$", "$.a", "$.a.b", "$.c.a.b"):
        assert _selector(path)(document) == [node.value for node in find(path, document)]
