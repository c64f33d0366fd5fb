"""What models cost: list prices from `data/prices.yaml`, or the project's own. Pure; an unknown price is None, never 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Protocol

from evalkit.runtime.cost import Price
from evalkit.runtime.hosts import route
from evalkit.runtime.package_data import read_data

__all__ = ["Quoted", "price"]


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


def _read(quoted: Quoted | Mapping[str, Any]) -> Price:
    if isinstance(quoted, Mapping):
        return Price(quoted["input"], quoted["output"], quoted.get("cached_input"))
    return Price(quoted.input, quoted.output, quoted.cached_input)


@cache
def _list_prices() -> dict[str, dict[str, Price]]:
    """By model, then by host."""
    prices: dict[str, dict[str, Price]] = {}
    for vendor in read_data("evalkit.runtime", "prices.yaml")["prices"]:
        for row in vendor["models"]:
            listed = replace(_read(row), as_of=vendor["as_of"])
            for model in row["ids"]:
                prices.setdefault(model, {}).update(dict.fromkeys(vendor["hosts"], listed))
    return prices
