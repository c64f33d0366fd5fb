"""What the state tells the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import Account, Kind

__all__ = ["Event"]


@dataclass(slots=True)
class Event:
    """Something that happened, and which commit's workflow files hear of it."""

    name: str
    payload: dict[str, Any]
    actor: Account
    kind: Kind
    """What the actor's token was."""
    ref: str
    """GITHUB_REF."""
    sha: str
    """GITHUB_SHA; its workflow files are asked."""
    head_branch: str | None
    head_sha: str
    base_branch: str | None = None
    head_repository: str = ""
    pull: int | None = None
    paths: list[str] = field(default_factory=list)
    only: str | None = None
    """A dispatch: this workflow file alone."""
