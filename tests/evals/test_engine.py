"""The engine: every job is reported once, whatever the provider does, and the run's limits hold."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import ProviderError, UsageError
from evalkit.evals.cache import AnswerCache
from evalkit.evals.case import Answer, Case
from evalkit.evals.engine import Answered, EngineOptions, Failed, Job, Unscored, answer_all
from evalkit.evals.limits import SystemClock
from evalkit.evals.providers.base import CandidateFailed, Fatal, Request, Unavailable
from evalkit.evals.providers.openai import OpenAIProvider
from evalkit.testing.fake_provider import FakeClock, FakeProvider
from evalkit.testing.model_server import Faults, ModelServer


def body(number):
    return {"model": "m", "messages": [{"role": "user", "content": f"case {number}"}]}


def job(number, repeat=0):
    return Job(Case(f"c{number}", number, {}), repeat, Request(body(number), {}, f"c{number}"))


class Run:
    """One run of the engine, with everything that a test may look at."""

    def __init__(self, provider, jobs=10, **arguments):
        self.provider = provider
        self.jobs = map(job, range(jobs)) if isinstance(jobs, int) else jobs
        self.clock = arguments.pop("clock", None) or FakeClock()
        self.cache = arguments.pop("cache", None)
        self.cache_mode = arguments.pop("cache_mode", "reuse")
        self.price = arguments.pop("price", lambda _: None)
        self.seen = arguments.pop("on_result", lambda _job, _outcome: None)
        self.options = EngineOptions(**arguments)
        self.outcomes = {}
        self.stats = None
        self.stop = None

    def on_result(self, job, outcome):
        key = (job.case.id, job.repeat)
        assert key not in self.outcomes, f"{key} was reported twice"
        self.outcomes[key] = outcome
        self.seen(job, outcome)

    async def start(self):
        self.stop = asyncio.Event()
        self.stats = await answer_all(
            self.jobs,
            self.provider,
            options=self.options,
            cache=self.cache,
            cache_mode=self.cache_mode,
            price=self.price,
            on_result=self.on_result,
            stop=self.stop,
            clock=self.clock,
            rng=random.Random(7),
        )
        return self

    def types(self):
        return Counter(getattr(o, "type", "answered") for o in self.outcomes.values())


def run(provider, jobs=10, **arguments):
    return asyncio.run(Run(provider, jobs, **arguments).start())


@pytest.fixture
def cache(tmp_path):
    with AnswerCache(tmp_path / "answers.db") as cache:
        yield cache


# The plain course


def test_every_job_is_answered_and_reported_once():
    result = run(FakeProvider(lambda request: request.case_id), 100, concurrency=7)
    assert {key[0]: o.answer.output for key, o in result.outcomes.items()} == {
        f"c{n}": f"c{n}" for n in range(100)
    }
    assert (result.stats.answered, result.stats.requests, result.stats.retries) == (100, 100, 0)
    assert result.stats.stopped is None


def test_as_many_requests_as_allowed_are_in_flight_and_no_more():
    clock = FakeClock()
    provider = FakeProvider(lambda _: "x", latency_s=1.0, clock=clock)
    result = run(provider, 100, concurrency=10, clock=clock)
    assert provider.most_in_flight == result.stats.concurrency == 10
    assert clock.now == pytest.approx(10)


def test_the_provider_is_opened_once_and_closed_once():
    provider = FakeProvider(lambda _: "x")
    run(provider, 50)
    assert (provider.opened, provider.closed) == (1, 1)


def test_no_jobs_is_a_run_without_results_that_opens_nothing():
    provider = FakeProvider([])
    result = run(provider, 0)
    assert result.outcomes == {}
    assert provider.opened == 0


def test_latency_is_that_of_the_successful_attempt():
    clock = FakeClock()
    answers = iter([Unavailable("server_error", "x"), "ok"])
    provider = FakeProvider(lambda _: next(answers), latency_s=0.25, clock=clock)
    result = run(provider, 1, clock=clock)
    assert result.outcomes["c0", 0].answer.latency_ms == pytest.approx(250)


def test_a_provider_that_knows_the_latency_better_is_believed():
    result = run(FakeProvider(lambda _: Answer("x", latency_ms=3.0)), 1)
    assert result.outcomes["c0", 0].answer.latency_ms == 3.0


def test_jobs_are_pulled_only_when_they_can_be_worked_on():
    pulled, ended = 0, 0

    def jobs():
        nonlocal pulled
        for number in range(500):
            pulled += 1
            assert pulled - ended <= 9
            yield job(number)

    def on_result(_job, _outcome):
        nonlocal ended
        ended += 1

    run(FakeProvider(lambda _: "x"), jobs(), concurrency=8, on_result=on_result)
    assert ended == 500


def test_memory_does_not_depend_on_the_number_of_jobs():
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
            import asyncio, random, resource, sys
            from evalkit.evals.case import Case
            from evalkit.evals.engine import EngineOptions, Job, answer_all
            from evalkit.evals.limits import SystemClock
            from evalkit.evals.providers.base import Request
            from evalkit.testing.fake_provider import FakeProvider

            class Forgetful(FakeProvider):
                async def complete(self, request):
                    answer = await super().complete(request)
                    self.requests.clear()
                    return answer

            def peak_mb(count):
                asyncio.run(answer_all(
                    (Job(Case(str(n), n, {}), 0, Request({"n": "x" * 1000}, {}, str(n))) for n in range(count)),
                    Forgetful(lambda request: "x" * 1000), options=EngineOptions(), cache=None, cache_mode="off",
                    price=lambda answer: 0.1, on_result=lambda job, outcome: None, stop=asyncio.Event(),
                    clock=SystemClock(), rng=random.Random(0)))
                return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

            print(peak_mb(500), peak_mb(20_000))
            """
            ),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    few, many = map(float, result.stdout.split())
    assert many - few < 4  # 20,000 jobs held would be 40 MB


