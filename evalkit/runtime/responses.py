"""What a provider's response says about itself: who answered, how many tokens, why it stopped. Never its content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Answered", "label", "read_response"]

MAX_COUNT = 2**53
"""Counts above this are no counts; up to it, every JSON reader and every trace backend keeps them exact."""
MAX_LABEL = 200
"""Characters. Model names, reasons and ids are shorter; what is longer may be an answer in the wrong place."""

_FINISH_REASONS = {
    # Anthropic Messages
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    # OpenAI Responses: `status`, and `incomplete_details.reason`
    "completed": "stop",
    "max_output_tokens": "length",
    "failed": "error",
}
"""Other vendors' words in those of chat completions. A word that is not here stays as it is."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The facts of one answer. None is "the response does not say", never zero."""

    served_model: str | None = None
    """The model that answered, as the provider names it."""
    input_tokens: int | None = None
    """All tokens of the request, cached or not."""
    output_tokens: int | None = None
    """All tokens of the answer, reasoning included."""
    cached_tokens: int | None = None
    """How many of the input tokens the provider read from its cache."""
    finish_reason: str | None = None
    """In the words of chat completions: `stop`, `length`, `tool_calls`, `content_filter`, `error`, …"""
    response_id: str | None = None

    def then(self, later: Answered) -> Answered:
        """Both as one: what the later piece of a stream says replaces what the earlier pieces said."""
        return Answered(
            later.served_model if later.served_model is not None else self.served_model,
            later.input_tokens if later.input_tokens is not None else self.input_tokens,
            later.output_tokens if later.output_tokens is not None else self.output_tokens,
            later.cached_tokens if later.cached_tokens is not None else self.cached_tokens,
            later.finish_reason if later.finish_reason is not None else self.finish_reason,
            later.response_id if later.response_id is not None else self.response_id,
        )


def read_response(resp: Any) -> Answered:
    """What a response says about itself. Never raises: what cannot be read, or cannot be true, is None.

    Reads chat completions and their streamed chunks, OpenAI Responses, Anthropic messages, and the events of the
    latter two when streamed; as objects of the SDKs, as plain dicts, or as any object with the same attributes.
    """
    if type(resp) is Answered:
        return resp
    kind = label(_at(resp, "type")) or ""
    if kind.startswith("response."):  # an event of a Responses stream: the last one carries the response
        resp = _at(resp, "response")
    elif kind == "message_start":  # the first event of a Messages stream
        resp = _at(resp, "message")
    input_tokens, cached_tokens = _input_tokens(_at(resp, "usage"))
    return Answered(
        served_model=label(_at(resp, "model")),
        input_tokens=input_tokens,
        output_tokens=_first_count(resp, ("usage", "completion_tokens"), ("usage", "output_tokens")),
        cached_tokens=cached_tokens,
        finish_reason=_finish_reason(resp),
        response_id=label(_at(resp, "id")),
    )


def label(value: Any) -> str | None:
    """A short printable text as it is; None for anything else: no text, an empty or long one, control characters."""
    try:
        if not isinstance(value, str):
            return None
        text = str.__str__(value)  # an enum's value, without the enum
    except Exception:  # noqa: BLE001 - an object may pretend to be a text and fail
        return None
    return text if 0 < len(text) <= MAX_LABEL and text.isprintable() else None


def _input_tokens(usage: Any) -> tuple[int | None, int | None]:
    """All input tokens, and how many of them came from the cache."""
    read = _first_count(usage, ("cache_read_input_tokens",))
    prompt = _first_count(usage, ("prompt_tokens",))
    if prompt is not None:  # chat completions; a gateway may add Anthropic's names, already counted in
        details = _first_count(usage, ("prompt_tokens_details", "cached_tokens"))
        return prompt, details if details is not None else read
    fresh = _first_count(usage, ("input_tokens",))
    details = _first_count(usage, ("input_tokens_details", "cached_tokens"))
    if details is not None:  # Responses
        return fresh, details
    # Anthropic's `input_tokens` leaves out what was read from or written to the cache.
    written = _first_count(usage, ("cache_creation_input_tokens",))
    return (None if fresh is None else fresh + (read or 0) + (written or 0)), read


def _finish_reason(resp: Any) -> str | None:
    for path in (
        ("choices", 0, "finish_reason"),
        ("stop_reason",),
        ("delta", "stop_reason"),  # the `message_delta` event of a Messages stream
        ("incomplete_details", "reason"),
    ):
        if (reason := label(_at(resp, *path))) is not None:
            return _FINISH_REASONS.get(reason, reason)
    status = label(_at(resp, "status"))
    if status == "completed" and _calls_a_tool(_at(resp, "output")):
        return "tool_calls"
    return _FINISH_REASONS.get(status, status) if status in {"completed", "failed", "cancelled"} else None


def _calls_a_tool(output: Any) -> bool:
    """Whether a Responses output asks the application to run a function."""
    return type(output) is list and any(label(_at(item, "type")) == "function_call" for item in output)


def _first_count(source: Any, *paths: tuple[str | int, ...]) -> int | None:
    for path in paths:
        value = _at(source, *path)
        if type(value) is int and 0 <= value <= MAX_COUNT:  # a bool is no count
            return value
    return None


def _at(source: Any, *path: str | int) -> Any:
    """What keys, positions and attributes lead to; None where they lead nowhere or an object fails."""
    for step in path:
        try:
            if isinstance(step, int):
                source = source[step]
            elif isinstance(source, Mapping):
                source = source.get(step)
            else:
                source = getattr(source, step, None)
        except Exception:  # noqa: BLE001 - whatever a response does, logging it must not break the request
            return None
    return source
