"""Pull requests, reviews, comments, labels."""

from __future__ import annotations

from typing import Any

from . import merging, pulls, shapes
from .conversation import comment_on, edit_comment
from .model import Pull, Refused
from .routes import Answer, Call, Page, route

READ, WRITE = "pull-requests:read", "pull-requests:write"
TALK = ("issues:write", "pull-requests:write")
LISTEN = ("issues:read", "pull-requests:read")


def named(call: Call, name: str = "number") -> Pull:
    return call.state.pull(call.number(name))


@route("GET", "/pulls", READ)
def pull_list(call: Call) -> Page:
    wanted, head, base = call.query.get("state", "open"), call.query.get("head"), call.query.get("base")
    items = [
        item
        for item in call.state.pulls.values()
        if (wanted == "all" or item.state == wanted)
        and (not base or item.base == base)
        and (not head or head == f"{item.head_repository.partition('/')[0]}:{item.head}")
    ]
    key = "updated" if call.query.get("sort") == "updated" else "created"
    newest_first = (
        call.query.get("direction", "asc" if call.query.get("sort", "created") != "created" else "desc")
        == "desc"
    )
    items.sort(key=lambda item: (getattr(item, key), item.number), reverse=newest_first)
    return Page([shapes.pull_simple(call.state, item) for item in items])


@route("POST", "/pulls", WRITE)
def pull_open(call: Call) -> Answer:
    call.need("head", "base", "title")
    names = ("title", "head", "base", "draft")
    given = {name: call.body[name] for name in names if call.body.get(name) is not None}
    made = pulls.open_pull(call.state, call.token, body=call.body.get("body") or "", **given)
    return Answer(shapes.pull(call.state, made), 201)


@route("GET", "/pulls/{number}", READ)
def pull_get(call: Call) -> Any:
    return shapes.pull(call.state, named(call))


@route("PATCH", "/pulls/{number}", WRITE)
def pull_update(call: Call) -> Any:
    item = named(call)
    pulls.update(call.state, call.token, item, call.body)
    return shapes.pull(call.state, item)


@route("GET", "/pulls/{number}/commits", READ)
def pull_commits(call: Call) -> Page:
    item = named(call)
    start = call.state.git("merge-base", item.base_sha, item.head_sha) if not item.merged else item.base_sha
    shas = call.state.git.commits(start, item.head_sha)
    return Page([shapes.commit(call.state, sha) for sha in shas[:250]])


@route("GET", "/pulls/{number}/files", READ)
def pull_files(call: Call) -> Page:
    item = named(call)
    start = call.state.git("merge-base", item.base_sha, item.head_sha)
    entries = shapes.diff_entries(call.state, start, item.head_sha)
    extra = {"blob_url": "", "raw_url": "", "contents_url": ""}
    return Page([entry | extra for entry in entries])


@route("GET", "/pulls/{number}/merge", READ)
def pull_is_merged(call: Call) -> Answer:
    if not named(call).merged:
        raise Refused(404, "Not Found")
    return Answer(None, 204)


@route("PUT", "/pulls/{number}/merge", "contents:write")
def pull_merge(call: Call) -> Any:
    item = named(call)
    texts = {name: call.body[name] for name in ("commit_title", "commit_message") if name in call.body}
    method, sha = call.body.get("merge_method", "merge"), call.body.get("sha")
    made = merging.merge(call.state, call.token, item, method, sha, **texts)
    return {"sha": made, "merged": True, "message": "Pull Request successfully merged"}


@route("GET", "/pulls/{number}/reviews", READ)
def review_list(call: Call) -> Page:
    item = named(call)
    return Page([shapes.review(call.state, item, one) for one in item.reviews])


@route("POST", "/pulls/{number}/reviews", WRITE)
def review_create(call: Call) -> Any:
    item = named(call)
    given = (call.body.get("event", ""), call.body.get("body") or "", call.body.get("commit_id"))
    return shapes.review(call.state, item, pulls.review(call.state, call.token, item, *given))


@route("PUT", "/pulls/{number}/reviews/{review}/dismissals", WRITE)
def review_dismiss(call: Call) -> Any:
    item = named(call)
    found = next((one for one in item.reviews if one.id == call.number("review")), None)
    if found is None:
        raise Refused(404, "Not Found")
    found.state = "DISMISSED"
    return shapes.review(call.state, item, found)


