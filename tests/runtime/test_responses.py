from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from anthropic.types import Message, RawMessageDeltaEvent, RawMessageStartEvent
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from evalkit.runtime.responses import Answered, read_response

SECRET = "the customer's own words"

CHAT = {
    "id": "chatcmpl-7",
    "object": "chat.completion",
    "created": 1795532400,
    "model": "gpt-5.6-2026-06-11",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": None,
            "message": {"role": "assistant", "content": SECRET, "refusal": None},
        }
    ],
    "usage": {
        "prompt_tokens": 120,
        "completion_tokens": 30,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 100, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 10},
    },
}
CHAT_ANSWERED = Answered("gpt-5.6-2026-06-11", 120, 30, 100, "stop", "chatcmpl-7")

LAST_CHUNK = {
    "id": "chatcmpl-7",
    "object": "chat.completion.chunk",
    "created": 1795532400,
    "model": "gpt-5.6-2026-06-11",
    "choices": [],
    "usage": {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150},
}
FINISHING_CHUNK = {
    **LAST_CHUNK,
    "usage": None,
    "choices": [{"index": 0, "delta": {}, "finish_reason": "length", "logprobs": None}],
}

RESPONSE = {
    "id": "resp_7",
    "object": "response",
    "created_at": 1795532400,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": SECRET,
    "metadata": {},
    "model": "gpt-5.6-2026-06-11",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": SECRET, "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "usage": {
        "input_tokens": 120,
        "input_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 0},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 10},
        "total_tokens": 150,
    },
}
RESPONSE_ANSWERED = Answered("gpt-5.6-2026-06-11", 120, 30, 100, "stop", "resp_7")

MESSAGE = {
    "id": "msg_7",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-20260301",
    "content": [{"type": "text", "text": SECRET}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 20,
        "cache_read_input_tokens": 70,
        "cache_creation_input_tokens": 30,
        "output_tokens": 30,
    },
}
MESSAGE_ANSWERED = Answered("claude-opus-5-20260301", 120, 30, 70, "stop", "msg_7")

ALL = [
    pytest.param(ChatCompletion, CHAT, CHAT_ANSWERED, id="chat completion"),
    pytest.param(Response, RESPONSE, RESPONSE_ANSWERED, id="response"),
    pytest.param(Message, MESSAGE, MESSAGE_ANSWERED, id="message"),
    pytest.param(
        ChatCompletionChunk,
        LAST_CHUNK,
        Answered("gpt-5.6-2026-06-11", 120, 30, None, None, "chatcmpl-7"),
        id="last chunk",
    ),
]


