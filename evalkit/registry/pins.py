"""Whether a model id is pinned: does it promise the same model tomorrow as today?

What is known about vendors is data: `data/pins.yaml` (rules, explained in docs/pinning.md) and `data/lifecycles.yaml`
(announced shutdowns). This module gives an id to a host and finds the first rule of that host that fits. Everything
here is pure; what an unknown id gets is `needs_evidence`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

__all__ = [
    "Host",
    "PinVerdict",
    "Rule",
    "hosts",
    "read_data",
    "retiring",
    "route",
    "rules",
    "shutdown_date",
    "suggestion",
    "verdict",
]

Verdict = Literal["pinned", "floating", "needs_evidence"]

MAX_LENGTH = 512
"""Characters. Longer ids are not looked at, which also bounds the time of any rule."""

BARE = "bare"
"""Stands in `hosts:` for an id that no host could be given to."""


@dataclass(frozen=True, slots=True)
class PinVerdict:
    """What is known about one model id."""

    verdict: Verdict
    rule: str
    """The rule that decided, for docs/pinning.md; `malformed` or `unknown` if none did."""
    reason: str
    """One sentence for the entry's author."""
    hint: str | None = None
    """What to write instead."""


@dataclass(frozen=True, slots=True)
class Host:
    """Who serves a model. The fields are those of `hosts:` in pins.yaml, regular expressions compiled."""

    id: str
    title: str
    names: Sequence[str]
    shape: re.Pattern[str] | None = None
    strip: re.Pattern[str] | None = None
    protocol: bool = False
    gateway: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the decision table. The fields are those of `rules:` in pins.yaml."""

    id: str
    match: re.Pattern[str]
    verdict: Verdict
    reason: str
    example: str
    as_of: date
    """The day on which `source` was last read."""
    source: str
    hosts: Sequence[str] = ()
    """Empty: any host."""
    hint: str | None = None


def verdict(model: str, provider: str | None = None) -> PinVerdict:
    """Whether `model` is pinned, floating, or needs evidence.

    Args:
        model: the id as the entry writes it, with or without a prefix (`azure/…`, `bedrock/us-east-1/…`, `openai:…`).
        provider: where the entry sends it: the name or the kind of a provider. It decides where the id has no prefix
            of its own; a name that says nothing (`my-gateway`) is passed over.
    """
    shown = _shown(model)
    if not model:
        return PinVerdict("needs_evidence", "malformed", "the model id is empty", "name a model")
    if len(model) > MAX_LENGTH:
        reason = f"{shown} has {len(model):,} characters: that is no model id"
        return PinVerdict("needs_evidence", "malformed", reason, f"at most {MAX_LENGTH} characters are read")
    if not model.isprintable() or " " in model:
        reason = f"{shown} contains a space or an invisible character"
        return PinVerdict("needs_evidence", "malformed", reason, "type the id again, without them")
    found = _judge(model, provider)
    if found is None:
        reason = f"no rule knows what {shown} promises"
        advice = "check the spelling, or add a pin_exception that says how it is kept fixed"
        return PinVerdict("needs_evidence", "unknown", reason, advice)
    hint = found.hint
    if found.verdict == "floating" and (snapshot := suggestion(model, provider)):
        last_day = shutdown_date(snapshot, provider)
        hint = f"pin a snapshot, such as {snapshot}" + (f" (which ends on {last_day})" if last_day else "")
    return PinVerdict(found.verdict, found.id, found.reason.replace("'{model}'", shown), hint)


def suggestion(model: str, provider: str | None = None) -> str | None:
    """A snapshot that can be pinned in place of an alias, written with the alias's own prefix; None if none is known."""
    host, rest = route(model, provider)
    for row in _data()["snapshots"]:
        if (host.id if host else BARE) in row["hosts"] and (snapshot := row["ids"].get(rest)):
            return model.removesuffix(rest) + str(snapshot)
    return None


def shutdown_date(model: str, provider: str | None = None) -> date | None:
    """The day from which the vendor no longer serves this model, as announced; None if nothing is known.

    A fine-tune ends with its base. Other hosts of the same model keep their own calendar: only the vendor's own is
    known here.
    """
    host, rest = route(model, provider)
    if rest.startswith("ft:"):
        rest = rest.split(":")[1]
    return _shutdowns().get((host.id if host else BARE, rest))


def retiring(model: str, today: date, within_days: int = 30, provider: str | None = None) -> date | None:
    """The shutdown date, if it is at most `within_days` after `today` or past; else None."""
    day = shutdown_date(model, provider)
    return day if day and (day - today).days <= within_days else None


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


def _judge(model: str, provider: str | None) -> Rule | None:
    """The first rule that fits."""
    host, rest = route(model, provider)
    if host and host.gateway:
        resold = _judge(rest, None)
        if resold and resold.verdict == "floating":
            return resold
    where = host.id if host else BARE
    fits = (
        rule for rule in rules() if (not rule.hosts or where in rule.hosts) and rule.match.fullmatch(rest)
    )
    return next(fits, None)


def _shown(model: str) -> str:
    """The id as a message quotes it: escaped, and short."""
    text = model if model.isprintable() else ascii(model)[1:-1]
    return f"'{text}'" if len(text) <= 120 else f"'{text[:117]}...'"


@cache
def rules() -> tuple[Rule, ...]:
    """The decision table, in order."""
    return tuple(Rule(**row | {"match": _compiled(row["match"])}) for row in _data()["rules"])


@cache
def hosts() -> tuple[Host, ...]:
    """Who serves models, in the order in which shapes are tried."""
    patterns = ("shape", "strip")
    return tuple(
        Host(**row | {key: _compiled(row[key]) for key in patterns if key in row}) for row in _data()["hosts"]
    )


@cache
def _by_name() -> dict[str, Host]:
    return {name: host for host in hosts() for name in host.names}


@cache
def _shutdowns() -> dict[tuple[str, str], date]:
    return {
        (host, model): day
        for vendor in read_data("evalkit.registry", "lifecycles.yaml")["lifecycles"]
        for day, models in vendor["shutdowns"].items()
        for host in vendor["hosts"]
        for model in models
    }


@cache
def _data() -> dict[str, Any]:
    return read_data("evalkit.registry", "pins.yaml")


def _compiled(pattern: str) -> re.Pattern[str]:
    """ASCII only: full-width digits do not make a date."""
    fragments = _data()["fragments"]
    return re.compile(re.sub(r"\{([a-z_]+)\}", lambda name: fragments[name[1]], pattern), re.ASCII)


def read_data(package: str, name: str) -> dict[str, Any]:
    """A file of a package's `data/`. Trusted, unlike a registry's files: dates and numbers are read as YAML has them."""
    text = files(package).joinpath("data", name).read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)  # noqa: TID251 - package data, no positions needed
    return data