@route("GET", "/commits/{sha}/pulls", READ)
def pulls_with(call: Call) -> Page:
    git, sha = call.state.git, call.state.git.resolve(call.params["sha"])
    if sha is None:
        raise Refused(422, f"No commit found for SHA: {call.params['sha']}")
    on_default = git.is_ancestor(sha, call.state.default_branch)
    found = []
    for item in call.state.pulls.values():
        is_own = item.head_sha == sha or sha in git.commits(item.base_sha, item.head_sha)
        brought = item.merged and (item.merge_commit == sha or sha in _brought(call, item))
        if brought or (is_own and not on_default):
            found.append(item)
    return Page([shapes.pull_simple(call.state, item) for item in found])


def _brought(call: Call, item: Pull) -> list[str]:
    """The commits that a merged pull request added to its base."""
    return call.state.git.commits(item.base_sha, item.merge_commit or item.head_sha)


@route("GET", "/issues/{number}", *LISTEN)
def issue_get(call: Call) -> Any:
    return shapes.issue(call.state, named(call))


@route("PATCH", "/issues/{number}", *TALK)
def issue_update(call: Call) -> Any:
    item = named(call)
    pulls.update(call.state, call.token, item, call.body)
    return shapes.issue(call.state, item)


@route("GET", "/issues/{number}/comments", *LISTEN)
def comment_list(call: Call) -> Page:
    number = named(call).number
    items = [item for item in call.state.comments.values() if item.number == number]
    return Page([shapes.comment(call.state, item) for item in items])


@route("POST", "/issues/{number}/comments", *TALK)
def comment_create(call: Call) -> Answer:
    call.need("body")
    made = comment_on(call.state, call.token, call.number("number"), call.body["body"])
    return Answer(shapes.comment(call.state, made), 201)


@route("GET", "/issues/comments/{id}", *LISTEN)
def comment_get(call: Call) -> Any:
    found = call.state.comments.get(call.number("id"))
    if found is None:
        raise Refused(404, "Not Found")
    return shapes.comment(call.state, found)


@route("PATCH", "/issues/comments/{id}", *TALK)
def comment_edit(call: Call) -> Any:
    call.need("body")
    return shapes.comment(
        call.state, edit_comment(call.state, call.token, call.number("id"), call.body["body"])
    )


@route("DELETE", "/issues/comments/{id}", *TALK)
def comment_delete(call: Call) -> Answer:
    if call.state.comments.pop(call.number("id"), None) is None:
        raise Refused(404, "Not Found")
    return Answer(None, 204)


@route("GET", "/issues/{number}/labels", *LISTEN)
def issue_labels(call: Call) -> Page:
    return Page([call.state.label(name) for name in named(call).labels])


@route("POST", "/issues/{number}/labels", *TALK)
def issue_label(call: Call) -> Any:
    item = named(call)
    given = call.body if isinstance(call.body, list) else call.body.get("labels", [])
    for entry in given:
        name = call.state.label(entry if isinstance(entry, str) else entry["name"])["name"]
        if name not in item.labels:
            item.labels.append(name)
            pulls.tell(call.state, item, call.token, "labeled", label=call.state.label(name))
    return [call.state.label(name) for name in item.labels]


@route("DELETE", "/issues/{number}/labels/{name}", *TALK)
def issue_unlabel(call: Call) -> Any:
    item = named(call)
    if call.params["name"] not in item.labels:
        raise Refused(404, "Label does not exist")
    item.labels.remove(call.params["name"])
    pulls.tell(call.state, item, call.token, "unlabeled", label=call.state.label(call.params["name"]))
    return [call.state.label(name) for name in item.labels]


@route("GET", "/labels", *LISTEN)
def label_list(call: Call) -> Page:
    return Page(list(call.state.labels.values()))


@route("GET", "/labels/{name}", *LISTEN)
def label_get(call: Call) -> Any:
    found = next(
        (item for name, item in call.state.labels.items() if name.lower() == call.params["name"].lower()),
        None,
    )
    if found is None:
        raise Refused(404, "Not Found")
    return found


@route("POST", "/labels", *TALK)
def label_create(call: Call) -> Answer:
    call.need("name")
    if any(name.lower() == call.body["name"].lower() for name in call.state.labels):
        error = {"resource": "Label", "code": "already_exists", "field": "name"}
        raise Refused(422, "Validation Failed", [error])
    made = call.state.label(
        call.body["name"], call.body.get("color") or "ededed", call.body.get("description")
    )
    return Answer(made, 201)
