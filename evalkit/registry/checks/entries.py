"""Entries: what they refer to exists, their models are pinned, their params make sense."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from evalkit.registry.checks.params import check_params
from evalkit.registry.checks.references import check_provider, check_suite
from evalkit.registry.checks.tools import check_response_format
from evalkit.registry.pins import retiring
from evalkit.registry.schema import Entry, ModelClass, Tools
from evalkit.registry.schema.base import shown
from evalkit.runtime.serving import EntryState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.errors import Location
    from evalkit.registry.checks.catalog import Catalog, Component
    from evalkit.registry.checks.file import Checked
    from evalkit.registry.pins import PinVerdict
    from evalkit.runtime.refs import Ref

__all__ = ["EntryFacts", "check_entry"]

SHUTDOWN_DAYS = 30
_SERVING_KEYS = ("status", "traffic", "control", "rollout", "eval")


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What later checks need to know of an entry: its file is let go, so that 10,000 of them fit in memory."""

    ref: Ref
    status: str | None
    state: EntryState | None
    """None when the file says nothing usable about it."""
    prompt: Ref | None
    eval: Mapping[str, Any]
    """The `eval` block as written."""
    places: dict[str, Location] = field(default_factory=dict)
    """Where `status`, `traffic`, `control`, `rollout`, `eval` and the keys of `eval` (`eval.score`) stand."""


def check_entry(file: Checked[Entry], ref: Ref, catalog: Catalog) -> EntryFacts:
    """Check one entry against everything that it refers to."""
    catalog.follow(file, "prompt_ref", "prompts")
    tools = catalog.follow(file, "tools_ref", "tools")
    members = catalog.follow(file, "class_ref", "classes")
    provider = _check_provider(file, catalog)
    _check_model(file, members, provider, catalog)
    params = file.raw.get("params")
    if isinstance(params, dict):
        check_params(file, params, ("params",))
    _check_response_format(file, tools)
    suite = file.mapping("eval").get("suite")
    if isinstance(suite, str):
        check_suite(file, suite, ("eval", "suite"), catalog)
    if (
        file.text("status") in {"staging", "production"}
        and not file.raw.get("approved_by")
        and catalog.policy_for(ref.name).approvals
    ):
        file.warn("EK212", f"no approval of this {file.text('status')} entry is recorded yet", ("status",))
    return _facts(file, ref)


def _check_provider(file: Checked[Entry], catalog: Catalog) -> str | None:
    name = catalog.provider_for(file.text("provider"))
    if name is None:
        if not isinstance(file.raw.get("provider"), str):
            hint = "set 'provider' here, or default_provider in evalkit.yaml"
            file.report("EK201", "no provider is named", (), hint)
    elif file.text("provider"):
        check_provider(file, name, ("provider",), catalog)
    return name


def _check_model(
    file: Checked[Entry], members: Component | None, provider: str | None, catalog: Catalog
) -> None:
    status = file.text("status")
    model = file.text("model")
    if status == "retired" or status is None:
        return
    if model is not None:
        _check_pin(file, catalog.pin(model, provider), "model", "", catalog.today)
        _check_shutdown(file, model, provider, catalog)
    for member in members.model.members if members and isinstance(members.model, ModelClass) else ():
        pin = catalog.pin(member.model, catalog.provider_for(member.provider))
        if pin.verdict == "needs_evidence":  # a floating one is an error of the class itself
            _check_pin(file, pin, "class_ref", f"member '{member.model}': ", catalog.today)


def _check_pin(file: Checked[Entry], pin: PinVerdict, key: str, lead: str, today: date) -> None:
    status = file.text("status")
    if pin.verdict == "floating":
        severity = "warning" if status == "draft" else "error"
        rest = "it cannot leave draft" if status == "draft" else f"it cannot be in {status}"
        file.report("EK203", f"{lead}{pin.reason}; {rest}", (key,), pin.hint, severity=severity)
    elif pin.verdict == "needs_evidence":
        expires = _expiry(file)
        if expires is not None and expires < today:
            severity = "warning" if status == "draft" else "error"
            message = f"the pin_exception expired on {expires}"
            hint = "say again how the model is kept fixed, and until when; or name a pinned model"
            file.report("EK205", message, ("pin_exception", "expires"), hint, severity=severity)
        elif expires is None and status != "draft" and not file.raw.get("pin_exception"):
            hint = pin.hint or "pin the model, or add pin_exception: {reason, expires}"
            file.report("EK204", f"{lead}{pin.reason}; it cannot be in {status}", (key,), hint)


def _expiry(file: Checked[Entry]) -> date | None:
    value = file.mapping("pin_exception").get("expires")
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _check_shutdown(file: Checked[Entry], model: str, provider: str | None, catalog: Catalog) -> None:
    if file.text("status") not in {"staging", "production"}:
        return
    day = retiring(model, catalog.today, SHUTDOWN_DAYS, catalog.host_of(provider))
    if day is not None:
        when = f"shuts down on {day}" if day > catalog.today else f"was shut down on {day}"
        file.warn("EK206", f"{shown(model)} {when}", ("model",), "promote an entry with a model that stays")


def _check_response_format(file: Checked[Entry], tools: Component | None) -> None:
    wanted = file.raw.get("response_format")
    if isinstance(wanted, dict):
        check_response_format(file, wanted, ("response_format",))
    elif isinstance(wanted, str) and wanted:
        model = tools.model if tools else None
        if isinstance(model, Tools) and wanted not in model.response_formats:
            hint = f"response formats of the tools_ref file: {', '.join(model.response_formats) or 'none'}"
            file.report("EK201", f"no response format is called {shown(wanted)}", ("response_format",), hint)
        elif not file.raw.get("tools_ref"):
            hint = "set tools_ref to the file that has it"
            file.report("EK201", f"no response format is called {shown(wanted)}", ("response_format",), hint)


def _facts(file: Checked[Entry], ref: Ref) -> EntryFacts:
    status = file.text("status")
    block = file.mapping("eval")
    places = {key: file.source.locate((key,)) for key in _SERVING_KEYS if key in file.raw}
    places |= {f"eval.{key}": file.source.locate(("eval", key)) for key in block}
    return EntryFacts(
        ref=ref,
        status=status,
        state=_state(file, ref.version, status) if status else None,
        prompt=file.reference("prompt_ref"),
        eval=block,
        places=places,
    )


def _state(file: Checked[Entry], version: int, status: str) -> EntryState:
    """As far as the file can be read: one that is not valid still takes part in who serves."""
    rollout = file.mapping("rollout")
    return EntryState(
        version,
        status,
        _number(file.raw.get("traffic")),
        file.raw.get("control") is True,
        _number(rollout.get("percent")),
        "key" if rollout.get("unit") == "key" else "request",
    )


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
