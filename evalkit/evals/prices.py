"""What tokens cost: list prices from `data/prices.yaml`, or the project's own. Pure; an unknown price is None, never 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from evalkit.registry.pins import read_data, route

if TYPE_CHECKING:
    from datetime import date

__all__ = ["Price", "Quoted", "cost_usd", "price"]

TOKENS_PER_UNIT = 1_000_000
"""Prices are quoted for a million tokens."""


@dataclass(frozen=True, slots=True)
class Price:
    """USD for a million tokens."""

    input: float
    output: float
    cached_input: float | None = None
    """For input that the provider had in its cache; as `input` if unknown."""
    as_of: date | None = None
    """When this list price was last looked up; None for a price of the project's own."""


class Quoted(Protocol):
    """A price as `evalkit.yaml` gives it."""

    @property
    def input(self) -> float:
        """USD for a million tokens."""
        ...

    @property
    def output(self) -> float:
        """The same."""
        ...

    @property
    def cached_input(self) -> float | None:
        """The same, where the provider had the input in its cache."""
        ...


FREE = Price(0.0, 0.0, 0.0)
"""Weights that run on this machine."""


def price(
    model: str, overrides: Mapping[str, Quoted | Mapping[str, Any]] | None = None, provider: str | None = None
) -> Price | None:
    """What `model` costs, or None if it is not known.

    Args:
        model: the id as the entry writes it.
        overrides: `prices:` of evalkit.yaml, by model id, with or without the id's prefix. They win over everything.
        provider: the name or kind of the entry's provider. `local` costs nothing; a host other than the vendor (a
            gateway, a cloud) has prices of its own, which are not known here.
    """
    host, rest = route(model, provider)
    for key in (model, rest):
        if overrides and (own := overrides.get(key)) is not None:
            return _read(own)
    if host and host.id == "local":
        return FREE
    by_host = _list_prices().get(rest, {})
    return by_host.get(host.id) if host else next(iter(by_host.values()), None)


def cost_usd(
    price: Price | None, input_tokens: int | None, output_tokens: int | None, cached_tokens: int = 0
) -> float | None:
    """USD for one answer; None if the price or a count is unknown.

    Args:
        price: of the model that answered.
        input_tokens: all tokens of the request, cached or not.
        output_tokens: all tokens of the answer, reasoning included.
        cached_tokens: how many of the input tokens the provider read from its cache.
    """
    if price is None or input_tokens is None or output_tokens is None:
        return None
    if min(input_tokens, output_tokens, cached_tokens) < 0 or cached_tokens > input_tokens:
        return None  # counts that cannot be true measure nothing
    cached_price = price.input if price.cached_input is None else price.cached_input
    units = (
        (input_tokens - cached_tokens) * price.input
        + cached_tokens * cached_price
        + output_tokens * price.output
    )
    return units / TOKENS_PER_UNIT


def _read(quoted: Quoted | Mapping[str, Any]) -> Price:
    if isinstance(quoted, Mapping):
        return Price(quoted["input"], quoted["output"], quoted.get("cached_input"))
    return Price(quoted.input, quoted.output, quoted.cached_input)


@cache
def _list_prices() -> dict[str, dict[str, Price]]:
    """By model, then by host."""
    prices: dict[str, dict[str, Price]] = {}
    for vendor in read_data("evalkit.evals", "prices.yaml")["prices"]:
        for row in vendor["models"]:
            listed = replace(_read(row), as_of=vendor["as_of"])
            for model in row["ids"]:
                prices.setdefault(model, {}).update(dict.fromkeys(vendor["hosts"], listed))
    return prices