# Trying again


def test_what_cannot_be_measured_is_tried_again_and_then_left_unscored():
    answers = iter(["ok"])
    provider = FakeProvider(lambda _: next(answers, Unavailable("server_error", "500 oops")))
    result = run(provider, 2, concurrency=1, max_attempts=4)
    assert result.outcomes["c1", 0] == Unscored("server_error", "500 oops (4 attempts)", 4)
    assert (result.stats.requests, result.stats.retries) == (5, 3)


def test_the_candidates_own_failure_is_reported_at_once():
    result = run(FakeProvider(lambda _: CandidateFailed("context_overflow", "too long")), 1)
    assert result.outcomes["c0", 0] == Failed("context_overflow", "too long")
    assert result.stats.requests == 1


def test_a_retry_after_is_waited_out():
    answers = iter([Unavailable("rate_limited", "429", retry_after_s=20.0), "ok"])
    clock = FakeClock()
    result = run(FakeProvider(lambda _: next(answers)), 1, clock=clock)
    assert result.outcomes["c0", 0].answer.output == "ok"
    assert 20 <= clock.now < 21


def test_a_retry_after_beyond_all_patience_ends_the_case_at_once_and_holds_up_no_other():
    def answer(request):
        if request.case_id in ("c1", "c2", "c3"):
            return Unavailable("rate_limited", "429", retry_after_s=3600.0)
        return "ok"

    clock = FakeClock()
    result = run(FakeProvider(answer), 6, concurrency=1, clock=clock)
    message = "429 (the server asks to wait 3,600 s, and 120 s are left)"
    assert result.outcomes["c1", 0] == Unscored("rate_limited", message, 1)
    assert result.types() == {"answered": 3, "rate_limited": 3}
    assert clock.now < 1


def test_what_is_not_worth_another_try_is_not_tried_again():
    answers = iter(["warm-up", Unavailable("rate_limited", "no credit left", retryable=False)])
    result = run(FakeProvider(lambda _: next(answers)), 2, concurrency=1)
    assert result.outcomes["c1", 0] == Unscored("rate_limited", "no credit left (not tried again)", 1)


def test_one_request_that_runs_out_of_attempts_costs_no_other_its_answer():
    result = run(
        FakeProvider(lambda r: Unavailable("server_error", "500") if r.case_id == "c50" else "ok"),
        200,
        concurrency=16,
    )
    assert result.types() == {"answered": 199, "server_error": 1}


