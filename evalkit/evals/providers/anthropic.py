"""Anthropic Messages: a chat request is translated to its shape, and the answer back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.errors import ConfigError, Problem
from evalkit.evals.case import Answer, ToolCall
from evalkit.evals.providers.base import CandidateFailed, Fatal, Unavailable
from evalkit.evals.providers.failures import failure
from evalkit.evals.providers.wire import (
    JsonEndpoint,
    count,
    excerpt,
    join_path,
    parse_arguments,
    parse_json,
)
from evalkit.runtime.messages_api import to_messages_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalkit.evals.providers.base import Request

__all__ = ["AnthropicProvider"]

API_VERSION = "2023-06-01"
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class AnthropicProvider:
    """`POST {base_url}/v1/messages` (or `{base_url}/messages`, if `base_url` ends in `/v1`)."""

    promotable = True
    slots = None

    def __init__(
        self,
        name: str,
        base_url: str = "https://api.anthropic.com",
        api_key: str | None = None,
        *,
        api_key_env: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        secrets: Sequence[str] = (),
        kind: str = "anthropic",
    ) -> None:
        """`api_key_env` is the variable the key was read from: for messages. `timeout_s` bounds a whole request.

        `secrets` are kept out of messages, beside the key and the values of headers that are named like one.
        """
        self.name = name
        self.kind = kind
        self._api_key_env = api_key_env
        key = (api_key or "").strip()
        ends_in_version = base_url.partition("?")[0].rstrip("/").endswith("/v1")
        self._http = JsonEndpoint(
            join_path(base_url, "/messages" if ends_in_version else "/v1/messages"),
            headers={
                "anthropic-version": API_VERSION,
                **({"x-api-key": key} if key else {}),
                **(headers or {}),
            },
            timeout_s=timeout_s,
            secrets=[key, *secrets],
        )
        self.endpoint = self._http.key_url

    async def open(self) -> None:
        """Make the connection pool."""
        await self._http.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    async def complete(self, request: Request) -> Answer:
        """Answer one request, once. Raises as `Provider.complete` does."""
        try:
            payload = to_messages_request(request.body)
        except ConfigError as error:
            raise Fatal(error.problems[0]) from None
        except (LookupError, TypeError, AttributeError) as error:
            message = f"the request cannot be said in the Messages API: {type(error).__name__}: {error}"
            hint = "check the entry's tools, response_format and params against the shape of chat completions"
            raise Fatal(Problem("EK506", message, hint=hint)) from None
        reply = await self._http.post(payload)
        if reply.status != 200:
            raise failure(reply, self._http, provider=self.name, key_env=self._api_key_env)
        try:
            return _answer(parse_json(reply.body))
        except (ValueError, LookupError, TypeError, AttributeError):
            shown = excerpt(reply.body[:400].decode("utf-8", "replace"), 120)
            raise Unavailable("server_error", f"status 200, but no message: {shown}") from None


def _answer(body: Any) -> Answer:
    """Read a message. Any shape that is none raises ValueError, LookupError, TypeError or AttributeError."""
    texts: list[str] = []
    calls: list[ToolCall] = []
    for block in body["content"]:
        kind = block.get("type")
        if kind == "text":
            texts.append(block["text"])
        elif kind == "tool_use":
            calls.append(ToolCall(block["name"], parse_arguments(block.get("input"))))
    stop_reason = body.get("stop_reason")
    if stop_reason == "refusal" and not texts and not calls:
        raise CandidateFailed("content_filter", "the provider's filter withheld the answer")
    usage = body.get("usage") or {}
    read = count(usage.get("cache_read_input_tokens")) or 0
    written = count(usage.get("cache_creation_input_tokens")) or 0
    fresh = count(usage.get("input_tokens"))
    extra = {
        **({"cached_input_tokens": read} if read else {}),
        **({"cache_write_input_tokens": written} if written else {}),
    }
    return Answer(
        output="".join(texts) if texts else None,
        tool_calls=tuple(calls),
        finish_reason=_FINISH_REASONS.get(stop_reason, stop_reason) if isinstance(stop_reason, str) else None,
        served_model=body["model"] if isinstance(body.get("model"), str) else None,
        # `input_tokens` leaves out what was read from or written to the provider's own prompt cache.
        input_tokens=fresh + read + written if fresh is not None else None,
        output_tokens=count(usage.get("output_tokens")),
        extra=extra,
    )
