"""Bundles of this repository: of a commit, or of the files as they lie here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from evalkit.errors import Location, Problem, SourceError, UsageError
from evalkit.runtime.bundle import Commit
from evalkit.runtime.compile import compile_registry
from evalkit.runtime.git import Git
from evalkit.runtime.sources.directory import read_directory

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.runtime.bundle import Bundle

__all__ = ["bundle_of_commit", "bundle_of_files"]


def bundle_of_commit(root: Path, ref: str) -> Bundle:
    """What a commit says.

    Raises:
        SourceError: there is no such commit, or its history is cut off.
        ConfigError: its registry is broken, or who serves is not clear.
    """
    git = Git(os.fspath(root), os.fspath(root))
    commit = git.resolve(ref)
    files = git.files(commit, git.prefix())
    if not any(path.startswith("registry/") for path in files):
        message = f"commit {commit[:12]} has no registry here"
        raise UsageError(
            Problem("EK901", message, Location(os.fspath(root)), "name a later commit with --ref")
        )
    return compile_registry(files, git.commit(commit), where=f"{ref} ({commit[:12]})")


def bundle_of_files(root: Path) -> Bundle:
    """What lies here. Its commit is the one checked out, marked dirty if what lies here is not what it has.

    Raises:
        ConfigError: the registry is broken, or who serves is not clear.
    """
    return compile_registry(read_directory(root), _commit_of(root), where=os.fspath(root))


def _commit_of(root: Path) -> Commit | None:
    """None outside of git, before the first commit, and where the history is cut off: then nobody knows the order."""
    git = Git(os.fspath(root), os.fspath(root))
    try:
        head = git.commit(git.resolve("HEAD"))
        changed = git.run("status", "--porcelain", "--untracked-files=all", "--", "registry", "evalkit.yaml")
    except SourceError:
        return None
    return Commit(head.id, head.count, head.time, dirty=bool(changed.strip()))
