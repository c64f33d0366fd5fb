"""Gateway equivalence classes: every member is pinned, whoever uses the class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.registry.checks.params import check_params
from evalkit.registry.checks.references import check_provider
from evalkit.registry.schema.base import shown

if TYPE_CHECKING:
    from evalkit.registry.checks.catalog import Catalog
    from evalkit.registry.checks.file import Checked
    from evalkit.registry.schema import ModelClass

__all__ = ["check_class"]


def check_class(file: Checked[ModelClass], catalog: Catalog) -> None:
    """The members of a class are pinned, whoever uses it."""
    members = file.raw.get("members")
    seen: list[Any] = []
    for index, member in enumerate(members if isinstance(members, list) else ()):
        if not isinstance(member, dict):
            continue
        same = {key: member.get(key) for key in ("model", "provider", "params")}
        if same["model"] and same in seen:
            message = f"the member {shown(same['model'])} is listed twice"
            file.report("EK220", message, ("members", index), "remove one of them")
        seen.append(same)
        model, provider = member.get("model"), member.get("provider")
        if isinstance(provider, str):
            check_provider(file, provider, ("members", index, "provider"), catalog)
        if isinstance(model, str) and model:
            pin = catalog.pin(model, catalog.provider_for(provider if isinstance(provider, str) else None))
            if pin.verdict == "floating":
                message = f"a member of a class is pinned; {pin.reason}"
                file.report("EK203", message, ("members", index, "model"), pin.hint)
        params = member.get("params")
        if isinstance(params, dict):
            check_params(file, params, ("members", index, "params"))
