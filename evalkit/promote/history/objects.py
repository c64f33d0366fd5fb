"""Files as git keeps them: trees and blobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from evalkit.promote.history.command import Git

__all__ = ["REGULAR", "Blob", "blobs", "blobs_at", "directories", "listing"]

REGULAR = frozenset({"100644", "100755", "100664"})
"""The modes of plain files. Symbolic links and submodules are none: what they lead to is not in the commit."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A plain file in a tree."""

    path: str
    """Relative to the project, with forward slashes."""
    id: str


def listing(git: Git, commit: str, paths: Sequence[str], *, recursive: bool = True) -> list[Blob]:
    """The plain files of a commit at or below `paths`, relative to the project."""
    args = ("ls-tree", "-z", *(["-r"] if recursive else []), commit, "--", *paths)
    found = []
    for line in git.run(*args).split(b"\0"):
        meta, _, path = line.partition(b"\t")
        if path and meta[:6].decode() in REGULAR:
            found.append(Blob(path.decode("utf-8", "surrogateescape"), meta.split()[2].decode()))
    return found


def blobs(git: Git, ids: Iterable[str]) -> dict[str, bytes]:
    """The contents of blobs, by id, from one process.

    Raises:
        UsageError: EK805, one is not there: the repository is damaged.
    """
    wanted = list(dict.fromkeys(ids))
    found = _batch(git, wanted)
    for name, content in zip(wanted, found, strict=True):
        if content is None:
            hint = "run `git fsck`; a partial clone needs its remote"
            raise UsageError(Problem("EK805", f"the repository lacks the object {name}", hint=hint))
    return {name: content for name, content in zip(wanted, found, strict=True) if content is not None}


def blobs_at(git: Git, commits: Iterable[str], path: str) -> dict[str, bytes | None]:
    """What `path` (relative to the project) holds at each commit; None where it is no file."""
    wanted = list(dict.fromkeys(commits))
    found = _batch(git, [f"{commit}:./{path}" for commit in wanted])
    return dict(zip(wanted, found, strict=True))


def directories(git: Git, ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """The plain files directly in trees: for each tree, the blobs by name. What is no tree has none."""
    wanted = list(dict.fromkeys(ids))
    found = _batch(git, wanted, b"tree")
    return {tree: dict(_files(raw or b"", len(tree) // 2)) for tree, raw in zip(wanted, found, strict=True)}


def _files(raw: bytes, size: int) -> Iterator[tuple[str, str]]:
    """The plain files in a tree as git stores it: `mode name`, NUL, and the id in `size` bytes."""
    at = 0
    while at < len(raw):
        end = raw.index(b"\0", at)
        mode, _, name = raw[at:end].partition(b" ")
        at = end + 1 + size
        if mode.decode() in REGULAR:
            yield name.decode("utf-8", "surrogateescape"), raw[end + 1 : at].hex()


def _batch(git: Git, names: Sequence[str], kind: bytes = b"blob") -> list[bytes | None]:
    """The object that each name means; None for what is missing or of another kind. No name holds a line feed."""
    if not names:
        return []
    printed = git.share("cat-file", "--batch", "--buffer", lines=names)
    found: list[bytes | None] = []
    at = 0
    while at < len(printed):
        end = printed.index(b"\n", at)
        words = printed[at:end].rsplit(b" ", 2)
        at = end + 1
        if len(words) < 3 or not words[2].isdigit():
            found.append(None)
            continue
        size = int(words[2])
        found.append(printed[at : at + size] if words[1] == kind else None)
        at += size + 1
    return found
