"""What differs between two generation configs: pure, for `diff` and for the plans."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.runtime.digest import canonical_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalkit.runtime.config import GenerationConfig

__all__ = ["Difference", "differences"]

_PLAIN_KEYS = ("provider", "model", "members", "artifact")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that decides the answer and differs."""

    key: str
    """`model`, `params.max_tokens`, `messages[1].content`, `tools.lookup`, …"""
    a: Any
    """None where that side has nothing."""
    b: Any
    diff: tuple[str, ...] | None = None
    """A unified diff without its head, where one of the sides has several lines."""

    def to_dict(self) -> dict[str, Any]:
        """As `--format json` prints it."""
        plain: dict[str, Any] = {"key": self.key, "a": self.a, "b": self.b}
        return plain if self.diff is None else plain | {"diff": list(self.diff)}

    def lines(self) -> list[str]:
        """As a terminal shows it: one line, or the key and the diff below it. Foreign text: neutralise it."""
        if self.diff is None:
            return [f"{self.key}: {_shown(self.a)} -> {_shown(self.b)}"]
        return [self.key, *(f"  {line}" for line in self.diff)]


def differences(left: GenerationConfig, right: GenerationConfig) -> list[Difference]:
    """Every difference, in the order in which a reader asks: model, params, prompt, tools, response format.

    Empty exactly where both have the same digest. Names, versions and comments decide no answer and are left out.
    """
    return list(_differences(left.digest_input(), right.digest_input()))


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    for key in _PLAIN_KEYS:
        yield from _one(key, a.get(key), b.get(key))
    for key in ("params", "variables"):
        yield from _each(key, a.get(key) or {}, b.get(key) or {})
    messages = [dict(enumerate(side["messages"], 1)) for side in (a, b)]
    for number in sorted({*messages[0], *messages[1]}):
        one, other = (side.get(number, {}) for side in messages)
        for part in ("role", "content"):
            yield from _one(f"messages[{number}].{part}", one.get(part), other.get(part))
    tools = [
        {tool["function"]["name"]: tool["function"] for tool in side.get("tools") or ()} for side in (a, b)
    ]
    yield from _each("tools", *tools)
    if tools[0].keys() == tools[1].keys():
        yield from _one("the order of tools", list(tools[0]), list(tools[1]))
    yield from _one("response_format", a.get("response_format"), b.get("response_format"))


def _each(key: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted({*a, *b}):
        yield from _one(f"{key}.{name}", a.get(name), b.get(name))


def _one(key: str, a: Any, b: Any) -> Iterator[Difference]:
    if canonical_bytes(a) == canonical_bytes(b):  # as the digest has it: 1 and 1.0 differ, true is no 1
        return
    before, after = _text(a), _text(b)
    if "\n" not in before + after:
        yield Difference(key, a, b)
        return
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    yield Difference(key, a, b, tuple(line for line in lines if not line.startswith(("---", "+++"))))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def _shown(value: Any) -> str:
    return "(none)" if value is None else json.dumps(value, ensure_ascii=False)
