"""A name's directory that was renamed: the old name ends, the new one begins, and each knows of the other."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.promote.history.compared import changes_of
from evalkit.promote.history.objects import blobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evalkit.promote.history.command import Git
    from evalkit.promote.history.commits import CommitInfo
    from evalkit.promote.history.line import Change
    from evalkit.promote.history.timeline import NameHistory

__all__ = ["renamed"]

_NAME_LINE = re.compile(rb"^name[ \t]*:.*$", re.MULTILINE)


def renamed(
    git: Git, prefix: bytes, history: NameHistory, changes: Mapping[int, Mapping[int, Change]], folder: str
) -> NameHistory:
    """The history, with the name it was renamed from in its first commit, or to in the commit that ended it.

    Files were renamed if the commit removed the same versions of another name, equal but for the line with the name.
    """
    first, last = history.moments[0].commit, history.moments[-1].commit
    ended = not history.moments[-1].versions and not history.moments[-1].broken
    places = list(changes)
    return replace(
        history,
        renamed_from=_other(git, prefix, first, changes[places[0]].values(), folder, added=True),
        renamed_to=_other(git, prefix, last, changes[places[-1]].values(), folder, added=False)
        if ended
        else None,
    )


def _other(
    git: Git, prefix: bytes, commit: CommitInfo, own: Iterable[Change], folder: str, *, added: bool
) -> str | None:
    """The other name with the most files that are those of this one, or None if none has any."""
    if not commit.parents:
        return None
    mine = {change.path.rpartition("/")[2]: _side(change, added=added) for change in own}
    candidates = [
        change
        for change in changes_of(git, commit.parents[0], commit.id, (folder,), prefix)
        if change.path.rpartition("/")[2] in mine
        and (change.after if added else change.before) is None
        and _side(change, added=not added)
    ]
    if not candidates:
        return None
    ids = {_side(change, added=not added) or "" for change in candidates} | {
        blob for blob in mine.values() if blob
    }
    content = {blob: _NAME_LINE.sub(b"", raw, count=1) for blob, raw in blobs(git, sorted(ids)).items()}
    votes: Counter[str] = Counter()
    for change in candidates:
        folder_path, _, file = change.path.rpartition("/")
        blob = mine[file]
        if blob and content[blob] == content[_side(change, added=not added) or ""]:
            votes[folder_path.removeprefix(f"{folder}/")] += 1
    return min(votes, key=lambda name: (-votes[name], name), default=None)


def _side(change: Change, *, added: bool) -> str | None:
    return change.after if added else change.before