def test_a_few_that_wait_do_not_slow_down_the_rest():
    seen = set()

    def answer(request):
        if int(request.case_id[1:]) % 10 == 0 and request.case_id not in seen:
            seen.add(request.case_id)
            return Unavailable("rate_limited", "429", retry_after_s=1.0)
        return "ok"

    clock = FakeClock()
    provider = FakeProvider(answer, latency_s=0.05, clock=clock)
    result = run(provider, 4000, concurrency=64, clock=clock)
    assert result.types() == {"answered": 4000}
    assert provider.most_in_flight <= 64
    assert clock.now < 1.35 * 4400 * 0.05 / 64 + 2


def test_a_storm_of_429_is_weathered_without_losing_a_case():
    """A provider that allows 20 requests a second, and refuses the rest with Retry-After, as the big ones do."""
    clock = FakeClock()
    allowed = 20.0
    last = 0.0

    def answer(_request):
        nonlocal allowed, last
        allowed, last = min(20.0, allowed + (clock.now - last) * 20), clock.now
        if allowed < 1:
            return Unavailable("rate_limited", "429", retry_after_s=1.0)
        allowed -= 1
        return "ok"

    provider = FakeProvider(answer, latency_s=0.2, clock=clock)
    result = run(provider, 1000, concurrency=64, clock=clock)
    assert result.types() == {"answered": 1000}
    assert clock.now < 3 * 1000 / 20


def test_a_server_that_bears_few_at_once_is_not_overrun():
    clock = FakeClock()

    class Narrow(FakeProvider):
        serving = 0

        async def complete(self, request):
            if self.serving >= 8:
                raise Unavailable("rate_limited", "429", retry_after_s=1.0)
            self.serving += 1
            try:
                return await super().complete(request)
            finally:
                self.serving -= 1

    result = run(Narrow(lambda _: "ok", latency_s=0.5, clock=clock), 600, concurrency=64, clock=clock)
    assert result.types() == {"answered": 600}
    assert clock.now < 2.5 * 600 * 0.5 / 8


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(["ok", "rate", "server", "network", "timeout", "bad"]), min_size=1, max_size=200
    ),
    st.integers(1, 20),
    st.integers(0, 40),
)
def test_whatever_a_provider_does_every_job_is_reported_exactly_once(script, concurrency, jobs):
    steps = iter(script * 50)

    def answer(_request):
        return {
            "ok": "x",
            "rate": Unavailable("rate_limited", "429", retry_after_s=2.0),
            "server": Unavailable("server_error", "500"),
            "network": Unavailable("network", "reset"),
            "timeout": Unavailable("timeout", "slow"),
            "bad": CandidateFailed("bad_request", "400"),
        }[next(steps, "ok")]

    instance = Run(FakeProvider(answer), jobs, concurrency=concurrency, max_attempts=3)
    try:
        asyncio.run(instance.start())
    except ProviderError:
        assert set(script[:30]) <= {"rate", "server", "network", "timeout"}
        return
    assert len(instance.outcomes) == jobs
    answered = [o for o in instance.outcomes.values() if isinstance(o, Answered)]
    assert instance.stats.answered == len(answered)
    assert instance.stats.requests >= len(answered)


# Rates


def test_the_rate_of_requests_holds_over_retries_too():
    answers = iter([Unavailable("rate_limited", "429")] * 30 + ["ok"] * 1000)
    clock = FakeClock()
    times = []

    def answer(_request):
        times.append(clock.now)
        return next(answers)

    run(FakeProvider(answer), 100, concurrency=16, rpm=60, clock=clock, max_attempts=99, max_wait_s=1e9)
    assert all(later - earlier > 0.9 for earlier, later in pairwise(times))


