"""Whether a model id is pinned: does it promise the same model tomorrow as today?

What is known about vendors is data: `data/pins.yaml` (rules, explained in docs/pinning.md) and `data/lifecycles.yaml`
(announced shutdowns). This module gives an id to a host and finds the first rule of that host that fits. Everything
here is pure; what an unknown id gets is `needs_evidence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from evalkit.runtime.hosts import BARE, compiled, route
from evalkit.runtime.package_data import read_data

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence
    from datetime import date

__all__ = [
    "PinVerdict",
    "Rule",
    "retiring",
    "rules",
    "shutdown_date",
    "suggestion",
    "verdict",
]

Verdict = Literal["pinned", "floating", "needs_evidence"]

MAX_LENGTH = 512
"""Characters. Longer ids are not looked at, which also bounds the time of any rule."""


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
    return tuple(Rule(**row | {"match": compiled(row["match"])}) for row in _data()["rules"])


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
