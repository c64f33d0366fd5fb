"""How a value is written in YAML so that every reader reads it back: by YAML 1.1 and by YAML 1.2's core rules."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import yaml

from evalkit.runtime.yaml_source import parse_yaml

__all__ = ["Scalar", "literal", "reads_as"]

Scalar: TypeAlias = str | int | float | bool

_STR_TAG = "tag:yaml.org,2002:str"
_PLAIN = re.compile(r"(?:\w|/)(?:[\w./@+=~()%$-]|:(?=[\w/])| (?=[\w(]))*")
"""Needs no quotes, in braces or out of them."""
_READ_OTHERWISE = re.compile(
    r"[yYnN]|0[xob][0-9a-fA-F_]+|[0-9][0-9_.:]*(?:[eE][-+]?[0-9_]+)?|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?"
)
"""What some reader of YAML, if not ours, takes for a truth value, a number or a date."""


def literal(value: Scalar | Mapping[str, Scalar], quote: str | None = None) -> str:
    """The value on one line, a mapping in braces. Text is quoted with `quote`, or without one only where it must be."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{literal(key, quote)}: {literal(item, quote)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, str):
        return _text(value, quote)
    if isinstance(value, bool):
        return "true" if value else "false"
    number = repr(value)
    # YAML 1.1 takes 1e-05 for text: a float has a point there.
    return number.replace("e", ".0e") if "e" in number and "." not in number else number


def _text(value: str, quote: str | None) -> str:
    if quote is None and _is_plain(value):
        return value
    if quote == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return "".join(
        char if char.isprintable() else _escape(char) for char in json.dumps(value, ensure_ascii=False)
    )


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _is_plain(value: str) -> bool:
    if not _PLAIN.fullmatch(value) or _READ_OTHERWISE.fullmatch(value):
        return False
    by_1_1 = yaml.resolver.Resolver().resolve(yaml.ScalarNode, value, (True, False))
    return bool(by_1_1 == _STR_TAG and _same(parse_yaml(value, "")[0].data, value))


def reads_as(node: yaml.Node, data: object, value: Scalar | Mapping[str, Scalar]) -> bool:
    """Whether both readings are this value: `data` is that of YAML 1.2, `node` is read by YAML 1.1's rules."""
    if not isinstance(value, Mapping):
        return _same(data, value) and _same(_by_1_1(node), value)
    if not isinstance(node, yaml.MappingNode) or not isinstance(data, dict) or data.keys() != value.keys():
        return False
    return len(node.value) == len(value) and all(
        isinstance(key, yaml.ScalarNode)
        and key.value in value
        and reads_as(item, data[key.value], value[key.value])
        for key, item in node.value
    )


def _by_1_1(node: yaml.Node) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        return None
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError, LookupError, OverflowError):
        return None  # such as the date 2026-02-30


def _same(found: object, value: object) -> bool:
    return type(found) is type(value) and found == value  # 1, 1.0 and true differ
