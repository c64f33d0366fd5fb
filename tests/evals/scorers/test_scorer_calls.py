from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROME = {"name": "weather", "arguments": {"city": "Rome", "days": 3}}


@pytest.mark.parametrize(
    ("expected", "arguments", "value"),
    [
        (ROME, {"city": "Rome", "days": 3}, 1),
        (ROME, {"days": 3.0, "city": "Rome"}, 1),
        (ROME, '{"city": "Rome", "days": 3}', 1),
        (ROME, {"city": "rome", "days": 3}, 0),
        (ROME, {"city": "Rome", "days": "3"}, 0),
        (ROME, {"city": "Rome"}, 0),
        (ROME, {"city": "Rome", "days": 3, "unit": "c"}, 0),
        (ROME, '{"city": "Rome"', 0),
        (ROME, '["Rome", 3]', 0),
        (ROME | {"optional": ["days"]}, {"city": "Rome"}, 1),
        (ROME | {"optional": ["days"]}, {"city": "Rome", "days": 4}, 0),
        (ROME | {"accept": {"city": ["Roma"]}}, {"city": "Roma", "days": 3}, 1),
        (ROME | {"accept": {"city": ["Roma"]}}, {"city": "Rome", "days": 3}, 1),
        (ROME | {"accept": {"unit": ["c", "f"]}}, {"city": "Rome", "days": 3, "unit": "f"}, 1),
        (ROME | {"accept": {"unit": ["c", "f"]}}, {"city": "Rome", "days": 3}, 0),
        ({"name": "weather"}, {}, 1),
        ({"name": "weather"}, None, 1),
        ({"name": "weather"}, "", 1),
        ({"name": "weather"}, {"city": "Rome"}, 0),
        ({"name": "weather", "arguments": '{"flag": true}'}, {"flag": True}, 1),
        ({"name": "weather", "arguments": {"flag": True}}, {"flag": 1}, 0),
        ({"name": "weather", "arguments": {"n": 1}}, {"n": True}, 0),
        (
            {"name": "weather", "arguments": {"at": {"lat": 1, "lon": [2, 3]}}},
            {"at": {"lon": [2.0, 3], "lat": 1}},
            1,
        ),
        (
            {"name": "weather", "arguments": {"at": {"lat": 1, "lon": [2, 3]}}},
            {"at": {"lon": [3, 2], "lat": 1}},
            0,
        ),
        ({"weather": {"city": ["Rome", "Roma"], "days": [3, ""]}}, {"city": "Roma"}, 1),
        ({"weather": {"city": ["Rome", "Roma"], "days": [3, ""]}}, {"city": "Rome", "days": 3}, 1),
        ({"weather": {"city": ["Rome", "Roma"], "days": [3, ""]}}, {"days": 3}, 0),
        ({"weather": {"box": [{"w": [1, 2], "h": [3, ""]}]}}, {"box": {"w": 2}}, 1),
        ({"weather": {"box": [{"w": [1, 2], "h": [3, ""]}]}}, {"box": {"h": 3}}, 0),
        ({"weather": {"box": [{"w": [1, 2], "h": [3, ""]}]}}, {"box": {"w": 1, "d": 1}}, 0),
        ({"weather": {"box": [{"w": [1, 2], "h": [3]}]}}, {"box": {"w": [1, 2], "h": [3]}}, 1),
        (
            {"weather": {"rows": [[{"f": ["age"]}, {"f": ["job"]}]]}},
            {"rows": [{"f": "age"}, {"f": "job"}]},
            1,
        ),
        (
            {"weather": {"rows": [[{"f": ["age"]}, {"f": ["job"]}]]}},
            {"rows": [{"f": "job"}, {"f": "age"}]},
            0,
        ),
    ],
)
def test_arguments_are_compared(judge, expected, arguments, value):
    score = judge("tool_call", [expected], calls=[("weather", arguments)])
    assert (score.value, score.reason is None) == (value, value == 1)
    assert judge("tool_call", expected, calls=[("weather", arguments)]).value == value
    assert judge("tool_call", json.dumps([expected]), calls=[("weather", arguments)]).value == value


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        ([("wether", {})], "called 'wether', expected 'weather'"),
        ([("weather", {"city": "Rome"})], "weather: argument `days` is missing"),
        ([("weather", {"city": "Oslo", "days": 3})], "weather: `city` is 'Oslo', expected 'Rome'"),
        ([("weather", {"city": "Rome", "days": 3, "x": 1})], "weather: argument 'x' is not expected"),
        ([("weather", "{")], "weather: the arguments are not a JSON object: '{'"),
        ([("weather", {}), ("weather", {})], "2 calls ('weather, weather'), expected 1"),
        ([], "no call was made"),
    ],
)
def test_the_reason_names_the_first_difference(judge, calls, reason):
    score = judge("tool_call", [ROME], calls=calls)
    assert (score.value, score.reason, score.extracted) == (0, reason, bool(calls))


