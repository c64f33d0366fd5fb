"""Comments on pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import pulls, shapes
from .event import Event
from .model import Comment, Pull, Refused, Token

if TYPE_CHECKING:
    from .state import State

__all__ = ["comment_on", "edit_comment"]


def comment_on(state: State, token: Token, number: int, body: str) -> Comment:
    pull = state.pull(number)
    pulls.check_body(body, "IssueComment")
    now = state.now()
    made = Comment(state.next_id("comment", 9001), number, token.account, body, now, now)
    state.comments[made.id] = made
    _tell(state, made, pull, token, "created")
    return made


def edit_comment(state: State, token: Token, number: int, body: str) -> Comment:
    if number not in state.comments:
        raise Refused(404, "Not Found")
    pulls.check_body(body, "IssueComment")
    comment = state.comments[number]
    comment.body, comment.updated = body, state.now()
    _tell(state, comment, state.pull(comment.number), token, "edited")
    return comment


def _tell(state: State, comment: Comment, pull: Pull, token: Token, action: str) -> None:
    head = state.git.head(state.default_branch) or ""
    payload = {
        "action": action,
        "issue": shapes.issue(state, pull),
        "comment": shapes.comment(state, comment),
    }
    ref = f"refs/heads/{state.default_branch}"
    state.emit(
        Event(
            "issue_comment",
            payload,
            token.account,
            token.kind,
            ref,
            head,
            state.default_branch,
            head,
            pull=pull.number,
        )
    )
