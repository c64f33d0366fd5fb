"""GitHub's JSON for what came of something: statuses, check runs, workflow runs, artifacts, releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import shapes
from .shapes import Json

if TYPE_CHECKING:
    from .model import Artifact, CheckRun, Release, Run, Status
    from .state import State


def status(state: State, item: Status, *, full: bool = True) -> Json:
    shape = {
        "id": item.id, "node_id": f"S_{item.id}", "state": item.state, "context": item.context,
        "description": item.description, "target_url": item.target_url, "created_at": shapes.when(item.created),
        "updated_at": shapes.when(item.created), "url": shapes.api(state, f"/statuses/{item.sha}"), "avatar_url": None,
    }  # fmt: skip
    return shape | {"creator": shapes.user(state, item.user)} if full else shape


def check_run(state: State, item: CheckRun) -> Json:
    place = shapes.web(state, f"/actions/runs/{item.run_id}")
    return {
        "id": item.id, "node_id": f"CR_{item.id}", "name": item.name, "head_sha": item.sha, "external_id": "",
        "url": shapes.api(state, f"/check-runs/{item.id}"), "html_url": place, "details_url": place, "status": item.status,
        "conclusion": item.conclusion, "started_at": shapes.when(item.started), "completed_at": shapes.when(item.completed),
        "check_suite": {"id": 1}, "app": None, "pull_requests": [],
        "output": {"title": None, "summary": None, "text": None, "annotations_count": 0, "annotations_url": ""},
    }  # fmt: skip


def run(state: State, item: Run) -> Json:
    head = shapes.git_commit(state, item.head_sha)
    return {
        "id": item.id, "name": item.name, "node_id": f"WFR_{item.id}", "head_branch": item.head_branch,
        "head_sha": item.head_sha, "path": item.path, "display_title": head["message"].splitlines()[0],
        "run_number": item.id, "run_attempt": item.attempt, "event": item.event, "status": item.status,
        "conclusion": item.conclusion, "workflow_id": workflow_id(item.path), "url": shapes.api(state, f"/actions/runs/{item.id}"),
        "html_url": shapes.web(state, f"/actions/runs/{item.id}"), "pull_requests": [], "created_at": shapes.when(item.created),
        "updated_at": shapes.when(item.created), "run_started_at": shapes.when(item.created), "actor": shapes.user(state, item.actor),
        "triggering_actor": shapes.user(state, item.actor),
        "artifacts_url": shapes.api(state, f"/actions/runs/{item.id}/artifacts"),
        "head_commit": {
            "id": item.head_sha, "tree_id": head["tree"]["sha"], "message": head["message"],
            "timestamp": head["committer"]["date"], "author": {k: head["author"][k] for k in ("name", "email")},
            "committer": {k: head["committer"][k] for k in ("name", "email")},
        },
        "repository": shapes.minimal(shapes.repository(state)), "head_repository": shapes.minimal(shapes.repository(state, item.head_repository)),
    }  # fmt: skip


def artifact(state: State, item: Artifact) -> Json:
    made = state.runs.get(item.run_id)
    origin = made and {
        "id": made.id, "repository_id": 501, "head_repository_id": 501 if made.head_repository == state.repository else 502,
        "head_branch": made.head_branch, "head_sha": made.head_sha,
    }  # fmt: skip
    return {
        "id": item.id, "node_id": f"A_{item.id}", "name": item.name, "size_in_bytes": len(item.content),
        "url": shapes.api(state, f"/actions/artifacts/{item.id}"), "digest": item.digest,
        "archive_download_url": shapes.api(state, f"/actions/artifacts/{item.id}/zip"), "expired": state.now() >= item.expires,
        "created_at": shapes.when(item.created), "updated_at": shapes.when(item.created), "expires_at": shapes.when(item.expires),
        "workflow_run": origin,
    }  # fmt: skip


def asset(state: State, item: Release, key: int) -> Json:
    about = item.assets[key]
    return {
        "id": key, "node_id": f"RA_{key}", "name": about["name"], "label": about["label"], "state": "uploaded",
        "content_type": about["content_type"], "size": len(about["content"]), "download_count": 0, "digest": about["digest"],
        "created_at": shapes.when(about["created"]), "updated_at": shapes.when(about["created"]), "uploader": shapes.user(state, about["user"]),
        "url": shapes.api(state, f"/releases/assets/{key}"),
        "browser_download_url": shapes.web(state, f"/releases/download/{item.tag}/{about['name']}"),
    }  # fmt: skip


def release(state: State, item: Release) -> Json:
    return {
        "id": item.id, "node_id": f"RE_{item.id}", "tag_name": item.tag, "name": item.name, "body": item.body,
        "target_commitish": item.target or state.default_branch, "draft": item.draft, "prerelease": item.prerelease,
        "created_at": shapes.when(item.created), "published_at": None if item.draft else shapes.when(item.created),
        "author": shapes.user(state, item.user), "url": shapes.api(state, f"/releases/{item.id}"),
        "html_url": shapes.web(state, f"/releases/tag/{item.tag}"), "assets_url": shapes.api(state, f"/releases/{item.id}/assets"),
        "upload_url": shapes.api(state, f"/releases/{item.id}/assets") + "{?name,label}", "tarball_url": None, "zipball_url": None,
        "assets": [asset(state, item, key) for key in item.assets],
    }  # fmt: skip


def workflow_id(path: str) -> int:
    return 60_000 + sum(path.encode()) % 9_000