@pytest.mark.parametrize(("max_tokens", "least_s"), [(980, 355), (5000, 355), (None, 260)])
def test_the_rate_of_tokens_holds_and_what_was_guessed_wrong_is_made_up_for(max_tokens, least_s):
    """Without a limit in the request, the first answers come before anything is known of their length."""
    clock = FakeClock()
    jobs = (
        Job(j.case, 0, Request({**j.request.body, "max_tokens": max_tokens}, {}, "c"))
        for j in map(job, range(61))
    )
    provider = FakeProvider(lambda _: Answer("x", input_tokens=900, output_tokens=100))
    run(provider, jobs, concurrency=16, tpm=10_000, clock=clock)
    assert least_s < clock.now < 500


# Money


def test_the_budget_stops_the_run_cleanly_and_is_not_overstepped():
    clock = FakeClock()
    provider = FakeProvider(lambda _: "x", latency_s=1.0, clock=clock)
    result = run(provider, 1000, concurrency=16, max_cost_usd=1.0, price=lambda _: 0.015, clock=clock)
    assert result.stats.spent_usd == pytest.approx(0.99)
    assert result.stats.stopped == "budget"
    assert result.types() == {"answered": 66, "budget": 934}
    assert result.outcomes["c999", 0] == Unscored("budget", "the budget of 1.00 USD is spent", 0)


def test_a_budget_that_is_enough_stops_nothing():
    result = run(FakeProvider(lambda _: "x"), 100, max_cost_usd=1.0, price=lambda _: 0.01)
    assert result.stats.stopped is None
    assert result.stats.spent_usd == pytest.approx(1.0)


def test_answers_from_the_cache_cost_nothing_and_are_used_when_the_budget_is_spent(cache):
    run(FakeProvider(lambda _: "x"), (job(n) for n in range(0, 100, 2)), cache=cache)
    result = run(FakeProvider(lambda _: "x"), 100, cache=cache, max_cost_usd=0.05, price=lambda _: 0.01)
    assert result.types() == {"answered": 55, "budget": 45}
    assert (result.stats.cached, result.stats.answered) == (50, 5)
    assert result.stats.spent_usd == pytest.approx(0.05)


def test_every_answer_knows_its_price_cached_or_not(cache):
    for _ in range(2):
        result = run(FakeProvider(lambda _: "x"), 3, cache=cache, price=lambda _: 0.25)
        assert [o.answer.cost_usd for o in result.outcomes.values()] == [0.25] * 3


def test_answers_without_a_price_do_not_count_against_the_budget():
    result = run(FakeProvider(lambda _: "x"), 40, max_cost_usd=0.5)
    assert result.types() == {"answered": 40}


# The cache


def test_a_second_run_asks_nothing_and_opens_nothing(cache):
    run(FakeProvider(lambda r: r.case_id), 30, cache=cache)
    idle = FakeProvider([])
    result = run(idle, 30, cache=cache)
    assert idle.opened == 0
    assert result.stats.cached == 30
    assert all(o.answer.cached for o in result.outcomes.values())
    assert result.outcomes["c7", 0].answer.output == "c7"


def test_a_rerun_from_the_cache_imports_no_http_client(cache):
    run(FakeProvider(lambda _: "x", endpoint="http://localhost:1/v1/chat/completions"), 3, cache=cache)
    code = """
        import asyncio, random, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from test_engine import run
        from evalkit.evals.cache import AnswerCache
        from evalkit.evals.providers.openai import OpenAIProvider
        before = "aiohttp" in sys.modules
        result = run(OpenAIProvider("test", "http://localhost:1/v1"), 3, cache=AnswerCache(Path(sys.argv[1])))
        print(result.stats.cached, before, "aiohttp" in sys.modules)
        """
    printed = in_python(code, cache.path, Path(__file__).parent).communicate()[0]
    assert printed == "3 False False\n"


def test_each_repeat_is_asked_once_and_kept_apart(cache):
    numbers = iter(range(100))
    for expected_requests in (9, 0):
        jobs = (job(n, repeat) for n in range(3) for repeat in range(3))
        result = run(FakeProvider(lambda _: str(next(numbers))), jobs, cache=cache)
        assert result.stats.requests == expected_requests
        assert len({o.answer.output for o in result.outcomes.values()}) == 9


