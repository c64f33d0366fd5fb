from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from promotion_material import evidence_run, first_release, measured, promotion, rollback, tree
from report_material import HOSTILE, hostile_run, order_run

from evalkit.promote.facts import SuiteVerdict
from evalkit.promote.promotion import plan_promotions
from evalkit.registry.differences import Difference
from evalkit.report.cases import collect
from evalkit.report.changes import change_body
from evalkit.report.comment import Evaluated, comment_body, promotions_summary
from evalkit.report.fences import diff_block
from evalkit.report.pull_request import RunPlace, promotion_body

DAY = __import__("datetime").date(2026, 3, 10)


def page(text: str) -> str:
    return MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text)


def failing(**changes) -> Evaluated:
    record, samples = order_run("fail", **changes)
    return Evaluated(record, collect(samples), url="https://github.example/acme/llm/actions/runs/4711")


def test_a_promotion_says_everything_that_a_reviewer_needs(tmp_path, matches_golden):
    text = promotion_body(promotion(tmp_path))
    matches_golden("promotion.md", text)
    assert text.startswith(
        "**`triage@v15` passed `triage-eval@v1`: 0.931 (95 % 0.90 to 0.95), needs 0.90 within its slack.**\n"
    )
    for heading in (
        "What changes for callers", "Score", "Cost and latency", "How to approve", "How to roll back",
        "Where the evidence is",
    ):  # fmt: skip
        assert f"### {heading}\n" in text


def test_a_first_release_says_that_there_is_no_canary_and_what_to_click(tmp_path, matches_golden):
    text = promotion_body(first_release(tmp_path))
    matches_golden("promotion-first.md", text)
    assert "No canary: first release." in text
    assert 'a click on "Approve workflows to run"' in text
    assert "no earlier version to return to" in text


def test_inputs_and_outputs_stay_out_of_the_body_where_they_are_private(tmp_path):
    shown = promotion_body(promotion(tmp_path / "a"))
    hidden = promotion_body(promotion(tmp_path / "b", outputs=False))
    assert "ORD-" in shown
    assert "ORD-" not in hidden
    assert "order-006" in hidden
    assert "artifacts.outputs: false" in hidden


def test_a_rollback_needs_no_evidence_and_says_who_is_affected_and_how_to_undo_it(tmp_path, matches_golden):
    text = change_body(rollback(tmp_path))
    matches_golden("rollback-pull-request.md", text)
    assert "Reason: invented refunds" in text
    assert "### Who is affected" in text
    assert "### How to undo it" in text


def test_the_comment_puts_what_fails_first_and_says_what_to_do(matches_golden):
    passed = Evaluated(
        order_run("pass", version=3)[0],
        pooled=SuiteVerdict(
            "order-extract-eval@v1", "pass", 0.731, 0.66, 0.8, 2, ("Mean score 0.731 reaches 0.6.",)
        ),
    )
    text = comment_body([passed, failing()], outputs=True)
    matches_golden("comment.md", text)
    assert text.index("order-extract@v2") < text.index("order-extract@v3")
    assert text.startswith("❌ **1 failed, 1 passed.**")
    assert comment_body([]) == "Nothing in this pull request needs an evaluation.\n"


def test_the_summary_of_promote_lists_what_may_move_first(tmp_path, matches_golden):
    found = tree(tmp_path)
    found.entry(16, "draft")
    found.evidence[16] = (SuiteVerdict("triage-eval@v1", "none"),)
    plans = plan_promotions(found.facts(), None, DAY)
    said = [("evalkit/promote/triage-v15-to-production", "opened as #7")]
    matches_golden("promotions-summary.md", promotions_summary(plans, said))
    assert "Nothing to do" in promotions_summary([])


