"""Workflow runs, artifacts, dispatches; and below `/_standin/` what the stubs of actions call instead of GitHub's own."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import timedelta
from typing import Any

from . import result_shapes, shapes
from .dispatching import dispatch
from .event import Event
from .model import Artifact, Refused, Run
from .routes import Answer, Call, Page, route

READ, WRITE = "actions:read", "actions:write"


def run_of(call: Call, name: str = "run") -> Run:
    found = call.state.runs.get(call.number(name))
    if found is None:
        raise Refused(404, "Not Found")
    return found


@route("GET", "/actions/runs", READ)
def run_list(call: Call) -> Page:
    wanted = {key: call.query[key] for key in ("event", "head_sha", "status") if key in call.query}
    found = [
        item
        for item in sorted(call.state.runs.values(), key=lambda one: -one.id)
        if all(
            value in {getattr(item, key), item.conclusion if key == "status" else None}
            for key, value in wanted.items()
        )
        and call.query.get("branch") in {None, item.head_branch}
    ]
    return Page([result_shapes.run(call.state, item) for item in found], "workflow_runs")


@route("GET", "/actions/runs/{run}", READ)
def run_get(call: Call) -> Any:
    return result_shapes.run(call.state, run_of(call))


@route("DELETE", "/actions/runs/{run}", WRITE)
def run_delete(call: Call) -> Answer:
    del call.state.runs[run_of(call).id]
    return Answer(None, 204)


@route("GET", "/actions/runs/{run}/artifacts", READ)
def run_artifacts(call: Call) -> Page:
    return _artifacts(call, run_of(call).id)


@route("GET", "/actions/artifacts", READ)
def artifacts(call: Call) -> Page:
    return _artifacts(call, None)


def _artifacts(call: Call, run_id: int | None) -> Page:
    name = call.query.get("name")
    found = [
        item
        for item in sorted(call.state.artifacts.values(), key=lambda one: -one.id)
        if not item.is_deleted and name in {None, item.name} and run_id in {None, item.run_id}
    ]
    return Page([result_shapes.artifact(call.state, item) for item in found], "artifacts")


def artifact_of(call: Call) -> Artifact:
    found = call.state.artifacts.get(call.number("id"))
    if found is None or found.is_deleted:
        raise Refused(404, "Not Found")
    return found


@route("GET", "/actions/artifacts/{id}", READ)
def artifact_get(call: Call) -> Any:
    return result_shapes.artifact(call.state, artifact_of(call))


@route("DELETE", "/actions/artifacts/{id}", WRITE)
def artifact_delete(call: Call) -> Answer:
    artifact_of(call).is_deleted = True
    return Answer(None, 204)


def signature(artifact: Artifact) -> str:
    """What makes the address of an archive hard to guess."""
    return hashlib.sha256(f"{artifact.id}{artifact.digest}".encode()).hexdigest()[:24]


@route("GET", "/actions/artifacts/{id}/zip", READ)
def artifact_zip(call: Call) -> Answer:
    """A redirect to another place, which takes no token (as the store of artifacts does)."""
    found = artifact_of(call)
    if call.state.now() >= found.expires:
        raise Refused(410, "Artifact has expired")
    return Answer(None, 302, {"Location": f"{call.state.url}/_standin/open/{found.id}/{signature(found)}"})


@route("POST", "/actions/workflows/{workflow}/dispatches", WRITE)
def workflow_dispatch(call: Call) -> Answer:
    call.need("ref")
    dispatch(call.state, call.token, call.params["workflow"], call.body["ref"], call.body.get("inputs") or {})
    return Answer(None, 204)


@route("POST", "/dispatches", "contents:write")
def repository_dispatch(call: Call) -> Answer:
    call.need("event_type")
    state, branch = call.state, call.state.default_branch
    sha = state.git.head(branch) or ""
    payload = {
        "action": call.body["event_type"],
        "branch": branch,
        "client_payload": call.body.get("client_payload") or {},
    }
    token = call.token
    state.emit(
        Event(
            "repository_dispatch",
            payload,
            token.account,
            token.kind,
            f"refs/heads/{branch}",
            sha,
            branch,
            sha,
        )
    )
    return Answer(None, 204)


@route("GET", "/actions/workflows", READ)
def workflows(call: Call) -> Page:
    git = call.state.git
    paths = git("ls-tree", "--name-only", call.state.default_branch, ".github/workflows/").splitlines()
    return Page([workflow_shape(call, path) for path in paths], "workflows")


@route("GET", "/actions/workflows/{workflow}", READ)
def workflow(call: Call) -> Any:
    path = f".github/workflows/{call.params['workflow']}"
    if call.state.git.read(call.state.default_branch, path) is None:
        raise Refused(404, "Not Found")
    return workflow_shape(call, path)


def workflow_shape(call: Call, path: str) -> dict[str, Any]:
    disabled = path in call.state.settings.disabled_workflows
    return {
        "id": result_shapes.workflow_id(path), "node_id": f"W_{path}", "name": path, "path": path, "badge_url": "",
        "state": "disabled_inactivity" if disabled else "active", "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z", "url": shapes.api(call.state, f"/actions/workflows/{path.rpartition('/')[2]}"),
        "html_url": shapes.web(call.state, f"/blob/{call.state.default_branch}/{path}"),
    }  # fmt: skip


# What the stubs of actions call


def own_run(call: Call) -> Run:
    if call.token.run_id is None:
        raise Refused(403, "Only a job of a workflow run may do this")
    return call.state.runs[call.token.run_id]


@route("POST", "/_standin/artifacts")
def artifact_upload(call: Call) -> Answer:
    run, state, name = own_run(call), call.state, call.query["name"]
    same = [
        item
        for item in state.artifacts.values()
        if (item.run_id, item.name, item.is_deleted) == (run.id, name, False)
    ]
    if same and call.query.get("overwrite") == "true":
        same[0].is_deleted = True
    elif same:
        raise Refused(
            409, "Failed to CreateArtifact: an artifact with this name already exists on the workflow run"
        )
    digest = "sha256:" + hashlib.sha256(call.raw).hexdigest()
    days = int(call.query.get("retention") or 0) or state.settings.artifact_days
    made = Artifact(
        state.next_id("artifact", 6001), name, call.raw, digest, run.id, state.now(), timedelta(days=days)
    )
    state.artifacts[made.id] = made
    return Answer(
        {
            "id": made.id,
            "digest": digest,
            "url": shapes.web(state, f"/actions/runs/{run.id}/artifacts/{made.id}"),
        }
    )


@route("GET", "/_standin/artifacts")
def artifact_names(call: Call) -> Any:
    """The artifacts of the job's own run, or of another (then with a token that may read actions)."""
    run_id = int(call.query.get("run_id") or own_run(call).id)
    if run_id != call.token.run_id and not call.token.allows("actions", "read"):
        raise Refused(403, "Resource not accessible by integration")
    items = [item for item in call.state.artifacts.values() if item.run_id == run_id and not item.is_deleted]
    return [{"id": item.id, "name": item.name} for item in items if call.state.now() < item.expires]


