"""Names and references: `support-triage@v14`. A reference is a name, never a path."""

from __future__ import annotations

import re
from functools import lru_cache

from evalkit.values import Value

__all__ = ["NAME_PATTERN", "Ref", "is_name"]

NAME_PATTERN = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
"""Lower-case words joined by `-`, `_` or `.`: safe as a directory, a branch and a label on every platform."""

_MAX_NAME = 100
_NAME = re.compile(NAME_PATTERN)
_REF = re.compile(rf"(?P<name>{NAME_PATTERN})(?:@v?|-v)(?P<version>[1-9][0-9]{{0,8}})")


def is_name(text: str) -> bool:
    """Whether the text may name an entry, prompt, tools, class or suite."""
    return len(text) <= _MAX_NAME and _NAME.fullmatch(text) is not None


class Ref(Value):
    """One version of one named thing. Written `name@v3`; `name-v3` and `name@3` are read as the same."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name}@v{self.version}"

    @staticmethod
    def parse(text: str) -> Ref | None:
        """The reference that the text writes, or None."""
        return _parse(text)


@lru_cache(maxsize=1 << 12)  # the versions of a name refer to the same few things
def _parse(text: str) -> Ref | None:
    match = _REF.fullmatch(text)
    if match is None or len(match["name"]) > _MAX_NAME:
        return None
    return Ref(match["name"], int(match["version"]))
