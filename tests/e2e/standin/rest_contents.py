"""Files by path: read, written, deleted."""

from __future__ import annotations

import base64
from typing import Any

from . import shapes
from .model import Refused
from .rest_git import READ, WRITE, tree_shape
from .routes import Answer, Call, route


@route("GET", "/contents/{path:path}", READ)
def contents(call: Call) -> Any:
    git, path = call.state.git, call.params["path"].strip("/")
    wanted = call.query.get("ref") or call.state.default_branch
    sha = git.resolve(wanted)
    if sha is None:
        raise Refused(404, f"No commit found for the ref {wanted}")
    found = git.resolve(f"{sha}:{path}", "object")
    if found is None:
        raise Refused(404, "Not Found")
    if git("cat-file", "-t", found) == "tree":
        entries = []
        for entry in tree_shape(call, found, recursive=False)["tree"]:
            inner = f"{path}/{entry['path']}".strip("/")
            shape = shapes.content(call.state, sha, inner, b"", entry["sha"])
            kind = "dir" if entry["type"] == "tree" else "file"
            entries.append({**shape, "type": kind, "size": entry.get("size", 0)})
        return Answer([{k: v for k, v in e.items() if k not in {"content", "encoding"}} for e in entries])
    blob = git.raw("cat-file", "blob", found)
    if "raw" in call.headers.get("accept", ""):
        return Answer(blob)
    shape = shapes.content(call.state, sha, path, blob, found)
    if len(blob) > 1024 * 1024:
        shape |= {"content": "", "encoding": "none"}
    return shape


@route("PUT", "/contents/{path:path}", WRITE)
def contents_put(call: Call) -> Answer:
    return _write_contents(call, base64.b64decode(call.body.get("content") or ""))


@route("DELETE", "/contents/{path:path}", WRITE)
def contents_delete(call: Call) -> Answer:
    return _write_contents(call, None)


def _write_contents(call: Call, content: bytes | None) -> Answer:
    git, path, branch_name = (
        call.state.git,
        call.params["path"],
        call.body.get("branch") or call.state.default_branch,
    )
    call.need("message")
    head = git.head(branch_name)
    if head is None:
        raise Refused(404, f"Branch {branch_name} not found")
    present = git.resolve(f"{head}:{path}", "blob")
    if present != call.body.get("sha"):
        if present and not call.body.get("sha"):
            raise Refused(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
        raise Refused(409, f"{path} does not match {call.body.get('sha')}")
    blob = git.write_blob(content) if content is not None else None
    tree = git.write_tree(head, [("100644", path, blob)])
    person, date = call.token.account.person, call.state.now().isoformat()
    new = git.write_commit(
        tree, [head], call.body["message"], person, ("GitHub", "noreply@github.com"), date=date
    )
    try:
        call.state.change_ref(call.token, f"refs/heads/{branch_name}", new)
    except Refused as refused:
        raise (Refused(409, refused.message) if refused.status == 422 else refused) from None
    shape = shapes.content(call.state, new, path, content or b"", blob) if blob else None
    return Answer(
        {"content": shape, "commit": shapes.git_commit(call.state, new)}, 201 if present is None else 200
    )
