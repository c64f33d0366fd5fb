"""What a file means, apart from how it is written: comments, order of keys and descriptions are no content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.runtime.assemble import wire_tool
from evalkit.runtime.digest import without_nulls
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["CONFIG_KEYS", "component_content", "config_content", "differences", "words"]

Loc = tuple[str | int, ...]

CONFIG_KEYS = (
    "model",
    "class_ref",
    "provider",
    "prompt_ref",
    "params",
    "tools_ref",
    "response_format",
    "artifact",
)
"""The keys of an entry that make up its generation config."""

_REFS = ("class_ref", "prompt_ref", "tools_ref")


def config_content(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The generation config of an entry as far as the entry itself says it. Where an artifact lies is no part of it."""
    found: dict[str, Any] = {}
    for key in CONFIG_KEYS:
        value = entry.get(key)
        if key in _REFS and isinstance(value, str):
            value = str(Ref.parse(value) or value)
        elif key == "artifact" and isinstance(value, dict):
            value = {name: part for name, part in value.items() if name != "uri"}
        elif key == "params" and isinstance(value, dict):
            value = without_nulls(value)
        if value is not None and value != {}:
            found[key] = value
    return found


def component_content(kind: str, data: Mapping[str, Any]) -> Any:
    """What a prompt, a tools file, a class or a suite says, in the shape in which digests take it.

    Args:
        kind: `prompts`, `tools`, `classes` or `suites`.
        data: the file's keys. Of a suite, the cases are left out: `evalkit.promote.base.cases` compares them.
    """
    kept = {key: value for key, value in data.items() if key not in {"name", "version", "description"}}
    if kind == "suites":
        kept.pop("cases", None)
        kept.pop("columns", None)
    if kind == "prompts" and isinstance(kept.get("variables"), dict):
        kept["variables"] = {name: _variable(value) for name, value in kept["variables"].items()}
    if kind == "tools" and isinstance(kept.get("tools"), list):
        kept["tools"] = [wire_tool(one) if isinstance(one, dict) else one for one in kept["tools"]]
    return without_nulls(kept)


def _variable(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    said = {key: part for key, part in value.items() if key != "description"}
    return {"type": "string", "required": True} | said


def differences(before: Any, after: Any, loc: Loc = ()) -> Iterator[Loc]:
    """Where two values differ, as deep as possible. A number is not the same as the text of it, nor 1 as 1.0 or true."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*after, *before)):
            if key not in before or key not in after:
                yield (*loc, key)
            else:
                yield from differences(before[key], after[key], (*loc, key))
    elif isinstance(before, list) and isinstance(after, list):
        for index, (old, new) in enumerate(zip(before, after, strict=False)):
            yield from differences(old, new, (*loc, index))
        if len(before) != len(after):
            yield (*loc, min(len(before), len(after)))
    elif type(before) is not type(after) or before != after:
        yield loc


def words(loc: Loc) -> str:
    """`params.max_tokens`, `messages[1].content`."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
