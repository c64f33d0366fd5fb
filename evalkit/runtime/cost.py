"""What the tokens of one answer cost. Pure; an unknown price is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

__all__ = ["Price", "cost_usd"]

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