def test_refresh_asks_anew_and_keeps_the_new_answer(cache):
    run(FakeProvider(lambda _: "old"), 5, cache=cache)
    result = run(FakeProvider(lambda _: "new"), 5, cache=cache, cache_mode="refresh")
    assert (result.stats.requests, result.stats.cached) == (5, 0)
    assert run(FakeProvider([]), 5, cache=cache).outcomes["c0", 0].answer.output == "new"


def test_off_neither_reads_nor_keeps(cache):
    run(FakeProvider(lambda _: "old"), 5, cache=cache)
    assert run(FakeProvider(lambda _: "new"), 5, cache=cache, cache_mode="off").stats.requests == 5
    assert run(FakeProvider([]), 5, cache=cache).outcomes["c0", 0].answer.output == "old"


def test_failures_are_not_kept(cache):
    run(FakeProvider(lambda _: CandidateFailed("bad_request", "x")), 5, cache=cache)
    assert run(FakeProvider(lambda _: "ok"), 5, cache=cache).stats.requests == 5


def test_an_application_is_known_by_its_case_and_variables_not_by_the_body(cache):
    def application(**arguments):
        return FakeProvider(lambda _: "x", kind="command", endpoint="./app", promotable=False, **arguments)

    def asked(variables, text):
        return [Job(Case("c", 0, {}), 0, Request({"text": text}, variables, "c"))]

    run(application(), asked({"q": 1}, "a"), cache=cache)
    assert run(application(), asked({"q": 1}, "b"), cache=cache).stats.cached == 1
    assert run(application(), asked({"q": 2}, "a"), cache=cache).stats.cached == 0


def test_others_get_their_turn_while_answers_come_from_the_cache(cache):
    run(FakeProvider(lambda _: "x"), 500, cache=cache)

    async def scenario():
        instance = Run(FakeProvider([]), 500, cache=cache)
        seen_at = []

        async def watch():
            while len(instance.outcomes) < 500:
                seen_at.append(len(instance.outcomes))
                await asyncio.sleep(0)

        await asyncio.gather(instance.start(), watch())
        return seen_at

    seen_at = asyncio.run(scenario())
    assert len(set(seen_at)) > 5


# Interruption


