"""How a run is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.evals.record import Source

__all__ = ["RunOptions", "Shard", "asked_cases"]


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` of `count`, from 1: the cases whose position leaves `index - 1` over `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is made. None of it is part of a digest, but `limit` and `shard` leave cases out."""

    run_id: str
    started_at: str
    output_dir: Path
    source: Source
    concurrency: int = 16
    cache_mode: str = "reuse"
    max_cost_usd: float | None = None
    limit: int | None = None
    shard: Shard | None = None
    outputs: bool = True
    """Whether samples keep their texts."""


def asked_cases(count: int, options: RunOptions) -> int:
    """How many of a suite's `count` cases a run asks."""
    if options.shard:
        count = len(range(options.shard.index - 1, count, options.shard.count))
    return count if options.limit is None else min(count, options.limit)
