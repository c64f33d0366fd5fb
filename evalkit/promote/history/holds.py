"""What a commit recorded beside the entries: holds, and overrides, from two states of a file. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.promote.history.people import approver_named, authors_of, pull_request, reason_of
from evalkit.promote.history.states import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.promote.history.commits import CommitInfo

__all__ = ["HoldChange", "Overridden", "added_overrides", "added_reason", "hold_changes_of"]

_LIFTED = re.compile(r"(?P<reason>.*\S) \(lifted by (?P<by>[^()]+)\)")
"""How `evalkit unhold` gives the reason in its message."""


@dataclass(frozen=True, slots=True)
class HoldChange:
    """A hold that a commit of the main line added or removed."""

    commit: CommitInfo
    name: str
    kind: str
    """`held` or `released`."""
    digest: str | None
    """Of the content that is held; None: every version of the name is."""
    by: str | None
    """Who holds, as the record says; who released, if the message or the commit tells."""
    reason: str | None
    until: str | None
    """The last day of a hold that ends by itself."""
    authors: tuple[str, ...]
    approver: str | None
    pr: int | None


def hold_changes_of(
    name: str,
    commit: CommitInfo,
    merged: Sequence[CommitInfo],
    before: bytes | None,
    after: bytes | None,
) -> Iterator[HoldChange]:
    """What a commit did to `registry/holds/<name>.yaml`: what it released, then what it holds.

    Args:
        name: of the entries that are held.
        commit: of the main line.
        merged: the commits that it joined, newest first.
        before: the file; None where there was none.
        after: the same after the commit.
    """
    path = f"registry/holds/{name}.yaml"
    old, new = _holds(before, path), _holds(after, path)
    authors = authors_of(commit, merged)
    approver = approver_named(commit, merged)
    added = [hold for hold in new if hold not in old]
    said = reason_of(commit, merged)
    for hold in (hold for hold in old if hold not in new):
        digest = _word(hold.get("digest"))
        if any(_word(one.get("digest")) == digest for one in added):
            continue  # it is held on, on other terms
        match = _LIFTED.fullmatch(said or "")
        by = match["by"] if match else authors[0].partition(" <")[0]
        reason = match["reason"] if match else said
        pr = pull_request(commit)
        yield HoldChange(commit, name, "released", digest, by, reason, None, authors, approver, pr)
    for hold in added:
        digest, until = _word(hold.get("digest")), hold.get("until")
        by, reason = _word(hold.get("by")), _word(hold.get("reason")) or said
        ends = str(until) if until is not None else None
        yield HoldChange(
            commit, name, "held", digest, by, reason, ends, authors, approver, pull_request(commit)
        )


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def added_reason(before: bytes | None, after: bytes | None, path: str) -> str | None:
    """The reason of the first hold that is in the file now and was not before; None if none was added."""
    if after is None or after == before:
        return None
    known = _holds(before, path)
    added = [hold for hold in _holds(after, path) if hold not in known]
    return next(
        (hold["reason"] for hold in added if isinstance(hold.get("reason"), str) and hold["reason"]), None
    )


@dataclass(frozen=True, slots=True)
class Overridden:
    """The rules that one version was let past, by whom and why."""

    kinds: tuple[str, ...]
    by: str
    reason: str


def added_overrides(before: bytes | None, after: bytes | None, path: str) -> dict[int, Overridden]:
    """The overrides that are in `registry/overrides/<name>.yaml` now and were not before, by version."""
    if after is None or after == before:
        return {}
    known = _listed(before, path, "overrides")
    found: dict[int, Overridden] = {}
    for record in _listed(after, path, "overrides"):
        version, kind, by, reason = (record.get(key) for key in ("version", "change", "by", "reason"))
        if record in known or not isinstance(version, int) or not isinstance(kind, str):
            continue
        kinds = (*found[version].kinds, kind) if version in found else (kind,)
        found[version] = Overridden(kinds, str(by or "nobody"), str(reason or ""))
    return found


def _listed(raw: bytes | None, path: str, key: str) -> list[dict[str, Any]]:
    """The mappings of a file's list; none of a file that cannot be read."""
    if raw is None:
        return []
    data = parsed(raw, path)
    listed = data.get(key) if isinstance(data, dict) else None
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _holds(raw: bytes | None, path: str) -> list[dict[str, Any]]:
    """The holds that a file lists; a file may also be one hold. One that cannot be read has none."""
    if raw is None:
        return []
    data = parsed(raw, path)
    if not isinstance(data, dict):
        return []
    listed = data.get("holds", [data])
    return [hold for hold in listed if isinstance(hold, dict)] if isinstance(listed, list) else []
