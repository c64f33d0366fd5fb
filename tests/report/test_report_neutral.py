from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report_material import HOSTILE

from evalkit.report import neutral

# Ordinary letters, and everything that means something to a terminal, Markdown, HTML, XML or a workflow log.
HARSH = st.text(
    st.one_of(
        st.sampled_from("|\\`*_#@<>&[]()!~$:-+=.1 \n\r\t\"'/wGH"),
        st.sampled_from("\x00\x1b\x7f\x85\x9b\xad\u200b\u200f\u2028\u202e\u2066\ufeff\ufffe\ud800\U000e0041"),
        st.characters(),
    ),
    max_size=60,
)
PIECES = st.lists(st.sampled_from([*HOSTILE, "a", " ", "\n"]), max_size=4).map("".join)
FOREIGN = st.one_of(HARSH, PIECES)
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


class Seen(HTMLParser):
    """Tags, cells and text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.cells: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data):
        self.text.append(data)
        if self.cells:
            self.cells[-1] += data


@given(FOREIGN)
def test_nothing_hidden_is_left_and_the_rest_is_kept(text):
    shown = neutral.visible(text)
    assert not [
        char
        for char in shown
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} and char not in "\n\t"
    ]
    assert not set(shown) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200b\u200e\u200f\ufeff")
    assert neutral.visible(shown) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize("text", ["مرحبا بالعالم", "👩‍👩‍👧", "नमस्ते", "naïve … “quoted”", "tab\there\nline"])
def test_ordinary_text_of_any_script_is_left_alone(text):
    assert neutral.visible(text) == text


def test_hidden_characters_are_spelled_as_programmers_write_them():
    assert neutral.visible("\x1b[31m\u202e\U000e0041\r\n") == "\\x1b[31m\\u202e\\U000e0041\n"


@given(FOREIGN, st.integers(1, 50))
def test_one_line_is_one_line_of_at_most_its_limit(text, limit):
    line = neutral.one_line(text, limit)
    assert "\n" not in line
    assert len(line) <= limit + 1


def test_cutting_a_ten_megabyte_answer_says_that_it_was_cut():
    assert neutral.one_line("\r\n" + "ab" * 5_000_000, 5) == "ababa…"


@given(FOREIGN)
@example("\u00a0::error::x")
@example("ok\r\u3000::error::x")
def test_no_line_of_a_log_is_a_workflow_command(text):
    logged = neutral.actions_log(text)
    # What GitHub's runner does: split at \r and \n, trim white space, look at the start; `##[` counts anywhere.
    assert not [line for line in re.split(r"[\r\n]", logged) if line.strip().startswith("::")]
    assert "##[" not in logged
    assert neutral.actions_log(logged) == logged


@given(FOREIGN, FOREIGN)
def test_a_table_survives_any_two_cells(one, two):
    cells = [neutral.markdown_code(one), neutral.markdown(two)]
    table = f"| a | b | c |\n|---|---|---|\n| {cells[0]} | {cells[1]} | end |\n\nafter\n"
    seen = Seen(PARSER.render(table))
    assert set(seen.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code", "p"}
    assert seen.tags.count("tr") == 2
    assert len(seen.cells) == 3
    assert seen.cells[0].strip() == neutral.one_line(one, 300).strip()
    assert seen.cells[1].replace("\u200b", "").strip() == neutral.one_line(two, 500).strip()


@given(FOREIGN)
def test_a_list_item_of_foreign_prose_is_text_and_nothing_else(text):
    seen = Seen(PARSER.render(f"- {neutral.markdown(text)}\n- next\n"))
    assert seen.tags == ["ul", "li", "li"]


@given(FOREIGN)
def test_markdown_never_shows_a_marker_a_command_or_a_raw_pipe(text):
    for written in (neutral.markdown_code(text), neutral.markdown(text)):
        assert "<!--" not in written
        assert "##[" not in written
        assert "|" not in written


@pytest.mark.parametrize(
    "text", ["@octocat", "ping @org/team", "(@a)", "fixes #1", "GH-12", "https://x.example", "a@b.example"]
)
def test_prose_mentions_and_links_nothing(text):
    # GitHub looks in the rendered text: a zero-width space must stand between sign and name.
    rendered = Seen(PARSER.render(str(neutral.markdown(text)))).text
    assert not re.search(r"(?<!\w)@\w|@\w+\.|#\d|GH-\d|://\w", "".join(rendered))


@pytest.mark.parametrize(
    "text", ["triage-eval@v4", "f1_macro 0.5", "score 0.712 is below the threshold 0.75", "2.5 points"]
)
def test_our_own_kind_of_words_stay_readable_in_the_source(text):
    assert neutral.markdown(text) == text


def test_markdown_that_is_markdown_already_passes():
    assert neutral.markdown(neutral.Markdown("**bold**")) == "**bold**"


@given(FOREIGN)
def test_xml_carries_the_text_on_one_line(text):
    written = neutral.xml_text(text)
    assert "\n" not in written
    assert "##[" not in written
    element = ET.fromstring(f'<a b="{written}">{written}</a>')
    assert (element.text or "") == element.get("b") == neutral.visible(text)


def test_a_stream_that_cannot_carry_a_sign_gets_a_plain_one():
    assert neutral.encodable("0.1\u20130.2 … ↵ ÿ 你", "ascii") == "0.1-0.2 ... \\n \\xff \\u4f60"
    assert neutral.encodable("0.1\u20130.2", "utf-8") == "0.1\u20130.2"