def attributes_of(value: Any) -> Any:
    """The same as objects with attributes, as gateways' clients return them."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: attributes_of(item) for key, item in value.items()})
    return [attributes_of(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("sdk_type", "body", "answered"), ALL)
def test_an_sdk_object_a_dict_and_an_object_with_attributes_read_alike(sdk_type, body, answered):
    assert read_response(sdk_type.model_validate(body)) == answered
    assert read_response(sdk_type.construct(**body)) == answered
    assert read_response(body) == answered
    assert read_response(attributes_of(body)) == answered


@pytest.mark.parametrize(("sdk_type", "body", "answered"), ALL)
def test_no_word_of_the_prompt_or_the_answer_is_read(sdk_type, body, answered):
    assert SECRET not in repr(read_response(sdk_type.model_validate(body)))


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_anthropic_reasons_are_said_in_the_words_of_chat_completions(stop_reason, finish_reason):
    message = Message.model_validate({**MESSAGE, "stop_reason": stop_reason})
    assert read_response(message).finish_reason == finish_reason


@pytest.mark.parametrize(
    ("change", "finish_reason"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "failed"}, "error"),
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "in_progress"}, None),
        (
            {
                "output": [
                    {"type": "function_call", "call_id": "c", "name": "route", "arguments": "{}", "id": "f"}
                ]
            },
            "tool_calls",
        ),
    ],
)
def test_the_status_of_a_response_gives_the_finish_reason(change, finish_reason):
    assert read_response(Response.model_validate({**RESPONSE, **change})).finish_reason == finish_reason


def test_the_last_event_of_a_responses_stream_is_read_as_its_response():
    event = {"type": "response.completed", "sequence_number": 9, "response": RESPONSE}
    assert read_response(event) == RESPONSE_ANSWERED


def test_an_anthropic_message_without_caching_counts_its_input_tokens_alone():
    usage = {
        "input_tokens": 20,
        "cache_read_input_tokens": None,
        "cache_creation_input_tokens": None,
        "output_tokens": 3,
    }
    answered = read_response(Message.model_validate({**MESSAGE, "usage": usage}))
    assert (answered.input_tokens, answered.cached_tokens) == (20, None)


def test_a_gateway_that_adds_anthropic_names_to_chat_usage_is_not_counted_twice():
    usage = {
        "prompt_tokens": 120,
        "completion_tokens": 30,
        "cache_read_input_tokens": 70,
        "cache_creation_input_tokens": 30,
    }
    answered = read_response({**CHAT, "usage": usage})
    assert (answered.input_tokens, answered.cached_tokens) == (120, 70)


def test_the_pieces_of_an_openai_stream_add_up():
    first = ChatCompletionChunk.model_validate(FINISHING_CHUNK)
    last = ChatCompletionChunk.model_validate(LAST_CHUNK)
    both = read_response(first).then(read_response(last))
    assert both == Answered("gpt-5.6-2026-06-11", 120, 30, None, "length", "chatcmpl-7")


def test_the_pieces_of_an_anthropic_stream_add_up():
    usage = {**MESSAGE["usage"], "output_tokens": 1}
    start = RawMessageStartEvent.model_validate(
        {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": usage}}
    )
    end = RawMessageDeltaEvent.model_validate(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
            "usage": {"output_tokens": 30},
        }
    )
    both = read_response(start).then(read_response(end))
    assert both == Answered("claude-opus-5-20260301", 120, 30, 70, "length", "msg_7")


class Hostile:
    def __getattribute__(self, name):
        raise RuntimeError(name)


class HostileDict(dict):
    def get(self, key, default=None):
        raise RuntimeError(key)


class Pretender:
    """Says that it is a text, or a list, and is none."""

    def __init__(self, kind):
        self.kind = kind

    @property
    def __class__(self):
        return self.kind

    def __eq__(self, other):
        raise RuntimeError

    __hash__ = None


ODD = {
    "an object that raises": Hostile,
    "a dict that raises": lambda: HostileDict(usage=1),
    "no text": lambda: Pretender(str),
    "no list": lambda: Pretender(list),
    "an object without a class": lambda: Pretender(None),
    "nothing": lambda: None,
    "a text": lambda: "text",
    "a number": lambda: -1,
    "a bool": lambda: True,
    "a list": lambda: [Hostile()],
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_response_says_nothing(kind):
    assert read_response(ODD[kind]()) == Answered()


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("key", ["id", "model", "usage", "choices", "status", "output", "type", "delta"])
def test_one_odd_part_does_not_spoil_the_rest(key, kind):
    body = {"id": "x", "usage": {"prompt_tokens": 5, "completion_tokens": 2}, key: ODD[kind]()}
    answered = read_response(body)
    assert (answered.input_tokens, answered.output_tokens) == ((None, None) if key == "usage" else (5, 2))


@pytest.mark.parametrize("count", [-1, True, 1.5, "12", 2**60, 10**400, None, [], float("nan")])
def test_a_count_that_cannot_be_true_is_left_out(count):
    usage = {
        "prompt_tokens": count,
        "completion_tokens": count,
        "prompt_tokens_details": {"cached_tokens": count},
    }
    answered = read_response({"usage": usage})
    assert (answered.input_tokens, answered.output_tokens, answered.cached_tokens) == (None, None, None)


@pytest.mark.parametrize("text", ["", "x" * 201, "a\nb", "\x1b[31m", "\ud800", "a\u2028b", "::error::x\r"])
def test_a_name_that_is_long_or_not_printable_is_left_out(text):
    body = {"id": text, "model": text, "choices": [{"finish_reason": text}]}
    assert read_response(body) == Answered()


KEYS = (
    "id",
    "model",
    "type",
    "usage",
    "choices",
    "status",
    "output",
    "stop_reason",
    "delta",
    "prompt_tokens",
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(ANYTHING)
def test_whatever_a_response_is_it_is_read_and_what_is_read_is_clean(resp):
    answered = read_response(resp)
    for count in (answered.input_tokens, answered.output_tokens, answered.cached_tokens):
        assert count is None or (type(count) is int and count >= 0)
    for text in (answered.served_model, answered.finish_reason, answered.response_id):
        assert text is None or (type(text) is str and text.isprintable() and len(text) <= 200)
    json.dumps([answered.served_model, answered.input_tokens], allow_nan=False)


def test_reading_what_was_read_changes_nothing():
    assert read_response(CHAT_ANSWERED) is CHAT_ANSWERED
