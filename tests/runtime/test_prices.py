from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.registry.schema.project import Price as ConfiguredPrice
from evalkit.runtime.cost import Price, cost_usd
from evalkit.runtime.hosts import hosts
from evalkit.runtime.package_data import read_data
from evalkit.runtime.prices import price

counts = st.integers(0, 10**9)
amounts = st.floats(0, 1000, allow_nan=False)
prices = st.builds(Price, amounts, amounts, st.none() | amounts)


def test_a_list_price_says_when_it_was_read():
    found = price("gpt-5-mini-2025-08-07")
    assert found is not None
    assert (found.input, found.output, found.cached_input) == (0.25, 2.0, 0.025)
    assert isinstance(found.as_of, date)


def test_a_snapshot_and_its_alias_cost_the_same_with_and_without_the_vendors_prefix():
    assert (
        price("gpt-4o")
        == price("gpt-4o-2024-08-06")
        == price("openai/gpt-4o")
        == price("gpt-4o", provider="openai")
    )
    assert price("gemini/gemini-2.5-pro") == price("vertex_ai/gemini-2.5-pro") == price("gemini-2.5-pro")


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("triage-lora", None),
        ("azure/gpt-4o", None),
        ("gpt-4o", "azure"),
        ("openrouter/openai/gpt-4o", None),
        ("bedrock/anthropic.claude-opus-4-6-v1", None),
        ("hosted_vllm/gpt-4o", None),
        ("gpt-4o", "http"),
        ("ft:gpt-4o-2024-08-06:acme::abc123", None),
        ("", None),
    ],
)
def test_a_price_that_is_not_known_is_none_and_never_zero(model, provider):
    assert price(model, provider=provider) is None
    assert cost_usd(price(model, provider=provider), 1000, 1000) is None


def test_weights_on_this_machine_cost_nothing():
    for found in (price("smollm2", provider="local"), price("local/smollm2")):
        assert cost_usd(found, 1000, 1000) == 0.0


def test_the_projects_own_price_wins_whichever_way_it_is_written():
    own = Price(1.0, 3.0)
    assert price("gpt-4o", {"gpt-4o": {"input": 1.0, "output": 3.0}}) == own
    assert price("openai/gpt-4o", {"gpt-4o": ConfiguredPrice(input=1.0, output=3.0)}) == own
    assert price("azure/gpt-4o", {"azure/gpt-4o": own}) == own
    assert price("smollm2", {"smollm2": own}, provider="local") == own
    exact = {"openai/gpt-4o": {"input": 1.0, "output": 3.0}, "gpt-4o": {"input": 9.0, "output": 9.0}}
    assert price("openai/gpt-4o", exact) == own


def test_a_cost_is_counted_per_million_tokens():
    assert cost_usd(Price(0.25, 2.0, 0.025), 1_000_000, 500_000) == pytest.approx(1.25)
    assert cost_usd(Price(0.25, 2.0, 0.025), 1_000_000, 0, cached_tokens=600_000) == pytest.approx(0.115)
    assert cost_usd(Price(0.25, 2.0), 1_000_000, 0, cached_tokens=600_000) == pytest.approx(0.25)


@pytest.mark.parametrize(
    "tokens", [(None, 1, 0), (1, None, 0), (-1, 1, 0), (1, -1, 0), (1, 1, 2), (1, 1, -1)]
)
def test_counts_that_are_missing_or_cannot_be_true_have_no_cost(tokens):
    assert cost_usd(Price(1.0, 1.0), *tokens) is None


@given(prices, counts, counts, counts, counts)
def test_costs_of_two_answers_add_up(quoted, input_a, output_a, input_b, output_b):
    parts = [cost_usd(quoted, input_a, output_a), cost_usd(quoted, input_b, output_b)]
    assert cost_usd(quoted, input_a + input_b, output_a + output_b) == pytest.approx(sum(parts), rel=1e-9)


@given(prices, counts, counts)
def test_a_cost_is_never_negative(quoted, input_tokens, output_tokens):
    assert cost_usd(quoted, input_tokens, output_tokens) >= 0


@given(st.text(), st.none() | st.text())
def test_looking_up_a_price_never_fails(model, provider):
    found = price(model, {}, provider)
    assert found is None or isinstance(found, Price)


def test_every_listed_price_is_dated_plausible_and_listed_once():
    known = {host.id for host in hosts()}
    seen = []
    for vendor in read_data("evalkit.runtime", "prices.yaml")["prices"]:
        assert isinstance(vendor["as_of"], date)
        assert vendor["source"].startswith("https://")
        assert set(vendor["hosts"]) <= known
        for row in vendor["models"]:
            assert set(row) <= {"ids", "input", "output", "cached_input"}
            assert 0 < row["input"] <= 200
            assert 0 <= row["output"] <= 1000
            assert row.get("cached_input", 0) <= row["input"]
            seen += [(host, model) for host in vendor["hosts"] for model in row["ids"]]
    assert len(seen) == len(set(seen))