@route("GET", "/_standin/artifacts/{id}")
def artifact_content(call: Call) -> Answer:
    found = artifact_of(call)
    if found.run_id != call.token.run_id and not call.token.allows("actions", "read"):
        raise Refused(403, "Resource not accessible by integration")
    return Answer(found.content)


@route("POST", "/_standin/app-token")
def app_token(call: Call) -> Any:
    """An installation token. Known by its client id and private key; at most the permissions of the App."""
    body = json.loads(call.raw)
    app = next((one for one in call.state.apps.values() if one.client_id == body["client_id"]), None)
    if app is None or app.private_key.strip() != body["private_key"].strip():
        raise Refused(401, "A JSON web token could not be decoded")
    asked = json.loads(body.get("permissions") or "{}")
    if any(scope not in app.permissions for scope in asked):
        raise Refused(422, "The permissions requested are not granted to this installation.")
    token = call.state.mint(
        app.account, "app", permissions={"metadata": "read", **(asked or app.permissions)}, run_id=call.token.run_id,
        job=call.token.job,
    )  # fmt: skip
    return {"token": token.value, "slug": app.account.login.removesuffix("[bot]"), "installation": 1}


@route("POST", "/_standin/pages")
def pages(call: Call) -> Any:
    """Publish the artifact `github-pages` of the run."""
    run, state = own_run(call), call.state
    if not call.token.allows("pages", "write") or not call.token.allows("id-token", "write"):
        raise Refused(403, 'Ensure GITHUB_TOKEN has permission "id-token: write" and "pages: write".')
    if not state.settings.pages:
        raise Refused(404, "Ensure GitHub Pages has been enabled")
    found = [
        item for item in state.artifacts.values() if (item.run_id, item.name) == (run.id, "github-pages")
    ]
    if not found:
        raise Refused(404, "No artifact named github-pages in this run")
    with zipfile.ZipFile(io.BytesIO(found[-1].content)) as archive:
        state.pages = {name: archive.read(name) for name in archive.namelist()}
    return {"page_url": f"{state.url}/_standin/site/"}
