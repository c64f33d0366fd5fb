"""The event that started a workflow, as far as evalkit acts on it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.errors import Location, Problem, UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "DispatchEvent",
    "Event",
    "OtherEvent",
    "PullRequestEvent",
    "PushEvent",
    "ReviewEvent",
    "read_event",
]


@dataclass(frozen=True, slots=True)
class PullRequestEvent:
    """Something happened to a pull request."""

    action: str
    """`opened`, `synchronize`, `reopened`, `closed`, …."""
    number: int
    head: str
    """The branch."""
    head_sha: str
    head_repository: str | None
    """`owner/name`; None if the fork is gone."""
    base: str
    base_sha: str
    is_merged: bool
    merge_commit: str | None
    """Of a merged one."""
    sender: str
    """Who did it."""


@dataclass(frozen=True, slots=True)
class ReviewEvent:
    """A review was submitted, edited or dismissed."""

    action: str
    number: int
    """Of the pull request."""
    author: str
    """Of the review."""
    state: str
    """`approved`, `changes_requested`, `commented`, `dismissed`."""
    commit: str | None
    """The head that was reviewed."""


@dataclass(frozen=True, slots=True)
class PushEvent:
    """A branch or tag was pushed."""

    ref: str
    """`refs/heads/main`."""
    before: str | None
    """None if the ref is new."""
    after: str | None
    """None if the ref was deleted."""


@dataclass(frozen=True, slots=True)
class DispatchEvent:
    """A person or a workflow started this one."""

    ref: str
    inputs: dict[str, str]
    sender: str


@dataclass(frozen=True, slots=True)
class OtherEvent:
    """An event whose content evalkit does not use: `schedule`, `merge_group`, …."""

    name: str


Event = PullRequestEvent | ReviewEvent | PushEvent | DispatchEvent | OtherEvent


def read_event(path: Path, name: str) -> Event:
    """The event of a file.

    Args:
        path: `Actions.event_path`.
        name: `Actions.event_name`.

    Raises:
        UsageError: EK870, the file cannot be read, or is not of this event.
    """
    try:
        payload = json.loads(path.read_bytes())
        return _event(name, payload)
    except OSError as error:
        reason = f"the file of the event cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError):
        reason = f"the file of the event is not one of {name}"
    hint = "GITHUB_EVENT_PATH and GITHUB_EVENT_NAME are set by Actions, and belong together"
    raise UsageError(Problem("EK870", reason, Location(str(path)), hint))


def _event(name: str, payload: dict[str, Any]) -> Event:
    if name in {"pull_request", "pull_request_target"}:
        return _pull_request(payload)
    if name == "pull_request_review":
        review = payload["review"]
        return ReviewEvent(
            payload["action"],
            payload["pull_request"]["number"],
            review["user"]["login"] if review.get("user") else "ghost",
            review["state"].lower(),
            review.get("commit_id"),
        )
    if name == "push":
        before, after = payload["before"], payload["after"]
        return PushEvent(
            payload["ref"], before if before.strip("0") else None, after if after.strip("0") else None
        )
    if name == "workflow_dispatch":
        inputs = payload.get("inputs") or {}
        given = {str(key): _input(value) for key, value in inputs.items()}
        return DispatchEvent(payload["ref"], given, payload["sender"]["login"])
    return OtherEvent(name)


def _input(value: object) -> str:
    """As `${{ inputs.x }}` would read it."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _pull_request(payload: dict[str, Any]) -> PullRequestEvent:
    pull = payload["pull_request"]
    repository, is_merged = pull["head"].get("repo"), bool(pull.get("merged"))
    return PullRequestEvent(
        action=payload["action"],
        number=pull["number"],
        head=pull["head"]["ref"],
        head_sha=pull["head"]["sha"],
        head_repository=repository["full_name"] if repository else None,
        base=pull["base"]["ref"],
        base_sha=pull["base"]["sha"],
        is_merged=is_merged,
        merge_commit=pull.get("merge_commit_sha") if is_merged else None,
        sender=payload["sender"]["login"],
    )
