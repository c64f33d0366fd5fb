"""Addresses that the environment names are not used, and that is said."""

from __future__ import annotations

import pytest

from evalkit.evals.addresses import unread_addresses
from evalkit.registry.schema import ProviderConfig

OPENAI = ProviderConfig(kind="openai")
OWN = ProviderConfig(kind="openai", base_url="https://llm.example.com/v1")
ANTHROPIC = ProviderConfig(kind="anthropic")


@pytest.mark.parametrize(
    ("config", "environ", "used"),
    [
        (OPENAI, {"OPENAI_BASE_URL": "http://127.0.0.1:8100/v1"}, "https://api.openai.com/v1"),
        (OWN, {"OPENAI_BASE_URL": "http://127.0.0.1:8100/v1"}, "https://llm.example.com/v1"),
        (ANTHROPIC, {"ANTHROPIC_BASE_URL": "http://127.0.0.1:8100"}, "https://api.anthropic.com"),
    ],
)
def test_an_address_that_is_not_used_is_said_once_with_the_one_that_is(config, environ, used):
    (note,) = unread_addresses({"main": config}, environ)
    assert f"{next(iter(environ))} is set" in note
    assert f"is asked at {used};" in note
    assert "providers.main.base_url in evalkit.yaml" in note
    assert "127.0.0.1" not in note


@pytest.mark.parametrize(
    ("config", "environ"),
    [
        (OPENAI, {}),
        (OPENAI, {"OPENAI_BASE_URL": " "}),
        (OPENAI, {"OPENAI_BASE_URL": "https://api.openai.com/v1/"}),
        (OPENAI, {"ANTHROPIC_BASE_URL": "http://127.0.0.1"}),
        (OWN, {"OPENAI_BASE_URL": "https://llm.example.com/v1"}),
        (ProviderConfig(kind="local"), {"OPENAI_BASE_URL": "http://127.0.0.1"}),
    ],
)
def test_nothing_is_said_where_nothing_differs(config, environ):
    assert not list(unread_addresses({"main": config}, environ))
