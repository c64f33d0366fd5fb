"""Commits with what was checked on them: statuses and check runs."""

from __future__ import annotations

from typing import Any

from . import result_shapes, shapes
from .model import CheckRun, Refused, Status
from .routes import Answer, Call, Page, route


def sha_of(call: Call, name: str = "ref") -> str:
    sha = call.state.git.resolve(call.params[name])
    if sha is None:
        raise Refused(422, f"No commit found for SHA: {call.params[name]}")
    return sha


@route("GET", "/commits/{ref:path}/check-runs", "checks:read")
def check_runs(call: Call) -> Page:
    sha, name = sha_of(call), call.query.get("check_name")
    found: list[CheckRun] = [
        item for item in reversed(call.state.check_runs) if item.sha == sha and name in (None, item.name)
    ]
    if call.query.get("filter", "latest") == "latest":
        found = list({item.name: item for item in reversed(found)}.values())
    if wanted := call.query.get("status"):
        found = [item for item in found if item.status == wanted]
    return Page([result_shapes.check_run(call.state, item) for item in found], "check_runs")


def statuses_of(call: Call, sha: str) -> list[Status]:
    return [item for item in reversed(call.state.statuses) if item.sha == sha]


@route("GET", "/commits/{ref:path}/statuses", "statuses:read")
def status_list(call: Call) -> Page:
    return Page([result_shapes.status(call.state, item) for item in statuses_of(call, sha_of(call))])


@route("GET", "/commits/{ref:path}/status", "statuses:read")
def status_combined(call: Call) -> Any:
    sha = sha_of(call)
    latest = {item.context: item for item in reversed(statuses_of(call, sha))}
    states = {item.state for item in latest.values()}
    state = "failure" if states & {"failure", "error"} else "success" if states == {"success"} else "pending"
    return {
        "state": state, "sha": sha, "total_count": len(latest),
        "statuses": [result_shapes.status(call.state, item, full=False) for item in latest.values()],
        "repository": shapes.minimal(shapes.repository(call.state)), "commit_url": shapes.api(call.state, f"/commits/{sha}"),
        "url": shapes.api(call.state, f"/commits/{sha}/status"),
    }  # fmt: skip


@route("POST", "/statuses/{sha}", "statuses:write")
def status_create(call: Call) -> Answer:
    sha, body = sha_of(call, "sha"), call.body
    if body.get("state") not in {"success", "failure", "pending", "error"}:
        raise Refused(422, "Validation Failed", [{"resource": "Status", "code": "invalid", "field": "state"}])
    if len(body.get("description") or "") > 140:
        about = "description is too long (maximum is 140 characters)"
        raise Refused(
            422,
            "Validation Failed",
            [{"resource": "Status", "code": "custom", "field": "description", "message": about}],
        )
    made = Status(
        call.state.next_id("status", 4001), sha, body.get("context") or "default", body["state"], body.get("description"),
        body.get("target_url"), call.token.account, call.state.now(),
    )  # fmt: skip
    call.state.statuses.append(made)
    return Answer(result_shapes.status(call.state, made), 201)


@route("GET", "/commits/{ref:path}", "contents:read")
def commit_get(call: Call) -> Any:
    return shapes.commit(call.state, sha_of(call), files=True)
