"""Pull requests: opening, changing, reviewing, and what a moved branch does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import shapes
from .event import Event
from .git import GitFailed
from .model import Pull, Refused, Review, Token

if TYPE_CHECKING:
    from .state import State

MAX_BODY = 65_536


def check_body(body: str | None, resource: str) -> None:
    if body is not None and len(body) > MAX_BODY:
        raise Refused(422, "Validation Failed", [
            {"resource": resource, "code": "custom", "field": "body", "message": f"body is too long (maximum is {MAX_BODY} characters)"}
        ])  # fmt: skip


def invalid(field: str, message: str | None = None) -> Refused:
    error: dict[str, Any] = {"resource": "PullRequest", "field": field, "code": "invalid"}
    if message:
        error = {"resource": "PullRequest", "code": "custom", "message": message}
    return Refused(422, "Validation Failed", [error])


def check_actions_may(state: State, token: Token) -> None:
    if token.kind == "workflow" and not state.settings.allow_actions_prs:
        raise Refused(403, "GitHub Actions is not permitted to create or approve pull requests.")


def open_pull(
    state: State, token: Token, *, title: str, head: str, base: str, body: str = "", draft: bool = False
) -> Pull:
    """Open one; `head` is `branch` or `owner:branch`."""
    check_actions_may(state, token)
    check_body(body, "PullRequest")
    owner, _, branch = head.rpartition(":")
    repository = state.repository
    if owner and owner != state.repository.partition("/")[0]:
        repository = next((name for name in state.forks if name.startswith(f"{owner}/")), "")
    git = state.git if repository == state.repository else state.forks.get(repository)
    if git is None or git.head(branch) is None:
        raise invalid("head")
    if state.git.head(base) is None:
        raise invalid("base")
    for other in state.pulls.values():
        if (other.state, other.head, other.head_repository, other.base) == ("open", branch, repository, base):
            label = f"{owner or state.repository.partition('/')[0]}:{branch}"
            raise invalid("head", f"A pull request already exists for {label}.")
    now = state.now()
    pull = Pull(0, title, body or "", token.account, branch, repository, base, now, now, draft=draft)
    refresh(state, pull, is_new=True)
    if not state.git.commits(pull.base_sha, pull.head_sha):
        raise invalid("head", f"No commits between {base} and {branch}")
    pull.number = state.next_id("issue")
    state.pulls[pull.number] = pull
    refresh(state, pull)
    tell(state, pull, token, "opened")
    return pull


def refresh(state: State, pull: Pull, *, is_new: bool = False) -> None:
    """Read where the two branches are, and make the test merge."""
    if pull.head_repository != state.repository:
        fork = state.forks[pull.head_repository]
        state.git(
            "fetch",
            "-q",
            str(fork.path),
            f"+refs/heads/{pull.head}:refs/forks/{pull.head_repository}/{pull.head}",
        )
        pull.head_sha = fork.head(pull.head) or pull.head_sha
    else:
        pull.head_sha = state.git.head(pull.head) or pull.head_sha
    pull.base_sha = state.git.head(pull.base) or pull.base_sha
    if is_new:
        return
    state.git.set_ref(f"refs/pull/{pull.number}/head", pull.head_sha)
    tree = state.git.merged_tree(pull.base_sha, pull.head_sha)
    if tree is None:
        state.git.set_ref(f"refs/pull/{pull.number}/merge", None)
        return
    about = f"Merge {pull.head_sha} into {pull.base_sha}"
    date = state.git.show(pull.head_sha)["committed"]
    person = ("GitHub", "noreply@github.com")
    merge = state.git.write_commit(tree, [pull.base_sha, pull.head_sha], about, person, date=date)
    state.git.set_ref(f"refs/pull/{pull.number}/merge", merge)


def merge_ref(state: State, pull: Pull) -> str | None:
    return state.git.resolve(f"refs/pull/{pull.number}/merge")


def tell(state: State, pull: Pull, token: Token, action: str, **more: Any) -> None:
    """The `pull_request` event. One that cannot be merged starts nothing, except its closing."""
    pull.updated = state.now()
    sha = merge_ref(state, pull)
    ref = f"refs/pull/{pull.number}/merge"
    if action == "closed":
        sha = state.git.head(pull.base)
        ref = f"refs/heads/{pull.base}" if pull.merged else ref
    if sha is None:
        return
    payload = {"action": action, "number": pull.number, "pull_request": shapes.pull(state, pull), **more}
    state.emit(
        Event(
            "pull_request", payload, token.account, token.kind, ref, sha, pull.head, pull.head_sha, pull.base,
            pull.head_repository, pull.number, changed_files(state, pull),
        )
    )  # fmt: skip


def changed_files(state: State, pull: Pull) -> list[str]:
    try:
        start = state.git("merge-base", pull.base_sha, pull.head_sha)
    except GitFailed:
        return []
    return state.git.changed_paths(start, pull.head_sha)


def branch_moved(state: State, repository: str, branch: str, token: Token, quiet: Pull | None = None) -> None:
    """A branch has moved: pull requests from it are synchronised or closed, those to it get a new test merge."""
    for pull in [item for item in state.pulls.values() if item.state == "open" and item is not quiet]:
        is_head = (pull.head_repository, pull.head) == (repository, branch)
        if not is_head and (repository, branch) != (state.repository, pull.base):
            continue
        git = state.git if pull.head_repository == state.repository else state.forks[pull.head_repository]
        if git.head(pull.head) is None:
            close(state, pull, token)
            continue
        before = pull.head_sha
        refresh(state, pull)
        if not state.git.commits(pull.base_sha, pull.head_sha):
            if not is_head:  # its commits have come to the base branch by another way
                pull.merged, pull.merged_by, pull.merge_commit = state.now(), token.account, pull.head_sha
            close(state, pull, token)
        elif is_head:
            tell(state, pull, token, "synchronize", before=before, after=pull.head_sha)
            rule = state.protection_of(f"refs/heads/{pull.base}")
            if rule and rule.dismiss_stale:
                for review in pull.reviews:
                    review.state = "DISMISSED" if review.state == "APPROVED" else review.state


def close(state: State, pull: Pull, token: Token) -> None:
    pull.state, pull.closed = "closed", state.now()
    tell(state, pull, token, "closed")


def update(state: State, token: Token, pull: Pull, changes: dict[str, Any]) -> None:
    """Title, body, base, state."""
    check_body(changes.get("body"), "PullRequest")
    if changes.get("title") == "":
        raise Refused(
            422, "Validation Failed", [{"resource": "PullRequest", "field": "title", "code": "missing_field"}]
        )
    edited = [name for name in ("title", "body") if name in changes and changes[name] != getattr(pull, name)]
    for name in edited:
        setattr(pull, name, changes[name] or "")
    if edited:
        tell(state, pull, token, "edited")
    wanted = changes.get("state", pull.state)
    if wanted == "closed" and pull.state == "open":
        close(state, pull, token)
    elif wanted == "open" and pull.state == "closed":
        git = state.git if pull.head_repository == state.repository else state.forks[pull.head_repository]
        if pull.merged or git.head(pull.head) is None:
            raise invalid("state", "The pull request cannot be reopened.")
        pull.state, pull.closed = "open", None
        refresh(state, pull)
        tell(state, pull, token, "reopened")


def review(
    state: State, token: Token, pull: Pull, verdict: str, body: str, commit: str | None = None
) -> Review:
    """`verdict`: APPROVE, REQUEST_CHANGES or COMMENT."""
    states: dict[str, Any] = {
        "APPROVE": "APPROVED",
        "REQUEST_CHANGES": "CHANGES_REQUESTED",
        "COMMENT": "COMMENTED",
    }
    if verdict not in states:
        raise Refused(422, "Validation Failed")
    if verdict != "COMMENT" and token.account is pull.user:
        action = "approve" if verdict == "APPROVE" else "request changes on"
        raise Refused(422, "Unprocessable Entity", [f"Review Can not {action} your own pull request"])
    if verdict == "APPROVE":
        check_actions_may(state, token)
    made = Review(
        state.next_id("review", 7001),
        token.account,
        states[verdict],
        body,
        commit or pull.head_sha,
        state.now(),
    )
    pull.reviews.append(made)
    sha = merge_ref(state, pull)
    payload = {
        "action": "submitted", "number": pull.number, "pull_request": shapes.pull(state, pull),
        "review": {**shapes.review(state, pull, made), "state": made.state.lower()},
    }  # fmt: skip
    if sha:
        state.emit(
            Event(
                "pull_request_review", payload, token.account, token.kind, f"refs/pull/{pull.number}/merge", sha, pull.head,
                pull.head_sha, pull.base, pull.head_repository, pull.number,
            )
        )  # fmt: skip
    return made