@pytest.mark.parametrize("max_bytes", [60_000, 12_000, 7_000, 3_000])
def test_a_body_that_is_too_long_is_cut_and_keeps_its_verdict(tmp_path, max_bytes):
    long = tuple(
        Difference(f"messages[{n}].content", "a", "b", tuple(f"+{'ü' * 300}" for _ in range(300)))
        for n in range(40)
    )
    text = promotion_body(promotion(tmp_path, differences=long), max_bytes=max_bytes)
    assert len(text.encode()) <= max_bytes
    assert text.startswith("**`triage@v15` passed")
    if max_bytes >= 60_000:
        assert "### Where the evidence is" in text
    assert page(text).count("<details>") == page(text).count("</details>")


def hostile_promotion(root):
    record, samples = hostile_run()
    one = measured(
        verdict=SuiteVerdict(HOSTILE[6], "pass", 0.9, 0.8, 0.95, 1, tuple(HOSTILE)),
        path=HOSTILE[9], record=record, cases=collect(samples), suite_digest=HOSTILE[12],
        places=tuple(RunPlace(text, text, f"https://evil.example/{text}", text, text) for text in HOSTILE),
    )  # fmt: skip
    record.baseline = {"entry": HOSTILE[9], "version": 1, "score": 0.5, "worse": HOSTILE, "better": []}
    base = promotion(root)
    plan = replace(base.plan, warnings=tuple(HOSTILE), undo=tuple(HOSTILE))
    prompts = tuple(
        Difference(text, text, text * 9, tuple(f"+{line}" for line in HOSTILE)) for text in HOSTILE
    )
    return replace(
        base, plan=plan, measured=(one,), differences=prompts, authors=tuple(HOSTILE), notes=tuple(HOSTILE),
        stamps=tuple(HOSTILE), digest=HOSTILE[12],
    )  # fmt: skip


def test_hostile_texts_stay_texts(tmp_path):
    for text in (
        promotion_body(hostile_promotion(tmp_path)),
        comment_body(
            [Evaluated(hostile_run()[0], collect(hostile_run()[1]), url=HOSTILE[8], problem=HOSTILE[4])],
            outputs=True,
            notes=HOSTILE,
        ),
    ):
        html = page(text)
        assert "<script" not in html
        assert "<img" not in html
        assert "<svg" not in html
        assert 'href="javascript' not in html
        assert "evil.example/" not in "".join(re.findall(r'href="([^"]*)"', html))
        assert html.count("<details") == html.count("</details>")
        assert "<!--" not in text
        outside = re.sub(r"(?s)<pre>.*?</pre>|<code>.*?</code>", "", html)
        assert not re.search(r"(?<![\w>])@(?:octocat|org/team)", outside)
        assert "\x1b" not in text
        assert "\u202e" not in text


@given(st.lists(st.text(alphabet="`~a-+ \n<!>@#\x1b", max_size=30), min_size=1, max_size=6))
def test_no_text_breaks_out_of_a_diff(lines):
    tokens = MarkdownIt().parse(f"before\n\n{diff_block(lines, 50)}\n\nafter\n")
    assert [token.type for token in tokens] == [
        "paragraph_open", "inline", "paragraph_close", "fence", "paragraph_open", "inline", "paragraph_close",
    ]  # fmt: skip
    assert tokens[5].content == "after"
    assert len(tokens[3].content.removesuffix("\n").split("\n")) == len(lines)


@pytest.mark.parametrize(
    "changes", [{}, {"needs_click": True}, {"authors": ()}, {"approvals": 0}, {"outputs": False}]
)
def test_a_body_is_the_same_every_time(tmp_path, changes):
    first = promotion_body(promotion(tmp_path, **changes))
    assert first == promotion_body(promotion(tmp_path, **changes))


def test_what_was_not_measured_is_said_to_be_missing(tmp_path):
    bare = evidence_run(cost_usd=None, tokens={}, latency_ms={}, scored=0, cases=0)
    text = promotion_body(promotion(tmp_path, measured=(measured(runs=(bare,), serving=()),)))
    assert "| `triage-eval@v1` | `triage@v15` | n/a | n/a | n/a | n/a | n/a |" in text
