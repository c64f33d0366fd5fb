"""The engine: puts a stream of jobs to a provider, as many at once as it bears, and says what became of each.

    jobs (lazy) ─> worker ─> cache hit? ───────────────> Answered
                     └─────> budget ─> sender ─┬───────> Answered, kept in the cache
                               └─ nothing left ┴───────> Failed, Unscored

Workers pull from the iterator, so memory does not depend on how many jobs there are. A worker whose case waits to be
tried again lends its turn to another, so that a few refused requests do not slow down the rest.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from evalkit.evals.cache import cache_key
from evalkit.evals.limits import Budget
from evalkit.evals.outcome import Answered, Failed, Outcome, Unscored
from evalkit.evals.providers.base import APPLICATION_KINDS
from evalkit.evals.sender import Sender

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator

    from evalkit.evals.cache import AnswerCache
    from evalkit.evals.case import Answer, Case
    from evalkit.evals.limits import Clock
    from evalkit.evals.providers.base import Provider, Request

__all__ = [
    "Answered",
    "CacheMode",
    "EngineOptions",
    "EngineStats",
    "Failed",
    "Job",
    "Outcome",
    "Unscored",
    "answer_all",
]

CacheMode = Literal["reuse", "refresh", "off"]
"""`reuse` reads and keeps answers; `refresh` asks everything anew and keeps the answers; `off` does neither."""

_TURN = 50  # jobs that all workers handle without waiting before others (progress, Ctrl-C) get a turn
_LENT = 4  # cases held at once, in multiples of the concurrency: those in flight, and those that wait to be tried again
_GATHERED = 8  # at most this part of the concurrency is answered and not yet written: what a kill -9 may cost
_FLUSH_WITHIN_S = 0.005


@dataclass(frozen=True, slots=True)
class Job:
    """One question: a case, which repeat of it, and what is asked."""

    case: Case
    repeat: int
    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """The limits of one run."""

    concurrency: int = 16
    """Requests in flight, at most."""
    timeout_s: float | None = None
    """Of one request, for providers that set themselves none; those of this package do."""
    max_attempts: int = 6
    max_wait_s: float = 120.0
    """Time one case waits between its attempts, at most; a longer Retry-After ends the case at once."""
    rpm: float | None = None
    """Requests a minute."""
    tpm: float | None = None
    """Tokens a minute, in and out."""
    max_cost_usd: float | None = None
    """What new answers may cost together. Only answers that `price` can price count."""


@dataclass(slots=True)
class EngineStats:
    """What the run took."""

    requests: int = 0
    """Sent, retries included."""
    retries: int = 0
    cached: int = 0
    """Jobs answered from the cache."""
    answered: int = 0
    """Jobs answered by the provider."""
    spent_usd: float = 0.0
    """The price of the answers that are new."""
    concurrency: int = 0
    """The most requests that were in flight at once."""
    stopped: Literal["budget", "interrupted", "unreachable"] | None = None
    """Why the run stopped sending before its end; None where it did not."""


async def answer_all(
    jobs: Iterable[Job],
    provider: Provider,
    *,
    options: EngineOptions,
    cache: AnswerCache | None,
    cache_mode: CacheMode,
    price: Callable[[Answer], float | None],
    on_result: Callable[[Job, Outcome], None],
    stop: asyncio.Event,
    clock: Clock,
    rng: random.Random,
) -> EngineStats:
    """Answer every job and report each once, in the order in which they end, by `on_result`.

    * `max_cost_usd` reached, or the provider gone in mid-run: nothing more is sent; what is left is reported as
      `Unscored` (`budget`, or the type of the last failure), or as answered where the cache has it.
    * `stop` set: requests in flight are dropped, and what is left is not reported.
    * An exception from `jobs` or `on_result` ends the run.

    `price` is the cost of an answer in US dollars, or None where that is not known. The provider is opened at the
    first job that the cache cannot answer.

    Raises:
        UsageError: every case would fail for the same reason: a refused key (EK502), an unknown model (EK505), ….
        ProviderError: EK503, the provider cannot be reached or answers nothing at all.
    """
    run = _Run(provider, options, cache, cache_mode, price, on_result, clock, rng)
    return await run.answer_all(jobs, stop)


class _Run:
    """The state of one `answer_all`."""

    def __init__(
        self,
        provider: Provider,
        options: EngineOptions,
        cache: AnswerCache | None,
        cache_mode: CacheMode,
        price: Callable[[Answer], float | None],
        on_result: Callable[[Job, Outcome], None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.provider = provider
        self.options = options
        self.cache = cache if cache_mode != "off" else None
        self.reads_cache = cache_mode == "reuse"
        self.price = price
        self.on_result = on_result
        self.clock = clock
        self.stats = EngineStats()
        self.budget = Budget(options.max_cost_usd)
        self.sender = Sender(provider, options, self.stats, clock, rng, self._sleep)

        self.jobs: Iterator[Job] = iter(())
        self.workers: set[asyncio.Task[None]] = set()
        self.awake = 0
        """Workers that are not waiting to try a case again."""
        self.flushing: asyncio.TimerHandle | None = None
        """The next time that answers are written to the cache, if any wait for it."""
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def answer_all(self, jobs: Iterable[Job], stop: asyncio.Event) -> EngineStats:
        self.jobs = iter(jobs)
        stopped = asyncio.ensure_future(stop.wait())
        try:
            if not stop.is_set():
                for _ in range(self.options.concurrency):
                    self._hire()
                await asyncio.wait((self.finished, stopped), return_when=asyncio.FIRST_COMPLETED)
            if self.finished.done():
                self.finished.result()
            else:
                await asyncio.sleep(0)  # an answer that is here already is kept
                self.stats.stopped = "interrupted"
        finally:
            await self._end(stopped)
        return self.stats

    async def _end(self, stopped: asyncio.Future[Any]) -> None:
        tasks = [stopped, *self.workers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._flush()
        if not self.finished.cancel() and not self.finished.cancelled():
            self.finished.exception()  # it is told by the exception on its way, if there is one
        await self.sender.close()
        self.stats.spent_usd = self.budget.spent_usd

    # Workers

    def _hire(self) -> None:
        worker = asyncio.create_task(self._work())
        self.workers.add(worker)
        worker.add_done_callback(self._dismiss)
        self.awake += 1

    def _dismiss(self, worker: asyncio.Task[None]) -> None:
        self.workers.discard(worker)
        error = None if worker.cancelled() else worker.exception()
        if self.finished.done():
            return  # many workers may meet the same end: it is told once
        if error:
            self.finished.set_exception(error)
        elif not self.workers:
            self.finished.set_result(None)

    async def _work(self) -> None:
        """Handle jobs until there are none, or until those who were lent a turn are enough."""
        turn = max(1, _TURN // self.options.concurrency)
        handled = 0
        while self.awake <= self.options.concurrency:
            handled += 1
            if handled % turn == 0:
                await asyncio.sleep(0)
            job = next(self.jobs, None)
            if job is None:
                break
            key = self._key(job) if self.cache is not None else ""
            self.on_result(job, self._at_once(key) or await self._ask(job, key))
        self.awake -= 1

    async def _sleep(self, seconds: float) -> None:
        """Wait to try a case again, and lend the turn to another worker meanwhile."""
        self.awake -= 1
        if self.awake < self.options.concurrency and len(self.workers) < _LENT * self.options.concurrency:
            self._hire()
        try:
            await self.clock.sleep(seconds)
        finally:
            self.awake += 1

    # One job

    def _key(self, job: Job) -> str:
        request = job.request
        is_application = self.provider.kind in APPLICATION_KINDS
        body = {"id": request.case_id, "vars": request.vars} if is_application else request.body
        return cache_key(self.provider.endpoint, body, job.repeat)

    def _at_once(self, key: str) -> Outcome | None:
        """What needs no request: an answer that is kept, or the end of sending."""
        if self.cache is not None and self.reads_cache and (answer := self.cache.get(key)):
            self.stats.cached += 1
            answer.cost_usd = self.price(answer)
            return Answered(answer)
        return self.sender.closed

    async def _ask(self, job: Job, key: str) -> Outcome:
        if not await self.budget.enter():
            if self.sender.closed is None:
                message = f"the budget of {self.budget.limit_usd:,.2f} USD is spent"
                self.sender.closed = Unscored("budget", message, 0)
                self.stats.stopped = "budget"
            return self.sender.closed
        cost_usd: float | None = None
        try:
            outcome = await self.sender.ask(job.request)
            if isinstance(outcome, Answered):
                answer = outcome.answer
                self._keep(key, answer)
                self.stats.answered += 1
                price = self.price(answer)
                if price is not None:
                    answer.cost_usd = price
                cost_usd = price or 0.0
        finally:
            self.budget.leave(cost_usd)
        return outcome

    def _keep(self, key: str, answer: Answer) -> None:
        """Cache an answer: written at once or, with many in flight, within milliseconds together with a few others."""
        if self.cache is None:
            return
        waiting = self.cache.put(key, answer)
        if waiting >= self.options.concurrency // _GATHERED:
            self._flush()
        elif waiting and self.flushing is None:
            self.flushing = asyncio.get_running_loop().call_later(_FLUSH_WITHIN_S, self._flush)

    def _flush(self) -> None:
        if self.flushing:
            self.flushing.cancel()
            self.flushing = None
        if self.cache is not None:
            self.cache.flush()
