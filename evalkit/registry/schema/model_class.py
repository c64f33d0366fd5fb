"""`registry/classes/<name>/v<version>.yaml`: a gateway equivalence class."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from evalkit.registry.schema.base import ModelId, Name, Strict, Version

__all__ = ["Member", "ModelClass"]


class Member(Strict):
    """One pinned model that may answer for the class."""

    model: ModelId
    provider: Name | None = None
    weight: Annotated[float, Field(ge=0)] | None = None
    params: dict[str, Any] | None = None


class ModelClass(Strict):
    """A named, versioned set of pinned members that a gateway may exchange for each other."""

    name: Name
    version: Version
    description: str | None = None
    members: Annotated[list[Member], Field(min_length=1)]
