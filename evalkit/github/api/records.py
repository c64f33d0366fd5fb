"""GitHub's JSON as the records of the port."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from evalkit.github.forge import Artifact, Comment, PullRequest, Review, WorkflowRun

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["artifact", "comment", "instant", "login", "pull", "result", "review", "run"]

_STATES: dict[str, Literal["approved", "changes_requested", "commented", "dismissed", "pending"]] = {
    "APPROVED": "approved",
    "CHANGES_REQUESTED": "changes_requested",
    "COMMENTED": "commented",
    "DISMISSED": "dismissed",
    "PENDING": "pending",
}
_MEMBERS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_PASSED = frozenset({"success", "neutral", "skipped"})
"""Conclusions with which a required check lets a pull request be merged."""


def login(account: Mapping[str, Any] | None) -> str:
    """Of an account; one that was deleted is `ghost`, as GitHub shows it."""
    return str(account["login"]) if account else "ghost"


def instant(text: str | None) -> datetime | None:
    """An ISO 8601 time of the API, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def pull(raw: Mapping[str, Any]) -> PullRequest:
    """A pull request, whole or out of a list (where it is not said who merged it)."""
    head, is_merged = raw["head"], raw.get("merged_at") is not None
    repository = head.get("repo")
    return PullRequest(
        number=raw["number"],
        title=raw["title"],
        body=raw.get("body") or "",
        state="open" if raw["state"] == "open" else "closed",
        is_merged=is_merged,
        author=login(raw.get("user")),
        head=head["ref"],
        head_sha=head["sha"],
        head_repository=repository["full_name"] if repository else None,
        base=raw["base"]["ref"],
        url=raw["html_url"],
        # Of an open one, this is a trial merge that GitHub makes for itself.
        merge_commit=raw.get("merge_commit_sha") if is_merged else None,
        merged_by=login(raw["merged_by"]) if raw.get("merged_by") else None,
        labels=tuple(label["name"] for label in raw.get("labels") or ()),
    )


def review(raw: Mapping[str, Any]) -> Review:
    """A review."""
    account = raw.get("user")
    return Review(
        author=login(account),
        is_bot=(account or {}).get("type") == "Bot" or login(account).endswith("[bot]"),
        state=_STATES[raw["state"].upper()],
        commit=raw.get("commit_id"),
        submitted=instant(raw.get("submitted_at")),
        is_member=raw.get("author_association") in _MEMBERS,
        id=raw["id"],
    )


def comment(raw: Mapping[str, Any]) -> Comment:
    """A comment."""
    return Comment(raw["id"], login(raw.get("user")), raw.get("body") or "")


def run(raw: Mapping[str, Any]) -> WorkflowRun:
    """A workflow run."""
    repository = raw.get("head_repository")
    return WorkflowRun(
        id=raw["id"],
        path=raw["path"].partition("@")[0],
        event=raw["event"],
        head_branch=raw.get("head_branch"),
        head_sha=raw["head_sha"],
        head_repository=repository["full_name"] if repository else None,
        attempt=raw.get("run_attempt") or 1,
        url=raw["html_url"],
    )


def artifact(raw: Mapping[str, Any]) -> Artifact:
    """An artifact."""
    made = instant(raw.get("created_at"))
    return Artifact(
        id=raw["id"],
        name=raw["name"],
        digest=raw.get("digest"),
        is_expired=bool(raw["expired"]),
        run_id=(raw.get("workflow_run") or {}).get("id"),
        size_bytes=raw["size_in_bytes"],
        created=made or datetime.fromtimestamp(0, UTC),
    )


def result(state: str | None) -> Literal["success", "failure", "pending"]:
    """The conclusion of a check run (None while it runs), or the state of a commit status."""
    if state in {None, "pending"}:
        return "pending"
    return "success" if state in _PASSED else "failure"
