"""What an entry file said: the few keys that history is about.

Most entry files are simple, and a history has thousands of them: those are read line by line. `simple` takes a file
only if the full parse would find the same and no problem (a property test holds it to that); anything unusual is left
to the full parse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from evalkit.runtime.serving import EntryState
from evalkit.runtime.shapes import STATUS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VersionState", "parsed", "read_state", "simple"]


@dataclass(frozen=True, slots=True)
class VersionState:
    """One entry version at one commit."""

    state: EntryState
    digest_key: str
    """The git blob of the entry file: equal for equal bytes."""
    approved_by: str | None
    score: float | None
    """Of the `eval` block, in [0, 1]."""
    suite: str | None


def read_state(raw: bytes, version: int, blob: str, path: str) -> VersionState | None:
    """What a file says of the version that its path names; None if nobody can tell who would serve.

    That is when it does not parse, or what decides whether a version serves has no usable value.
    """
    data: Any = simple(raw)
    if data is None:
        data = parsed(raw, path)
    return _state(data, version, blob) if isinstance(data, dict) else None


def parsed(raw: bytes, path: str) -> Any:
    """What any YAML file holds; None if it cannot be read."""
    from evalkit.runtime.yaml_source import parse_bytes  # most files are simple: the library is seldom needed

    source, problems = parse_bytes(raw, path)
    return None if problems else source.data


def _state(data: Mapping[str, Any], version: int, blob: str) -> VersionState | None:
    status, traffic, control = data.get("status"), data.get("traffic"), data.get("control")
    rollout = data.get("rollout")
    if not isinstance(rollout, dict | None) or not isinstance(status, str) or status not in STATUS.words:
        return None
    percent = rollout.get("percent") if rollout else None
    unit = (rollout.get("unit") if rollout else None) or "request"
    if rollout is not None and (not _is_number(percent, 100) or unit not in ("request", "key")):
        return None
    if not (traffic is None or _is_number(traffic)) or not isinstance(control, bool | None):
        return None
    state = EntryState(version, status, traffic, bool(control), percent, unit)
    result = data.get("eval")
    score, suite = (result.get("score"), result.get("suite")) if isinstance(result, dict) else (None, None)
    return VersionState(
        state,
        blob,
        approved_by=_text(data.get("approved_by")),
        score=_share(score),
        suite=_text(suite),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _share(value: Any) -> float | None:
    return float(value) if _is_number(value, 1) else None


def _is_number(value: Any, most: float = float("inf")) -> bool:
    return type(value) in {int, float} and 0 <= value <= most


# Plain scalars in which no sign has a meaning where it stands. Inside braces, commas and colons would have one.
_FLOW_WORD = r"[A-Za-z0-9_][A-Za-z0-9_./@+-]*"
_WORD = r"[A-Za-z0-9_(](?:[A-Za-z0-9_./@+,;()'!?=%-]|:(?=[A-Za-z0-9]))*"
_TEXT = rf"{_WORD}(?: {_WORD})*"
_PAIR = rf"[a-z_]+: {_FLOW_WORD}"
_COMMENT = r" *(?: #[ -~]*)?"
_LINE = re.compile(
    rf"(?P<indent>  )?(?P<key>[a-z_]+):"
    rf"(?: +(?:(?P<text>{_TEXT})|(?P<flow>\{{ ?(?:{_PAIR}(?:, ?{_PAIR})*)? ?\}})))?{_COMMENT}"
)
_NO_CONTENT = re.compile(r" *(?:#[ -~]*)?")
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?")
_UNSURE = re.compile(r"[0-9][0-9.+eE_-]*|(?i:true|false|null)")
"""Texts that may be numbers or constants by some rule that is not repeated here."""
_CONSTANTS = {"true": True, "false": False, "null": None}
_LONGEST = 64 * 1024


class _NotSimpleError(Exception):
    """The full parse has to read it."""


def simple(raw: bytes) -> dict[str, Any] | None:
    """The keys of a file of plain lines, or None for one that has anything else in it.

    A plain line is `key: value`, `key: {key: value}`, or a key alone with such lines below it, indented by two spaces.
    """
    if len(raw) > _LONGEST or not raw.isascii():
        return None
    try:
        return _plain_lines(raw.decode("ascii")) or None
    except _NotSimpleError:
        return None


def _plain_lines(text: str) -> dict[str, Any]:
    data: dict[str, Any] = {}
    block: dict[str, Any] | None = None
    for line in text.split("\n"):
        read = _plain_line(line)
        if read is None:
            continue
        is_indented, key, has_value, value = read
        target = block if is_indented else data
        if target is None or key in target:
            raise _NotSimpleError
        if not is_indented:
            if block == {}:
                raise _NotSimpleError  # a key with nothing at all
            block = None if has_value else {}
        elif not has_value:
            raise _NotSimpleError
        if not has_value:
            target[key] = block
        else:
            target[key] = value.copy() if isinstance(value, dict) else value
    if block == {}:
        raise _NotSimpleError
    return data


@lru_cache(maxsize=1 << 16)  # the entries of a registry differ in few of their lines
def _plain_line(line: str) -> tuple[bool, str, bool, Any] | None:
    """Whether it is indented, its key, whether there is a value, and the value; None for a line without content."""
    found = _LINE.fullmatch(line)
    if found is None:
        if _NO_CONTENT.fullmatch(line):
            return None
        raise _NotSimpleError
    indent, key, text, flow = found.groups()
    return bool(indent), key, bool(text or flow), _scalar(text) if text else _pairs(flow) if flow else None


def _pairs(flow: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in flow.strip("{} ").split(","):
        key, _, text = pair.strip().partition(": ")
        if key in values:
            raise _NotSimpleError
        if key:
            values[key] = _scalar(text)
    return values


def _scalar(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    if _UNSURE.fullmatch(text):
        raise _NotSimpleError
    return text
