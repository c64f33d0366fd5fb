"""The one comment of a kind in a conversation: found by its marker and its author, edited in place, else made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from evalkit.github.marker import encode, parse

if TYPE_CHECKING:
    from evalkit.github.forge import Comment, Forge
    from evalkit.github.marker import Marker

__all__ = ["keep_comment"]


def keep_comment(
    forge: Forge, number: int, marker: Marker, body: str
) -> Literal["added", "changed", "unchanged"]:
    """Make a conversation have this comment. What is there already and says the same is left alone: nobody is notified.

    The whole conversation is searched, for the comment may be on any page. Of several (two jobs may have looked at the
    same time) the oldest is the one that is kept up to date.

    Raises:
        ForgeError: it cannot be read or written; EK878, the body is too long.
    """
    wanted = encode(marker, body)
    login = forge.login()
    for comment in forge.comments(number):
        if not _is_ours(comment, marker, login):
            continue
        if _plain(comment.body) == _plain(wanted):
            return "unchanged"
        forge.edit_comment(comment.id, wanted)
        return "changed"
    forge.comment(number, wanted)
    return "added"


def _is_ours(comment: Comment, marker: Marker, login: str) -> bool:
    if comment.author.casefold() != login.casefold():
        return False
    found = parse(comment.body)
    return found is not None and (found.kind, found.entry, found.version, found.target) == (
        marker.kind,
        marker.entry,
        marker.version,
        marker.target,
    )


def _plain(body: str) -> str:
    """As it is compared: a forge may keep other line breaks, or none at the end."""
    return body.replace("\r\n", "\n").rstrip()
