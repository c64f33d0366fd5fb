"""The two things a scorer sees: a case and the answer to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.errors import Location

__all__ = ["Answer", "Case", "ToolCall"]


@dataclass(slots=True)
class Case:
    """One question of a suite."""

    id: str
    index: int
    """Position in the suite, from 0."""
    vars: Mapping[str, Any]
    """What the prompt is rendered with."""
    expected: Any = None
    tags: tuple[str, ...] = ()
    """Each tag is a slice of the report; the gate may set a floor for it."""
    cluster: str | None = None
    """Cases that share a cluster are not independent (same document, same conversation)."""
    must_pass: bool = False
    """This case alone fails the gate when it does not score 1."""
    location: Location | None = None
    """Where the case is written."""


@dataclass(slots=True)
class ToolCall:
    """One call that the model asks for."""

    name: str
    arguments: Any
    """Parsed arguments (an object), or the raw string where the model wrote no valid JSON."""


@dataclass(slots=True)
class Answer:
    """What came back for one case and repeat: the model's, a recording's, or an application's."""

    output: str | None = None
    """The text; None when the model only called tools, or answered nothing."""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    served_model: str | None = None
    """The model id that the provider says it answered with."""
    latency_ms: float | None = None
    """Wall time of the successful attempt; of the original one when cached. None for a recording without it."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    cached: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
