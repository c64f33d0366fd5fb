"""Who wrote a version, and so may not approve it: the one answer that `who` shows and `check --base` enforces.

Counted is every commit that led to the one that is approved, of a branch as much as of the main line, with co-authors:

- to the entry's file, from its beginning, if it changes a key that is no record. The author of one that moves the status
  or the exposure counts too: whoever promotes does not approve the promotion.
- to the prompt, the tools and the class that the entry refers to. What the replaced version refers to as well counts
  since that one came to serve.

Not counted is a commit that only stamps, or writes an evaluation's or a canary's result, or edits comments of the entry, or
deletes a file; and a merge, unless it wrote something that none of its parents has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from evalkit.promote.history.commits import FIELDS, records
from evalkit.promote.history.objects import blobs, blobs_at
from evalkit.promote.history.people import authors_of, co_authors_of
from evalkit.promote.history.states import parsed, simple
from evalkit.promote.standing import entry_path, read_entry
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalkit.promote.history import CommitInfo, Moment
    from evalkit.promote.history.command import Git

__all__ = ["MOVES", "Wrote", "authors_of_version", "components_of"]

MOVES = frozenset({"status", "exposure"})
"""What somebody may have written without writing any of the config."""

_KEYS = {
    "status": "status",
    "rollout": "exposure",
    "traffic": "exposure",
    "control": "exposure",
    "approved_by": None,
    "eval": None,
    "canary": None,
}
"""What a changed key of an entry counts as; None: as nothing. Every other key is the entry itself."""

_KINDS = {"prompt_ref": "prompts", "tools_ref": "tools", "class_ref": "classes"}

_Change: TypeAlias = "tuple[CommitInfo, list[bytes | None], bytes | None]"
"""A commit, what a file was in its parents, and what it is after."""


@dataclass(frozen=True, slots=True)
class Wrote:
    """One author of one commit."""

    author: str
    """`Name <address>`."""
    what: str
    """`entry`, `status`, `exposure`, or the prompt, tools or class, such as `triage-prompt@v9`."""
    commit: CommitInfo


def authors_of_version(
    git: Git, name: str, moments: Sequence[Moment], version: int, tip: str
) -> tuple[Wrote, ...]:
    """Who wrote a version up to a commit: the entry's authors first, each file's oldest first.

    Args:
        git: the command, in the project.
        name: of the entry.
        moments: the name's, up to the transition that is approved; the version is in the last of them.
        version: that is approved.
        tip: the commit that the transition came with, or a later one for what was not approved yet.

    Raises:
        UsageError: EK805, git fails.
    """
    own = moments[-1].versions[version]
    env = "staging" if own.state.status in {"draft", "staging"} else "production"
    replaced, since = _served(moments[:-1], env, version)
    former = moments[-1].versions.get(replaced) if replaced is not None else None
    contents = blobs(git, [state.digest_key for state in (own, former) if state])
    files = {entry_path(name, version): "entry", **components_of(read_entry(contents[own.digest_key], name))}
    shared = components_of(read_entry(contents[former.digest_key], name)) if former else {}
    kept = [path for path in files if path in shared]
    found = {
        **_commits(git, [path for path in files if path not in shared], tip, None),
        **_commits(git, kept, tip, since.id if since else None),
    }
    return tuple(
        one for path, what in files.items() for change in found[path] for one in _wrote(change, path, what)
    )


def _served(moments: Sequence[Moment], env: str, version: int) -> tuple[int | None, CommitInfo | None]:
    """Which other version was the last to be an environment's primary, and since which commit."""
    replaced: int | None = None
    since: CommitInfo | None = None
    for moment in moments:
        primary = moment.primary(env)
        if primary not in {None, version, replaced}:
            replaced, since = primary, moment.commit
    return replaced, since


def components_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """The prompt, tools and class that an entry refers to: the path of each, and its ref."""
    found = {}
    for key, kind in _KINDS.items():
        text = entry.get(key)
        ref = Ref.parse(text) if isinstance(text, str) else None
        if ref:
            found[f"registry/{kind}/{ref.name}/v{ref.version}.yaml"] = str(ref)
    return found


def _wrote(change: _Change, path: str, what: str) -> Iterator[Wrote]:
    """What each author of a commit wrote in a file, which is the entry's or that of the component `what`."""
    commit, before, after = change
    if what == "entry":
        kinds = [_kinds(old, after, path) for old in before] or [_kinds(None, after, path)]
        said = [kind for kind in kinds[0] if all(kind in others for others in kinds)]
    else:
        said = [what] if after is not None and after not in before else []
    people = authors_of(commit, ()) if said else co_authors_of(commit) if commit.is_merge else ()
    for author in people:  # a merge that wrote nothing itself may name authors of what it brought
        yield from (Wrote(author, one, commit) for one in said or (what,))


def _commits(git: Git, paths: Sequence[str], tip: str, since: str | None) -> dict[str, list[_Change]]:
    """By file, the commits up to `tip` that changed it, without those up to `since`, oldest first.

    Each with what the file was in its parents, and what it is after. Files that are looked for together cost one walk
    along the history.
    """
    if not paths:
        return {}
    args = ("log", "-z", "--full-history", "--no-notes", f"--format={FIELDS}", tip)
    touched = records(git.run(*args, *([f"^{since}"] if since else []), "--", *paths))[::-1]
    ids = [one for commit in touched for one in (commit.id, *commit.parents)]
    found: dict[str, list[_Change]] = {}
    for path in paths:
        at = blobs_at(git, ids, path)
        changes = [(commit, [at[one] for one in commit.parents], at[commit.id]) for commit in touched]
        found[path] = [change for change in changes if any(old != change[2] for old in change[1] or [None])]
    return found


def _kinds(before: bytes | None, after: bytes | None, path: str) -> tuple[str, ...]:
    """What an entry's file says anew."""
    if after is None or before == after:
        return ()
    old, new = ({"status": "draft"} if before is None else _keys(before, path)), _keys(after, path)
    if old is None or new is None:
        return ("entry",)
    changed = [key for key in (*new, *(old.keys() - new.keys())) if old.get(key) != new.get(key)]
    return tuple(dict.fromkeys(kind for key in changed if (kind := _KEYS.get(key, "entry"))))


def _keys(raw: bytes, path: str) -> dict[str, Any] | None:
    """The keys of a file; None where it cannot be read."""
    if (plain := simple(raw)) is not None:
        return plain
    data = parsed(raw, path)
    return data if isinstance(data, dict) else None
