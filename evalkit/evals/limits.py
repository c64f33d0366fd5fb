"""What holds requests back: the places in flight, the provider's rates, the money.

Nothing here knows of HTTP. All of it runs on one event loop, and time comes from the `Clock` that is handed in.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol

__all__ = ["AdaptiveConcurrency", "Budget", "Clock", "Pace", "SystemClock"]


_ROUNDING_S = 1e-6
_ROUNDING_USD = 1e-9  # a sum of many prices is not exact


class Clock(Protocol):
    """Time, as far as waiting needs it."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Let others run for that long."""


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let others run for that long."""
        await asyncio.sleep(seconds)


class AdaptiveConcurrency:
    """How many requests may be in flight: at most `ceiling`, fewer while the server refuses some for their rate.

    Outcomes are read in windows of `limit` requests, about one round trip. Where more than `TOLERATED` of a window
    was refused, the limit is multiplied by (1 - refused/2), otherwise it grows by 1. Decreasing by the fraction is
    DCTCP's rule (RFC 8257, section 3.3); unlike there, a fraction up to `TOLERATED` is taken as noise, so that a server that refuses one request in ten at random
    is still used in full. Requests sent before a decrease teach nothing more: they met the old limit.
    """

    TOLERATED = 0.2

    def __init__(self, ceiling: int, clock: Clock) -> None:
        if ceiling < 1:
            raise ValueError("at least one request must be allowed in flight")
        self.ceiling = ceiling
        self.in_flight = 0
        self._limit = float(ceiling)
        self._clock = clock
        self._queue: deque[asyncio.Future[None]] = deque()
        self._decreases = 0
        self._outcomes = 0
        self._refused = 0
        self._refused_in_a_row = 0
        self._resume_at: float | None = None

    @property
    def limit(self) -> int:
        """Requests that may be in flight now: 1 to `ceiling`."""
        return int(self._limit)

    async def enter(self, *, first: bool = False) -> int:
        """Take a place; `first` goes before all who wait (for a case that has been tried already).

        Returns which limit the request is sent under, for `leave`.
        """
        if self._queue or self.in_flight >= self.limit:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            (self._queue.appendleft if first else self._queue.append)(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():  # the place was given in the same turn
                    self._give_back()
                raise
        else:
            self.in_flight += 1
        while self._resume_at is not None:
            wait_s = self._resume_at - self._clock.monotonic()
            if wait_s <= 0:
                self._resume_at = None
                break
            try:
                await self._clock.sleep(wait_s)
            except asyncio.CancelledError:
                self._give_back()
                raise
        return self._decreases

    def leave(self, sent_under: int, *, refused: bool | None, retry_after_s: float | None = None) -> None:
        """Give the place back that `enter` gave with `sent_under`.

        `refused`: whether the server refused the request for its rate; None where that cannot be told (no answer).
        A `retry_after_s` then holds everyone back once as many requests in a row were refused as may be in flight, and
        at least three: a refusal among successes concerns one request, an unbroken row of them the whole account.
        """
        if refused is not None:
            self._refused_in_a_row = self._refused_in_a_row + 1 if refused else 0
            if sent_under == self._decreases:
                self._learn(refused=refused)
        if refused and retry_after_s and self._refused_in_a_row >= max(3, self.limit):
            self._resume_at = max(self._resume_at or 0.0, self._clock.monotonic() + retry_after_s)
        self._give_back()

    def _learn(self, *, refused: bool) -> None:
        self._outcomes += 1
        self._refused += refused
        if self._outcomes < self.limit:
            return
        fraction = self._refused / self._outcomes
        if fraction > self.TOLERATED:
            self._limit = max(1.0, self._limit * (1 - fraction / 2))
            self._decreases += 1
        else:
            self._limit = min(float(self.ceiling), self._limit + 1.0)
        self._outcomes = self._refused = 0

    def _give_back(self) -> None:
        self.in_flight -= 1
        while self._queue and self.in_flight < self.limit:
            place = self._queue.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)


class Pace:
    """A token bucket that holds no burst: `per_minute` units, evenly spaced (GCRA with a small tolerance).

    In every 60 seconds, at most `per_minute` units begin, plus what the one unit at the edge costs beyond 1. The
    tolerance only makes up for a timer that fires late; the spacing is stretched by more than that.
    """

    _TOLERANCE_S = 0.05
    _LOOK_AGAIN_S = 1.0  # while waiting: a correction may bring the turn forward

    def __init__(self, per_minute: float, clock: Clock) -> None:
        if not per_minute > 0:
            raise ValueError("a rate is above 0 a minute")
        self._spacing_s = (60.0 + 2 * self._TOLERANCE_S) / per_minute
        self._next = float("-inf")
        self._line = asyncio.Lock()
        self._clock = clock

    async def turn(self, cost: float = 1.0) -> None:
        """Wait until `cost` units may begin, and take them. Turns come in the order in which they were asked for."""
        async with self._line:
            while (wait_s := self._next - self._clock.monotonic()) > _ROUNDING_S:
                await self._clock.sleep(min(wait_s, self._LOOK_AGAIN_S))
            self._next = max(self._next, self._clock.monotonic() - self._TOLERANCE_S) + cost * self._spacing_s

    def correct(self, by: float) -> None:
        """Take `by` units more than were asked for (or, below 0, give them back): the true cost is known now."""
        self._next += by * self._spacing_s


class Budget:
    """Money for one run, in US dollars: what is spent and what is on its way never exceed it.

    A request on its way is taken to cost what the dearest answer so far did. Before the first answer nothing is known,
    so that one request goes alone. Only an answer dearer than all before it can overstep the limit, by the difference.
    """

    def __init__(self, limit_usd: float | None) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = 0.0
        self._dearest_usd: float | None = None
        self._on_their_way = 0
        self._changed: asyncio.Event = asyncio.Event()

    async def enter(self) -> bool:
        """Whether one more request may begin. Waits while that depends on those on their way."""
        while self.limit_usd is not None:
            left_usd = self.limit_usd - self.spent_usd
            ahead = self._on_their_way + 1
            if self._dearest_usd is None:
                fits = left_usd > 0 and ahead == 1
            else:
                fits = self._dearest_usd * ahead <= left_usd + _ROUNDING_USD
            if fits:
                break
            if not self._on_their_way:
                return False
            self._changed.clear()
            await self._changed.wait()
        self._on_their_way += 1
        return True

    def leave(self, cost_usd: float | None) -> None:
        """The request is over. `cost_usd` is None where it failed or where its price is unknown."""
        self._on_their_way -= 1
        if cost_usd is not None:
            self.spent_usd += cost_usd
            self._dearest_usd = max(self._dearest_usd or 0.0, cost_usd)
        self._changed.set()
