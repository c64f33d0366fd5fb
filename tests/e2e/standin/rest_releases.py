"""Releases and their files."""

from __future__ import annotations

import hashlib
from typing import Any

from . import result_shapes
from .model import Refused, Release
from .routes import Answer, Call, Page, route

READ, WRITE = "contents:read", "contents:write"


def named(call: Call, name: str = "id") -> Release:
    found = call.state.releases.get(call.number(name))
    if found is None:
        raise Refused(404, "Not Found")
    return found


def holding(call: Call) -> tuple[Release, int]:
    key = call.number("asset")
    found = next((item for item in call.state.releases.values() if key in item.assets), None)
    if found is None:
        raise Refused(404, "Not Found")
    return found, key


@route("GET", "/releases", READ)
def release_list(call: Call) -> Page:
    return Page([result_shapes.release(call.state, item) for item in reversed(call.state.releases.values())])


@route("GET", "/releases/tags/{tag:path}", READ)
def release_by_tag(call: Call) -> Any:
    found = [
        item for item in call.state.releases.values() if item.tag == call.params["tag"] and not item.draft
    ]
    if not found:
        raise Refused(404, "Not Found")
    return result_shapes.release(call.state, found[0])


@route("POST", "/releases", WRITE)
def release_create(call: Call) -> Answer:
    call.need("tag_name")
    state, body = call.state, call.body
    tag, draft = body["tag_name"], bool(body.get("draft"))
    if any(item.tag == tag and not item.draft for item in state.releases.values()) and not draft:
        error = {"resource": "Release", "code": "already_exists", "field": "tag_name"}
        raise Refused(422, "Validation Failed", [error])
    target = body.get("target_commitish") or state.default_branch
    sha = state.git.resolve(target)
    if sha is None:
        error = {"resource": "Release", "code": "invalid", "field": "target_commitish"}
        raise Refused(422, "Validation Failed", [error])
    if not draft and state.git.resolve(f"refs/tags/{tag}", "object") is None:
        state.git.set_ref(f"refs/tags/{tag}", sha)
    made = Release(
        state.next_id("release", 3001), tag, body.get("name") or tag, body.get("body") or "", call.token.account, state.now(),
        draft, bool(body.get("prerelease")), target,
    )  # fmt: skip
    state.releases[made.id] = made
    return Answer(result_shapes.release(state, made), 201)


@route("GET", "/releases/{id}", READ)
def release_get(call: Call) -> Any:
    return result_shapes.release(call.state, named(call))


@route("PATCH", "/releases/{id}", WRITE)
def release_update(call: Call) -> Any:
    item, body = named(call), call.body
    item.name, item.body = body.get("name") or item.name, body.get("body", item.body)
    item.draft, item.prerelease = body.get("draft", item.draft), body.get("prerelease", item.prerelease)
    return result_shapes.release(call.state, item)


@route("DELETE", "/releases/{id}", WRITE)
def release_delete(call: Call) -> Answer:
    del call.state.releases[named(call).id]
    return Answer(None, 204)


@route("GET", "/releases/{id}/assets", READ)
def asset_list(call: Call) -> Page:
    item = named(call)
    return Page([result_shapes.asset(call.state, item, key) for key in item.assets])


@route("POST", "/releases/{id}/assets", WRITE)
def asset_upload(call: Call) -> Answer:
    item, state, name = named(call), call.state, call.query.get("name", "")
    if not name:
        raise Refused(400, "Bad Request")
    if any(about["name"] == name for about in item.assets.values()):
        error = {"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}
        raise Refused(422, "Validation Failed", [error])
    key = state.next_id("asset", 5001)
    item.assets[key] = {
        "name": name, "label": call.query.get("label") or "", "content": call.raw, "created": state.now(),
        "content_type": call.headers.get("content-type", "application/octet-stream"), "user": call.token.account,
        "digest": "sha256:" + hashlib.sha256(call.raw).hexdigest(),
    }  # fmt: skip
    return Answer(result_shapes.asset(state, item, key), 201)


@route("GET", "/releases/assets/{asset}", READ)
def asset_get(call: Call) -> Any:
    item, key = holding(call)
    if "octet-stream" in call.headers.get("accept", ""):
        return Answer(item.assets[key]["content"])
    return result_shapes.asset(call.state, item, key)


@route("PATCH", "/releases/assets/{asset}", WRITE)
def asset_update(call: Call) -> Any:
    item, key = holding(call)
    new = call.body.get("name")
    if new and any(about["name"] == new for other, about in item.assets.items() if other != key):
        error = {"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}
        raise Refused(422, "Validation Failed", [error])
    item.assets[key]["name"] = new or item.assets[key]["name"]
    item.assets[key]["label"] = call.body.get("label", item.assets[key]["label"])
    return result_shapes.asset(call.state, item, key)


@route("DELETE", "/releases/assets/{asset}", WRITE)
def asset_delete(call: Call) -> Answer:
    item, key = holding(call)
    del item.assets[key]
    return Answer(None, 204)
