"""One request after another for one case, until it is answered, or hopeless; and what failures mean for the rest.

place in flight ─> pace ─> provider ─┬─> Answered
      ▲                              ├─> Failed: the candidate's own doing
      │                              ├─> the same for every case: the run ends with one error
      └── wait, with jitter <────────┴─> no attempt is left: Unscored; after many in a row, nothing more is sent
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.errors import Problem, ProviderError, UsageError
from evalkit.evals.limits import AdaptiveConcurrency, Pace
from evalkit.evals.outcome import Answered, Failed, Outcome, Unscored
from evalkit.evals.providers.base import CandidateFailed, Fatal, Unavailable
from evalkit.evals.retry import GiveUp, RetryPolicy

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from evalkit.evals.case import Answer
    from evalkit.evals.engine import EngineOptions, EngineStats
    from evalkit.evals.limits import Clock
    from evalkit.evals.providers.base import Provider, Request

__all__ = ["Sender"]

_MIN_DEAD = 10
_FIRST_CONTACT_S = 2.0
_FIRST_CONTACT_WAIT_S = 0.5


class Sender:
    """Stands between the engine and a provider. Opens the provider at the first request."""

    def __init__(
        self,
        provider: Provider,
        options: EngineOptions,
        stats: EngineStats,
        clock: Clock,
        rng: random.Random,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """`stats` is kept up to date. `sleep` waits, in seconds, before a case is tried again."""
        self.closed: Unscored | None = None
        """What becomes of every further request, once nothing more is sent. The engine may set it too."""
        self._provider = provider
        self._options = options
        self._stats = stats
        self._clock = clock
        self._rng = rng
        self._sleep = sleep
        self._policy = RetryPolicy(max_attempts=options.max_attempts, max_wait_s=options.max_wait_s)
        self._places = AdaptiveConcurrency(options.concurrency, clock)
        self._requests_pace = Pace(options.rpm, clock) if options.rpm else None
        self._tokens_pace = Pace(options.tpm, clock) if options.tpm else None
        self._opening: asyncio.Task[None] | None = None
        self._in_flight = 0
        self._first_sent_at: float | None = None
        self._contact = False
        """Whether the provider has been heard of at all, be it with an error."""
        self._alive = False
        """Whether it has ever answered a case."""
        self._dead_in_a_row = 0
        """Cases given up since it last answered one."""

    async def close(self) -> None:
        """Close the provider, if it was opened."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
            await self._provider.close()

    async def ask(self, request: Request) -> Outcome:
        """Send, and send again while the retry budget of the case lasts.

        Raises:
            UsageError: every case would fail for the same reason.
            ProviderError: EK503, the provider cannot be reached or answers nothing at all.
        """
        await self._open()
        attempts, waited_s = 0, 0.0
        while True:
            try:
                answer = await self._send(request, again=attempts > 0)
            except Unavailable as error:
                failure = error
            except CandidateFailed as error:
                self._is_alive()
                return Failed(error.type, error.message)
            except Fatal as error:
                raise _as_error(error) from None
            else:
                if isinstance(answer, Unscored):
                    return replace(answer, attempts=attempts)
                self._is_alive()
                return Answered(answer)
            attempts += 1
            wait_s = self._wait_after(failure, attempts, waited_s)
            if isinstance(wait_s, GiveUp):
                return self._give_up(failure, wait_s, attempts)
            waited_s += wait_s
            await self._sleep(wait_s)

    async def _open(self) -> None:
        if self._opening is None:
            self._opening = asyncio.create_task(self._provider.open())
        try:
            await self._opening
        except Fatal as error:
            raise _as_error(error) from None

    async def _send(self, request: Request, *, again: bool) -> Answer | Unscored:
        """One request, when its turn has come; what `closed` says if the run has stopped sending by then."""
        sent_under = await self._places.enter(first=again)
        refused: bool | None = None
        retry_after_s: float | None = None
        tokens = _tokens(request) if self._tokens_pace else 0
        try:
            if self._requests_pace:
                await self._requests_pace.turn()
            if self._tokens_pace:
                await self._tokens_pace.turn(tokens)
            if self.closed:
                return self.closed
            self._stats.retries += again
            answer = await self._complete(request)
            refused = False
            if self._tokens_pace and answer.input_tokens is not None:
                self._tokens_pace.correct(answer.input_tokens + (answer.output_tokens or 0) - tokens)
        except CandidateFailed:
            refused = False
            raise
        except Unavailable as error:
            retry_after_s = error.retry_after_s
            if error.type in ("rate_limited", "server_error"):
                self._contact = True
                refused = error.type == "rate_limited" or retry_after_s is not None
            raise
        finally:
            if refused and retry_after_s and retry_after_s > self._policy.max_wait_s:
                retry_after_s = None  # no case will wait that long, so nobody is held back for it
            self._places.leave(sent_under, refused=refused, retry_after_s=retry_after_s)
        return answer

    async def _complete(self, request: Request) -> Answer:
        started = self._clock.monotonic()
        if self._first_sent_at is None:
            self._first_sent_at = started
        self._stats.requests += 1
        self._in_flight += 1
        self._stats.concurrency = max(self._stats.concurrency, self._in_flight)
        try:
            async with asyncio.timeout(self._options.timeout_s):
                answer = await self._provider.complete(request)
        except TimeoutError:
            raise Unavailable("timeout", f"no answer within {self._options.timeout_s:g} s") from None
        finally:
            self._in_flight -= 1
        if answer.latency_ms is None:
            answer.latency_ms = (self._clock.monotonic() - started) * 1000.0
        return answer

    def _is_alive(self) -> None:
        self._contact = self._alive = True
        self._dead_in_a_row = 0

    def _wait_after(self, failure: Unavailable, attempts: int, waited_s: float) -> float | GiveUp:
        """How long this case waits.

        Before the first contact, waits are short and the run ends after two seconds: a server that is not there is
        most likely a wrong address, and every case would tell the same.
        """
        wait_s = self._policy.next_wait_s(attempts, waited_s, failure.retry_after_s, self._rng)
        if failure.type == "network" and not self._contact:
            since_s = self._clock.monotonic() - (self._first_sent_at or 0.0)
            if since_s >= _FIRST_CONTACT_S or not failure.retryable:
                raise self._unreachable(failure)
            return wait_s if isinstance(wait_s, GiveUp) else min(wait_s, _FIRST_CONTACT_WAIT_S)
        return wait_s if failure.retryable else GiveUp("not tried again")

    def _give_up(self, failure: Unavailable, reason: GiveUp, attempts: int) -> Unscored:
        """Leave a case unscored; stop sending when as many in a row as are asked at once got no answer."""
        self._dead_in_a_row += 1
        if self._dead_in_a_row >= max(_MIN_DEAD, self._options.concurrency) and self.closed is None:
            if not self._alive:
                raise self._unreachable(failure)
            message = f"nothing more was asked: the provider stopped answering ({failure.message})"
            self.closed = Unscored(failure.type, message, 0)
            self._stats.stopped = "unreachable"
        return Unscored(failure.type, f"{failure.message} ({reason.reason})", attempts)

    def _unreachable(self, failure: Unavailable) -> ProviderError:
        provider = self._provider
        if failure.type == "network":
            message = f"provider '{provider.name}' cannot be reached: {failure.message}"
            hint = "is the server running? check `base_url` in evalkit.yaml, and HTTPS_PROXY and NO_PROXY"
        else:
            message = (
                f"provider '{provider.name}' ({provider.endpoint}) answers no request: {failure.message}"
            )
            hint = "nothing could be measured; the same command goes on from here once the provider works"
        return ProviderError(Problem("EK503", message, hint=hint))


def _as_error(fatal: Fatal) -> UsageError | ProviderError:
    return (UsageError if fatal.exit_code == 2 else ProviderError)(fatal.problem)


def _tokens(request: Request) -> int:
    """About what a provider counts against its rate before it answers: the prompt, and what the answer may take."""
    limit = request.body.get("max_completion_tokens") or request.body.get("max_tokens") or 0
    return len(str(request.body)) // 4 + (limit if isinstance(limit, int) else 0)
