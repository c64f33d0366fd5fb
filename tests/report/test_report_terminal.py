from __future__ import annotations

import io
import re

import pytest
from report_material import hostile_run, order_run
from rich.cells import cell_len
from rich.console import Console

from evalkit.evals.record import SliceRecord
from evalkit.report.cases import collect
from evalkit.report.terminal import open_console, print_report


def printed(run, width=80, encoding="utf-8", **options):
    record, samples = run
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=width, markup=False, highlight=False, emoji=False, color_system=None)
    print_report(console, record, collect(samples), **options)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [80, 120])
def test_the_report_of_a_failed_run_reads_as_committed(width, matches_golden):
    text = printed(order_run("fail"), width, report_path=".evalkit/runs/20261124T101500Z-7f3a9c/report.html")
    matches_golden(f"terminal-fail-{width}.txt", text)


def test_the_report_of_a_passed_run_reads_as_committed(matches_golden):
    matches_golden("terminal-pass-80.txt", printed(order_run("pass")))


def test_the_guide_shows_the_report_as_it_is(matches_golden, project_root):
    text = printed(
        order_run("fail"), worst=1, report_path=".evalkit/runs/20261124T101500Z-7f3a9c/report.html"
    )
    matches_golden("terminal-guide.txt", text)
    guide = (project_root / "docs" / "reading-a-report.md").read_text(encoding="utf-8")
    assert f"```text\n{text}```\n" in guide


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(width):
    for run in (order_run("inconclusive"), hostile_run()):
        assert max(map(cell_len, printed(run, width).splitlines())) <= width


def test_no_escape_bidirectional_override_or_console_markup_of_a_model_has_an_effect():
    text = printed(hostile_run(), 120)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ufeff]", text)
    assert "[bold red]markup[/]" in text
    assert "\\x1b[31mred" in text


@pytest.mark.parametrize("width", range(20, 121, 5))
def test_in_actions_no_line_is_a_workflow_command(width):
    text = printed(hostile_run(), width, in_actions=True, worst=20)
    assert not [line for line in text.splitlines() if line.strip().startswith("::")]
    assert "##[" not in text


def test_a_terminal_gets_colour_and_a_pipe_or_no_color_does_not(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    record, samples = order_run("fail")

    def shown(stream):
        print_report(open_console(stream), record, collect(samples))
        return stream.getvalue()

    assert "\x1b[1;7;31m FAIL " in shown(Terminal())
    assert "\x1b" not in shown(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "31m" not in shown(Terminal())


def test_a_stream_without_unicode_gets_plain_signs_and_no_exception():
    text = printed(hostile_run(), encoding="ascii")
    assert "..." in text
    assert "0.542-0.699" in text


def test_without_outputs_only_ids_and_figures_are_shown():
    text = printed(order_run("fail"), outputs=False)
    assert "order-008" in text
    assert "ORD-" not in text
    assert "2,310 tokens" not in text


def test_of_very_many_slices_the_judged_and_the_worst_are_shown():
    slices = {f"slice-{number:03d}": SliceRecord(9, 9, number / 100, None) for number in range(100)}
    slices["floor"] = SliceRecord(9, 9, 0.9, None, 0.95, "fail")
    record, samples = order_run("fail", slices=slices)
    text = printed((record, samples))
    assert "floor" in text
    assert "slice-000" in text
    assert "slice-099" not in text
    assert "... 71 more in the report" in text


def test_a_part_of_a_run_is_not_called_passed_or_failed():
    text = printed(order_run("fail", shard="2/5"))
    assert text.startswith(" PART 2/5 ")
    assert "FAIL" not in text


def test_a_score_just_below_its_threshold_never_reads_as_reaching_it():
    text = printed(order_run("fail", score=0.7496, gate={"min_score": 0.75}))
    assert "score 0.7496," in text


def test_what_was_not_measured_reads_as_not_available():
    text = printed(order_run("inconclusive", score=None, ci95=None, latency_ms={}, tokens={}, metrics={}))
    assert "score n/a" in text
    assert re.search(r"latency +n/a\n +tokens +n/a\n +cost +n/a", text)


def test_a_comparison_names_the_baseline_the_difference_and_the_flipped_cases():
    baseline = {
        "entry": "order-extract", "version": 1, "score": 0.5917, "difference": -0.0351, "low": -0.09, "high": 0.02,
        "better": ["a", "d"], "worse": ["b", "c", "e"],
    }  # fmt: skip
    text = printed(order_run("fail", baseline=baseline), 120)
    assert (
        "order-extract@v1 scored 0.592, difference -0.035 (-0.090 to +0.020), better on 2 cases, worse on 3"
        in text
    )
