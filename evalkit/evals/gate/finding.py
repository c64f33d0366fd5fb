"""What one rule says about a run."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from evalkit.evals.record import Verdict

__all__ = ["Finding", "is_known"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's verdict with its reason, a sentence."""

    verdict: Verdict
    reason: str
    missing: int | None = None
    """How many more cases would settle it."""
    asserts: bool = True
    """False for what is only said: it makes nothing pass."""


def is_known(value: float | None) -> TypeGuard[float]:
    """Whether there is a number to judge."""
    return value is not None and isfinite(value)
