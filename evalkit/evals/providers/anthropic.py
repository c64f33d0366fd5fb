"""Anthropic Messages: a chat request is translated to its shape, and the answer back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.errors import Problem
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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalkit.evals.providers.base import Request

__all__ = ["DEFAULT_MAX_TOKENS", "AnthropicProvider", "to_messages_request"]

API_VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 1024
"""The API requires a limit; this one is sent where the entry's params have neither name of it."""

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


def to_messages_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """A chat request in the shape of the Messages API. What both name alike is passed on as it is.

    Raises:
        Fatal: EK506, the entry asks for something that the API has no way to say.
    """
    wire = dict(body)
    system: list[str] = []
    wire["messages"] = _messages(wire.get("messages", ()), system)
    if system:
        wire["system"] = "\n\n".join(system)
    if "max_completion_tokens" in wire:
        wire["max_tokens"] = wire.pop("max_completion_tokens")
    wire.setdefault("max_tokens", DEFAULT_MAX_TOKENS)
    if "stop" in wire:
        stop = wire.pop("stop")
        wire["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if "tools" in wire:
        wire["tools"] = [_tool(tool) for tool in wire["tools"]]
    choice = _tool_choice(wire.pop("tool_choice", None), wire.pop("parallel_tool_calls", None))
    if choice:
        wire["tool_choice"] = choice
    if "response_format" in wire:
        wire.update(_output_config(wire.pop("response_format"), wire.get("output_config") or {}))
    return wire


def _messages(messages: Any, system: list[str]) -> list[dict[str, Any]]:
    """The conversation; what the system says goes into `system`, and the results of tools into the user's turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role, content = message["role"], message.get("content")
        if role in ("system", "developer"):
            system.append(content if isinstance(content, str) else "".join(part["text"] for part in content))
        elif role == "tool":
            block = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": content}
            if turns and turns[-1].get("role") == "user" and isinstance(turns[-1]["content"], list):
                turns[-1]["content"].append(block)
            else:
                turns.append({"role": "user", "content": [block]})
        elif calls := message.get("tool_calls"):
            blocks = [{"type": "text", "text": content}] if content else []
            turns.append({"role": role, "content": blocks + [_tool_use(call) for call in calls]})
        else:
            parts = content if isinstance(content, str) else [_part(part) for part in content or ()]
            turns.append({"role": role, "content": parts})
    return turns


def _tool_use(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {
        "type": "tool_use",
        "id": call["id"],
        "name": function["name"],
        "input": parse_arguments(function["arguments"]),
    }


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a message: text as it is, an image from its URL or its data URL."""
    if part.get("type") != "image_url":
        return dict(part)
    url = part["image_url"]["url"]
    if not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type, _, data = url.removeprefix("data:").partition(";base64,")
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A function tool; the API's own kinds (web search, …) as they are."""
    if tool.get("type") != "function":
        return dict(tool)
    function = tool["function"]
    wire = {"name": function["name"], "input_schema": function.get("parameters") or {"type": "object"}}
    wire.update({key: function[key] for key in ("description", "strict") if function.get(key) is not None})
    return wire


def _tool_choice(choice: Any, parallel: Any) -> dict[str, Any] | None:
    if isinstance(choice, dict) and choice.get("type") == "function":
        wire = {"type": "tool", "name": choice["function"]["name"]}
    elif isinstance(choice, dict):
        wire = dict(choice)
    elif choice is None and parallel is not False:
        return None
    else:
        wire = {"type": {"required": "any", None: "auto"}.get(choice, choice)}
    return (
        {**wire, "disable_parallel_tool_use": True} if parallel is False and wire["type"] != "none" else wire
    )


def _output_config(response_format: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    kind = response_format.get("type")
    if kind == "text":
        return {}
    if kind != "json_schema":
        message = f"the Messages API has no response format '{kind}'"
        raise Fatal(Problem("EK506", message, hint="use `json_schema`, or leave `response_format` out"))
    schema = response_format["json_schema"]["schema"]
    return {"output_config": {**config, "format": {"type": "json_schema", "schema": schema}}}


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
