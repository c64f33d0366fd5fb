"""An entry and what it refers to, as plain data, made into one generation config. Nothing here validates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.runtime.config import GenerationConfig, Message, Variable
from evalkit.runtime.digest import without_nulls

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BUILT_IN_PROVIDERS", "assemble", "provider_kind", "provider_of", "wire_tool"]

BUILT_IN_PROVIDERS = frozenset({"openai", "anthropic", "local"})
"""Provider names that need no declaration: each is its own kind, with the vendor's URL and key variable."""

_NO_PARAMETERS = {"type": "object", "properties": {}}


def provider_of(named: str | None, default: str | None, declared: Mapping[str, Any]) -> str | None:
    """The provider's name: the entry's own, or the project's default, or the only one there is."""
    return named or default or (next(iter(declared)) if len(declared) == 1 else None)


def provider_kind(name: str, kinds: Mapping[str, str]) -> str | None:
    """`openai`, `anthropic`, …; None for a name that neither the project nor evalkit knows.

    Args:
        name: of a provider.
        kinds: by name, what `evalkit.yaml` declares.
    """
    return kinds.get(name) or (name if name in BUILT_IN_PROVIDERS else None)


def wire_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool of a tools file, in either of its two shapes, as chat completions take it."""
    function = without_nulls(dict(tool.get("function") or tool))
    function.setdefault("parameters", dict(_NO_PARAMETERS))
    return {"type": "function", "function": function}


def assemble(
    entry: Mapping[str, Any],
    prompt: Mapping[str, Any],
    tools: Mapping[str, Any] | None,
    model_class: Mapping[str, Any] | None,
    *,
    kind: str,
) -> GenerationConfig:
    """What an entry's file and the files it names amount to. All of them are valid.

    Args:
        entry: the file's data; so are `prompt`, `tools` and `model_class`.
        prompt: what `prompt_ref` names.
        tools: what `tools_ref` names.
        model_class: what `class_ref` names.
        kind: of the entry's provider.
    """
    response_format = entry.get("response_format")
    if isinstance(response_format, str):
        response_format = ((tools or {}).get("response_formats") or {})[response_format]
    return GenerationConfig(
        provider_kind=kind,
        model=entry.get("model"),
        members=tuple(without_nulls(dict(m)) for m in model_class["members"]) if model_class else None,
        prompt_name=entry["prompt_ref"],
        messages=tuple(Message(m["role"], m["content"]) for m in prompt["messages"]),
        variables={
            name: Variable(v.get("type", "string"), v.get("required", True), v.get("default"))
            for name, v in (prompt.get("variables") or {}).items()
        },
        params=entry.get("params") or {},
        tools=tuple(map(wire_tool, tools["tools"])) if tools and tools.get("tools") else None,
        response_format=response_format,
        artifact_digest=(entry.get("artifact") or {}).get("digest"),
    )