def test_case_is_ignored_on_request(judge):
    raw = {"tool_call": {"ignore_case": True}}
    assert judge(raw, [ROME], calls=[("weather", {"city": "ROME", "days": 3})]).value == 1
    assert judge(raw, [ROME], calls=[("Weather", {"city": "Rome", "days": 3})]).value == 0


def test_order_matters_only_on_request(judge):
    expected = [{"f": {"x": [1]}}, {"f": {"x": [2]}}]
    calls = [("f", {"x": 2}), ("f", {"x": 1})]
    assert judge("tool_call", expected, calls=calls).value == 1
    assert judge({"tool_call": {"order": "strict"}}, expected, calls=calls).value == 0
    assert judge({"tool_call": {"order": "strict"}}, expected, calls=calls[::-1]).value == 1


def test_a_call_that_suits_two_expectations_is_left_to_the_one_that_needs_it(judge):
    expected = [{"f": {"x": [1, 2]}}, {"f": {"x": [1]}}]
    assert judge("tool_call", expected, calls=[("f", {"x": 1}), ("f", {"x": 2})]).value == 1
    assert judge("tool_call", expected, calls=[("f", {"x": 2}), ("f", {"x": 2})]).value == 0


def test_one_call_does_not_count_twice(judge):
    expected = [{"f": {"x": [1]}}, {"g": {}}]
    score = judge("tool_call", expected, calls=[("f", {"x": 1}), ("f", {"x": 1})])
    assert (score.value, score.reason) == (0, "no call of 'g' matches")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"name": "weather", "arguments": {"city": "Rome", "days": 3}}', 1),
        ('{"name": "weather", "parameters": {"city": "Rome", "days": 3}}', 1),
        ('[{"name": "weather", "arguments": "{\\"city\\": \\"Rome\\", \\"days\\": 3}"}]', 1),
        (
            '{"type": "function", "function": {"name": "weather", "arguments": {"city": "Rome", "days": 3}}}',
            1,
        ),
        ('{"weather": {"city": "Rome", "days": 3}}', 1),
        ('Sure:\n```json\n[{"weather": {"city": "Rome", "days": 3}}]\n```', 1),
        ('{"weather": {"city": "Oslo", "days": 3}}', 0),
        ('["weather"]', 0),
        ("It is sunny.", 0),
    ],
)
def test_calls_written_as_text_are_read(judge, text, value):
    assert judge("tool_call", [ROME], text).value == value


def test_tool_calls_count_before_the_text(judge):
    text = json.dumps(ROME)
    assert judge("tool_call", [ROME], text, calls=[("weather", {"city": "Oslo", "days": 3})]).value == 0


@pytest.mark.parametrize(
    ("text", "calls", "value"),
    [
        ("Which city?", [], 1),
        (None, [], 1),
        ('{"weather": {"city": "sunny"}}', [], 1),
        ('{"name": "weather", "arguments": {}}', [], 0),
        (None, [("weather", {})], 0),
    ],
)
def test_an_empty_expected_forbids_calls(judge, text, calls, value):
    assert judge({"tool_call": []}, None, text, calls=calls).value == value


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        (None, "has no `expected` to compare with: `expected: []` says that no call may be made"),
        ("weather", "has an `expected` that is text that is not JSON; calls are objects"),
        ([{"weather": "Rome"}], None),
        (
            [{"weather": {"city": "Rome"}}],
            "has an `expected` that (call 1) needs a list of accepted values for `city`",
        ),
        ([ROME, ROME | {"args": {}}], "has an `expected` that (call 2) has an unknown key `args`"),
        (
            [{"name": "f", "arguments": []}],
            "has an `expected` that (call 1) has `arguments` that are not an object",
        ),
        (
            [{"name": "f", "arguments": "{"}],
            "has an `expected` that (call 1) has `arguments` that are not JSON",
        ),
        ([{"name": "f", "optional": "x"}], None),
        ([{"name": "f", "accept": {"x": 1}}], None),
        (
            [{"name": "f", "optional": ["x"]}],
            "has an `expected` that (call 1) has no value for the optional argument `x`",
        ),
        (7, None),
    ],
)
def test_an_expected_that_describes_no_calls_is_found_before_the_run(check, expected, reason):
    said = check("tool_call", expected)
    assert said is not None
    assert reason is None or said == reason


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(st.text(max_size=4), values, max_size=4)


@given(st.lists(st.tuples(st.sampled_from("fgh"), arguments), min_size=1, max_size=4), st.randoms())
def test_the_expected_calls_themselves_score_1_in_any_order(judge, calls, random):
    expected = [{"name": name, "arguments": args} for name, args in calls]
    shuffled = random.sample(calls, len(calls))
    assert judge("tool_call", expected, calls=shuffled).value == 1
    assert judge("tool_call", expected, calls=shuffled[1:]).value == 0
    assert judge("tool_call", expected, calls=[*shuffled, calls[0]]).value == 0
