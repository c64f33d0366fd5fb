"""One record for each call of a model: which config, how long, how many tokens, and whether it went well.

The fields are what a canary is judged by, so each is either true or missing: never null, never a guess.
"""

from __future__ import annotations

import time
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol

from evalkit.runtime.cost import Price, cost_usd
from evalkit.runtime.responses import Answered, label, read_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

__all__ = ["FIELDS", "Logged", "error_text", "log_fields"]

FIELDS = (
    "ts",
    "feature",
    "registry_version",
    "digest",
    "variant",
    "unit",
    "env",
    "error",
    "latency_ms",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "finish_reason",
    "served_model",
    "attempt",
    "fallback",
    "feedback",
    "request_id",
)
"""Every field there is, in the order in which it is written. The table is in docs/call-log.md."""

MAX_ERROR = 100
"""Characters of an error that the application describes itself."""
_FIRST_WALL_CLOCK = 1e9
"""Seconds. The wall clock passed it in 2001; a monotonic clock would have to run for 31 years."""
_LONGEST_S = 30 * 86_400.0
"""No call takes longer. A start further from now, in either direction, is on no clock known here (or in other units)."""


class Logged(Protocol):
    """What the log needs of a resolved config."""

    @property
    def name(self) -> str:
        """The name of the entry: what the log calls the feature."""
        ...

    @property
    def env(self) -> str:
        """The environment it was resolved for."""
        ...

    @property
    def version(self) -> int:
        """The version of the entry."""
        ...

    @property
    def digest(self) -> str:
        """The generation digest, `sha256:…`."""
        ...

    @property
    def variant(self) -> str:
        """`primary`, `canary`, or `v15` for another arm of an A/B."""
        ...

    @property
    def unit(self) -> str | None:
        """What the call counts as in the canary's statistics, never in clear; None if no draw has assigned it."""
        ...

    @property
    def model(self) -> str:
        """The model that is asked."""
        ...

    @property
    def price(self) -> Mapping[str, Any] | None:
        """`input`, `output` and `cached_input` in USD for a million tokens; None if unknown."""
        ...


def log_fields(
    config: Logged,
    resp: Any = None,
    error: BaseException | type[BaseException] | str | None = None,
    started: float | datetime | None = None,
    *,
    now: Callable[[], float] = time.time,
    latency_ms: float | None = None,
    attempt: int | None = None,
    fallback: bool | None = None,
    feedback: str | float | None = None,
    request_id: object = None,
    unit: str | None = None,
) -> dict[str, Any]:
    """The fields of one call, by the names in `FIELDS`; what is not known is left out. Whatever `resp` is, never raises.

    Args:
        config: what was asked.
        resp: the provider's response, if there is one; see `read_response` for what is understood.
        error: what went wrong. An exception gives its class only: its message may hold a prompt or a key. A text is
            cut to one line of 100 characters.
        started: when the request started. `time.time()`, `time.perf_counter()` and `time.monotonic()` are told apart
            by size (a value below 1e9 is a monotonic clock); or a datetime, where one without a time zone is local
            time, as everywhere in Python. Without it, `ts` is now less the latency.
        now: the wall clock, in seconds.
        latency_ms: how long the call took, if it was measured elsewhere; otherwise it is taken from `started`.
        attempt: 1 for the first try of a request, 2 for its first retry, …
        fallback: whether another config or model had to step in.
        feedback: what the user thought of it, if that is known already.
        request_id: joins the record with later feedback and finds duplicates; the response's own id by default.
        unit: overrides `config.unit`. Written as it is, so never a user's name or address: `config.for_key(…)` makes
            a hash of it.
    """
    answered = read_response(resp)
    ts, latency_ms = _time(started, latency_ms, now())
    if error is None and answered.finish_reason == "error":
        error = "failed"  # the response itself says that there is no answer
    found = {
        "ts": ts,
        "feature": config.name,
        "registry_version": config.version,
        "digest": config.digest,
        "variant": config.variant,
        "unit": config.unit if unit is None else unit,
        "env": config.env,
        "error": error_text(error),
        "latency_ms": latency_ms,
        "input_tokens": answered.input_tokens,
        "output_tokens": answered.output_tokens,
        "cost_usd": _cost(config.price, answered),
        "finish_reason": answered.finish_reason,
        "served_model": answered.served_model,
        "attempt": attempt if type(attempt) is int and attempt >= 0 else None,
        "fallback": fallback if isinstance(fallback, bool) else None,
        "feedback": _feedback(feedback),
        "request_id": _request_id(request_id) or answered.response_id,
    }
    return {name: value for name, value in found.items() if value is not None}


