"""What is seen while a run is going on: a bar on a terminal, a line now and then in a log. Always on stderr.

rich is imported only when a bar is really drawn: a run that is over sooner than that pays nothing for it.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from evalkit.report import figures, neutral

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from rich.progress import Progress, TaskID

__all__ = ["RunProgress"]

_FIRST_BAR_S: Final = 0.4
_DRAW_EVERY_S: Final = 0.1
_RATE_WINDOW_S: Final = 15.0


class _State(NamedTuple):
    done: int = 0
    cached: int = 0
    score_sum: float = 0.0
    scored: int = 0
    errors: int = 0
    spent_usd: float | None = None


class RunProgress:
    """Done, rate, time left, running score, errors, money spent, answers from the cache.

    On a stream that is no terminal (or one without cursor movement) there is a line every `line_every_s` seconds.
    `clock` counts seconds and never goes back.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        is_terminal: bool | None = None,
        line_every_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty() if is_terminal is None else is_terminal
        self._line_every_s = line_every_s
        self._clock = clock
        self._bar: tuple[Progress, TaskID] | None = None
        self._total: int | None = None
        self._state = _State()
        self._started = self._next_draw = clock()
        self._recent: deque[tuple[float, int]] = deque([(self._started, 0)])

    def start(self, total: int | None, title: str) -> None:
        """Begin: `total` answers are expected (None: not known). Says so at once, in one line."""
        self._total, self._state = total, _State()
        self._started = self._clock()
        self._next_draw = self._started + (_FIRST_BAR_S if self._is_terminal else self._line_every_s)
        self._recent = deque([(self._started, 0)])
        self._line(title if total is None else f"{title}: {figures.count(total)} answers to score")

    def update(
        self,
        done: int,
        *,
        cached: int = 0,
        score_sum: float = 0.0,
        scored: int = 0,
        errors: int = 0,
        spent_usd: float | None = None,
    ) -> None:
        """Where the run is, as totals since `start`. Cheap: draws at most ten times a second, however often called."""
        self._state = _State(done, cached, score_sum, scored, errors, spent_usd)
        now = self._clock()
        if now < self._next_draw:
            return
        self._recent.append((now, done))
        while now - self._recent[0][0] > _RATE_WINDOW_S and len(self._recent) > 2:
            self._recent.popleft()
        if self._is_terminal:
            self._draw()
        if self._is_terminal:
            self._next_draw = now + _DRAW_EVERY_S
        else:
            self._line(self._summary())
            self._next_draw = now + self._line_every_s

    def finish(self) -> None:
        """End: the bar goes, one line with the totals stays. May be called twice, and after an exception."""
        if self._bar is not None:
            self._bar[0].stop()
            self._bar = None
        if self._state.done:
            elapsed = self._clock() - self._started
            rate = f"{figures.rate(self._state.done / elapsed)}, " if elapsed > 0 else ""
            self._line(f"{self._position()} in {figures.duration(elapsed)}, {rate}{self._details()}")
        self._state = _State()

    def _line(self, text: str) -> None:
        # The runner of GitHub Actions obeys commands on stderr too.
        line = neutral.actions_log(neutral.terminal(text))
        self._stream.write(neutral.encodable(line, getattr(self._stream, "encoding", None) or "utf-8") + "\n")
        self._stream.flush()

    def _draw(self) -> None:
        if self._bar is None:
            self._bar = self._open_bar()
        if self._bar is not None:
            bar, task = self._bar
            bar.update(task, completed=self._state.done, description=self._summary())

    def _open_bar(self) -> tuple[Progress, TaskID] | None:
        """None, from now on, where the terminal cannot move its cursor."""
        # Here and not above: 70 ms that short runs and logs do not need.
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Bar
        from rich.table import Column

        console = Console(file=self._stream, force_terminal=True, markup=False, highlight=False, emoji=False)
        if console.is_dumb_terminal:
            self._is_terminal = False
            return None
        text = TextColumn("{task.description}", markup=False, table_column=Column(ratio=1))
        bar = Bar(
            SpinnerColumn(),
            BarColumn(bar_width=12),
            text,
            console=console,
            transient=True,
            expand=True,
            refresh_per_second=8,
            redirect_stdout=False,  # stdout carries data
            get_time=self._clock,
        )
        task = bar.add_task("", total=self._total)
        bar.start()
        return bar, task

    def _position(self) -> str:
        done = figures.count(self._state.done)
        return done if self._total is None else f"{done}/{figures.count(self._total)}"

    def _summary(self) -> str:
        """`40/120, 33 %, 8.1/s, 10 s left, score 0.712, 2 errors, $0.0123, 12 cached`."""
        parts = [self._position()]
        if self._total and not self._is_terminal:  # a bar shows it
            parts.append(figures.share(self._state.done, self._total))
        (then, before), (now, done) = self._recent[0], self._recent[-1]
        if done > before and now > then:
            rate = (done - before) / (now - then)
            parts.append(figures.rate(rate))
            if self._total is not None and self._total > done:
                parts.append(f"{figures.countdown((self._total - done) / rate)} left")
        parts.append(self._details())
        return ", ".join(parts)

    def _details(self) -> str:
        state = self._state
        score = state.score_sum / state.scored if state.scored else None
        parts = [
            f"score {figures.score(score)}",
            f"{figures.count(state.errors)} error{'' if state.errors == 1 else 's'}",
        ]
        if state.spent_usd is not None:
            parts.append(figures.usd(state.spent_usd))
        if state.cached:
            parts.append(f"{figures.count(state.cached)} cached")
        return ", ".join(parts)
