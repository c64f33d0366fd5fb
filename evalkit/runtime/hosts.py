"""Who serves a model id: what a prefix, a provider's name or the shape of the id says. Pure; data is `data/hosts.yaml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from evalkit.runtime.package_data import read_data

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BARE", "Host", "compiled", "hosts", "route"]

BARE = "bare"
"""Stands in `hosts:` for an id that no host could be given to."""


@dataclass(frozen=True, slots=True)
class Host:
    """Who serves a model. The fields are those of `hosts:` in hosts.yaml, regular expressions compiled."""

    id: str
    title: str
    names: Sequence[str]
    shape: re.Pattern[str] | None = None
    strip: re.Pattern[str] | None = None
    protocol: bool = False
    gateway: bool = False


def route(model: str, provider: str | None = None) -> tuple[Host | None, str]:
    """Who serves an id, and what is left of the id for that host's rules (always a suffix of `model`).

    A prefix of the id's own counts before the provider only where the provider's protocol is one that others speak:
    behind `openai` anything may answer, behind `azure` only Azure does.
    """
    by_name = _by_name()
    host, rest = by_name.get((provider or "").lower()), model
    while prefix := re.match(r"([\w.-]{1,40})[:/](?=.)", rest, re.ASCII):
        named = by_name.get(prefix[1].lower())
        if named is None or (host and named is not host and not host.protocol):
            break
        host, rest = named, rest[prefix.end() :]
    if host is None:
        host = next((h for h in hosts() if h.shape and h.shape.fullmatch(rest)), None)
    if host and host.strip and (how := host.strip.match(rest)) and how.end() < len(rest):
        rest = rest[how.end() :]
    return host, rest


@cache
def hosts() -> tuple[Host, ...]:
    """Who serves models, in the order in which shapes are tried."""
    patterns = ("shape", "strip")
    return tuple(
        Host(**row | {key: compiled(row[key]) for key in patterns if key in row}) for row in _data()["hosts"]
    )


@cache
def _by_name() -> dict[str, Host]:
    return {name: host for host in hosts() for name in host.names}


@cache
def _data() -> dict[str, Any]:
    return read_data("evalkit.runtime", "hosts.yaml")


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of the data files, its `{fragments}` filled in. ASCII only: full-width digits do not make a date."""
    fragments = _data()["fragments"]
    return re.compile(re.sub(r"\{([a-z_]+)\}", lambda name: fragments[name[1]], pattern), re.ASCII)