def error_text(error: object) -> str | None:
    """What the log calls an error: one short line. None is no error, and so is False; anything else is one.

    An exception is its class, such as `RateLimitError`. A `TimeoutError` by another name says both:
    `DeadlinePassed(TimeoutError)`.
    """
    if error is None or error is False:
        return None
    if isinstance(error, type):
        kind = error
    elif isinstance(error, BaseException):
        kind = type(error)
    else:
        return (_one_line(error) if isinstance(error, str) else "") or "unnamed"
    name = _one_line(kind.__name__)
    if issubclass(kind, TimeoutError) and "timeout" not in name.lower():
        return f"{name}(TimeoutError)"
    return name


def _one_line(text: str) -> str:
    """Printable, without runs of spaces, and short: it may have been written by a model."""
    printable = "".join(c if c.isprintable() else " " for c in text[: 4 * MAX_ERROR])
    return " ".join(printable.split())[:MAX_ERROR]


def _time(started: Any, latency_ms: Any, now: float) -> tuple[str, float | None]:
    """`ts`, and the latency in milliseconds; None for one that cannot be true (the clock was moved)."""
    start: float | None = None
    elapsed_s: float | None = None
    moment = _seconds(started)
    if moment is not None:
        is_monotonic = moment < _FIRST_WALL_CLOCK
        elapsed_s = (time.perf_counter() if is_monotonic else now) - moment
        if abs(elapsed_s) > _LONGEST_S or (is_monotonic and elapsed_s < 0):
            elapsed_s = None
        else:
            start = now - elapsed_s
    given = _number(latency_ms)
    if given is not None:
        elapsed_s = given / 1000
    if elapsed_s is not None and not 0 <= elapsed_s <= _LONGEST_S:
        elapsed_s = None
    if start is None:
        start = now - (elapsed_s or 0.0)
    return _timestamp(start), None if elapsed_s is None else round(elapsed_s * 1000, 3)


def _seconds(started: Any) -> float | None:
    """Seconds on some clock; None for what is no time at all."""
    if isinstance(started, int | float):
        return _number(started)
    try:
        return _number(started.timestamp())
    except Exception:  # noqa: BLE001 - not a datetime, or one that no clock can show
        return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def _timestamp(seconds: float) -> str:
    """ISO 8601 in UTC, with milliseconds and Z."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{milliseconds:03d}Z"


def _cost(price: Mapping[str, Any] | None, answered: Answered) -> float | None:
    if price is None:
        return None
    return cost_usd(
        Price(price["input"], price["output"], price.get("cached_input")),
        answered.input_tokens,
        answered.output_tokens,
        answered.cached_tokens or 0,
    )


def _feedback(value: Any) -> str | float | bool | None:
    if isinstance(value, str):
        return _one_line(value) or None
    return value if isinstance(value, bool) or _number(value) is not None else None


def _request_id(value: object) -> str | None:
    """An id as a text. One that is no short text (nor, like a UUID, becomes one) is left out."""
    if value is None:
        return None
    try:
        return label(str(value))
    except Exception:  # noqa: BLE001 - an id that cannot be written is no id
        return None
