"""The hidden first line of what evalkit writes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.github.marker import Marker, encode, parse

words = st.none() | st.text(max_size=50)
markers = st.builds(
    Marker, kind=st.text(max_size=20), entry=words, version=words, target=words, digest=words, commit=words
)


@given(marker=markers, body=st.text(max_size=200))
def test_what_was_written_is_read_again_and_is_one_html_comment(marker: Marker, body: str) -> None:
    text = encode(marker, body)
    line = text.partition("\n")[0]
    assert parse(text) == marker
    assert text == f"{line}\n{body}"
    assert line.isascii()
    assert line.startswith("<!-- evalkit:v1 {")
    assert line.index("-->") == len(line) - 3
    assert "--" not in line[4:-3]
    assert "<" not in line[1:]


def test_a_marker_is_readable() -> None:
    marker = Marker("promotion", "support-triage", "v14", "staging")
    said = '<!-- evalkit:v1 {"entry":"support-triage","kind":"promotion","target":"staging","version":"v14"} -->\n'
    assert encode(marker) == said


def test_a_body_that_was_edited_on_the_web_still_has_its_marker() -> None:
    assert parse(encode(Marker("promotion"), "text").replace("\n", "\r\n")) == Marker("promotion")


def test_keys_of_a_later_evalkit_are_passed_over() -> None:
    assert parse('<!-- evalkit:v1 {"kind":"hold","colour":["red"]} -->') == Marker("hold")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "Promote support-triage",
        'text first\n<!-- evalkit:v1 {"kind":"promotion"} -->',
        '> <!-- evalkit:v1 {"kind":"promotion"} -->',
        '<!-- evalkit:v2 {"kind":"promotion"} -->',
        '<!-- evalkit:v1 {"kind":"promotion"} --> and more',
        "<!-- evalkit:v1 {} -->",
        "<!-- evalkit:v1 [] -->",
        '<!-- evalkit:v1 {"kind":7} -->',
        '<!-- evalkit:v1 {"kind":"x","entry":null} -->',
        '<!-- evalkit:v1 {"kind" -->',
        f"<!-- evalkit:v1 {'[' * 3_000} -->",
        f"<!-- evalkit:v1 {json.dumps({'kind': 'x' * 5_000})} -->",
    ],
)
def test_what_is_no_marker_is_none(body: str) -> None:
    assert parse(body) is None


@given(st.text())
def test_no_text_is_a_traceback(text: str) -> None:
    parse(text)
    parse(f"<!-- evalkit:v1 {text} -->")
