"""Branches, refs, commits, trees, blobs, comparison."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from . import shapes
from .git import GitFailed
from .model import Refused
from .routes import Answer, Call, Page, route

READ, WRITE = "contents:read", "contents:write"


def branch_shape(call: Call, name: str, sha: str, *, full: bool = False) -> dict[str, Any]:
    state = call.state
    rule = state.protection_of(f"refs/heads/{name}")
    checks = list(rule.checks) if rule else []
    shape: dict[str, Any] = {
        "name": name,
        "commit": {"sha": sha, "url": shapes.api(state, f"/commits/{sha}")},
        "protected": rule is not None,
        "protection": {
            "enabled": rule is not None,
            "required_status_checks": {
                "enforcement_level": "everyone" if rule else "off",
                "contexts": checks,
                "checks": [],
            },
        },
    }
    if full:
        shape["commit"] = shapes.commit(state, sha)
        shape["_links"] = {
            "self": shapes.api(state, f"/branches/{name}"),
            "html": shapes.web(state, f"/tree/{name}"),
        }
        shape["protection_url"] = shapes.api(state, f"/branches/{name}/protection")
    return shape


@route("GET", "/branches", READ)
def branches(call: Call) -> Page:
    refs = call.state.git.refs()
    return Page([branch_shape(call, ref.removeprefix("refs/heads/"), sha) for ref, sha in refs.items()])


@route("GET", "/branches/{branch:path}", READ)
def branch(call: Call) -> Any:
    sha = call.state.git.head(call.params["branch"])
    if sha is None:
        raise Refused(404, "Branch not found")
    return branch_shape(call, call.params["branch"], sha, full=True)


def ref_shape(call: Call, ref: str, sha: str) -> dict[str, Any]:
    kind = call.state.git("cat-file", "-t", sha)
    tail = {"commit": "commits", "tag": "tags"}.get(kind, kind)
    return {
        "ref": ref, "node_id": f"REF_{ref}", "url": shapes.api(call.state, f"/git/{ref}"),
        "object": {"sha": sha, "type": kind, "url": shapes.api(call.state, f"/git/{tail}/{sha}")},
    }  # fmt: skip


@route("GET", "/git/ref/{ref:path}", READ)
def ref_get(call: Call) -> Any:
    name = f"refs/{call.params['ref']}"
    sha = call.state.git.refs("refs/").get(name)
    if sha is None:
        raise Refused(404, "Not Found")
    return ref_shape(call, name, sha)


@route("GET", "/git/matching-refs/{ref:path}", READ)
def ref_match(call: Call) -> Page:
    prefix = f"refs/{call.params['ref']}"
    refs = call.state.git.refs("refs/").items()
    return Page([ref_shape(call, name, sha) for name, sha in refs if name.startswith(prefix)])


@route("POST", "/git/refs", WRITE)
def ref_create(call: Call) -> Answer:
    call.need("ref", "sha")
    name = call.body["ref"]
    if not name.startswith("refs/") or name.count("/") < 2:
        raise Refused(422, f"Reference name is not valid: {name}")
    call.state.change_ref(call.token, name, call.body["sha"], create=True)
    return Answer(ref_shape(call, name, call.body["sha"]), 201)


@route("PATCH", "/git/refs/{ref:path}", WRITE)
def ref_update(call: Call) -> Any:
    call.need("sha")
    name = f"refs/{call.params['ref']}"
    call.state.change_ref(call.token, name, call.body["sha"], force=bool(call.body.get("force")))
    return ref_shape(call, name, call.body["sha"])


@route("DELETE", "/git/refs/{ref:path}", WRITE)
def ref_delete(call: Call) -> Answer:
    call.state.change_ref(call.token, f"refs/{call.params['ref']}", None, force=True)
    return Answer(None, 204)


@route("POST", "/git/blobs", WRITE)
def blob_create(call: Call) -> Answer:
    text = call.body.get("content")
    if not isinstance(text, str):
        raise Refused(422, 'Invalid request.\n\n"content" wasn\'t supplied.')
    try:
        content = (
            base64.b64decode(text, validate=False) if call.body.get("encoding") == "base64" else text.encode()
        )
    except binascii.Error:
        raise Refused(422, "content is not valid Base64") from None
    sha = call.state.git.write_blob(content)
    return Answer({"sha": sha, "url": shapes.api(call.state, f"/git/blobs/{sha}")}, 201)


@route("GET", "/git/blobs/{sha}", READ)
def blob_get(call: Call) -> Any:
    sha = call.params["sha"]
    try:
        content = call.state.git.raw("cat-file", "blob", sha)
    except GitFailed:
        raise Refused(404, "Not Found") from None
    return {
        "sha": sha, "node_id": f"B_{sha}", "size": len(content), "encoding": "base64",
        "content": base64.encodebytes(content).decode(), "url": shapes.api(call.state, f"/git/blobs/{sha}"),
    }  # fmt: skip


def tree_shape(call: Call, sha: str, *, recursive: bool) -> dict[str, Any]:
    entries = []
    flags = ["-r", "-t"] if recursive else []
    for line in call.state.git("ls-tree", "-l", *flags, sha).splitlines():
        about, _, path = line.partition("\t")
        mode, kind, inner, size = about.split()
        entry: dict[str, Any] = {"path": path, "mode": mode, "type": kind, "sha": inner}
        entry["url"] = shapes.api(call.state, f"/git/{kind}s/{inner}")
        entries.append(entry | ({"size": int(size)} if kind == "blob" else {}))
    return {
        "sha": sha,
        "url": shapes.api(call.state, f"/git/trees/{sha}"),
        "tree": entries,
        "truncated": False,
    }


@route("POST", "/git/trees", WRITE)
def tree_create(call: Call) -> Answer:
    git = call.state.git
    base = call.body.get("base_tree")
    if base is not None and (base := git.resolve(base, "tree")) is None:
        raise Refused(404, "Not Found")
    entries: list[tuple[str, str, str | None]] = []
    for entry in call.body.get("tree") or []:
        path, mode = entry.get("path"), entry.get("mode", "100644")
        if not path or path.startswith("/") or ".." in path.split("/") or ".git" in path.split("/"):
            raise Refused(422, "tree.path contains a malformed path component")
        if "content" in entry:
            entries.append((mode, path, git.write_blob(entry["content"].encode())))
        elif entry.get("sha", "") is None:
            if base is None or git.resolve(f"{base}:{path}", "object") is None:
                raise Refused(422, "GitRPC::BadObjectState")
            entries.append((mode, path, None))
        elif git.resolve(str(entry.get("sha")), "object") is None:
            raise Refused(422, f"tree.sha {entry.get('sha')} is not a valid blob")
        else:
            entries.append((mode, path, entry["sha"]))
    if not entries:
        raise Refused(422, "Invalid tree info")
    return Answer(tree_shape(call, git.write_tree(base, entries), recursive=False), 201)


@route("GET", "/git/trees/{sha:path}", READ)
def tree_get(call: Call) -> Any:
    sha = call.state.git.resolve(call.params["sha"], "tree")
    if sha is None:
        raise Refused(404, "Not Found")
    return tree_shape(call, sha, recursive=call.query.get("recursive", "0") not in {"", "0", "false"})


@route("POST", "/git/commits", WRITE)
def commit_create(call: Call) -> Answer:
    call.need("message", "tree")
    git, body = call.state.git, call.body
    if git.resolve(body["tree"], "tree") is None:
        raise Refused(422, "Tree SHA does not exist")
    parents = body.get("parents") or []
    if any(git.resolve(parent) is None for parent in parents):
        raise Refused(422, "Parent SHA does not exist or is not a commit object")
    own = call.token.account.person
    given = body.get("author") or {}
    author = (given.get("name", own[0]), given.get("email", own[1]))
    other = body.get("committer") or given
    committer = (other.get("name", author[0]), other.get("email", author[1]))
    if not given and not body.get("committer"):
        committer = ("GitHub", "noreply@github.com")
    date = given.get("date") or call.state.now().isoformat()
    datetime.fromisoformat(date)
    sha = git.write_commit(body["tree"], parents, body["message"], author, committer, date=date)
    return Answer(shapes.git_commit(call.state, sha), 201)


@route("GET", "/git/commits/{sha}", READ)
def commit_get(call: Call) -> Any:
    sha = call.state.git.resolve(call.params["sha"])
    if sha is None:
        raise Refused(404, "Not Found")
    return shapes.git_commit(call.state, sha)


@route("GET", "/commits", READ)
def commits(call: Call) -> Page:
    start = call.query.get("sha") or call.state.default_branch
    if call.state.git.resolve(start) is None:
        raise Refused(404, "Not Found")
    tail = ["--", call.query["path"]] if call.query.get("path") else []
    shas = call.state.git("rev-list", "--max-count=300", start, *tail).splitlines()
    return Page([shapes.commit(call.state, sha) for sha in shas])


@route("GET", "/compare/{basehead:path}", READ)
def compare(call: Call) -> Any:
    git = call.state.git
    names = call.params["basehead"].split("...")
    base, head = (git.resolve(name) for name in names) if len(names) == 2 else (None, None)
    if base is None or head is None:
        raise Refused(404, "Not Found")
    ahead, behind = git.commits(base, head), git.commits(head, base)
    try:
        meeting = git("merge-base", base, head)
    except GitFailed:
        raise Refused(404, f"No common ancestor between {names[0]} and {names[1]}.") from None
    kind = "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "identical"
    return {
        "url": call.path, "html_url": shapes.web(call.state, f"/compare/{names[0]}...{names[1]}"), "permalink_url": "",
        "diff_url": "", "patch_url": "", "base_commit": shapes.commit(call.state, base), "status": kind,
        "merge_base_commit": shapes.commit(call.state, meeting), "ahead_by": len(ahead), "behind_by": len(behind),
        "total_commits": len(ahead), "commits": [shapes.commit(call.state, sha) for sha in ahead[:250]],
        "files": shapes.diff_entries(call.state, meeting, head)[:300],
    }  # fmt: skip
