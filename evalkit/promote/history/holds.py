"""What a commit recorded beside the entries: reasons of holds, and overrides, from two states of a file. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evalkit.runtime.yaml_source import parse_bytes

__all__ = ["Overridden", "added_overrides", "added_reason"]


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
    source, problems = parse_bytes(raw, path)
    listed = source.data.get(key) if not problems and isinstance(source.data, dict) else None
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _holds(raw: bytes | None, path: str) -> list[dict[str, Any]]:
    """The holds that a file lists; a file may also be one hold. One that cannot be read has none."""
    if raw is None:
        return []
    source, problems = parse_bytes(raw, path)
    if problems or not isinstance(source.data, dict):
        return []
    listed = source.data.get("holds", [source.data])
    return [hold for hold in listed if isinstance(hold, dict)] if isinstance(listed, list) else []
