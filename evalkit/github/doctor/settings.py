"""The settings of a repository, as far as the token may read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.github.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Environment", "Settings", "unreadable"]


@dataclass(frozen=True, slots=True)
class Environment:
    """A deployment environment."""

    secrets: frozenset[str] | None
    """Their names; None where the token may not read them."""
    branches: tuple[str, ...] | None
    """The patterns that it admits; None: any branch."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the forge says of the repository. A field is None where the token may not read it."""

    repository: str
    url: str
    """`https://github.com/owner/name`."""
    default_branch: str
    is_public: bool
    is_app: bool = False
    actions: Mapping[str, Any] | None = None
    """`GET actions/permissions`: enabled, allowed_actions."""
    workflow_permissions: Mapping[str, Any] | None = None
    """`GET actions/permissions/workflow`: default_workflow_permissions, can_approve_pull_request_reviews."""
    rules: Sequence[Mapping[str, Any]] | None = None
    """`GET rules/branches/{default}`, and the older protection in the same shape."""
    environments: Mapping[str, Environment] | None = None
    secrets: frozenset[str] | None = None
    """Of the repository: every branch's workflows can read them."""
    variables: frozenset[str] | None = None
    artifact_days: int | None = None
    has_pages: bool = False
    has_immutable_releases: bool | None = None
    workflow_states: Mapping[str, str] | None = None
    """By path: `active`, `disabled_inactivity`, `disabled_manually`."""


def unreadable(what: str, question: str, where: str, url: str, permission: str) -> Finding:
    """What is said of a setting that the token may not read."""
    return Finding(
        f"cannot-read-{what}",
        "unknown",
        f"the token may not read {question}",
        f"run evalkit doctor with a token that has {permission}",
        where,
        url,
    )
