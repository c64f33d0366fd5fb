"""`latency_max_ms` and `cost_max_usd`: what an answer may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from evalkit.evals.scorers.arguments import Arguments
from evalkit.evals.scorers.base import Score
from evalkit.evals.scorers.unmeasurable import Unmeasurable

if TYPE_CHECKING:
    from evalkit.evals.case import Answer, Case

__all__ = ["CostMaxUsd", "LatencyMaxMs", "LimitArguments"]


class LimitArguments(Arguments):
    """Arguments of both."""

    main: ClassVar[str | None] = "limit"

    limit: float = Field(gt=0, allow_inf_nan=False)
    """The largest value that is still right: milliseconds, or US dollars."""


class LatencyMaxMs:
    """The answer came within a number of milliseconds.

    The time of the attempt that succeeded, without waits before retries; for a cached answer the original one.
    """

    version = "1"
    Arguments = LimitArguments

    def __init__(self, args: LimitArguments) -> None:
        self._limit = args.limit

    def check(self, case: Case) -> str | None:  # noqa: ARG002  # the protocol's signature
        """Every case can be scored."""
        return None

    def score(self, case: Case, answer: Answer) -> Score:  # noqa: ARG002  # the protocol's signature
        """1 up to the limit."""
        latency = answer.latency_ms
        if latency is None:
            raise Unmeasurable("the answer comes without its latency (a recording has none)")
        if latency <= self._limit:
            return Score(1.0, None, latency)
        return Score(0.0, f"took {latency:,.0f} ms, more than {self._limit:,g} ms", latency)


class CostMaxUsd:
    """The answer cost at most a number of US dollars."""

    version = "1"
    Arguments = LimitArguments

    def __init__(self, args: LimitArguments) -> None:
        self._limit = args.limit

    def check(self, case: Case) -> str | None:  # noqa: ARG002  # the protocol's signature
        """Every case can be scored."""
        return None

    def score(self, case: Case, answer: Answer) -> Score:  # noqa: ARG002  # the protocol's signature
        """1 up to the limit."""
        cost = answer.cost_usd
        if cost is None:
            raise Unmeasurable(
                "the answer's cost is not known: the model has no price, or no tokens were reported"
            )
        if cost <= self._limit:
            return Score(1.0, None, cost)
        return Score(0.0, f"cost ${cost:.6g}, more than ${self._limit:.6g}", cost)
