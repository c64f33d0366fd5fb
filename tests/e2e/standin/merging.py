"""Merging a pull request: what its base branch asks for, and the three ways of doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import pulls
from .model import Account, Protection, Pull, Refused, Review, Token

if TYPE_CHECKING:
    from .state import State


def approvers(pull: Pull) -> set[str]:
    """Who approves: by each person's latest review that says yes or no."""
    latest: dict[str, Review] = {}
    for item in pull.reviews:
        if item.state in {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"}:
            latest[item.user.login] = item
    return {
        login
        for login, item in latest.items()
        if item.state == "APPROVED" and item.user is not pull.user and item.user.can_write
    }


def obstacles(state: State, pull: Pull, rule: Protection) -> list[str]:
    """What the branch's protection still asks for."""
    found = [
        f'Required status check "{name}" is {"expected" if result is None else "failing" if result == "failure" else "pending"}.'
        for name in rule.checks
        if (result := state.status_of(pull.head_sha, name)) != "success"
    ]
    if len(approvers(pull)) < rule.approvals:
        found.append(
            f"At least {rule.approvals} approving review is required by reviewers with write access."
        )
    if any(item.state == "CHANGES_REQUESTED" for item in {r.user.login: r for r in pull.reviews}.values()):
        found.append("Changes were requested.")
    if rule.strict and not state.git.is_ancestor(pull.base_sha, pull.head_sha):
        found.append("The head branch is not up to date with the base branch.")
    return found


def merge(
    state: State, token: Token, pull: Pull, method: str = "merge", sha: str | None = None, **texts: Any
) -> str:
    """Merge it, and return the commit on the base branch."""
    if pull.state == "closed" or pull.draft:
        raise Refused(405, "Pull Request is not mergeable")
    if method not in state.settings.merge_methods:
        raise Refused(405, f"{method.capitalize()} merges are not allowed on this repository.")
    if sha and sha != pull.head_sha:
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    rule = state.protection_of(f"refs/heads/{pull.base}")
    if rule and token.account.login not in rule.bypass and (found := obstacles(state, pull, rule)):
        raise Refused(405, "Repository rule violations found\n\n" + "\n\n".join(found) + "\n\n")
    title = texts.get("commit_title")
    new = _merged(state, token.account, pull, method, title, texts.get("commit_message"))
    if new is None:
        raise Refused(405, "Pull Request is not mergeable")
    old = pull.base_sha
    ref = f"refs/heads/{pull.base}"
    state.git.set_ref(ref, new, old)
    pull.merged, pull.merged_by, pull.merge_commit = state.now(), token.account, new
    pull.state, pull.closed = "closed", state.now()
    state.moved(ref, old, new, token, quiet=pull)
    pulls.tell(state, pull, token, "closed")
    if state.settings.delete_branch_on_merge and pull.head_repository == state.repository:
        state.git.set_ref(f"refs/heads/{pull.head}", None)
    return new


def _merged(
    state: State, actor: Account, pull: Pull, method: str, title: str | None, message: str | None
) -> str | None:
    git, date = state.git, state.now().isoformat()
    web = ("GitHub", "noreply@github.com")
    if method == "rebase":
        return git.rebased(pull.base_sha, git.commits(pull.base_sha, pull.head_sha), actor.person)
    tree = git.merged_tree(pull.base_sha, pull.head_sha)
    if tree is None:
        return None
    if method == "squash":
        commits = git.commits(pull.base_sha, pull.head_sha)
        about = [git.show(sha) for sha in commits]
        single = about[0]["message"] if len(about) == 1 else ""
        heading = title or f"{single.splitlines()[0] if single else pull.title} (#{pull.number})"
        rest = (
            message
            if message is not None
            else "\n".join(
                single.splitlines()[2:]
                if single
                else [f"* {item['message'].splitlines()[0]}" for item in about]
            )
        )
        return git.write_commit(
            tree, [pull.base_sha], f"{heading}\n\n{rest}".strip(), pull.user.person, web, date=date
        )
    owner = pull.head_repository.partition("/")[0]
    heading = title or f"Merge pull request #{pull.number} from {owner}/{pull.head}"
    text = f"{heading}\n\n{message if message is not None else pull.title}"
    return git.write_commit(tree, [pull.base_sha, pull.head_sha], text, actor.person, web, date=date)
