"""Stand-ins for the engine's ports: a provider without a network, and a clock on which waiting takes no time."""

from __future__ import annotations

import asyncio
import heapq
from typing import TYPE_CHECKING, Any

from evalkit.evals.case import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evalkit.evals.limits import Clock
    from evalkit.evals.providers.base import Request

__all__ = ["FakeClock", "FakeProvider"]


class FakeProvider:
    """Answers from a list, or by a function of the request.

    An answer is text, an `Answer`, or an exception to raise (`Unavailable(…)`, `CandidateFailed(…)`, `Fatal(…)`).
    A list that has run out raises: nothing is ever repeated silently.
    """

    def __init__(
        self,
        answers: Iterable[str | Answer | Exception] | Callable[[Request], str | Answer | Exception],
        *,
        latency_s: float = 0.0,
        clock: Clock | None = None,
        name: str = "fake",
        kind: str = "openai",
        endpoint: str = "https://fake.test/v1/chat/completions",
        promotable: bool = True,
    ) -> None:
        """`latency_s` is what each answer takes, on `clock` if one is given."""
        self.name = name
        self.kind = kind
        self.endpoint = endpoint
        self.promotable = promotable
        self.slots: int | None = None
        self.requests: list[Request] = []
        """Every request, in the order in which they came."""
        self.opened = 0
        self.closed = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self._latency_s = latency_s
        self._sleep: Callable[[float], Any] = clock.sleep if clock else asyncio.sleep
        if callable(answers):
            self._answer = answers
        else:
            stream = iter(answers)
            self._answer = lambda _: next(stream)

    async def open(self) -> None:
        """Count it."""
        self.opened += 1

    async def close(self) -> None:
        """Count it."""
        self.closed += 1

    async def complete(self, request: Request) -> Answer:
        """The next answer.

        Raises:
            AssertionError: the provider is not open, or its answers have run out.
        """
        if self.opened != self.closed + 1:
            raise AssertionError("the provider was asked while it was not open")
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self._sleep(self._latency_s)
            answer = self._answer(request)
        except StopIteration:
            message = f"the {len(self.requests) - 1} answers of this FakeProvider have run out"
            raise AssertionError(message) from None
        finally:
            self.in_flight -= 1
        if isinstance(answer, Exception):
            raise answer
        return Answer(output=answer, finish_reason="stop") if isinstance(answer, str) else answer


class FakeClock:
    """Time that passes only when everything waits for it: then it jumps to the next moment that something waits for."""

    _SETTLING_TURNS = 20  # turns of the event loop in which others may find something to do before time moves

    def __init__(self, start: float = 0.0) -> None:
        self.now = start
        self.sleeps: list[float] = []
        """Every wait that was asked for, in seconds."""
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._ticking: asyncio.Task[None] | None = None

    def monotonic(self) -> float:
        """The moment, in seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait on this clock."""
        self.sleeps.append(seconds)
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + max(0.0, seconds), len(self.sleeps), woken))
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.ensure_future(self._tick())
        await woken

    async def _tick(self) -> None:
        while self._sleepers:
            for _ in range(self._SETTLING_TURNS):
                await asyncio.sleep(0)
            moment, _, woken = heapq.heappop(self._sleepers)
            self.now = max(self.now, moment)
            if not woken.done():
                woken.set_result(None)
            while self._sleepers and self._sleepers[0][0] <= self.now:
                _, _, woken = heapq.heappop(self._sleepers)
                if not woken.done():
                    woken.set_result(None)
