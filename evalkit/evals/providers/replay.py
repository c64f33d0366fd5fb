"""Answers from a recording: JSONL lines `{"id", "output"}` or `{"id", "tool_calls"}`. Nothing is called.

A `samples.jsonl` of an earlier run is such a recording.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from evalkit.errors import ConfigError, Location, Problem
from evalkit.evals.case import Answer, ToolCall

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["Recording"]

MAX_PROBLEMS = 1000
_LARGEST = 1e15
"""Of a latency or a cost: sums of them stay exact enough, and finite."""


class Recording:
    """A recording, validated when it is opened; answers are read from disk as they are asked for.

    Args:
        path: the file.
        display: how messages name it, if not by its path.

    Raises:
        ConfigError: EK507, with every bad line.
    """

    def __init__(self, path: Path, display: str | None = None) -> None:
        self.path = path
        self._display = display or str(path)
        self.generation_digest: str | None = None
        """The one digest that every line carries; None when none does."""
        self._first: dict[str, int] = {}
        """Where the line of an id begins."""
        self._repeats: dict[str, list[int]] = {}
        """Where its further lines begin, for the ids that have any."""
        problems = self._index()
        if problems:
            raise ConfigError(problems)
        self._file: BinaryIO = path.open("rb")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __contains__(self, case_id: str) -> bool:
        return case_id in self._first

    def __len__(self) -> int:
        return len(self._first)

    def refuse_more_than(self, repeats: int) -> None:
        """Refuse a recording that has an id more often than the suite asks it: which answer counts is not clear.

        Raises:
            ConfigError: EK507, naming the ids.
        """
        ids = sorted(case_id for case_id, further in self._repeats.items() if len(further) >= repeats)
        if ids:
            shown = ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
            message = f"recorded more often than the suite asks ({repeats}): {shown}"
            raise ConfigError(Problem("EK507", message, Location(self._display)))

    def answer(self, case_id: str, repeat: int) -> Answer | None:
        """The recorded answer, or None where the recording has none for this case and repeat."""
        further = self._repeats.get(case_id, ())
        if case_id not in self._first or repeat > len(further):
            return None
        self._file.seek(further[repeat - 1] if repeat else self._first[case_id])
        return _answer(json.loads(self._file.readline()))

    def _index(self) -> list[Problem]:
        problems: list[Problem] = []
        digests: set[str | None] = set()
        display = self._display
        try:
            file = self.path.open("rb")
        except OSError as error:
            return [Problem("EK507", f"cannot be read: {error.strerror}", Location(display))]
        with file:
            offset = 0
            for number, line in enumerate(file, 1):
                start, offset = offset, offset + len(line)
                if not line.strip():
                    continue
                row = _parse(line, Location(display, number, 1))
                if isinstance(row, Problem):
                    problems.append(row)
                    if len(problems) >= MAX_PROBLEMS:
                        break
                    continue
                digests.add(row.get("generation_digest"))
                case_id = str(row["id"])
                if self._first.setdefault(case_id, start) != start:
                    self._repeats.setdefault(case_id, []).append(start)
        if not problems and not self._first:
            problems.append(Problem("EK507", "the recording is empty", Location(display)))
        if len(digests) == 1:
            self.generation_digest = digests.pop()
        elif len(digests) > 1:
            message = "the lines were made with different generation digests"
            problems.append(Problem("EK507", message, Location(display)))
        return problems


def _parse(line: bytes, location: Location) -> dict[str, Any] | Problem:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        message = getattr(error, "msg", None) or str(error)
        column = getattr(error, "colno", 1)
        return Problem("EK507", f"not valid JSON: {message}", Location(location.path, location.line, column))
    hint = 'a line is {"id": "case-1", "output": "the answer"}'
    if b"\\u" in line and not _is_unicode(row):
        return Problem("EK507", "half of a surrogate pair (\\ud800 to \\udfff) is no character", location)
    if not isinstance(row, dict):
        return Problem("EK507", "a recorded answer is a mapping", location, hint)
    if not isinstance(row.get("id"), str | int) or isinstance(row.get("id"), bool):
        return Problem("EK507", "the recorded answer has no 'id'", location, hint)
    if "output" not in row and "tool_calls" not in row:
        return Problem("EK507", "neither 'output' nor 'tool_calls' is there", location, hint)
    if not isinstance(row.get("output"), str | None):
        return Problem("EK507", "'output' is text; write other data as JSON text", location, hint)
    calls = row.get("tool_calls")
    if calls is not None and not (isinstance(calls, list) and all(_call(call) for call in calls)):
        hint = '"tool_calls": [{"name": "f", "arguments": {"a": 1}}]'
        return Problem("EK507", "'tool_calls' is a list of calls with name and arguments", location, hint)
    if (wrong := _mistyped(row)) is not None:
        return Problem("EK507", wrong, location)
    return row


def _mistyped(row: dict[str, Any]) -> str | None:
    """What is said beside the answer, and is not what it should be; only what is measured is read from it."""
    for key in ("generation_digest", "finish_reason", "served_model"):
        if not isinstance(row.get(key), str | None):
            return f"'{key}' is text"
    tokens = row.get("tokens")
    if not isinstance(tokens, dict | None):
        return "'tokens' is a mapping of 'in' and 'out'"
    for key in ("in", "out"):
        count = (tokens or {}).get(key)
        if not isinstance(count, int | None) or isinstance(count, bool) or (count or 0) < 0:
            return f"'tokens.{key}' is a whole number, 0 or more"
    for key in ("latency_ms", "cost_usd"):
        number = row.get(key)
        if number is not None and not _is_amount(number):
            return f"'{key}' is a number, 0 or more"
    return None


def _is_amount(number: object) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    return 0 <= number <= _LARGEST  # false for NaN, too


def _is_unicode(row: Any) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _answer(row: dict[str, Any]) -> Answer:
    tokens = row.get("tokens") or {}
    return Answer(
        output=row.get("output"),
        tool_calls=tuple(call for raw in row.get("tool_calls") or () if (call := _call(raw))),
        finish_reason=row.get("finish_reason"),
        served_model=row.get("served_model"),
        latency_ms=row.get("latency_ms"),
        input_tokens=tokens.get("in"),
        output_tokens=tokens.get("out"),
        cost_usd=row.get("cost_usd"),
    )


def _call(raw: Any) -> ToolCall | None:
    """`{name, arguments}`, the chat API's `{function: {name, arguments}}`, or `{name: {arguments}}`."""
    if not isinstance(raw, dict):
        return None
    if isinstance(raw.get("function"), dict):
        raw = raw["function"]
    if isinstance(raw.get("name"), str) and (set(raw) & {"arguments", "args", "parameters"} or len(raw) == 1):
        arguments = raw.get("arguments", raw.get("args", raw.get("parameters", {})))
        return ToolCall(raw["name"], _parsed(arguments))
    if len(raw) == 1:
        name, arguments = next(iter(raw.items()))
        return ToolCall(str(name), _parsed(arguments))
    return None


def _parsed(arguments: Any) -> Any:
    if isinstance(arguments, str):
        try:
            return json.loads(arguments)
        except ValueError:
            return arguments
    return arguments
