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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from evalkit.errors import Problem, ProviderError, UsageError
from evalkit.evals.cache import cache_key
from evalkit.evals.limits import AdaptiveConcurrency, Budget, Pace
from evalkit.evals.providers.base import APPLICATION_KINDS, CandidateFailed, Fatal, Unavailable
from evalkit.evals.retry import GiveUp, RetryPolicy

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
        self.in_flight = 0

        self.jobs: Iterator[Job] = iter(())
        self.workers: set[asyncio.Task[None]] = set()
        self.awake = 0
        """Workers that are not waiting to try a case again."""
        self.since_turn = 0
        self.opening: asyncio.Task[None] | None = None
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        self.closed: Unscored | None = None
        """What becomes of every further job that must be asked, once the run has stopped sending."""
        self.first_sent_at: float | None = None
        self.contact = False
        """Whether the provider has been heard of at all, be it with an error."""
        self.alive = False
        """Whether it has ever answered a case."""
        self.dead_in_a_row = 0
        """Cases given up since it last answered one."""

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
        tasks = [stopped, *self.workers, *((self.opening,) if self.opening else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not self.finished.cancel() and not self.finished.cancelled():
            self.finished.exception()  # it is told by the exception on its way, if there is one
        if self.opening:
            await self.provider.close()
        self.stats.spent_usd = self.budget.spent_usd

    # Workers

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
        """Handle jobs until there are none, or until those who were lent a turn are enough."""
        while self.awake <= self.options.concurrency:
            self.since_turn += 1
            if self.since_turn >= _TURN:
                self.since_turn = 0
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
        return self.closed

    async def _ask(self, job: Job, key: str) -> Outcome:
        if not await self.budget.enter():
            if self.closed is None:
                self.closed = Unscored(
                    "budget", f"the budget of {self.budget.limit_usd:,.2f} USD is spent", 0
                )
                self.stats.stopped = "budget"
            return self.closed
        cost_usd: float | None = None
        try:
            outcome = await self._try(job.request)
            if isinstance(outcome, Answered):
                answer = outcome.answer
                if self.cache is not None:
                    self.cache.put(key, answer)
                self.stats.answered += 1
                price = self.price(answer)
                if price is not None:
                    answer.cost_usd = price
                cost_usd = price or 0.0
        finally:
            self.budget.leave(cost_usd)
        return outcome

    async def _try(self, request: Request) -> Outcome:
        """Send, and send again while the retry budget of the case lasts."""
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
        if self.opening is None:
            self.opening = asyncio.create_task(self.provider.open())
        try:
            await self.opening
        except Fatal as error:
            raise _as_error(error) from None

    async def _send(self, request: Request, *, again: bool) -> Answer | Unscored:
        """One request, when its turn has come; what `closed` says if the run has stopped sending by then."""
        sent_under = await self.places.enter(first=again)
        refused: bool | None = None
        retry_after_s: float | None = None
        tokens = _tokens(request) if self.tokens_pace else 0
        try:
            if self.requests_pace:
                await self.requests_pace.turn()
            if self.tokens_pace:
                await self.tokens_pace.turn(tokens)
            if self.closed:
                return self.closed
            self.stats.retries += again
            answer = await self._complete(request)
            refused = False
            if self.tokens_pace and answer.input_tokens is not None:
                self.tokens_pace.correct(answer.input_tokens + (answer.output_tokens or 0) - tokens)
        except CandidateFailed:
            refused = False
            raise
        except Unavailable as error:
            retry_after_s = error.retry_after_s
            if error.type in ("rate_limited", "server_error"):
                self.contact = True
                refused = error.type == "rate_limited" or retry_after_s is not None
            raise
        finally:
            if refused and retry_after_s and retry_after_s > self.policy.max_wait_s:
                retry_after_s = None  # no case will wait that long, so nobody is held back for it
            self.places.leave(sent_under, refused=refused, retry_after_s=retry_after_s)
        return answer

    async def _complete(self, request: Request) -> Answer:
        started = self.clock.monotonic()
        if self.first_sent_at is None:
            self.first_sent_at = started
        self.stats.requests += 1
        self.in_flight += 1
        self.stats.concurrency = max(self.stats.concurrency, self.in_flight)
        try:
            async with asyncio.timeout(self.options.timeout_s):
                answer = await self.provider.complete(request)
        except TimeoutError:
            raise Unavailable("timeout", f"no answer within {self.options.timeout_s:g} s") from None
        finally:
            self.in_flight -= 1
        if answer.latency_ms is None:
            answer.latency_ms = (self.clock.monotonic() - started) * 1000.0
        return answer

    # What failures mean for the rest

    def _is_alive(self) -> None:
        self.contact = self.alive = True
        self.dead_in_a_row = 0

    def _wait_after(self, failure: Unavailable, attempts: int, waited_s: float) -> float | GiveUp:
        """How long this case waits.

        Before the first contact, waits are short and the run ends after two seconds: a server that is not there is
        most likely a wrong address, and every case would tell the same.
        """
        wait_s = self.policy.next_wait_s(attempts, waited_s, failure.retry_after_s, self.rng)
        if failure.type == "network" and not self.contact:
            since_s = self.clock.monotonic() - (self.first_sent_at or 0.0)
            if since_s >= _FIRST_CONTACT_S or not failure.retryable:
                raise self._unreachable(failure)
            return wait_s if isinstance(wait_s, GiveUp) else min(wait_s, _FIRST_CONTACT_WAIT_S)
        return wait_s if failure.retryable else GiveUp("not tried again")

    def _give_up(self, failure: Unavailable, reason: GiveUp, attempts: int) -> Unscored:
        """Leave a case unscored; stop sending when as many in a row as are asked at once got no answer."""
        self.dead_in_a_row += 1
        if self.dead_in_a_row >= max(_MIN_DEAD, self.options.concurrency) and self.closed is None:
            if not self.alive:
                raise self._unreachable(failure)
            message = f"nothing more was asked: the provider stopped answering ({failure.message})"
            self.closed = Unscored(failure.type, message, 0)
            self.stats.stopped = "unreachable"
        return Unscored(failure.type, f"{failure.message} ({reason.reason})", attempts)

    def _unreachable(self, failure: Unavailable) -> ProviderError:
        provider = self.provider
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
