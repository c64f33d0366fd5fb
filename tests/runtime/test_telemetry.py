from __future__ import annotations

from types import SimpleNamespace

import pytest
from anthropic.types import Message
from openai.types.chat import ChatCompletion
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import error_attributes, gen_ai_attributes

from evalkit.runtime.telemetry import otel_attributes

CHAT = {
    "id": "chatcmpl-7",
    "object": "chat.completion",
    "created": 1795532400,
    "model": "gpt-5.6-2026-06-11",
    "choices": [
        {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "private words"}}
    ],
    "usage": {
        "prompt_tokens": 120,
        "completion_tokens": 30,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 100},
    },
}
NEWER_THAN_THE_PACKAGE = {"gen_ai.prompt.version", "gen_ai.request.reasoning.level"}
"""In the conventions' own repository, and not yet among the constants of opentelemetry-semantic-conventions."""


def config(**changes):
    known = {
        "name": "support-triage",
        "env": "production",
        "version": 14,
        "digest": "sha256:" + "a" * 64,
        "variant": "canary",
        "unit": "k1:9f86d081884c7d65",
        "model": "gpt-5.6-2026-06-11",
        "price": None,
        "provider_kind": "openai",
        "prompt": "triage-prompt@v9",
        "params": {
            "temperature": 0,
            "top_p": 0.9,
            "max_completion_tokens": 256,
            "seed": 7,
            "stop": "END",
            "frequency_penalty": 0.5,
            "presence_penalty": -0.5,
            "n": 1,
            "reasoning_effort": "low",
            "logprobs": True,
        },
        "response_format": {"type": "json_schema", "json_schema": {}},
    }
    return SimpleNamespace(**known | changes)


@pytest.fixture
def span_of():
    """What a real span keeps of the attributes that it is given."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def record(attributes):
        with provider.get_tracer("test").start_as_current_span("chat") as span:
            span.set_attributes(attributes)
        (finished,) = exporter.get_finished_spans()
        return dict(finished.attributes)

    yield record
    provider.shutdown()


def test_a_span_takes_every_attribute_as_it_is(span_of):
    attributes = otel_attributes(config(), ChatCompletion.model_validate(CHAT))
    kept = span_of(attributes)
    assert kept == {key: tuple(v) if isinstance(v, list) else v for key, v in attributes.items()}
    assert kept == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.6-2026-06-11",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 256,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.frequency_penalty": 0.5,
        "gen_ai.request.presence_penalty": -0.5,
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.output.type": "json",
        "gen_ai.prompt.name": "triage-prompt",
        "gen_ai.prompt.version": "v9",
        "gen_ai.response.model": "gpt-5.6-2026-06-11",
        "gen_ai.response.id": "chatcmpl-7",
        "gen_ai.response.finish_reasons": ("length",),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 100,
        "evalkit.feature": "support-triage",
        "evalkit.registry_version": 14,
        "evalkit.digest": "sha256:" + "a" * 64,
        "evalkit.variant": "canary",
        "evalkit.unit": "k1:9f86d081884c7d65",
        "evalkit.env": "production",
    }
    assert isinstance(kept["gen_ai.request.temperature"], float)


def test_every_name_is_one_of_the_conventions():
    params = {
        "top_k": 40,
        "max_tokens": 5,
        "stop_sequences": ["a"],
        "n": 3,
        "stream": True,
        "reasoning": {"effort": "high"},
    }
    attributes = {
        **otel_attributes(config(), ChatCompletion.model_validate(CHAT), TimeoutError()),
        **otel_attributes(config(params=params)),
    }
    known = {
        value
        for module in (gen_ai_attributes, error_attributes)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }
    names = {name for name in attributes if not name.startswith("evalkit.")}
    assert names - known == NEWER_THAN_THE_PACKAGE
    deprecated = {"gen_ai.system", "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"}
    assert not names & deprecated


def test_anthropic_input_tokens_include_what_was_cached_as_the_conventions_ask():
    message = Message.model_validate(
        {
            "id": "msg_7",
            "type": "message",
            "role": "assistant",
            "model": "claude-opus-5-20260301",
            "content": [],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 20,
                "cache_read_input_tokens": 70,
                "cache_creation_input_tokens": 30,
                "output_tokens": 5,
            },
        }
    )
    attributes = otel_attributes(config(provider_kind="anthropic"), message)
    assert attributes["gen_ai.usage.input_tokens"] == 120
    assert attributes["gen_ai.usage.cache_read.input_tokens"] == 70
    assert attributes["gen_ai.response.finish_reasons"] == ["stop"]


def test_a_failed_call_has_its_error_type_and_nothing_of_a_response(span_of):
    kept = span_of(
        otel_attributes(config(unit=None), error=ConnectionError("key sk-123 for alice@example.com"))
    )
    assert kept["error.type"] == "ConnectionError"
    assert "sk-123" not in repr(kept)
    assert not [name for name in kept if name.startswith(("gen_ai.response.", "gen_ai.usage."))]
    assert "evalkit.unit" not in kept


@pytest.mark.parametrize(
    ("params", "attributes"),
    [
        ({"stop": ["a", "b"]}, {"gen_ai.request.stop_sequences": ["a", "b"]}),
        ({"stop": [], "stop_sequences": None}, {}),
        ({"n": 4}, {"gen_ai.request.choice.count": 4}),
        ({"top_k": 40}, {"gen_ai.request.top_k": 40}),
        ({"max_tokens": 9, "max_completion_tokens": 8}, {"gen_ai.request.max_tokens": 8}),
        ({"output_config": {"effort": "low"}}, {"gen_ai.request.reasoning.level": "low"}),
        ({"temperature": True, "seed": "x", "max_tokens": 1.5, "stream": 1}, {}),
        ({"tools": ["x"], "user": "alice"}, {}),
    ],
)
def test_params_become_attributes_where_the_conventions_have_a_name(params, attributes):
    found = otel_attributes(config(params=params))
    assert {
        k: v for k, v in found.items() if k.startswith("gen_ai.request.") and k != "gen_ai.request.model"
    } == (attributes)


@pytest.mark.parametrize(
    ("response_format", "kind"), [(None, None), ({"type": "text"}, "text"), ({"type": "json_object"}, "json")]
)
def test_the_output_type_is_what_was_asked_for(response_format, kind):
    assert otel_attributes(config(response_format=response_format)).get("gen_ai.output.type") == kind


def test_nothing_of_the_answer_is_in_a_trace():
    assert "private words" not in repr(otel_attributes(config(), CHAT))