async def turns(count):
    """Let everything else go on, without time passing."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_an_interrupted_run_keeps_what_is_answered_and_reports_nothing_else(cache):
    async def scenario():
        clock = FakeClock()
        provider = FakeProvider(lambda r: r.case_id, latency_s=1.0, clock=clock)
        instance = Run(provider, 1000, concurrency=10, cache=cache, clock=clock)
        instance.seen = lambda _job, _outcome: len(instance.outcomes) == 45 and instance.stop.set()
        await instance.start()
        return instance

    result = asyncio.run(scenario())
    assert result.stats.stopped == "interrupted"
    assert 45 <= len(result.outcomes) <= 50
    assert cache.count() == len(result.outcomes) == result.stats.answered
    assert (result.provider.opened, result.provider.closed, result.provider.in_flight) == (1, 1, 0)
    again = run(FakeProvider(lambda r: r.case_id), 1000, cache=cache)
    assert again.stats.requests == 1000 - len(result.outcomes)


def test_a_run_interrupted_before_it_began_asks_nothing():
    async def scenario():
        provider = FakeProvider([])
        stop = asyncio.Event()
        stop.set()
        stats = await answer_all(
            map(job, range(10)), provider, options=EngineOptions(), cache=None, cache_mode="off",
            price=lambda _: None, on_result=lambda _job, _outcome: pytest.fail("a result"), stop=stop,
            clock=FakeClock(), rng=random.Random(0),
        )  # fmt: skip
        return stats, provider

    stats, provider = asyncio.run(scenario())
    assert (stats.stopped, provider.opened) == ("interrupted", 0)


def test_a_run_that_waits_to_try_again_can_be_interrupted_at_once():
    async def scenario():
        provider = FakeProvider(lambda _: Unavailable("rate_limited", "429", retry_after_s=100.0))
        instance = Run(provider, 5, clock=SystemClock())
        running = asyncio.create_task(instance.start())
        await turns(50)
        assert len(provider.requests) == 5
        instance.stop.set()
        return await asyncio.wait_for(running, 5)

    result = asyncio.run(scenario())
    assert result.outcomes == {}
    assert result.stats.stopped == "interrupted"


def test_a_run_that_is_cancelled_closes_the_provider():
    async def scenario():
        provider = FakeProvider(lambda _: "x", latency_s=1000)
        running = asyncio.create_task(Run(provider, 5, clock=SystemClock()).start())
        await turns(50)
        assert provider.in_flight == 5
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return provider

    provider = asyncio.run(scenario())
    assert (provider.closed, provider.in_flight) == (1, 0)


@pytest.mark.parametrize("where", ["jobs", "on_result", "price", "provider"])
def test_a_mistake_of_the_caller_ends_the_run_as_it_is(where):
    def broken(*_):
        raise ZeroDivisionError

    def jobs():
        yield job(0)
        broken()

    arguments = {where: broken} if where in ("on_result", "price") else {}
    provider = FakeProvider(broken if where == "provider" else lambda _: "x")
    with pytest.raises(ZeroDivisionError):
        run(provider, jobs() if where == "jobs" else 5, **arguments)
    assert provider.opened == provider.closed


# The end of all cases


def test_a_fatal_answer_ends_the_run_with_one_error():
    from evalkit.errors import Problem

    for exit_code, kind in ((2, UsageError), (3, ProviderError)):
        provider = FakeProvider(lambda _, code=exit_code: Fatal(Problem("EK502", "refused"), code))
        with pytest.raises(kind) as raised:
            run(provider, 100)
        assert [problem.code for problem in raised.value.problems] == ["EK502"]
        assert raised.value.exit_code == exit_code
        assert len(provider.requests) <= 16
        assert (provider.opened, provider.closed) == (1, 1)


def test_a_provider_that_cannot_be_opened_ends_the_run_with_one_error():
    from evalkit.errors import Problem

    class Broken(FakeProvider):
        async def open(self):
            await super().open()
            raise Fatal(Problem("EK502", "no such key"))

    provider = Broken([])
    with pytest.raises(UsageError, match="EK502"):
        run(provider, 100)
    assert (provider.opened, provider.closed) == (1, 1)


@pytest.mark.parametrize("concurrency", [1, 16])
def test_a_server_that_is_not_there_ends_the_run_within_a_few_seconds(concurrency):
    clock = FakeClock()
    provider = FakeProvider(lambda _: Unavailable("network", "no connection to http://h.test: refused"))
    with pytest.raises(ProviderError) as raised:
        run(provider, 10_000, concurrency=concurrency, clock=clock)
    assert raised.value.exit_code == 3
    (problem,) = raised.value.problems
    assert problem.code == "EK503"
    assert problem.message == "provider 'fake' cannot be reached: no connection to http://h.test: refused"
    assert "base_url" in problem.hint
    assert 1 <= clock.now < 4
    assert len(provider.requests) < 40 * concurrency


def test_a_certificate_that_is_not_trusted_ends_the_run_at_once():
    clock = FakeClock()
    provider = FakeProvider(lambda _: Unavailable("network", "no trusted TLS", retryable=False))
    with pytest.raises(ProviderError, match="EK503"):
        run(provider, 10_000, clock=clock)
    assert clock.now == 0


def test_a_port_that_nobody_listens_on_ends_the_run():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(ProviderError, match="no connection to"):
        run(OpenAIProvider("test", url), 1000)


def test_a_server_that_fails_at_first_and_then_comes_up_is_waited_for():
    clock = FakeClock()
    provider = FakeProvider(lambda _: "ok" if clock.now > 1.0 else Unavailable("network", "refused"))
    assert run(provider, 20, clock=clock).types() == {"answered": 20}


def test_a_server_that_answers_nothing_but_errors_ends_the_run():
    provider = FakeProvider(lambda _: Unavailable("server_error", "500 oops"))
    with pytest.raises(ProviderError, match="answers no request: 500 oops") as raised:
        run(provider, 10_000, concurrency=4)
    assert raised.value.problems[0].code == "EK503"
    assert len(provider.requests) < 10 * 6 * 4


def dying_after(answers):
    left = iter(range(answers))
    return lambda _request: Unavailable("network", "refused") if next(left, None) is None else "ok"


def test_a_server_that_dies_in_mid_run_is_soon_left_alone_and_the_rest_is_unscored():
    clock = FakeClock()
    provider = FakeProvider(dying_after(500), latency_s=0.01, clock=clock)
    result = run(provider, 10_000, concurrency=16, clock=clock)
    assert result.stats.stopped == "unreachable"
    assert result.types() == {"answered": 500, "network": 9500}
    assert len(provider.requests) < 500 + 6 * 5 * 16
    assert clock.now < 60
    assert "the provider stopped answering (refused)" in result.outcomes["c9999", 0].message


def test_what_the_cache_has_is_still_reported_when_the_server_has_died(cache):
    run(FakeProvider(lambda _: "x"), (job(n) for n in range(5000, 6000)), cache=cache)
    result = run(FakeProvider(dying_after(50)), 10_000, cache=cache)
    assert result.types() == {"answered": 1050, "network": 8950}


# A real server


def in_python(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_every_fault_at_once_costs_no_case():
    faults = Faults(rate_limited_every=7, retry_after="1", error_every=11, drop_every=13, malformed_every=17)
    with ModelServer(lambda b: b["messages"][0]["content"], faults=faults) as server:
        result = run(OpenAIProvider("test", server.base_url), 150, concurrency=8)
        assert result.types() == {"answered": 150}
        assert set(server.answered.values()) == {1}
        assert result.stats.requests == len(server.requests)
    assert {o.answer.output for o in result.outcomes.values()} == {f"case {n}" for n in range(150)}


def test_a_wrong_key_ends_the_run_after_a_handful_of_requests():
    with ModelServer(api_key="right-key") as server:
        provider = OpenAIProvider("test", server.base_url, "wrong-key", api_key_env="TEST_KEY")
        with pytest.raises(
            UsageError, match=r"EK502 provider 'test' refused the key in \$TEST_KEY"
        ) as raised:
            run(provider, 1000, concurrency=4)
        assert "wrong-key" not in str(raised.value)
        assert len(server.requests) <= 8


def test_no_request_is_sent_twice_on_its_own():
    with ModelServer() as server:
        run(OpenAIProvider("test", server.base_url), 300, concurrency=16)
        assert len(server.requests) == 300


KILLED = """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from test_engine import run
    from evalkit.evals.cache import AnswerCache
    from evalkit.evals.limits import SystemClock
    from evalkit.evals.providers.openai import OpenAIProvider

    def told(job, outcome):
        print(job.case.id, flush=True)

    run(OpenAIProvider("test", sys.argv[1]), 400, concurrency=8, cache=AnswerCache(Path(sys.argv[2])),
        clock=SystemClock(), on_result=told)
    """


def test_killed_with_9_again_and_again_a_run_repeats_at_most_what_was_in_flight(tmp_path):
    kills = 3
    with ModelServer(latency_s=0.005) as server:
        for _ in range(kills):
            running = in_python(KILLED, server.base_url, tmp_path / "a.db", Path(__file__).parent)
            before = len(server.requests)
            for line in running.stdout:
                if len(server.requests) - before >= 60 or line == "":
                    break
            os.kill(running.pid, signal.SIGKILL)
            running.communicate()
        finished = in_python(KILLED, server.base_url, tmp_path / "a.db", Path(__file__).parent)
        assert len(finished.communicate()[0].splitlines()) == 400
        assert len(server.answered) == 400
        repeated = sum(times - 1 for times in server.answered.values())
        assert repeated <= kills * 8
        assert len(server.requests) >= 400


def test_ctrl_c_style_interruption_of_real_requests_leaves_no_connection_open():
    async def scenario(server):
        instance = Run(OpenAIProvider("test", server.base_url), 100, concurrency=8, clock=SystemClock())
        instance.seen = lambda _job, _outcome: instance.stop.set()
        await instance.start()
        return instance

    with ModelServer(latency_s=0.02) as server:
        result = asyncio.run(scenario(server))
    assert result.stats.stopped == "interrupted"
    assert 1 <= len(result.outcomes) < 100
