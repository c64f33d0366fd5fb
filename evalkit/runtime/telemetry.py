"""The attributes of a span for one call of a model, by OpenTelemetry's conventions for generative AI.

Names are those of https://github.com/open-telemetry/semantic-conventions-genai (`docs/gen-ai/client-inference.md`,
status: development), read in 2026. OpenTelemetry itself is not imported: the result goes into `span.set_attributes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from evalkit.runtime.call_log import Logged, error_text
from evalkit.runtime.responses import read_response

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AttributeValue", "Traced", "otel_attributes"]

AttributeValue = str | bool | int | float | list[str]
"""What a span accepts, as far as it is used here."""


class Traced(Logged, Protocol):
    """What a trace needs of a resolved config, beyond what the log needs."""

    @property
    def provider_kind(self) -> str:
        """How the model is reached: `openai`, `anthropic`, `local`."""
        ...

    @property
    def prompt(self) -> object:
        """Its text is the reference, `triage-prompt@v9`."""
        ...

    @property
    def params(self) -> Mapping[str, Any]:
        """What is sent beside the messages."""
        ...

    @property
    def response_format(self) -> Mapping[str, Any] | None:
        """The format that is asked for; None for plain text."""
        ...


def otel_attributes(
    config: Traced, resp: Any = None, error: BaseException | type[BaseException] | str | None = None
) -> dict[str, AttributeValue]:
    """The attributes of one call; what is not known is left out. Whatever `resp` is, never raises.

    `gen_ai.*` and `error.type` follow the conventions, `evalkit.*` says which config was served. No prompt, no answer
    and no message of an exception is among them.

    Args:
        config: what was asked.
        resp: the provider's response, if there is one; see `read_response` for what is understood.
        error: what went wrong; written as `log_fields` writes it.
    """
    answered = read_response(resp)
    if error is None and answered.finish_reason == "error":
        error = "failed"
    prompt, _, prompt_version = str(config.prompt).partition("@")
    found: dict[str, AttributeValue | None] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": config.provider_kind,
        "gen_ai.request.model": config.model,
        "gen_ai.output.type": _output_type(config.response_format),
        "gen_ai.prompt.name": prompt or None,
        "gen_ai.prompt.version": prompt_version or None,
        "gen_ai.response.model": answered.served_model,
        "gen_ai.response.id": answered.response_id,
        "gen_ai.response.finish_reasons": [answered.finish_reason] if answered.finish_reason else None,
        "gen_ai.usage.input_tokens": answered.input_tokens,
        "gen_ai.usage.output_tokens": answered.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": answered.cached_tokens,
        "error.type": error_text(error),
        "evalkit.feature": config.name,
        "evalkit.registry_version": config.version,
        "evalkit.digest": config.digest,
        "evalkit.variant": config.variant,
        "evalkit.unit": config.unit,
        "evalkit.env": config.env,
    }
    for key, attribute, read in _PARAMS:
        if (value := config.params.get(key)) is not None:
            found.setdefault(attribute, read(value))
    return {name: value for name, value in found.items() if value is not None}


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _choices(value: Any) -> int | None:
    """The conventions leave out a count of one."""
    return value if type(value) is int and value != 1 else None


def _texts(value: Any) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        return list(value)
    return None


def _level(value: Any) -> str | None:
    """How hard to think: `"low"`, or `{"effort": "low"}`."""
    effort = value.get("effort") if isinstance(value, Mapping) else value
    return effort if isinstance(effort, str) else None


def _output_type(response_format: Mapping[str, Any] | None) -> str | None:
    kind = response_format.get("type") if response_format else None
    return {"text": "text", "json_object": "json", "json_schema": "json"}.get(kind) if kind else None


_PARAMS: tuple[tuple[str, str, Callable[[Any], AttributeValue | None]], ...] = (
    ("temperature", "gen_ai.request.temperature", _number),
    ("top_p", "gen_ai.request.top_p", _number),
    ("top_k", "gen_ai.request.top_k", _whole),
    ("max_completion_tokens", "gen_ai.request.max_tokens", _whole),
    ("max_output_tokens", "gen_ai.request.max_tokens", _whole),
    ("max_tokens", "gen_ai.request.max_tokens", _whole),
    ("seed", "gen_ai.request.seed", _whole),
    ("stop", "gen_ai.request.stop_sequences", _texts),
    ("stop_sequences", "gen_ai.request.stop_sequences", _texts),
    ("frequency_penalty", "gen_ai.request.frequency_penalty", _number),
    ("presence_penalty", "gen_ai.request.presence_penalty", _number),
    ("n", "gen_ai.request.choice.count", _choices),
    ("stream", "gen_ai.request.stream", _flag),
    ("reasoning_effort", "gen_ai.request.reasoning.level", _level),
    ("reasoning", "gen_ai.request.reasoning.level", _level),
    ("output_config", "gen_ai.request.reasoning.level", _level),
)
"""The param of an entry, the attribute, and how it is read. Of several params with one meaning, the first counts."""
