from __future__ import annotations

import io
import subprocess
import sys

import pytest

from evalkit.report.progress import RunProgress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    """Counts the frames that are drawn on it."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


def test_a_log_gets_a_line_now_and_then_and_the_totals_at_the_end(clock):
    log = io.StringIO()
    progress = RunProgress(log, line_every_s=10, clock=clock)
    progress.start(120, "order-extract@v2 on order-extract-eval@v1")
    for done in range(1, 121):
        clock.now += 0.25
        progress.update(
            done,
            cached=done // 10,
            score_sum=done * 0.7,
            scored=done,
            errors=done // 60,
            spent_usd=done / 1000,
        )
    progress.finish()
    assert log.getvalue().splitlines() == [
        "order-extract@v2 on order-extract-eval@v1: 120 answers to score",
        "40/120, 33 %, 4.0/s, 20 s left, score 0.700, 0 errors, $0.040, 4 cached",
        "80/120, 66 %, 4.0/s, 10 s left, score 0.700, 1 error, $0.080, 8 cached",
        "120/120, 100 %, 4.0/s, score 0.700, 2 errors, $0.12, 12 cached",
        "120/120 in 30.0 s, 4.0/s, score 0.700, 2 errors, $0.12, 12 cached",
    ]


def test_the_rate_is_that_of_the_last_seconds_and_not_of_the_cached_start(clock):
    log = io.StringIO()
    progress = RunProgress(log, line_every_s=5, clock=clock)
    progress.start(2000, "t")
    progress.update(1000, cached=1000)
    for done in range(1001, 1041):
        clock.now += 1
        progress.update(done, cached=1000)
    assert "1.0/s" in log.getvalue().splitlines()[-1]


def test_nothing_scored_yet_is_not_a_score_of_zero(clock):
    log = io.StringIO()
    progress = RunProgress(log, line_every_s=1, clock=clock)
    progress.start(None, "t")
    clock.now += 2
    progress.update(3, errors=3)
    assert log.getvalue().splitlines()[-1] == "3, 1.5/s, score n/a, 3 errors"


def test_finishing_twice_or_without_an_answer_says_nothing_more(clock):
    log = io.StringIO()
    progress = RunProgress(log, clock=clock)
    progress.finish()
    progress.start(5, "t")
    progress.finish()
    progress.update(1)
    progress.finish()
    progress.finish()
    assert len(log.getvalue().splitlines()) == 2


def test_a_terminal_gets_a_bar_that_goes_away(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    progress = RunProgress(terminal, clock=clock)
    progress.start(10, "t")
    for done in range(1, 11):
        clock.now += 0.5
        progress.update(done, score_sum=done, scored=done)
    progress.finish()
    assert "━" in terminal.getvalue()
    assert "\x1b[?25h" in terminal.getvalue()
    assert terminal.getvalue().endswith("10/10 in 5.00 s, 2.0/s, score 1.000, 0 errors\n")


def test_a_terminal_without_cursor_movement_gets_lines(clock, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    progress = RunProgress(terminal, clock=clock)
    progress.start(2, "t")
    clock.now += 1
    progress.update(1, score_sum=1, scored=1)
    assert terminal.getvalue() == "t: 2 answers to score\n1/2, 50 %, 1.0/s, 1 s left, score 1.000, 0 errors\n"


def test_ten_thousand_updates_in_a_second_draw_at_most_ten_times(clock):
    log = io.StringIO()
    progress = RunProgress(log, line_every_s=0.1, clock=clock)
    progress.start(10_000, "t")
    for done in range(1, 10_001):
        clock.now += 1 / 10_000
        progress.update(done)
    assert 9 <= len(log.getvalue().splitlines()) - 1 <= 10


def test_a_title_cannot_carry_a_command_or_an_escape(clock):
    log = io.StringIO()
    RunProgress(log, clock=clock).start(1, "::error::x\x1b[2J")
    assert log.getvalue() == ": :error::x\\x1b[2J: 1 answers to score\n"


def test_a_log_and_a_short_run_never_load_rich():
    code = (
        "import sys\n"
        "from evalkit.report.progress import RunProgress\n"
        "class Terminal:\n"
        "    encoding = 'utf-8'\n"
        "    isatty = lambda self: True\n"
        "    write = flush = lambda self, *text: None\n"
        "for progress in RunProgress(sys.stderr, line_every_s=0), RunProgress(Terminal()):\n"
        "    progress.start(2, 't'); progress.update(1); progress.update(2); progress.finish()\n"
        "assert 'rich' not in sys.modules and 'jinja2' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
