"""What the model server says to what it cannot do."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from evalkit.testing.model_server import ModelServer


def post(url, **body):
    request = urllib.request.Request(
        url, json.dumps({"model": "m", "messages": []} | body).encode(), method="POST"
    )
    return urllib.request.urlopen(request, timeout=10)


def test_messages_are_not_streamed_and_the_refusal_is_no_answer():
    with ModelServer("a") as server:
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(f"{server.url}/v1/messages", stream=True)
        with refused.value as answer:
            error = json.load(answer)["error"]
    assert refused.value.code == 400
    assert error["type"] == "invalid_request_error"
    assert "does not stream" in error["message"]
    assert not server.answered


def test_a_streamed_answer_says_in_chunks_what_a_whole_one_says():
    from openai import OpenAI

    call = {"name": "look_up", "arguments": {"order": 7}}
    message = {"content": "one  two\nthree ", "tool_calls": [call]}
    with ModelServer(lambda _: message) as server, OpenAI(base_url=server.base_url, api_key="none") as client:
        asked = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        (whole,) = client.chat.completions.create(**asked).choices
        with client.chat.completions.create(
            **asked, stream=True, stream_options={"include_usage": True}
        ) as stream:
            chunks = list(stream)
    deltas = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(one.delta.content or "" for one in deltas) == whole.message.content == message["content"]
    (streamed,) = (one for delta in deltas for one in delta.delta.tool_calls or ())
    assert json.loads(streamed.function.arguments) == {"order": 7}
    assert (
        [one.finish_reason for one in deltas if one.finish_reason] == [whole.finish_reason] == ["tool_calls"]
    )
    assert chunks[-1].usage.total_tokens > 0


def test_a_request_that_says_it_wants_no_stream_is_answered_whole():
    with ModelServer("a") as server:
        asked = {"messages": [{"role": "user", "content": "x"}], "stream": False}
        with post(f"{server.base_url}/chat/completions", **asked) as answer:
            assert json.load(answer)["choices"][0]["message"]["content"] == "a"
