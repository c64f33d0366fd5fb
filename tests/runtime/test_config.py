from __future__ import annotations

import pickle

import pytest

from evalkit.errors import RenderError
from evalkit.runtime.config import GenerationConfig, Message, Variable


def config(**changes):
    values = {
        "provider_kind": "openai",
        "model": "gpt-5-mini-2025-08-07",
        "members": None,
        "prompt_name": "triage-prompt@v9",
        "messages": (Message("system", "Be brief."), Message("user", "{{ ticket }}")),
        "variables": {"ticket": Variable()},
        "params": {"max_tokens": 300},
    }
    return GenerationConfig(**{**values, **changes})


def test_a_request_is_model_messages_and_params_verbatim():
    assert config().request({"ticket": "late parcel"}) == {
        "model": "gpt-5-mini-2025-08-07",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "late parcel"}],
        "max_tokens": 300,
    }


def test_tools_and_response_format_are_sent_when_there_are_any():
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    body = config(tools=(tool,), response_format={"type": "json_object"}).request({"ticket": "x"})
    assert body["tools"] == [tool]
    assert body["response_format"] == {"type": "json_object"}


def test_every_wrong_variable_is_named_at_once():
    with pytest.raises(RenderError) as caught:
        config(variables={"ticket": Variable(), "count": Variable("integer")}).request(
            {"count": True, "tikcet": "x"}
        )
    messages = [problem.message for problem in caught.value.problems]
    assert messages == [
        "variable 'ticket' of triage-prompt@v9 is missing",
        "variable 'count' is boolean, triage-prompt@v9 declares integer",
        "triage-prompt@v9 declares no variable 'tikcet'",
    ]


def test_an_optional_variable_takes_its_default():
    declared = {"ticket": Variable(), "tone": Variable(required=False, default="calm")}
    messages = (Message("user", "{{ tone }}: {{ ticket }}"),)
    assert (
        config(variables=declared, messages=messages).render_messages({"ticket": "x"})[0]["content"]
        == "calm: x"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"provider_kind": "anthropic"},
        {"model": "gpt-5-mini-2025-08-08"},
        {"messages": (Message("user", "{{ ticket }}"),)},
        {"params": {"max_tokens": 301}},
        {"params": {"max_tokens": 300.0}},
        {"variables": {"ticket": Variable("any")}},
        {"tools": ({"type": "function", "function": {"name": "f"}},)},
        {"response_format": {"type": "json_object"}},
        {"artifact_digest": "sha256:" + "0" * 64},
    ],
)
def test_what_decides_the_answer_changes_the_digest(changes):
    assert config(**changes).digest != config().digest


@pytest.mark.parametrize(
    "changes", [{"prompt_name": "other@v1"}, {"params": {"max_tokens": 300, "seed": None}}, {"tools": ()}]
)
def test_what_does_not_decide_the_answer_keeps_the_digest(changes):
    assert config(**changes).digest == config().digest


def test_the_digest_of_a_config_is_frozen():
    assert config().digest == "sha256:5d9dca8b70c6568838b8af40fc16c5e40b9671864eb13620a5aa06fea17790c6"


def test_a_config_can_be_pickled():
    assert pickle.loads(pickle.dumps(config())) == config()
