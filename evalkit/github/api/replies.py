"""What came back: an answer, a rate limit, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Reply", "innermost", "is_unsent", "rate_limit", "reason"]

_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the API."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    data: Any
    """What the JSON says; None if there is none."""
    reason: str
    """What GitHub says of a refusal, on one line."""


def reason(status: int, data: Any) -> str:
    """What an answer says of a refusal, on one line."""
    if not isinstance(data, dict):
        return f"status {status}"
    errors = data.get("errors")
    more = [
        str(error.get("message") or " ".join(str(error[k]) for k in ("field", "code") if k in error))
        if isinstance(error, dict)
        else str(error)
        for error in (errors if isinstance(errors, list) else [])
    ]
    said = [str(data.get("message") or f"status {status}"), *filter(None, more)]
    return " ".join(": ".join(said).split())[:500]


def rate_limit(reply: Reply, now: float, before: int) -> float | None:
    """Seconds to wait if a rate limit refused the request; None if it did not.

    Args:
        reply: the answer.
        now: seconds since 1970.
        before: how often this request was refused so.
    """
    if reply.status not in {403, 429}:
        return None
    after = reply.headers.get("retry-after", "")
    if after.isascii() and after.isdigit():
        return max(1.0, float(after))
    is_used_up = reply.headers.get("x-ratelimit-remaining") == "0"
    reset = reply.headers.get("x-ratelimit-reset", "")
    if is_used_up and reset.isascii() and reset.isdigit():
        return max(1.0, float(reset) - now + 1.0)  # when within that second it is, is not said
    if is_used_up or reply.status == 429 or "rate limit" in reply.reason.lower():
        return _MINUTE * 2.0 ** min(before, 10)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error of requests, and those of urllib3 and the system inside it."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        inner = getattr(seen, "reason", None)
        seen = inner if isinstance(inner, BaseException) else next(filter(_is_error, seen.args), None)


def _is_error(value: object) -> bool:
    return isinstance(value, BaseException)


def is_unsent(error: BaseException) -> bool:
    """Whether there was not even a connection, so that nothing can have come of the request."""
    from requests import ConnectTimeout
    from urllib3.exceptions import NewConnectionError

    return any(isinstance(one, (ConnectTimeout, NewConnectionError)) for one in _chain(error))


def innermost(error: BaseException) -> str:
    """The innermost reason, without the objects that requests and urllib3 print around it."""
    *_, inner = _chain(error)
    text = str(inner.args[-1]) if inner.args else type(inner).__name__
    return " ".join((text.rpartition(">: ")[2] or text).split())[:300]
