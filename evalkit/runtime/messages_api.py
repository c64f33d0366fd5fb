"""A chat request in the shape of Anthropic's Messages API: what is evaluated is what an application sends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from evalkit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_MAX_TOKENS", "to_messages_request"]

DEFAULT_MAX_TOKENS = 1024
"""The API requires a limit; this one is sent where the entry's params have neither name of it."""


def to_messages_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """A chat request in the shape of the Messages API. What both name alike is passed on as it is.

    Raises:
        ConfigError: EK506, the entry asks for something that the API has no way to say.
        LookupError, TypeError, AttributeError: the request is no chat request.
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
        "input": _arguments(function["arguments"]),
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
        raise ConfigError(Problem("EK506", message, hint="use `json_schema`, or leave `response_format` out"))
    schema = response_format["json_schema"]["schema"]
    return {"output_config": {**config, "format": {"type": "json_schema", "schema": schema}}}


def _arguments(raw: Any) -> Any:
    """The arguments of a tool call: an object, or the text as it came where it is no JSON object."""
    try:
        value = json.loads(raw) if isinstance(raw, str) else raw
    except (ValueError, RecursionError):
        return raw
    return value if isinstance(value, dict) else raw
