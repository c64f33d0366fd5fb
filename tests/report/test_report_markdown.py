from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt
from report_material import HOSTILE, hostile_run, order_run

from evalkit.evals.record import SliceRecord
from evalkit.report.cases import collect
from evalkit.report.markdown import COMMENT_BYTES, summary

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.mark.parametrize("verdict", ["pass", "fail", "inconclusive"])
def test_the_summary_reads_as_committed(verdict, matches_golden):
    record, samples = order_run(verdict)
    matches_golden(f"summary-{verdict}.md", summary(record, collect(samples, worst=5)))


def test_without_outputs_the_summary_names_cases_only(matches_golden):
    record, samples = order_run("fail")
    text = summary(record, collect(samples, worst=5), outputs=False)
    assert "ORD-" not in text
    assert "2,310 tokens" not in text
    matches_golden("summary-private.md", text)


def test_hostile_text_adds_nothing_to_the_structure_of_the_page():
    record, samples = hostile_run()
    text = summary(record, collect(samples))
    html = PARSER.render(text)
    assert not re.search(r"<(a|img|script|svg|iframe|form|h1|hr|blockquote|del|em|strong)\b", html)
    rows = re.findall(r"<tr>.*?</tr>", html, flags=re.DOTALL)
    assert {row.count("<t") - 1 for row in rows} == {2, 6}
    assert html.count("<details>") == html.count("</details>") == 2
    assert not re.search(r"(?m)^\s*::|##\[|<!--", text)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069\u200b]", text)


def test_hostile_prose_mentions_nobody():
    record, samples = hostile_run()
    prose = re.sub(r"(`+).*?\1", "", PARSER.render(summary(record, collect(samples))))
    prose = re.sub(r"<code>.*?</code>", "", prose, flags=re.DOTALL)
    assert not re.search(r"(?<!\w)@\w|(?<!\w)#\d", prose)


@pytest.mark.parametrize("max_bytes", [200, 2_000, 8_000, 20_000, COMMENT_BYTES])
def test_the_summary_keeps_its_budget_and_says_what_it_left_out(max_bytes):
    slices = {f"{text} {number}": SliceRecord(10, 10, 0.5, None) for text in HOSTILE for number in range(100)}
    record, samples = hostile_run()
    record.slices, record.notes, record.reasons = slices, HOSTILE * 50, HOSTILE * 50
    text = summary(record, collect(samples, worst=500), max_bytes=max_bytes)
    assert len(text.encode()) <= max_bytes
    if max_bytes >= 20_000:
        assert "more\n" in text
        assert text.count("\n<details>\n") == text.count("\n</details>\n") == 2
        assert "### What to do next" in text


def test_a_tiny_budget_still_gives_the_verdict():
    record, samples = order_run("fail")
    assert summary(record, collect(samples), max_bytes=30) == "❌ FAIL\n"


def test_what_to_do_next_depends_on_the_verdict():
    def steps(verdict, **changes):
        record, samples = order_run(verdict, **changes)
        return summary(record, collect(samples)).split("### What to do next")[1]

    assert "--write-back" in steps("pass")
    assert "--write-back" not in steps("pass", source="replay")
    assert "worst cases" in steps("fail")
    assert "only the cases without one are asked" in steps("inconclusive")
    assert "only the cases without one are asked" not in steps("inconclusive", errors=0)
    assert "merge" in steps("fail", shard="1/2")
