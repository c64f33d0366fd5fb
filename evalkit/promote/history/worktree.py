"""How the files on disk differ from a commit."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from evalkit.promote.history.objects import blobs, listing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalkit.promote.history.command import Git

__all__ = ["FileChange", "disk_changes", "is_inside"]


@dataclass(frozen=True, slots=True)
class FileChange:
    """A plain file that is not the same before and after; None where it is not there, or no plain file."""

    path: str
    """Relative to the project, with forward slashes."""
    before: bytes | None
    after: bytes | None


def is_inside(path: str) -> bool:
    """Whether a path relative to the project stays in it, and is written as git writes it."""
    parts = path.split("/")
    return not ({"", ".", ".."} & set(parts) or "\0" in path or "\n" in path)


def disk_changes(
    git: Git, root: Path, prefix: bytes, base: str, under: Sequence[str]
) -> tuple[FileChange, ...]:
    """The plain files below `under` that differ between the commit `base` and the disk, by path.

    git names the files that may differ, untracked ones among them, but none that it ignores; their contents decide,
    since its index may be out of date.
    """
    differ = git.run("diff-index", "-z", "--name-only", "--no-renames", base, "--", *under).split(b"\0")
    untracked = git.run("ls-files", "-z", "--others", "--exclude-standard", "--", *under).split(b"\0")
    names = {path.removeprefix(prefix) for path in differ if path} | {path for path in untracked if path}
    paths = sorted(name.decode("utf-8", "surrogateescape") for name in names)
    before = {blob.path: blob.id for blob in listing(git, base, under) if blob.path in set(paths)}
    contents = blobs(git, before.values())
    found = []
    for path in paths:
        old, new = contents.get(before.get(path, "")), _on_disk(root / PurePosixPath(path))
        if old != new:
            found.append(FileChange(path, old, new))
    return tuple(found)


def _on_disk(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if stat.S_ISREG(path.lstat().st_mode) else None
    except (FileNotFoundError, NotADirectoryError):
        return None
