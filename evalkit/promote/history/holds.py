"""Reasons of holds, from two states of `registry/holds/<name>.yaml`. Pure."""

from __future__ import annotations

from typing import Any

from evalkit.runtime.yaml_source import parse_bytes

__all__ = ["added_reason"]


def added_reason(before: bytes | None, after: bytes | None, path: str) -> str | None:
    """The reason of the first hold that is in the file now and was not before; None if none was added."""
    if after is None or after == before:
        return None
    known = _holds(before, path)
    added = [hold for hold in _holds(after, path) if hold not in known]
    return next(
        (hold["reason"] for hold in added if isinstance(hold.get("reason"), str) and hold["reason"]), None
    )


def _holds(raw: bytes | None, path: str) -> list[dict[str, Any]]:
    """The holds that a file lists; a file may also be one hold. One that cannot be read has none."""
    if raw is None:
        return []
    source, problems = parse_bytes(raw, path)
    if problems or not isinstance(source.data, dict):
        return []
    listed = source.data.get("holds", [source.data])
    return [hold for hold in listed if isinstance(hold, dict)] if isinstance(listed, list) else []
