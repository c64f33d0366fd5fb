"""OpenAI-compatible chat completions: OpenAI itself, and the many servers that speak its language."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evalkit.evals.case import Answer, ToolCall
from evalkit.evals.providers.base import CandidateFailed, Unavailable
from evalkit.evals.providers.failures import failure
from evalkit.evals.providers.wire import (
    JsonEndpoint,
    Reply,
    count,
    excerpt,
    join_path,
    parse_arguments,
    parse_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalkit.evals.providers.base import Request

__all__ = ["OpenAIProvider"]


class OpenAIProvider:
    """`POST {base_url}/chat/completions`, the request's body as it is."""

    promotable = True
    slots = None

    def __init__(
        self,
        name: str,
        base_url: str,
        api_key: str | None = None,
        *,
        api_key_env: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        secrets: Sequence[str] = (),
        kind: str = "openai",
    ) -> None:
        """`api_key_env` is the variable the key was read from: for messages. `timeout_s` bounds a whole request.

        `secrets` are kept out of messages, beside the key and the values of headers that are named like one.
        """
        self.name = name
        self.kind = kind
        self._api_key_env = api_key_env
        key = (api_key or "").strip()
        self._http = JsonEndpoint(
            join_path(base_url, "/chat/completions"),
            headers={**({"Authorization": f"Bearer {key}"} if key else {}), **(headers or {})},
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
        reply = await self._http.post(request.body)
        if reply.status != 200:
            raise failure(reply, self._http, provider=self.name, key_env=self._api_key_env)
        try:
            body = parse_json(reply.body)
            if isinstance(body, dict) and body.get("error") and not body.get("choices"):
                reply = _with_status_of_error(reply, body["error"])
                raise failure(reply, self._http, provider=self.name, key_env=self._api_key_env)
            return _answer(body)
        except (ValueError, LookupError, TypeError, AttributeError):
            shown = excerpt(reply.body[:400].decode("utf-8", "replace"), 120)
            raise Unavailable("server_error", f"status 200, but no chat completion: {shown}") from None


def _with_status_of_error(reply: Reply, error: Any) -> Reply:
    """Some gateways send an error with status 200 and the true status inside."""
    code = error.get("code") if isinstance(error, dict) else None
    return replace(reply, status=code if isinstance(code, int) and 400 <= code < 600 else 500)


def _answer(body: Any) -> Answer:
    """Read a chat completion. Any shape that is none raises ValueError, LookupError, TypeError or AttributeError."""
    choice = body["choices"][0]
    message = choice["message"]
    output = _text(message.get("content"))
    extra: dict[str, Any] = {}
    if output is None and isinstance(refusal := message.get("refusal"), str):
        output = refusal
        extra["refusal"] = True
    calls = tuple(_tool_call(call) for call in message.get("tool_calls") or ())
    finish_reason = choice.get("finish_reason")
    if finish_reason == "content_filter" and not output and not calls:
        raise CandidateFailed("content_filter", "the provider's filter withheld the answer")
    usage = body.get("usage") or {}
    if cached := count((usage.get("prompt_tokens_details") or {}).get("cached_tokens")):
        extra["cached_input_tokens"] = cached
    return Answer(
        output=output,
        tool_calls=calls,
        finish_reason=finish_reason if isinstance(finish_reason, str) else None,
        served_model=body["model"] if isinstance(body.get("model"), str) else None,
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        extra=extra,
    )


def _text(content: Any) -> str | None:
    if content is None or isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _tool_call(call: Any) -> ToolCall:
    function = call["function"]
    if not isinstance(function["name"], str):
        raise TypeError("a tool's name is text")
    return ToolCall(function["name"], parse_arguments(function.get("arguments")))
