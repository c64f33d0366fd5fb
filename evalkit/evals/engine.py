"""The engine: puts a stream of jobs to a provider, as many at once as it bears, and says what became of each.

    jobs (lazy) ─> worker ─> cache hit? ──────────────────────────> Answered
                     └─> budget ─> place ─> pace ─> provider ─┬──> Answered, kept in the cache
                           └── nothing left ─> Unscored       ├──> Failed (the candidate's own doing)
                                                              └──> wait, again, … ─> Unscored

Workers pull from the iterator, so memory does not depend on how many jobs there are. A worker whose case waits to be
tried again lends its turn to another, so that a few refused requests do not slow down the rest.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from evalkit.errors import Problem, ProviderError, UsageError
from evalkit.evals.limits import AdaptiveConcurrency, Budget, Pace
from evalkit.evals.providers.base import CandidateFailed, Fatal, Unavailable
from evalkit.evals.retry import GiveUp, RetryPolicy

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable

    from evalkit.evals.cache import AnswerCache
    from evalkit.evals.case import Answer, Case
    from evalkit.evals.limits import Clock
    from evalkit.evals.providers.base import Provider, Request

__all__ = ["Answered", "CacheMode", "EngineOptions", "EngineStats", "Failed", "Job", "Outcome", "Unscored", "answer_all"]

CacheMode = Literal["reuse", "refresh", "off"]
"""`reuse` reads and keeps answers; `refresh` asks everything anew and keeps the answers; `off` does neither."""

_TURN = 50  # jobs handled without waiting before others (progress, Ctrl-C) get a turn: some milliseconds
_LENT = 4  # cases held at once, in multiples of the concurrency: those in flight, and those that wait to be tried again
_MIN_DEAD = 10
_FIRST_CONTACT_S = 2.0
_FIRST_CONTACT_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Job:
    """One question: a case, which repeat of it, and what is asked."""

    case: Case
    repeat: int
    request: Request


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer came, now or (with `answer.cached`) earlier."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Failed:
    """The candidate cannot answer this case: scores 0. For `type` see `SampleError`."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Unscored:
    """Nothing was learnt about the candidate. For `type` see `SampleError`."""

    type: str
    message: str
    attempts: int
    """Requests sent for this case; 0 where the run had stopped sending."""


Outcome = Answered | Failed | Unscored


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
        self.rng = rng
        self.stats = EngineStats()
        self.policy = RetryPolicy(max_attempts=options.max_attempts, max_wait_s=options.max_wait_s)
        self.places = AdaptiveConcurrency(options.concurrency, clock)
        self.budget = Budget(options.max_cost_usd)
        self.requests_pace = Pace(options.rpm, clock) if options.rpm else None
        self.tokens_pace = Pace(options.tpm, clock) if options.tpm else None
        self.opening = asyncio.Lock()
        self.opened = False
        self.workers: set[asyncio.Task[None]] = set()
        self.awake = 0
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.since_turn = 0
        self.in_flight = 0
        self.closed: Unscored | None = None
        """What becomes of every further job that must be asked, once the run has stopped sending."""
        self.first_sent_at: float | None = None
        self.contact = False
        """Whether the provider has answered anything, be it an error."""
        self.dead_in_a_row = 0

    async def answer_all(self, jobs: Iterable[Job], stop: asyncio.Event) -> EngineStats:
        self.jobs = iter(jobs)
        stopped = asyncio.ensure_future(stop.wait())
        try:
            for _ in range(self.options.concurrency):
                self._hire()
            await asyncio.wait((self.finished, stopped), return_when=asyncio.FIRST_COMPLETED)
            if self.finished.done():
                self.finished.result()
            else:
                self.stats.stopped = "interrupted"
                await asyncio.sleep(0)  # answers that are here already are kept
        finally:
            stopped.cancel()
            for worker in self.workers:
                worker.cancel()
            await asyncio.gather(stopped, *self.workers, return_exceptions=True)
            if self.opened:
                await self.provider.close()
            self.stats.spent_usd = self.budget.spent_usd
        return self.stats

    def _hire(self) -> None:
        worker = asyncio.create_task(self._work())
        self.workers.add(worker)
        worker.add_done_callback(self._dismiss)
        self.awake += 1

    def _dismiss(self, worker: asyncio.Task[None]) -> None:
        self.workers.discard(worker)
        if self.finished.done() or worker.cancelled():
            return
        if error := worker.exception():
            self.finished.set_exception(error)
        elif not self.workers:
            self.finished.set_result(None)

    async def _work(self) -> None:
        """Pull jobs until there are none, or until others who were lent a turn are enough."""
        while self.awake <= self.options.concurrency:
            self.since_turn += 1
            if self.since_turn >= _TURN:
                self.since_turn = 0
                await asyncio.sleep(0)
            job = next(self.jobs, None)
            if job is None:
                break
            self.on_result(job, self._at_once(job) or await self._ask(job))
        self.awake -= 1

    def _key(self, job: Job) -> str:
        body = job.request.body if self.provider.promotable else {"vars": job.request.vars}
        return self.cache.key(self.provider.endpoint, body, job.repeat) if self.cache else ""

    def _at_once(self, job: Job) -> Outcome | None:
        """What needs no request: an answer that is kept, or the end of sending."""
        if self.cache and self.reads_cache and (answer := self.cache.get(self._key(job))):
            self.stats.cached += 1
            answer.cost_usd = self.price(answer)
            return Answered(answer)
        return self.closed
