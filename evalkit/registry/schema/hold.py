"""`registry/holds/<name>.yaml`: what automation does not promote."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from evalkit.registry.schema.base import CrossChecked, Finding, Strict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Hold", "HoldFile"]


class Hold(CrossChecked):
    """One hold: on one generation digest, or on every entry of the name."""

    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    all: bool | None = None
    reason: Annotated[str, Field(min_length=1)]
    by: Annotated[str, Field(min_length=1)]
    until: Annotated[date, Field(strict=False)] | None = None

    @classmethod
    def findings(cls, raw: Mapping[str, Any]) -> Iterator[Finding]:
        """What is wrong between the keys."""
        if bool(raw.get("digest")) == bool(raw.get("all")):
            yield Finding("a hold is on one 'digest' or on 'all': exactly one of them")


class HoldFile(Strict):
    """A list of holds. A file may also be a single hold, written as a mapping."""

    holds: list[Hold]
