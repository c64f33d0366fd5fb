"""The shapes of registry files, as far as an application that reads them itself must be sure of them.

The authoring schemas (`evalkit.registry.schema`) say more and say it better; they need pydantic, which an application
does not install. A test holds the keys here against those there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.errors import Problem
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalkit.runtime.yaml_source import Source

__all__ = ["CLASS", "ENTRY", "PROMPT", "TOOLS", "Shape", "problems_of_shape"]

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """Text of the form `name@v3`."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """A number of at least 0, and at most `most`."""

    most: float = float("inf")


@dataclass(frozen=True, slots=True)
class Many:
    """A list (or, with `by_name`, a mapping from any name) of one kind of thing."""

    of: Kind
    by_name: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """A mapping: its keys, those that must be there marked with `!`."""

    keys: Mapping[str, Kind]


Kind = type | tuple[type, ...] | Reference | OneOf | Number | Many | Shape

_TYPE_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a mapping",
}

_ROLE = OneOf(("system", "developer", "user", "assistant"))
_VARIABLE_TYPE = OneOf(("string", "integer", "number", "boolean", "array", "object", "any"))
STATUS = OneOf(("draft", "staging", "production", "retired"))

ENTRY = Shape(
    {
        "name!": str,
        "version!": int,
        "description": str,
        "owner": str,
        "model": str,
        "class_ref": Reference(),
        "artifact": dict,
        "lineage": dict,
        "provider": str,
        "prompt_ref!": Reference(),
        "params": dict,
        "tools_ref": Reference(),
        "response_format": (dict, str),
        "pin_exception": dict,
        "rollout": Shape({"percent!": Number(100), "unit": OneOf(("request", "key"))}),
        "traffic": Number(),
        "control": bool,
        "eval": dict,
        "canary": dict,
        "approved_by": str,
        "status!": STATUS,
    }
)
PROMPT = Shape(
    {
        "name!": str,
        "version!": int,
        "description": str,
        "variables": Many(
            Shape({"type": _VARIABLE_TYPE, "required": bool, "default": object, "description": str}),
            by_name=True,
        ),
        "messages!": Many(Shape({"role!": _ROLE, "content!": str})),
    }
)
TOOLS = Shape(
    {
        "name!": str,
        "version!": int,
        "description": str,
        "tools": Many(dict),
        "response_formats": Many(dict, by_name=True),
    }
)
CLASS = Shape(
    {
        "name!": str,
        "version!": int,
        "description": str,
        "members!": Many(Shape({"model!": str, "provider": str, "weight": Number(), "params": dict})),
    }
)


def problems_of_shape(source: Source, shape: Shape) -> list[Problem]:
    """Everything in a file that does not have its shape, each at its place."""
    return list(_of_mapping(source, source.data, shape, ()))


def _of_mapping(source: Source, data: Any, shape: Shape, at: Loc) -> Iterator[Problem]:
    if not isinstance(data, dict):
        yield Problem("EK106", f"{_named(at)} must be a mapping", source.locate(at))
        return
    required = {key[:-1] for key in shape.keys if key.endswith("!")}
    kinds = {key.rstrip("!"): kind for key, kind in shape.keys.items()}
    for key in sorted(required - data.keys()):
        yield Problem("EK105", f"the key '{key}' is missing{_within(at)}", source.locate(at))
    for key, value in data.items():
        if key not in kinds:
            hint = f"known keys: {', '.join(sorted(kinds))}"
            place = source.locate((*at, key), key=True)
            yield Problem("EK104", f"unknown key '{key}'{_within(at)}", place, hint)
        elif value is not None or key in required:
            yield from _of_value(source, value, kinds[key], (*at, key))


def _of_value(source: Source, value: Any, kind: Kind, at: Loc) -> Iterator[Problem]:
    if isinstance(kind, Shape):
        yield from _of_mapping(source, value, kind, at)
    elif isinstance(kind, Many):
        wanted = dict if kind.by_name else list
        if not isinstance(value, wanted):
            what = "a mapping" if kind.by_name else "a list"
            yield Problem("EK106", f"{_named(at)} must be {what}", source.locate(at))
            return
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _of_value(source, item, kind.of, (*at, step))
    elif isinstance(kind, OneOf):
        if value not in kind.words:
            yield Problem("EK106", f"{_named(at)} must be one of {', '.join(kind.words)}", source.locate(at))
    elif isinstance(kind, Number):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= kind.most:
            most = f" and at most {kind.most:g}" if kind.most < float("inf") else ""
            yield Problem("EK106", f"{_named(at)} must be a number of at least 0{most}", source.locate(at))
    elif isinstance(kind, Reference):
        if not isinstance(value, str) or Ref.parse(value) is None:
            yield Problem("EK106", f"{_named(at)} must be a reference such as name@v3", source.locate(at))
    elif kind is not object:
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            words = dict.fromkeys(_TYPE_NAMES[k] for k in kinds)
            yield Problem("EK106", f"{_named(at)} must be {' or '.join(words)}", source.locate(at))


def _named(at: Loc) -> str:
    return (
        "the file"
        if not at
        else "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at).lstrip(".")
    )


def _within(at: Loc) -> str:
    return f" in {_named(at)}" if at else ""
