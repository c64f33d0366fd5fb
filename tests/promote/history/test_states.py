"""The quick reading of simple files finds what the full parse finds, or leaves the file to it."""

from __future__ import annotations

import pytest
from git_story import entry
from hypothesis import event, given
from hypothesis import strategies as st

from evalkit.promote.history.states import read_state, simple
from evalkit.runtime.yaml_source import parse_bytes

# Apart by a sign that is in none of them, for many hold spaces.
TEXTS = (
    "draft¦production¦0.93¦10¦014¦1e3¦1_000¦0x1F¦true¦True¦no¦~¦null¦NULL¦2026-01-01¦12:30¦1:2¦-1¦.5¦"
    "5.¦+3¦.inf¦a:b¦a: b¦a #b¦a#b¦b ¦ c¦it's¦(x)¦x,y¦a - b¦- a¦@x¦*x¦&a b¦!t x¦'q'¦\"q\"¦>¦{}¦[]¦[a]¦"
    "{a: 1}¦{ a: b }¦{a: 1, b: x}¦{a: 1,b: 2}¦{a}¦{a: }¦{a: {b: c}}¦{a: 1, a: 2}¦{a: x:y}¦{a: 'b'}¦"
    "99999999999999999999¦?¦? x¦%x¦`x`¦é¦a\tb¦---¦x:¦{ }¦=¦<<¦"
    "|¦¦"
)
WORDS = st.sampled_from([*TEXTS.split("¦"), "9" * 45])
KEYS = st.sampled_from(
    [
        "status",
        "traffic",
        "control",
        "rollout",
        "eval",
        "approved_by",
        "score",
        "percent",
        "unit",
        "model",
        "no",
        "<<",
        "a-b",
        "Key",
        "'q'",
        "null",
    ]
)
ENDS = st.sampled_from(["", "  # note", " #x", "#x", " ", "   # é", " # a\tb", "\r"])
LINE = st.one_of(
    st.builds(
        "{}{}:{}{}{}".format,
        st.sampled_from(["", "", "", "  ", "  ", "    ", " ", "\t"]),
        KEYS,
        st.sampled_from([" ", " ", "  ", ""]),
        WORDS,
        ENDS,
    ),
    st.sampled_from(
        [
            "",
            "# comment",
            "  # comment",
            "---",
            "...",
            "- x",
            "  - x",
            "text",
            "  text",
            "\ufeff",
            "%YAML 1.2",
            "\x00",
        ]
    ),
)


@given(st.lists(LINE, max_size=8), st.sampled_from(["\n", "\n", "\r\n"]))
def test_a_simple_file_is_what_the_full_parse_says(lines, end):
    raw = end.join([*lines, ""]).encode()
    found = simple(raw)
    event("quick" if found is not None else "full")
    if found is not None:
        source, problems = parse_bytes(raw, "x.yaml")
        assert problems == []
        assert found == source.data
        assert repr(found) == repr(source.data)  # 1 and 1.0 and True are not the same


@given(st.text(alphabet="ab: #{},\n-'\"1.0[]|>&*!%@`?", max_size=60))
def test_any_text_that_is_taken_as_simple_is_what_the_full_parse_says(text):
    found = simple(text.encode())
    if found is not None:
        source, problems = parse_bytes(text.encode(), "x.yaml")
        assert problems == []
        assert repr(found) == repr(source.data)


def test_entries_as_people_write_them_are_simple():
    text = entry(
        3,
        "staging",
        "provider: openai                 # optional",
        "params: { max_tokens: 300 }",
        "owner: support team",
        "rollout:",
        "  percent: 12.5",
        "  unit: key",
        "eval: {suite: triage-eval@v4, score: 0.93}",
        "approved_by: bob",
        "traffic: 30",
        "control: true",
    )
    assert simple(text.encode()) is not None
    found = read_state(text.encode(), 3, "b1", "x.yaml")
    assert (found.state.status, found.state.percent, found.state.unit) == ("staging", 12.5, "key")
    assert (found.state.traffic, found.state.control) == (30, True)
    assert (found.score, found.suite, found.approved_by, found.digest_key) == (
        0.93,
        "triage-eval@v4",
        "bob",
        "b1",
    )


@pytest.mark.parametrize(
    "line",
    [
        "approved_by: [bob]",
        "approved_by: ''",
        "eval: 5",
        "eval: {score: much}",
        "eval: {score: 1.5}",
        "eval: {score: true}",
    ],
)
def test_a_record_that_cannot_be_used_is_absent_and_breaks_nothing(line):
    found = read_state(entry(1, "production", line).encode(), 1, "b", "x.yaml")
    assert found.state.status == "production"
    assert (found.score, found.approved_by) == (None, None)


def test_absent_and_null_are_the_same():
    lines = ("traffic: null", "control: ~", "rollout:", "eval: null", "approved_by:")
    assert read_state(entry(1, "draft", *lines).encode(), 1, "b", "x") == read_state(
        entry(1).encode(), 1, "b", "x"
    )
