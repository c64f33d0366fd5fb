"""Whatever a model writes, a scorer returns a value in [0, 1], and soon."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.evals.case import Answer, Case, ToolCall
from evalkit.evals.scorers.spec import parse_scorer

ALL_STEPS = ["unicode", "punctuation", "articles", "whitespace", "final_stop"]
SCHEMA = {"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}, "n": {"multipleOf": 3}}}
SETUPS = [
    ("exact_match", "x"),
    ({"exact_match": {"ignore_case": True, "normalize": ALL_STEPS}}, "x"),
    ({"contains": {"any": "x", "all": "y", "ignore_case": True}}, None),
    ({"regex": "x+$"}, None),
    ({"regex_extract": {"pattern": "(?:A: )?(.*)", "numeric": True}}, 1),
    ({"regex_extract": {"pattern": "(x)|(y)", "group": 2}}, "y"),
    ({"json_valid": {"fenced": True}}, None),
    ({"json_schema": {"schema": SCHEMA, "formats": True}}, None),
    ({"json_path": "$.a"}, "x"),
    ({"json_path": {"path": "$..a", "nodes": "any", "numeric": True, "rel_tol": 0.1}}, 1),
    ({"json_path": {"path": "$[*]", "nodes": "list"}}, []),
    ({"numeric": {"abs_tol": 1, "rel_tol": 0.1}}, 1),
    ("multiple_choice", "B"),
    ({"multiple_choice": {"options": "o", "choices": ["A", "B"]}}, "x y"),
    ("tool_call", [{"f": {"x": [1, ""]}}]),
    ("tool_call", [{"f": {}}, {"name": "g", "arguments": {"a": {"b": [1]}}}]),
    ({"tool_call": []}, None),
    ({"similarity": {"method": "levenshtein", "ignore_case": True}}, "x"),
    ({"similarity": {"method": "rouge_l", "negate": True}}, ["x y", "z"]),
]
SCORERS = [
    (parse_scorer(raw, custom={}).scorer, Case("case", 0, {"o": ["x y", "z"]}, expected))
    for raw, expected in SETUPS
]

any_text = st.text(alphabet=st.characters(codec=None), max_size=80)
fragments = st.lists(
    st.sampled_from(
        [
            "A: ",
            "the answer is ",
            "(B)",
            "B",
            "$",
            "-",
            "1,234",
            ".5",
            "e99",
            "9" * 400,
            "```json\n",
            "\n```\n",
            "{",
            "}",
            "[",
            "]",
            '"a":',
            '"',
            "NaN",
            "null",
            "\\ud800",
            "\ud800",
            "\x00",
            ",",
            "x",
            " ",
            "\n",
            '{"name":"f","arguments":',
        ]
    ),
    max_size=30,
).map("".join)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(any_text | st.sampled_from("anx"), inner, max_size=4)
    ),
    max_leaves=10,
)
outputs = st.none() | any_text | fragments | json_values.map(json.dumps)
calls = st.lists(st.builds(ToolCall, st.sampled_from("fg") | any_text, json_values | fragments), max_size=3)


@given(outputs, calls)
def test_every_scorer_gives_every_answer_a_value_from_0_to_1(output, tool_calls):
    for scorer, case in SCORERS:
        assert scorer.check(case) is None
        score = scorer.score(case, Answer(output, tuple(tool_calls)))
        assert 0 <= score.value <= 1
        assert score.extracted or score.value == 0
        assert (score.reason is None) == (score.value == 1)
        assert score.reason is None or len(score.reason) < 1000


N = 1 << 20
HOSTILE = {
    "one letter": "A" * N,
    "many phrases": "answer is A" * (N // 11),
    "many brackets": "(B) " * (N // 4),
    "nested lists": "[" * N,
    "nested objects": '{"a":' * (N // 5),
    "digits": "1" * N,
    "grouped digits": "1,111" * (N // 5),
    "minus signs": "-" * N,
    "spaces": " " * N,
    "fences": "```\n\n" * (N // 5),
    "words": "A b " * (N // 4),
    "lines": "A\n" * (N // 2),
    "long list": "[" + "1," * (N // 2) + "1]",
    "surrogates": "\ud800" * N,
    "calls": "[" + '{"name":"f","arguments":{}},' * (N // 29) + '{"name":"f","arguments":{}}]',
}


@pytest.mark.parametrize("output", HOSTILE.values(), ids=HOSTILE)
def test_a_mebibyte_of_anything_is_judged_in_a_moment(output):
    for scorer, case in SCORERS:
        started = time.process_time()
        scorer.score(case, Answer(output))
        # 0.4 s at most on one slow core; what grows with the square of the length would take minutes.
        assert time.process_time() - started < 10


def test_an_answer_with_many_calls_is_compared_by_its_number_first():
    scorer = parse_scorer("tool_call", custom={}).scorer
    answer = Answer(None, (ToolCall("f", {}),) * 100_000)
    score = scorer.score(Case("case", 0, {}, [{"f": {}}]), answer)
    assert score.reason == "100000 calls ('f, f, f, f, f'), expected 1"
    assert len(score.got) == 2
