"""Who wrote, who approved, and why: read from commits' messages. Pure.

A trailer is looked for in every line of a message, not in its last paragraph alone: a squash puts the messages of all
its commits one below the other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evalkit.promote.history.commits import CommitInfo

__all__ = [
    "approver_named",
    "authors_of",
    "co_authors_of",
    "pull_request",
    "reason_of",
    "revert_of",
    "title_of",
]

_TRAILER = re.compile(
    r"^([A-Za-z][A-Za-z-]{0,40})[ \t]*:[ \t]*(\S[^\r\n]*)((?:\r?\n[ \t]+\S[^\r\n]*)*)", re.MULTILINE
)
_MERGED = re.compile(r"Merge pull request #([0-9]{1,9}) from ")
_JOINED = re.compile(r"Merge pull request #[0-9]+ from |Merge branch '|Merged in .+ \(pull request #[0-9]+\)")
"""Subjects that a forge writes for every merge: the title is the body's first line."""
_REVERTED = re.compile(r'(?:Revert|Reapply) "')
_NUMBERED = re.compile(r"\(#([0-9]{1,9})\)\s*\Z")


def pull_request(commit: CommitInfo) -> int | None:
    """The number of the pull request that the commit's subject names: `Merge pull request #12 from …`, or `… (#12)`."""
    found = _MERGED.match(commit.subject) or _NUMBERED.search(commit.subject)
    return int(found[1]) if found else None


def title_of(commit: CommitInfo) -> str:
    """What the commit is about: its subject; of a forge's merge the title below it, with the pull request's number."""
    first = next((line.strip() for line in commit.body.splitlines() if line.strip()), "")
    if not commit.is_merge or not first or not _JOINED.match(commit.subject):
        return commit.subject
    number = pull_request(commit)
    return f"{first} (#{number})" if number else first


def revert_of(commit: CommitInfo, merged: Iterable[CommitInfo]) -> str | None:
    """`Revert "…"`: what the commit, or the newest that it joined, says that it takes back; None if it is no revert."""
    titles = (title_of(commit), *(one.subject for one in merged))
    return next((title for title in titles if _REVERTED.match(title)), None)


def authors_of(commit: CommitInfo, merged: Iterable[CommitInfo]) -> tuple[str, ...]:
    """Who wrote what the commit brought, as `Name <email>`, oldest first, each address once.

    For a merge, the authors of the commits that it joined, and of the merge itself only if it joined none that count;
    in either case with those that a `Co-authored-by` trailer names.
    """
    people: dict[str, str] = {}
    for source in [*merged][::-1] or [commit]:
        for person in (f"{source.author} <{source.author_email}>".strip(), *co_authors_of(source)):
            people.setdefault(_address(person), person)
    for person in co_authors_of(commit):
        people.setdefault(_address(person), person)
    return tuple(people.values())


def co_authors_of(commit: CommitInfo) -> tuple[str, ...]:
    """Whom the commit's `Co-authored-by` trailers name."""
    return tuple(_trailers(commit, "co-authored-by"))


def approver_named(commit: CommitInfo, merged: Iterable[CommitInfo]) -> str | None:
    """Whom an `Approved-by` or else a `Reviewed-by` trailer names: in the commit, else in those that it joined."""
    return _first((commit, *merged), "approved-by", "reviewed-by")


def reason_of(commit: CommitInfo, merged: Iterable[CommitInfo]) -> str | None:
    """What a `Reason` trailer says: in the commit, else in the newest that it joined."""
    return _first((commit, *merged), "reason")


def _first(commits: Iterable[CommitInfo], *keys: str) -> str | None:
    for commit in commits:
        for key in keys:
            if found := _trailers(commit, key):
                return found[-1]  # in a squash, the last commit's
    return None


def _trailers(commit: CommitInfo, wanted: str) -> list[str]:
    return [value for key, value in _all_trailers(commit.body) if key == wanted]


def _all_trailers(body: str) -> Iterator[tuple[str, str]]:
    for found in _TRAILER.finditer(body):
        yield found[1].lower(), " ".join((found[2] + found[3]).split())


def _address(person: str) -> str:
    """What tells two people apart: the address, else all of the text."""
    _, _, rest = person.rpartition("<")
    return (rest.rstrip("> ") or person).casefold()
