"""What holds requests back: places, rates, money, and the wait before another attempt."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.evals.limits import AdaptiveConcurrency, Budget, Pace
from evalkit.evals.retry import GiveUp, RetryPolicy
from evalkit.testing.fake_provider import FakeClock

# Places in flight


def settle(coroutine):
    return asyncio.run(coroutine)


class Server:
    """Refuses at once what `refuses` says, and takes 50 ms for the rest."""

    def __init__(self, refuses):
        self.clock = FakeClock()
        self.refuses = refuses
        self.serving = 0
        self.refused = 0

    async def ask(self):
        if refused := self.refuses(self.serving):
            self.refused += 1
            await self.clock.sleep(0.005)
        else:
            self.serving += 1
            await self.clock.sleep(0.05)
            self.serving -= 1
        return refused


async def drive(server, ceiling, requests):
    """Send so many requests; what the limit was after each."""
    places, limits, left = AdaptiveConcurrency(ceiling, server.clock), [], iter(range(requests))

    async def work():
        for _ in left:
            under = await places.enter()
            refused = await server.ask()
            places.leave(under, refused=refused)
            limits.append(places.limit)
            if refused:
                await server.clock.sleep(0.2)

    await asyncio.gather(*(work() for _ in range(4 * ceiling)))
    return limits


def test_without_refusals_the_limit_stays_at_the_ceiling():
    assert set(settle(drive(Server(lambda _: False), 16, 400))) == {16}


def test_a_server_that_bears_16_is_found_and_kept_close_to():
    server = Server(lambda serving: serving >= 16)
    late = settle(drive(server, 64, 4000))[2000:]
    assert min(late) >= 10
    assert max(late) <= 22
    assert server.refused < 0.2 * 4000


def test_one_refusal_in_ten_at_random_does_not_slow_the_run_down():
    rng = random.Random(3)
    limits = settle(drive(Server(lambda _: rng.random() < 0.1), 64, 6000))
    assert sum(limits) / len(limits) > 0.8 * 64


def test_when_everything_is_refused_one_request_at_a_time_is_left():
    assert settle(drive(Server(lambda _: True), 64, 600))[-1] == 1


def test_the_limit_grows_back_when_the_server_recovers():
    left = iter(range(5000))
    limits = settle(drive(Server(lambda _: next(left) < 500), 32, 3000))
    assert min(limits) == 1
    assert limits[-1] == 32


@given(st.integers(1, 40), st.lists(st.sampled_from([True, False, None]), max_size=300))
def test_the_limit_is_always_between_one_and_the_ceiling(ceiling, outcomes):
    async def scenario():
        places = AdaptiveConcurrency(ceiling, FakeClock())
        for refused in outcomes:
            under = await places.enter()
            places.leave(under, refused=refused)
            assert 1 <= places.limit <= ceiling
        assert places.in_flight == 0

    settle(scenario())


def test_an_unbroken_row_of_refusals_holds_everyone_back_for_the_retry_after():
    async def scenario():
        clock = FakeClock(100.0)
        places = AdaptiveConcurrency(4, clock)
        for _ in range(4):
            assert clock.now == 100.0
            under = await places.enter()
            places.leave(under, refused=True, retry_after_s=7.0)
        await places.enter()
        return clock.now

    assert settle(scenario()) == 107.0


def test_one_refusal_among_successes_holds_nobody_back():
    async def scenario():
        clock = FakeClock(100.0)
        places = AdaptiveConcurrency(4, clock)
        for refused in (True, False, True, False):
            under = await places.enter()
            places.leave(under, refused=refused, retry_after_s=7.0 if refused else None)
        await places.enter()
        return clock.now

    assert settle(scenario()) == 100.0


def test_a_case_that_was_tried_already_goes_before_new_ones():
    async def scenario():
        places = AdaptiveConcurrency(1, FakeClock())
        order = []

        async def one(name, *, first):
            under = await places.enter(first=first)
            order.append(name)
            places.leave(under, refused=False)

        under = await places.enter()
        waiting = [
            asyncio.create_task(one("new", first=False)),
            asyncio.create_task(one("again", first=True)),
        ]
        await asyncio.sleep(0)
        places.leave(under, refused=False)
        await asyncio.gather(*waiting)
        return order

    assert settle(scenario()) == ["again", "new"]


def test_a_cancelled_wait_loses_no_place():
    async def scenario():
        places = AdaptiveConcurrency(1, FakeClock())
        under = await places.enter()
        waiting = asyncio.create_task(places.enter())
        await asyncio.sleep(0)
        places.leave(under, refused=False)  # the place is given to the waiting one ...
        waiting.cancel()  # ... which ends before it can use it
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(places.enter(), 1)
        return places.in_flight

    assert settle(scenario()) == 1


def test_a_wait_cancelled_during_a_pause_loses_no_place():
    async def scenario():
        places = AdaptiveConcurrency(1, FakeClock())
        for _ in range(3):
            under = await places.enter()
            places.leave(under, refused=True, retry_after_s=60.0)
        waiting = asyncio.create_task(places.enter())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return places.in_flight

    assert settle(scenario()) == 0


# Rates


@settings(max_examples=30)
@given(st.sampled_from([1, 7, 60, 100]), st.integers(1, 6), st.integers(0, 2**32))
def test_in_no_60_seconds_do_more_requests_begin_than_the_rate_allows(rpm, workers, seed):
    async def scenario():
        clock, rng = FakeClock(), random.Random(seed)
        pace, starts, left = Pace(rpm, clock), [], iter(range(2 * rpm + 5))

        async def work():
            for _ in left:
                await pace.turn()
                starts.append(clock.now)
                await clock.sleep(rng.uniform(0, 2))

        await asyncio.gather(*(work() for _ in range(workers)))
        return sorted(starts)

    starts = settle(scenario())
    assert all(bisect_left(starts, start + 60) - i <= rpm for i, start in enumerate(starts))


def test_a_rate_is_used_in_full_while_there_is_work():
    async def scenario():
        clock = FakeClock()
        pace = Pace(600, clock)
        for _ in range(601):
            await pace.turn()
        return clock.now

    assert settle(scenario()) == pytest.approx(60, rel=0.01)


def test_tokens_that_were_not_used_are_given_back():
    async def scenario(used):
        clock = FakeClock()
        pace = Pace(6000, clock)
        for _ in range(10):
            await pace.turn(1000)
            pace.correct(used - 1000)
        return clock.now

    assert settle(scenario(1000)) == pytest.approx(90, rel=0.01)
    assert settle(scenario(100)) == pytest.approx(9, rel=0.01)
    assert settle(scenario(2000)) == pytest.approx(180, rel=0.01)


def test_a_rate_of_nothing_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        Pace(0, FakeClock())
    with pytest.raises(ValueError, match="at least one"):
        AdaptiveConcurrency(0, FakeClock())


# Money


@given(st.floats(0.001, 5), st.floats(0.0001, 1), st.integers(1, 20))
def test_with_equal_prices_the_budget_is_used_in_full_and_never_overstepped(limit_usd, cost_usd, workers):
    async def scenario():
        budget = Budget(limit_usd)
        left = iter(range(200))

        async def work():
            for _ in left:
                if not await budget.enter():
                    return
                await asyncio.sleep(0)
                budget.leave(cost_usd)

        await asyncio.gather(*(work() for _ in range(workers)))
        return budget.spent_usd

    spent = settle(scenario())
    assert (
        spent <= max(limit_usd, cost_usd) + 1e-9
    )  # what a first answer costs is known only when it is there
    assert spent + cost_usd > limit_usd - 1e-9 or spent == pytest.approx(200 * cost_usd)


def test_before_the_first_price_is_known_one_request_goes_alone():
    async def scenario():
        budget = Budget(1.0)
        assert await budget.enter()
        second = asyncio.create_task(budget.enter())
        await asyncio.sleep(0)
        assert not second.done()
        budget.leave(0.01)
        return await second

    assert settle(scenario()) is True


def test_a_failed_request_costs_nothing_and_lets_the_next_one_go():
    async def scenario():
        budget = Budget(1.0)
        for _ in range(5):
            assert await budget.enter()
            budget.leave(None)
        return budget.spent_usd

    assert settle(scenario()) == 0


def test_a_budget_of_nothing_allows_nothing():
    assert settle(Budget(0.0).enter()) is False


# Trying again


@given(st.integers(1, 10), st.floats(0, 200), st.none() | st.floats(0, 500), st.integers(0, 2**32))
def test_a_wait_is_never_shorter_than_asked_for_and_never_beyond_the_budget(attempts, waited, asked, seed):
    policy = RetryPolicy(max_attempts=6, max_wait_s=120)
    wait = policy.next_wait_s(attempts, waited, asked, random.Random(seed))
    if isinstance(wait, GiveUp):
        assert attempts >= 6 or waited >= 120 or asked > 120 - waited
    else:
        assert attempts < 6
        assert (asked or 0) <= wait
        assert waited + wait <= 120 + 1e-9


def test_waits_are_spread_over_the_whole_range_and_the_range_doubles():
    policy, rng = RetryPolicy(max_attempts=99, max_wait_s=1e9), random.Random(1)
    means = [sum(policy.next_wait_s(n, 0, None, rng) for _ in range(2000)) / 2000 for n in range(1, 6)]
    assert means[0] == pytest.approx(0.25, rel=0.1)
    assert all(later / earlier == pytest.approx(2, rel=0.15) for earlier, later in pairwise(means))
    longest = max(policy.next_wait_s(50, 0, None, rng) for _ in range(2000))
    assert 29 < longest <= 30


def test_those_told_the_same_retry_after_do_not_return_at_the_same_moment():
    policy, rng = RetryPolicy(), random.Random(1)
    assert len({policy.next_wait_s(1, 0, 5.0, rng) for _ in range(100)}) == 100


def test_a_retry_after_beyond_the_budget_ends_the_case_and_says_so():
    assert RetryPolicy().next_wait_s(1, 0, 3600, random.Random(1)) == GiveUp(
        "the server asks to wait 3,600 s, and 120 s are left"
    )
