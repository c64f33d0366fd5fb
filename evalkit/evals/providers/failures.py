"""What an answer with an error in it means: could not be measured, the candidate's failure, or the same for every case."""

from __future__ import annotations

import json
import math
import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from evalkit.errors import Problem
from evalkit.evals.providers.base import CandidateFailed, Fatal, Unavailable
from evalkit.evals.providers.wire import address_of, excerpt, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.evals.providers.wire import JsonEndpoint, Reply

__all__ = ["failure", "retry_after_s"]

_CONTEXT = re.compile(
    r"context[ _-]?(length|window|size)|prompt is too long|too many (input )?tokens|exceeds? the (model'?s )?(maximum )?context",
    re.IGNORECASE,
)
_UNKNOWN_MODEL_CODES = frozenset({"model_not_found", "invalid_model", "unknown_model"})
_UNKNOWN_MODEL = re.compile(r"is not a valid model|model .{0,80}(does not exist|not found)", re.IGNORECASE)
_NO_CREDIT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_NO_CREDIT = "credit balance is too low"


def failure(
    reply: Reply, endpoint: JsonEndpoint, *, provider: str, key_env: str | None
) -> Unavailable | CandidateFailed | Fatal:
    """What an answer with an error in it means. Texts are the server's, cut to a line, secrets taken out."""
    status = reply.status
    code, said = _error_of(reply.body)
    message = endpoint.redact(f"{status} {said}" if said else f"status {status}")
    if status in (401, 403) or code == "invalid_api_key" or said.startswith("API key not valid"):
        key = f"the key in ${key_env}" if key_env else "the request"
        hint = f"${key_env} must hold a key that is valid for {endpoint.address}"
        if not key_env:
            hint = f"{endpoint.address} wants a key: name its variable as `api_key_env` in evalkit.yaml"
        return Fatal(Problem("EK502", f"provider '{provider}' refused {key}: {message}", hint=hint))
    if (
        status in (404, 405, 410)
        or code in _UNKNOWN_MODEL_CODES
        or (status == 400 and _UNKNOWN_MODEL.search(said))
    ):
        hint = "check the entry's `model` and the provider's `base_url` in evalkit.yaml"
        return Fatal(
            Problem("EK505", f"provider '{provider}' ({endpoint.address}) answers {message}", hint=hint)
        )
    if 300 <= status < 400:
        to = address_of(reply.headers.get("Location", "")) or "nowhere"
        hint = "put the final address into `base_url`: a redirect is not followed, it would carry the key elsewhere"
        return Fatal(
            Problem("EK505", f"{endpoint.address} redirects to {endpoint.redact(excerpt(to))}", hint=hint)
        )
    if status == 402 or code in _NO_CREDIT_CODES or _NO_CREDIT in said:
        return Unavailable("rate_limited", f"no credit left: {message}", retryable=False)
    if status == 429:
        return Unavailable("rate_limited", message, retry_after_s=retry_after_s(reply.headers))
    if status in (408, 409, 425) or status >= 500 or status < 400:
        return Unavailable("server_error", message, retry_after_s=retry_after_s(reply.headers))
    if code in ("content_filter", "content_policy_violation"):
        return CandidateFailed("content_filter", message)
    if (
        status == 413
        or code == "context_length_exceeded"
        or _CONTEXT.search(said)
        or "exceed_context" in code
    ):
        return CandidateFailed("context_overflow", message)
    return CandidateFailed("bad_request", message)


def _error_of(body: bytes) -> tuple[str, str]:
    """`code` (or, without one, `type`) and `message` of an error body, in any of the shapes in use."""
    try:
        parsed = parse_json(body)
    except ValueError:
        return "", excerpt(body[:4000].decode("utf-8", "replace"))
    error = parsed.get("error", parsed) if isinstance(parsed, dict) else parsed
    if not isinstance(error, dict):
        return "", excerpt(error if isinstance(error, str) else json.dumps(error))
    said = error.get("message") or error.get("detail") or error.get("msg") or ""
    code = error.get("code")
    if not isinstance(code, str):
        code = error.get("type")
    return (code if isinstance(code, str) else ""), excerpt(
        said if isinstance(said, str) else json.dumps(said)
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """What the server asks to wait, in seconds: `retry-after-ms`, or `Retry-After` in seconds or as a date.

    A date is read against the answer's own `Date`, so that the two clocks need not agree.
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("Retry-After", 1.0)):
        text = headers.get(name, "").strip()
        if not text:
            continue
        try:
            seconds = float(text) * unit_s
        except ValueError:
            seconds = _seconds_until(text, headers.get("Date"))
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def _seconds_until(date: str, now: str | None) -> float:
    try:
        until = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return math.nan
    try:
        since = parsedate_to_datetime(now or "").timestamp()
    except ValueError:
        since = time.time()
    return max(0.0, until - since)
