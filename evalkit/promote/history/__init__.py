"""The history of a registry, from git: what served when, since which commit, and who decided it.

What counts is the main line: the first-parent commits of the default branch. A change takes effect with the commit that
brings it there (a merge, a squash, a pushed or rebased commit), at that commit's committer date. Where a date is earlier
than that of a commit before it on the line, the earlier commit's counts: effects never go backwards.
"""

from __future__ import annotations

from evalkit.promote.history.commits import CommitInfo
from evalkit.promote.history.repository import Repository
from evalkit.promote.history.states import VersionState
from evalkit.promote.history.timeline import Moment, NameHistory, Span
from evalkit.promote.history.transitions import Transition
from evalkit.promote.history.worktree import FileChange

__all__ = [
    "CommitInfo",
    "FileChange",
    "Moment",
    "NameHistory",
    "Repository",
    "Span",
    "Transition",
    "VersionState",
]
