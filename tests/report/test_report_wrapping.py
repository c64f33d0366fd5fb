"""Sentences fit the width; what is copied stays whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.report.wrapping import table, wrapped

COMMANDS = [
    "evalkit run order-extract@v1 --suite order-extract-eval@v1 --write-back",
    'evalkit rollback support-triage --to v12 --reason "it invented refunds, twice" --apply',
    "evalkit split support-triage v14=70 v15=30 --apply",
    "evalkit new support-triage --from support-triage@v15",
    '--override --reason "an outage"',
    "rollout: { percent: 10, unit: key }",
    "sha256:" + 64 * "a",
    "registry/entries/support-triage/v15.yaml",
]


@given(st.lists(st.from_regex(r"\A[a-z]{1,12}[.,]?\Z"), min_size=1), st.integers(20, 100))
def test_no_line_of_short_words_is_wider_than_asked_for_and_no_word_is_lost(words, width):
    lines = wrapped(" ".join(words), width, "  ")
    assert all(len(line) <= width for line in lines)
    assert " ".join(lines).split() == words


@pytest.mark.parametrize("command", COMMANDS)
@given(
    before=st.lists(st.sampled_from(["when", "that", "is", "settled"]), max_size=20),
    width=st.integers(30, 100),
)
def test_what_is_copied_stays_on_one_line(command, before, width):
    lines = wrapped(f"{' '.join(before)}: {command}; or leave it as it is", width, "  ")
    assert any(command in line for line in lines)


@given(st.text(), st.integers(20, 100))
def test_foreign_text_starts_no_line_of_its_own_and_hides_nothing(text, width):
    lines = wrapped(text, width, "  ")
    assert all(line.startswith("  ") for line in lines)
    assert all(line.isprintable() or "\xa0" in line or not line.isascii() for line in lines)
    assert "\x00" not in "".join(lines)


def test_a_line_that_goes_on_is_indented_further():
    assert wrapped("one two three", 9, "  ") == ["  one two", "    three"]


def test_a_table_that_is_too_wide_wraps_in_its_cells():
    arms = "v14 25 %, v15 25 %, v16 25 %, v17 25 %; canary v18 10 %"
    rows = [("", "serves now", "then"), ("production", arms, f"{arms} (standby: v13)")]
    lines = table(rows, 60)
    assert lines == [
        "              serves now              then",
        "  production  v14 25 %, v15 25 %,     v14 25 %, v15 25 %,",
        "              v16 25 %, v17 25 %;     v16 25 %, v17 25 %;",
        "              canary v18 10 %         canary v18 10 %",
        "                                      (standby: v13)",
    ]
    assert max(map(len, table(rows, 200))) < 200
    assert len(table(rows, 200)) == 2
