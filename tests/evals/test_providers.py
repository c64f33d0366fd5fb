"""What providers make of an answer, and of everything that comes in its place.

The contract tests run the real providers against a server on this machine, and the fake beside them.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import socket
import sys
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import ConfigError, UsageError
from evalkit.evals.case import Answer, ToolCall
from evalkit.evals.providers.anthropic import AnthropicProvider
from evalkit.evals.providers.base import CandidateFailed, Fatal, Request, Unavailable
from evalkit.evals.providers.failures import retry_after_s
from evalkit.evals.providers.openai import OpenAIProvider
from evalkit.evals.providers.target import CommandTarget, HttpTarget
from evalkit.evals.providers.wire import (
    MAX_BODY_BYTES,
    excerpt,
    parse_arguments,
    parse_json,
)
from evalkit.runtime.messages_api import to_messages_request
from evalkit.testing.fake_provider import FakeProvider
from evalkit.testing.model_server import Faults, ModelServer, RawReply

KEY = "sk-test-4f9d0c7e1b2a3948"
BODY = {"model": "m-1", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5}
REQUEST = Request(BODY, {"q": "hello"}, "case-1")
MODEL_APIS = ["openai", "anthropic"]


def make(kind, server, **arguments):
    arguments.setdefault("timeout_s", 10.0)
    if kind == "openai":
        return OpenAIProvider("test", server.base_url, KEY, api_key_env="TEST_KEY", **arguments)
    return AnthropicProvider("test", server.url, KEY, api_key_env="TEST_KEY", **arguments)


def ask(provider, *requests):
    """The answers (or what was raised) of one provider, opened and closed."""

    async def scenario():
        await provider.open()
        try:
            results = [await outcome(provider, request) for request in requests or (REQUEST,)]
        finally:
            await provider.close()
        return results if len(results) > 1 else results[0]

    return asyncio.run(scenario())


async def outcome(provider, request):
    try:
        return await provider.complete(request)
    except (Unavailable, CandidateFailed, Fatal) as error:
        return error


def asked(kind, reply, request=REQUEST, **arguments):
    """What a provider makes of one raw reply."""
    with ModelServer(lambda _: reply) as server:
        return ask(make(kind, server, **arguments), request)


def reply(status, body=b"", **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RawReply(status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


# The contract


class Subject:
    """One provider and, where it is real, the server behind it."""

    def __init__(self, kind):
        self.kind = kind
        self.next = "an answer"
        self.server = None if kind == "fake" else ModelServer(lambda _: self.next, api_key=KEY)
        if self.server:
            self.server.start()
            self.provider = make(kind, self.server)
        else:
            self.provider = FakeProvider(lambda _: self.as_fake())

    def as_fake(self):
        if isinstance(self.next, RawReply):
            return {
                429: Unavailable("rate_limited", "429", retry_after_s=7.0),
                500: Unavailable("server_error", "500"),
                400: CandidateFailed("bad_request", "400"),
            }[self.next.status]
        if isinstance(self.next, str):
            return self.next
        calls = tuple(ToolCall(c["name"], c["arguments"]) for c in self.next["tool_calls"])
        return Answer(self.next.get("content"), calls, finish_reason="tool_calls")


@pytest.fixture(params=[*MODEL_APIS, "fake"])
def subject(request):
    subject = Subject(request.param)
    yield subject
    if subject.server:
        subject.server.stop()


def test_contract_text_is_answered_with_text(subject):
    answer = ask(subject.provider)
    assert (answer.output, answer.tool_calls, answer.finish_reason, answer.cached) == (
        "an answer",
        (),
        "stop",
        False,
    )


def test_contract_tool_calls_are_answered_as_name_and_arguments(subject):
    subject.next = {"tool_calls": [{"name": "find", "arguments": {"n": 1}}, {"name": "end", "arguments": {}}]}
    answer = ask(subject.provider)
    assert answer.output is None
    assert answer.tool_calls == (ToolCall("find", {"n": 1}), ToolCall("end", {}))
    assert answer.finish_reason == "tool_calls"


def test_contract_a_refusal_for_the_rate_is_unavailable_and_says_how_long_to_wait(subject):
    subject.next = reply(429, {"error": {"message": "slow down"}}, Retry_After="7")
    error = ask(subject.provider)
    assert isinstance(error, Unavailable)
    assert (error.type, error.retry_after_s, error.retryable) == ("rate_limited", 7.0, True)


def test_contract_a_server_error_is_unavailable(subject):
    subject.next = reply(500)
    error = ask(subject.provider)
    assert isinstance(error, Unavailable)
    assert (error.type, error.retry_after_s) == ("server_error", None)


def test_contract_a_bad_request_is_the_candidates_failure(subject):
    subject.next = reply(400, {"error": {"message": "temperature is too high"}})
    error = ask(subject.provider)
    assert isinstance(error, CandidateFailed)
    assert error.type == "bad_request"


def test_contract_many_requests_at_once_each_get_their_own_answer(subject):
    async def scenario():
        await subject.provider.open()
        try:
            return await asyncio.gather(*(subject.provider.complete(REQUEST) for _ in range(40)))
        finally:
            await subject.provider.close()

    assert [answer.output for answer in asyncio.run(scenario())] == ["an answer"] * 40


def test_a_fake_whose_answers_have_run_out_says_so():
    with pytest.raises(AssertionError, match="1 answers of this FakeProvider have run out"):
        ask(FakeProvider(["one"]), REQUEST, REQUEST)


# What is sent


def test_openai_is_sent_the_body_as_it_is_in_its_own_key_order():
    body = {"messages": [], "model": "m", "tools": [{"b": 1, "a": 2}], "logit_bias": {"50256": -100}}
    with ModelServer() as server:
        ask(make("openai", server), Request(body, {}, "c"))
        (sent,) = server.requests
    assert json.dumps(sent.body) == json.dumps(body)
    assert sent.path == "/v1/chat/completions"
    assert sent.headers["authorization"] == f"Bearer {KEY}"


def test_without_a_key_no_authorization_is_sent():
    with ModelServer() as server:
        ask(OpenAIProvider("test", server.base_url, None, headers={"X-Team": "triage"}))
        (sent,) = server.requests
    assert "authorization" not in sent.headers
    assert sent.headers["x-team"] == "triage"


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_anthropic_finds_its_path_from_any_base_url(path):
    with ModelServer() as server:
        ask(AnthropicProvider("test", server.url + path, KEY))
        (sent,) = server.requests
    assert sent.path == "/v1/messages"
    assert sent.headers["x-api-key"] == KEY
    assert sent.headers["anthropic-version"] == "2023-06-01"


def test_the_query_of_a_base_url_stays_behind_the_path_and_in_the_cache_key_and_secrets_do_not():
    provider = OpenAIProvider("azure", "https://u:pw@h.test/d?api-version=2&api-key=abcdef")
    assert provider._http.url == "https://u:pw@h.test/d/chat/completions?api-version=2&api-key=abcdef"
    assert provider.endpoint == "https://h.test/d/chat/completions?api-version=2"


def test_each_way_of_asking_has_its_own_endpoint():
    url = "https://gateway.test/v1"
    assert OpenAIProvider("a", url).endpoint != AnthropicProvider("a", url).endpoint


SCHEMA = {"type": "object", "properties": {"b": {}, "a": {}}}


@pytest.mark.parametrize(
    ("neutral", "wire"),
    [
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({}, {"max_tokens": 1024}),
        ({"max_completion_tokens": 8}, {"max_tokens": 8}),
        ({"stop": "END"}, {"max_tokens": 1024, "stop_sequences": ["END"]}),
        ({"stop": ["A", "B"], "top_k": 5}, {"max_tokens": 1024, "stop_sequences": ["A", "B"], "top_k": 5}),
        ({"tool_choice": "auto"}, {"max_tokens": 1024, "tool_choice": {"type": "auto"}}),
        ({"tool_choice": "none"}, {"max_tokens": 1024, "tool_choice": {"type": "none"}}),
        ({"tool_choice": "required"}, {"max_tokens": 1024, "tool_choice": {"type": "any"}}),
        ({"tool_choice": {"type": "any"}}, {"max_tokens": 1024, "tool_choice": {"type": "any"}}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": True},
            {"max_tokens": 1024, "tool_choice": {"type": "tool", "name": "f"}},
        ),
        (
            {"parallel_tool_calls": False},
            {"max_tokens": 1024, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        ({"response_format": {"type": "text"}}, {"max_tokens": 1024}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
            {"max_tokens": 1024, "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        ),
        (
            {
                "output_config": {"effort": "low"},
                "response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
            },
            {
                "max_tokens": 1024,
                "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
            },
        ),
        (
            {
                "tools": [
                    {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}
                ]
            },
            {"max_tokens": 1024, "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}]},
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]},
            {
                "max_tokens": 1024,
                "tools": [{"name": "f", "input_schema": {"type": "object"}, "strict": True}],
            },
        ),
        ({"tools": [{"type": "web_search_1"}]}, {"max_tokens": 1024, "tools": [{"type": "web_search_1"}]}),
    ],
)
def test_a_chat_request_in_the_words_of_the_messages_api(neutral, wire):
    assert to_messages_request({"model": "m", "messages": [], **neutral}) == {
        "model": "m",
        "messages": [],
        **wire,
    }


def test_a_conversation_in_the_words_of_the_messages_api():
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"n": 1}'}}
    wire = to_messages_request(
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
                {"role": "user", "content": "Look:"},
                {"role": "assistant", "content": "I will.", "tool_calls": [call, {**call, "id": "c2"}]},
                {"role": "tool", "tool_call_id": "c1", "content": "one"},
                {"role": "tool", "tool_call_id": "c2", "content": "two"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "and"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                        {"type": "image_url", "image_url": {"url": "https://h.test/i.png"}},
                    ],
                },
            ],
        }
    )
    use = {"type": "tool_use", "id": "c1", "name": "f", "input": {"n": 1}}
    assert wire["system"] == "Be brief.\n\nBe kind."
    assert wire["messages"] == [
        {"role": "user", "content": "Look:"},
        {"role": "assistant", "content": [{"type": "text", "text": "I will."}, use, {**use, "id": "c2"}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "one"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "two"},
            ],
        },
        {"role": "assistant", "content": [use]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "and"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
                },
                {"type": "image", "source": {"type": "url", "url": "https://h.test/i.png"}},
            ],
        },
    ]


def test_the_request_that_is_translated_is_not_changed():
    body = {"model": "m", "messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}], "stop": "a"}
    before = json.dumps(body)
    to_messages_request(body)
    assert json.dumps(body) == before


def test_a_response_format_that_the_messages_api_has_not_ends_the_run():
    with pytest.raises(ConfigError) as raised:
        to_messages_request({"messages": [], "response_format": {"type": "json_object"}})
    assert raised.value.problems[0].code == "EK506"
    body = {"model": "m", "messages": [], "response_format": {"type": "json_object"}}
    with ModelServer() as server:
        ended = ask(make("anthropic", server), Request(body, {}, "case-1"))
    assert isinstance(ended, Fatal)
    assert ended.problem.code == "EK506"
    assert ended.exit_code == 2


def test_a_request_of_an_unknown_shape_ends_the_run_with_an_explanation():
    broken = Request({"model": "m", "messages": [], "tools": [{"type": "function"}]}, {}, "c")
    with ModelServer() as server:
        error = ask(make("anthropic", server), broken)
    assert isinstance(error, Fatal)
    assert error.problem.code == "EK506"
    assert "KeyError: 'function'" in error.problem.message


# What comes back


def completion(message, **more):
    return {"model": "m-1-2025", "choices": [{"message": message, "finish_reason": "stop"}], **more}


def test_tokens_and_the_model_that_answered_are_read():
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}
    answer = asked("openai", reply(200, completion({"content": "x"}, usage=usage)))
    assert (answer.input_tokens, answer.output_tokens, answer.served_model) == (7, 3, "m-1-2025")
    assert answer.extra == {"cached_input_tokens": 5}


def test_tokens_of_the_messages_api_count_what_its_prompt_cache_held():
    usage = {
        "input_tokens": 7,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens": 3,
    }
    body = {
        "content": [{"type": "text", "text": "x"}],
        "stop_reason": "end_turn",
        "model": "m",
        "usage": usage,
    }
    answer = asked("anthropic", reply(200, body))
    assert (answer.input_tokens, answer.output_tokens) == (127, 3)
    assert answer.extra == {"cached_input_tokens": 100, "cache_write_input_tokens": 20}


@pytest.mark.parametrize(
    ("message", "output"),
    [
        ({"content": None}, None),
        ({}, None),
        ({"content": ""}, ""),
        (
            {"content": [{"type": "text", "text": "a"}, {"type": "other"}, {"type": "text", "text": "b"}]},
            "ab",
        ),
        ({"content": None, "refusal": "I cannot."}, "I cannot."),
        ({"content": "x", "refusal": None, "tool_calls": None}, "x"),
    ],
)
def test_content_in_every_shape(message, output):
    assert asked("openai", reply(200, completion(message))).output == output


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": "7", "completion_tokens": -1}, {"prompt_tokens": True}]
)
def test_a_token_count_that_is_none_is_none(usage):
    answer = asked("openai", reply(200, completion({"content": "x"}, usage=usage)))
    assert (answer.input_tokens, answer.output_tokens) == (None, None)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ('{"a": 1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ('{"a": 1', '{"a": 1'),
        ("", ""),
        ("5", "5"),
        ('{"a": NaN}', '{"a": NaN}'),
        ("[" * 100_000, "[" * 100_000),
        ('{"a": ' + "9" * 5000 + "}", '{"a": ' + "9" * 5000 + "}"),
        (None, None),
    ],
)
def test_arguments_are_an_object_or_what_the_model_wrote(raw, read):
    assert parse_arguments(raw) == read


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
        (None, None),
    ],
)
def test_reasons_to_finish_have_one_name(stop_reason, finish_reason):
    body = {"content": [{"type": "thinking"}, {"type": "text", "text": "x"}], "stop_reason": stop_reason}
    answer = asked("anthropic", reply(200, body))
    assert (answer.output, answer.finish_reason) == ("x", finish_reason)


def test_an_answer_withheld_by_the_filter_is_the_candidates_failure():
    choice = {"message": {"content": None}, "finish_reason": "content_filter"}
    for kind, body in (
        ("openai", {"choices": [choice]}),
        ("anthropic", {"content": [], "stop_reason": "refusal"}),
    ):
        error = asked(kind, reply(200, body))
        assert isinstance(error, CandidateFailed)
        assert error.type == "content_filter"


# What goes wrong


@pytest.mark.parametrize("kind", MODEL_APIS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>gateway</html>",
        b"[]",
        b"null",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [null]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b'{"choices": [{"message": {"tool_calls": [{}]}}]}',
        b'{"choices": [{"message": {"tool_calls": [{"function": {"name": 3}}]}}]}',
        b'{"choices": [{"message": {"content": "x"}}], "usage": [1]}',
        b'{"content": 3}',
        b'{"content": ["x"]}',
        b'{"content": [{"type": "text"}]}',
        b'{"error": null}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"choices": ' + b'{"a":' * 100_000,
        b'{"choices": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_200_that_is_no_answer_is_the_servers_fault(kind, body):
    error = asked(kind, reply(200, body))
    assert isinstance(error, Unavailable)
    assert (error.type, error.retryable) == ("server_error", True)
    assert "status 200, but no" in error.message
    assert len(error.message) < 400


def test_an_error_sent_with_status_200_is_read_by_the_status_inside():
    error = asked("openai", reply(200, {"error": {"code": 429, "message": "later"}}))
    assert isinstance(error, Unavailable)
    assert error.type == "rate_limited"
    error = asked("openai", reply(200, {"error": {"message": "broken"}}))
    assert isinstance(error, Unavailable)
    assert error.type == "server_error"


@pytest.mark.parametrize("kind", MODEL_APIS)
@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (400, {"error": {"code": "context_length_exceeded", "message": "x"}}, "context_overflow"),
        (
            400,
            {"error": {"message": "This model's maximum context length is 8192 tokens"}},
            "context_overflow",
        ),
        (
            400,
            {"error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}},
            "context_overflow",
        ),
        (
            400,
            {"error": {"code": 400, "type": "exceed_context_size_error", "message": "x"}},
            "context_overflow",
        ),
        (413, b"", "context_overflow"),
        (400, {"error": {"code": "content_filter", "message": "x"}}, "content_filter"),
        (400, {"error": "plain text"}, "bad_request"),
        (400, {"message": "without an envelope"}, "bad_request"),
        (400, {"detail": [{"loc": ["body"]}]}, "bad_request"),
        (400, b"\xff not JSON", "bad_request"),
        (400, b"[1]", "bad_request"),
        (422, b"", "bad_request"),
    ],
)
def test_a_4xx_is_the_candidates_failure(kind, status, body, failure):
    error = asked(kind, reply(status, body))
    assert isinstance(error, CandidateFailed)
    assert error.type == failure
    assert str(status) in error.message


@pytest.mark.parametrize("kind", MODEL_APIS)
@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 503, 504, 529, 599])
def test_what_another_try_may_cure_is_unavailable(kind, status):
    error = asked(kind, reply(status, b"oops", Retry_After="3"))
    assert isinstance(error, Unavailable)
    assert (error.type, error.retryable, error.retry_after_s) == ("server_error", True, 3.0)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (402, b""),
        (429, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}),
        (400, {"error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}}),
    ],
)
def test_a_spent_credit_is_not_tried_again(status, body):
    error = asked("openai", reply(status, body))
    assert isinstance(error, Unavailable)
    assert not error.retryable
    assert "no credit left" in error.message


@pytest.mark.parametrize("kind", MODEL_APIS)
def test_a_refused_key_ends_the_run_and_names_its_variable_and_never_the_key(kind):
    with ModelServer(api_key="another") as server:
        error = ask(make(kind, server))
    assert isinstance(error, Fatal)
    assert (error.problem.code, error.exit_code) == ("EK502", 2)
    assert "refused the key in $TEST_KEY: 401 Incorrect API key provided: [secret]" in error.problem.message
    assert KEY not in str(error.problem)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, b""),
        (400, {"error": {"message": "API key not valid. Please pass a valid API key."}}),
        (400, {"error": {"code": "invalid_api_key", "message": "x"}}),
    ],
)
def test_a_key_can_be_refused_in_other_words(status, body):
    error = asked("openai", reply(status, body))
    assert isinstance(error, Fatal)
    assert error.problem.code == "EK502"


def test_without_a_key_the_hint_says_where_one_is_named():
    with ModelServer(api_key=KEY) as server:
        error = ask(OpenAIProvider("test", server.base_url))
    assert "api_key_env" in error.problem.hint


@pytest.mark.parametrize("kind", MODEL_APIS)
def test_an_unknown_model_ends_the_run(kind):
    with ModelServer(models=frozenset({"m-2"})) as server:
        error = ask(make(kind, server))
    assert isinstance(error, Fatal)
    assert (error.problem.code, error.exit_code) == ("EK505", 2)
    assert "The model 'm-1' does not exist" in error.problem.message


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "model_not_found", "message": "x"}},
        {"error": {"message": "foo is not a valid model ID"}},
    ],
)
def test_a_model_can_be_unknown_in_other_words(body):
    error = asked("openai", reply(400, body))
    assert isinstance(error, Fatal)
    assert error.problem.code == "EK505"


def test_a_redirect_is_not_followed_since_it_would_carry_the_key_elsewhere():
    with ModelServer() as elsewhere:
        error = asked("openai", reply(307, b"", Location=f"{elsewhere.base_url}?key={KEY}"))
        assert elsewhere.requests == []
    assert isinstance(error, Fatal)
    assert error.problem.code == "EK505"
    assert elsewhere.requests == []
    assert KEY not in str(error.problem)


@pytest.mark.parametrize("kind", MODEL_APIS)
def test_no_secret_comes_back_in_a_message_or_in_an_answer(kind):
    echo = f"you sent {KEY} and hidden-4711"
    headers = {"X-Session-Token": "hidden-4711"}
    for status in (400, 401, 404, 429, 500):
        error = asked(kind, reply(status, {"error": {"message": echo}}), headers=headers)
        text = str(error.problem) if isinstance(error, Fatal) else error.message
        assert KEY not in text
        assert "hidden-4711" not in text
        assert "you sent [secret] and [secret]" in text
    with ModelServer(lambda _: echo) as server:
        answer = ask(make(kind, server))
    assert answer.output == "you sent [secret] and hidden-4711"  # short ones may be a word of the answer


def test_a_placeholder_key_does_not_change_answers():
    with ModelServer(lambda _: "use ollama") as server:
        assert ask(OpenAIProvider("test", server.base_url, "ollama")).output == "use ollama"


def test_a_key_with_a_line_break_around_it_works_and_one_with_a_line_break_in_it_is_explained():
    with ModelServer(api_key=KEY) as server:
        assert ask(OpenAIProvider("test", server.base_url, f"{KEY}\n")).output == "ok"
        with pytest.raises(Fatal) as raised:
            ask(OpenAIProvider("test", server.base_url, "sk-one\nsk-two"))
    assert raised.value.problem.code == "EK502"
    assert "sk-one" not in str(raised.value.problem)


def test_a_port_that_nobody_listens_on_is_a_network_failure():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = ask(OpenAIProvider("test", f"http://127.0.0.1:{port}/v1", KEY))
    assert isinstance(error, Unavailable)
    assert error.type == "network"
    assert f"no connection to http://127.0.0.1:{port}/v1/chat/completions" in error.message


def test_a_host_that_nobody_knows_is_a_network_failure():
    error = ask(OpenAIProvider("test", "http://no-such-host.invalid/v1", KEY))
    assert isinstance(error, Unavailable)
    assert error.type == "network"
    assert error.message == "the host name of http://no-such-host.invalid/v1/chat/completions is not known"


@pytest.mark.parametrize("url", ["no-scheme", "http://", "ftp://x/", ""])
def test_a_url_that_is_none_ends_the_run(url):
    error = ask(OpenAIProvider("test", url, KEY))
    assert isinstance(error, Fatal)
    assert error.problem.code == "EK505"


def test_a_url_that_cannot_even_be_read_is_refused_at_once():
    with pytest.raises(UsageError, match="EK505"):
        OpenAIProvider("test", "http://[::1/v1", KEY)


@pytest.mark.parametrize("kind", MODEL_APIS)
def test_a_dropped_connection_is_a_network_failure(kind):
    with ModelServer(faults=Faults(drop_every=1)) as server:
        error = ask(make(kind, server))
    assert isinstance(error, Unavailable)
    assert error.type == "network"


def test_an_answer_that_breaks_off_is_a_network_failure():
    error = asked("openai", reply(200, b'{"choices":', Content_Length="5000", Connection="close"))
    assert isinstance(error, Unavailable)
    assert error.type == "network"
    assert error.message.endswith("broke off")


def test_a_server_that_speaks_no_http_is_its_own_fault():
    async def scenario():
        async def rude(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"220 mail.test ESMTP\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(rude, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        provider = OpenAIProvider("test", f"http://127.0.0.1:{port}/v1", KEY)
        await provider.open()
        try:
            return await outcome(provider, REQUEST)
        finally:
            await provider.close()
            server.close()

    error = asyncio.run(scenario())
    assert isinstance(error, Unavailable)
    assert "does not answer with HTTP" in error.message


def test_an_answer_that_does_not_come_is_a_timeout():
    with ModelServer(latency_s=0.3) as server:
        error = ask(make("openai", server, timeout_s=0.05))
    assert isinstance(error, Unavailable)
    assert (error.type, error.message) == ("timeout", "no answer within 0.05 s")


@pytest.mark.parametrize("compressed", [False, True])
def test_an_endless_answer_is_cut_off(compressed):
    endless = b" " * (MAX_BODY_BYTES + 1)
    raw = reply(200, gzip.compress(endless), Content_Encoding="gzip") if compressed else reply(200, endless)
    error = asked("openai", raw)
    assert isinstance(error, Unavailable)
    assert (error.message, error.retryable) == ("the answer is longer than 32 MiB", False)


def test_a_compressed_answer_is_read():
    raw = reply(
        200, gzip.compress(json.dumps(completion({"content": "x"})).encode()), Content_Encoding="gzip"
    )
    assert asked("openai", raw).output == "x"


def test_a_proxy_is_taken_from_the_environment_and_passed_by_for_no_proxy(monkeypatch):
    with ModelServer(lambda _: "by proxy") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removeprefix("http://"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        answer = ask(OpenAIProvider("test", "http://model.test/v1", KEY))
        with ModelServer(lambda _: "direct") as direct:
            assert ask(make("openai", direct)).output == "direct"
    assert answer.output == "by proxy"


# Small readings


@given(st.text(), st.integers(1, 50))
def test_an_excerpt_is_one_printable_line(text, limit):
    line = excerpt(text, limit)
    assert len(line) <= limit
    assert line.isprintable()


@given(
    st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_what_is_read_from_json_can_be_written_again(value):
    read = parse_json(json.dumps(value).encode())
    json.dumps(read, ensure_ascii=False).encode("utf-8")  # does not raise: no lone surrogate is left
    if "\\ud" not in json.dumps(value):
        assert read == value


def test_halves_of_a_pair_are_replaced_and_whole_pairs_are_kept():
    assert parse_json(b'["\\ud83d\\ude00", "\\ud83d", "\\\\ud83d"]') == ["\U0001f600", "\ufffd", "\\ud83d"]
    assert parse_json(b'"\xed\xa0\x80"') == "\ufffd\ufffd\ufffd"
    assert parse_json(b"\xef\xbb\xbf1") == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "5"}, 5.0),
        ({"Retry-After": " 0.5 "}, 0.5),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"retry-after-ms": "x", "Retry-After": "9"}, 9.0),
        ({"Retry-After": formatdate(1000030, usegmt=True), "Date": formatdate(1000000, usegmt=True)}, 30.0),
        ({"Retry-After": formatdate(1000000, usegmt=True), "Date": formatdate(1000030, usegmt=True)}, 0.0),
        ({"Retry-After": formatdate(1000000, usegmt=True)}, 0.0),
    ],
)
def test_every_form_of_retry_after(headers, seconds):
    assert retry_after_s(headers) == seconds


# Applications


def http_target(answer, **arguments):
    with ModelServer(lambda _: answer) as server:
        result = ask(HttpTarget("app", f"{server.url}/app", timeout_s=10.0, **arguments))
        return result, server.requests[0]


def test_an_application_is_sent_the_case_and_its_output_is_read_by_path():
    answer, sent = http_target(
        reply(200, {"data": [{"text": "x"}]}), output="data.0.text", headers={"X": "1"}
    )
    assert answer.output == "x"
    assert sent.body == {"id": "case-1", "vars": {"q": "hello"}}
    assert (sent.path, sent.headers["x"]) == ("/app", "1")


@pytest.mark.parametrize("output", ["data.1.text", "data.x", "nothing", "data.0.text.deeper"])
def test_an_output_that_is_not_where_it_should_be_is_the_candidates_failure(output):
    error, _ = http_target(reply(200, {"data": [{"text": "x"}]}), output=output)
    assert isinstance(error, CandidateFailed)
    assert error.type == "malformed"
    assert output in error.message


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"just text\n", Answer("just text")),
        (b'{"output": "x"}', Answer("x")),
        (b'{"output": {"a": [1, "\xc3\xa9"]}}', Answer('{"a": [1, "\u00e9"]}')),
        (
            b'{"output": null, "tool_calls": [{"name": "f", "arguments": "{}"}]}',
            Answer(None, (ToolCall("f", {}),)),
        ),
        (b'{"output": "x", "tokens": {"in": 3, "out": 4}}', Answer("x", input_tokens=3, output_tokens=4)),
        (b'{"something": "else"}', Answer('{"something": "else"}')),
        (b'{"output": "x"', Answer('{"output": "x"')),
        (b"", Answer("")),
    ],
)
def test_an_application_answers_with_text_or_with_an_object(body, answer):
    assert http_target(reply(200, body))[0] == answer
    script = f"import sys; sys.stdout.buffer.write({body!r})"
    assert ask(CommandTarget("app", [sys.executable, "-c", script])) == answer


@pytest.mark.parametrize(
    "body", [b'{"tool_calls": [1]}', b'{"tool_calls": 1}', b'{"output": "x", "tokens": [1]}']
)
def test_an_object_that_cannot_be_read_is_the_candidates_failure(body):
    error, _ = http_target(reply(200, body))
    assert isinstance(error, CandidateFailed)
    assert error.type == "malformed"


@pytest.mark.parametrize(
    ("status", "kind"), [(500, Unavailable), (400, CandidateFailed), (401, Fatal), (404, Fatal)]
)
def test_the_status_of_an_application_means_what_that_of_a_model_means(status, kind):
    assert isinstance(http_target(reply(status))[0], kind)


def test_applications_promote_nothing():
    assert not HttpTarget("app", "http://h.test").promotable
    assert not CommandTarget("app", ["x"]).promotable


def command(script, **arguments):
    return CommandTarget("app", [sys.executable, "-c", script], **arguments)


def test_a_command_is_given_the_case_on_its_standard_input():
    answer = ask(command("import json, sys; print(json.load(sys.stdin))"))
    assert answer.output == "{'id': 'case-1', 'vars': {'q': 'hello'}}"


def test_a_command_need_not_read_its_input():
    request = Request({}, {"long": "x" * 1_000_000}, "c")
    assert ask(command("print('done')"), request).output == "done"


def test_a_command_that_fails_is_the_candidates_failure_and_its_last_words_are_told():
    error = ask(command("import sys; print('first', file=sys.stderr); sys.exit('no \\x1b[31mluck')"))
    assert isinstance(error, CandidateFailed)
    assert error.type == "process_failed"
    assert error.message.endswith("exits 1: no [31mluck")


def test_a_command_ended_by_a_signal_is_the_candidates_failure():
    error = ask(command("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"))
    assert isinstance(error, CandidateFailed)
    assert "was ended by signal 11" in error.message


def test_a_command_that_cannot_be_started_ends_the_run():
    error = ask(CommandTarget("app", ["/no/such/program", "--x"]))
    assert isinstance(error, Fatal)
    assert error.problem.code == "EK505"
    assert "cannot run `/no/such/program --x`" in error.problem.message


def test_a_command_that_prints_without_end_is_stopped():
    error = ask(command("import sys\nwhile True: sys.stdout.write('x' * 100000)"))
    assert isinstance(error, CandidateFailed)
    assert error.type == "malformed"


@pytest.fixture
def family(tmp_path):
    """A program with a child, and a pipe that both hold open as long as they live."""
    os.mkfifo(tmp_path / "alive")
    script = 'exec 3>"$0"; (echo ready >&3; sleep 600) & wait'
    return ["sh", "-c", script, str(tmp_path / "alive")], tmp_path / "alive"


def test_a_command_that_takes_too_long_is_killed_with_its_children(family):
    argv, pipe = family

    async def scenario():
        target = CommandTarget("app", argv, timeout_s=0.5)
        return await asyncio.gather(outcome(target, REQUEST), asyncio.to_thread(pipe.read_bytes))

    error, until_the_end = asyncio.run(scenario())
    assert until_the_end == b"ready\n"
    assert isinstance(error, Unavailable)
    assert (error.type, error.retryable) == ("timeout", False)


def test_a_command_is_killed_with_its_children_when_the_run_is_interrupted(family):
    argv, pipe = family

    async def scenario():
        running = asyncio.create_task(CommandTarget("app", argv).complete(REQUEST))
        with await asyncio.to_thread(pipe.open, "rb") as alive:
            assert await asyncio.to_thread(alive.readline) == b"ready\n"
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return await asyncio.to_thread(alive.read)

    assert asyncio.run(scenario()) == b""


# The server for tests


def test_the_model_server_tells_what_a_test_function_raised():
    def broken(body):
        raise KeyError("oops")

    with pytest.raises(KeyError, match="oops"), ModelServer(broken) as server:
        ask(make("openai", server))


def test_the_model_server_counts_what_it_answered_by_case():
    with ModelServer(faults=Faults(error_every=2, malformed_every=3)) as server:
        ask(make("openai", server), *[REQUEST] * 6)
        assert len(server.requests) == 6
        assert server.answered == {"hello": 2}


def test_random_bytes_never_break_a_provider():
    rng = random.Random(5)
    with ModelServer(
        lambda _: reply(rng.choice([200, 400, 500]), rng.randbytes(rng.randrange(200)))
    ) as server:
        results = ask(make("openai", server), *[REQUEST] * 60)
    assert all(isinstance(result, Unavailable | CandidateFailed) for result in results)
