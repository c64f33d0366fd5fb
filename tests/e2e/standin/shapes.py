"""GitHub's JSON for what the stand-in keeps. Addresses carry the host that the stand-in answers at."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .git import ZERO, GitFailed

if TYPE_CHECKING:
    from .model import Account, Comment, Pull, Review
    from .state import State

Json = dict[str, Any]


def when(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def api(state: State, tail: str = "") -> str:
    return f"{state.url}/repos/{state.repository}{tail}"


def web(state: State, tail: str = "") -> str:
    return f"{state.url}/{state.repository}{tail}"


def user(state: State, account: Account) -> Json:
    return {
        "login": account.login, "id": account.id, "type": "Bot" if account.is_bot else "User", "site_admin": False,
        "url": f"{state.url}/users/{account.login}", "html_url": f"{state.url}/{account.login}",
        "node_id": f"U_{account.id}", "avatar_url": f"{state.url}/avatars/{account.id}",
    }  # fmt: skip


def full_user(state: State, account: Account) -> Json:
    blank = ("name", "company", "blog", "location", "email", "hireable", "bio")
    counts = ("public_repos", "public_gists", "followers", "following")
    dates = {"created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z"}
    return user(state, account) | dict.fromkeys(blank) | {"blog": ""} | dict.fromkeys(counts, 0) | dates


def repository(state: State, name: str | None = None) -> Json:
    full = name or state.repository
    owner, _, short = full.partition("/")
    counts = (
        "forks", "forks_count", "open_issues", "open_issues_count", "size", "stargazers_count", "watchers",
        "watchers_count", "network_count", "subscribers_count",
    )  # fmt: skip
    return dict.fromkeys(counts, 0) | {
        "id": 501 if full == state.repository else 502, "node_id": "R_501", "name": short, "full_name": full,
        "owner": user(state, state.account(owner)), "private": state.settings.private, "description": None,
        "fork": full != state.repository, "html_url": f"{state.url}/{full}", "url": f"{state.url}/repos/{full}",
        "clone_url": f"{state.url}/{full}.git", "default_branch": state.default_branch, "has_issues": True,
        "has_projects": False, "has_wiki": False, "has_downloads": False, "has_pages": state.settings.pages, "has_discussions": False,
        "homepage": None, "language": None, "archived": False, "disabled": False, "license": None,
        "visibility": "private" if state.settings.private else "public", "pushed_at": "2020-01-01T00:00:00Z",
        "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z",
        "allow_merge_commit": "merge" in state.settings.merge_methods,
        "allow_squash_merge": "squash" in state.settings.merge_methods,
        "allow_rebase_merge": "rebase" in state.settings.merge_methods,
        "delete_branch_on_merge": state.settings.delete_branch_on_merge,
    }  # fmt: skip


def git_commit(state: State, sha: str) -> Json:
    """`/git/commits/{sha}`."""
    about = state.git.show(sha)
    return {
        "sha": about["sha"], "node_id": f"C_{sha}", "url": api(state, f"/git/commits/{sha}"),
        "html_url": web(state, f"/commit/{sha}"),
        "author": {"name": about["author"], "email": about["author_email"], "date": about["authored"]},
        "committer": {"name": about["committer"], "email": about["committer_email"], "date": about["committed"]},
        "message": about["message"].rstrip("\n"),
        "tree": {"sha": about["tree"], "url": api(state, f"/git/trees/{about['tree']}")},
        "parents": [
            {"sha": parent, "url": api(state, f"/git/commits/{parent}"), "html_url": web(state, f"/commit/{parent}")}
            for parent in about["parents"].split()
        ],
        "verification": {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None},
    }  # fmt: skip


def commit(state: State, sha: str, *, files: bool = False) -> Json:
    """`/commits/{sha}`."""
    inner = git_commit(state, sha)
    people = {
        role: user(state, found) if (found := state.account_of(inner[role]["email"])) else None
        for role in ("author", "committer")
    }
    shape = {
        "sha": inner["sha"], "node_id": inner["node_id"], "url": api(state, f"/commits/{sha}"),
        "html_url": inner["html_url"], **people,
        "commit": {
            "url": inner["url"], "author": inner["author"], "committer": inner["committer"],
            "message": inner["message"], "tree": inner["tree"], "comment_count": 0, "verification": inner["verification"],
        },
        "parents": inner["parents"],
    }  # fmt: skip
    if files:
        parents = [item["sha"] for item in inner["parents"]]
        changed = diff_entries(state, parents[0] if parents else ZERO, sha)
        shape |= {"stats": {"additions": 0, "deletions": 0, "total": 0}, "files": changed}
    return shape


def diff_entries(state: State, old: str, new: str) -> list[Json]:
    names = {"A": "added", "D": "removed", "M": "modified", "T": "changed"}
    range_ = ["--root", new] if old == ZERO else [old, new]
    lines = state.git(
        "diff-tree", "-r", "--no-commit-id", "--no-renames", "--raw", "--abbrev=40", *range_
    ).splitlines()
    found = []
    for line in lines:
        about, _, path = line.partition("\t")
        fields = about.split()
        found.append({
            "sha": fields[3], "filename": path, "status": names.get(fields[4][0], "modified"), "additions": 0,
            "deletions": 0, "changes": 0, "html_url": web(state, f"/blob/{new}/{path}"),
        })  # fmt: skip
    return found


def pull_simple(state: State, item: Pull) -> Json:
    def side(branch: str, sha: str, name: str) -> Json:
        owner = name.partition("/")[0]
        gone = name != state.repository and name not in state.forks
        return {
            "label": f"{owner}:{branch}", "ref": branch, "sha": sha, "user": user(state, state.account(owner)),
            "repo": None if gone else repository(state, name),
        }  # fmt: skip

    return {
        "id": 30_000 + item.number, "node_id": f"PR_{item.number}", "number": item.number, "title": item.title,
        "state": item.state, "locked": False, "draft": item.draft, "body": item.body or None,
        "user": user(state, item.user), "url": api(state, f"/pulls/{item.number}"),
        "html_url": web(state, f"/pull/{item.number}"), "issue_url": api(state, f"/issues/{item.number}"),
        "comments_url": api(state, f"/issues/{item.number}/comments"),
        "commits_url": api(state, f"/pulls/{item.number}/commits"), "created_at": when(item.created),
        "updated_at": when(item.updated), "closed_at": when(item.closed), "merged_at": when(item.merged),
        "merge_commit_sha": item.merge_commit or state.git.resolve(f"refs/pull/{item.number}/merge"), "assignee": None,
        "assignees": [], "requested_reviewers": [], "requested_teams": [], "milestone": None, "auto_merge": None,
        "labels": [state.label(name) for name in item.labels],
        "head": side(item.head, item.head_sha, item.head_repository),
        "base": side(item.base, item.base_sha, state.repository), "author_association": association(item.user),
    }  # fmt: skip


def pull(state: State, item: Pull) -> Json:
    from . import merging, pulls

    rule = state.protection_of(f"refs/heads/{item.base}")
    clean = pulls.merge_ref(state, item) is not None
    blocked = rule is not None and item.state == "open" and bool(merging.obstacles(state, item, rule))
    try:
        count = len(state.git.commits(item.base_sha, item.head_sha))
    except GitFailed:
        count = 0
    return pull_simple(state, item) | {
        "merged": item.merged is not None, "merged_by": user(state, item.merged_by) if item.merged_by else None,
        "mergeable": clean if item.state == "open" else None, "rebaseable": clean,
        "mergeable_state": "unknown" if item.state == "closed" else "blocked" if blocked else "clean" if clean else "dirty",
        "maintainer_can_modify": False, "additions": 0, "deletions": 0,
        "changed_files": len(pulls.changed_files(state, item)), "commits": count, "review_comments": 0,
        "comments": sum(one.number == item.number for one in state.comments.values()),
    }  # fmt: skip


def association(account: Account) -> str:
    return (
        {"admin": "OWNER", "write": "COLLABORATOR"}.get(account.role, "NONE")
        if not account.is_bot
        else "NONE"
    )


def issue(state: State, item: Pull) -> Json:
    return {
        "id": 30_000 + item.number, "node_id": f"I_{item.number}", "number": item.number, "title": item.title,
        "state": item.state, "locked": False, "body": item.body or None, "user": user(state, item.user),
        "url": api(state, f"/issues/{item.number}"), "html_url": web(state, f"/pull/{item.number}"),
        "comments_url": api(state, f"/issues/{item.number}/comments"), "assignee": None, "assignees": [], "milestone": None,
        "labels": [state.label(name) for name in item.labels], "created_at": when(item.created),
        "updated_at": when(item.updated), "closed_at": when(item.closed), "author_association": association(item.user),
        "comments": sum(one.number == item.number for one in state.comments.values()),
        "pull_request": {
            "url": api(state, f"/pulls/{item.number}"), "html_url": web(state, f"/pull/{item.number}"),
            "diff_url": "", "patch_url": "",
        },
    }  # fmt: skip


def comment(state: State, item: Comment) -> Json:
    return {
        "id": item.id, "node_id": f"IC_{item.id}", "url": api(state, f"/issues/comments/{item.id}"), "body": item.body,
        "html_url": web(state, f"/pull/{item.number}#issuecomment-{item.id}"), "user": user(state, item.user),
        "issue_url": api(state, f"/issues/{item.number}"), "created_at": when(item.created),
        "updated_at": when(item.updated), "author_association": association(item.user),
    }  # fmt: skip


def review(state: State, item: Pull, one: Review) -> Json:
    return {
        "id": one.id, "node_id": f"PRR_{one.id}", "user": user(state, one.user), "body": one.body, "state": one.state,
        "commit_id": one.commit, "submitted_at": when(one.submitted), "author_association": association(one.user),
        "html_url": web(state, f"/pull/{item.number}#pullrequestreview-{one.id}"),
        "pull_request_url": api(state, f"/pulls/{item.number}"),
    }  # fmt: skip


def label(state: State, name: str, color: str, description: str | None) -> Json:
    return {
        "id": state.next_id("label", 801), "node_id": f"L_{name}", "name": name, "color": color, "default": False,
        "description": description or "", "url": api(state, f"/labels/{name}"),
    }  # fmt: skip


def minimal(shape: Json) -> Json:
    names = (
        "id",
        "node_id",
        "name",
        "full_name",
        "owner",
        "private",
        "html_url",
        "description",
        "fork",
        "url",
    )
    return {name: shape[name] for name in names}


def content(state: State, commit_: str, path: str, blob: bytes, sha: str) -> Json:
    return {
        "type": "file", "encoding": "base64", "size": len(blob), "name": path.rpartition("/")[2], "path": path, "sha": sha,
        "content": base64.encodebytes(blob).decode(), "url": api(state, f"/contents/{path}?ref={commit_}"),
        "git_url": api(state, f"/git/blobs/{sha}"), "html_url": web(state, f"/blob/{commit_}/{path}"),
        "download_url": web(state, f"/raw/{commit_}/{path}"), "_links": {"git": None, "html": None, "self": ""},
    }  # fmt: skip


def push_payload(state: State, ref: str, old: str | None, new: str | None, actor: Account) -> Json:
    shas = []
    if new and ref.startswith("refs/heads/"):
        shas = state.git.commits(old, new)[-20:] if old else [new]
    known = [git_commit(state, sha) for sha in shas]
    commits = [
        {
            "id": one["sha"], "tree_id": one["tree"]["sha"], "message": one["message"], "timestamp": one["committer"]["date"],
            "author": one["author"], "committer": one["committer"], "url": one["html_url"], "distinct": True,
        }
        for one in known
    ]  # fmt: skip
    return {
        "ref": ref, "before": old or ZERO, "after": new or ZERO, "created": old is None, "deleted": new is None,
        "forced": bool(old and new and not state.git.is_ancestor(old, new)), "base_ref": None, "commits": commits,
        "head_commit": commits[-1] if commits else None, "pusher": {"name": actor.login, "email": actor.person[1]},
        "compare": web(state, f"/compare/{(old or ZERO)[:12]}...{(new or ZERO)[:12]}"),
    }  # fmt: skip
