"""The cases of a suite as they were and as they are, row by row."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from evalkit.errors import Location
from evalkit.promote.base.change import locate
from evalkit.promote.base.content import differences
from evalkit.runtime.yaml_source import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.promote.base.snapshot import Snapshot

__all__ = ["cases_file", "changed_cases", "rows_of"]

_BYTES = 256 * 1024 * 1024


def cases_file(folder: str, data: Mapping[str, Any]) -> str | None:
    """The path of the file that a suite takes its cases from; None where they stand in the suite."""
    named = data.get("cases")
    return f"{folder}/{named}" if isinstance(named, str) else None


def changed_cases(before: Snapshot, after: Snapshot, folder: str) -> tuple[Location, bool] | None:
    """Where the cases of a suite first differ, and whether that is because a file is gone; None if they are the same.

    Blank lines, the order of a case's keys and how a text is quoted make no difference. The suite can be read on both
    sides.
    """
    path = f"{folder}/suite.yaml"
    old_suite, new_suite = before.parsed(path), after.parsed(path)
    if old_suite is None or new_suite is None:
        return None
    old_file, new_file = cases_file(folder, old_suite.data), cases_file(folder, new_suite.data)
    if old_file and old_file == new_file:
        old_raw, new_raw = before.read(old_file), after.read(new_file)
        if new_raw is None:
            return (Location(old_file), True) if old_raw is not None else None
        if old_raw == new_raw and old_suite.data.get("columns") == new_suite.data.get("columns"):
            return None
    old, _ = _rows(before, old_file, old_suite.data)
    new, lines = _rows(after, new_file, new_suite.data)
    loc = next(differences(old, new), None)
    if loc is None:
        if old_suite.data.get("columns") == new_suite.data.get("columns"):
            return None
        return locate(new_suite, path, ("columns",)), False
    if new_file is None:
        return locate(new_suite, path, ("cases", *loc)), False
    index = loc[0] if loc and isinstance(loc[0], int) else 0
    line = lines[index] if index < len(lines) else (lines[-1] if lines else 0)
    return Location(new_file, line, 1 if line else 0), False


def _rows(side: Snapshot, file: str | None, suite: Mapping[str, Any]) -> tuple[Any, list[int]]:
    if file is None:
        return suite.get("cases"), []
    raw = side.read(file)
    return ([], []) if raw is None else rows_of(file, raw)


def rows_of(file: str, raw: bytes) -> tuple[list[Any], list[int]]:
    """The rows of a file of cases, and the line that each stands on; what cannot be taken apart is one row of bytes."""
    try:
        if file.endswith(".jsonl"):
            return _json_rows(raw)
        if file.endswith(".csv"):
            return _csv_rows(raw)
    except (ValueError, csv.Error):
        return [raw], [1]
    if file.endswith((".yaml", ".yml")):
        source, problems = parse_bytes(raw, file, max_bytes=_BYTES)
        if not problems and isinstance(source.data, list):
            return source.data, [source.locate((index,)).line for index in range(len(source.data))]
    return [raw], [0]


def _json_rows(raw: bytes) -> tuple[list[Any], list[int]]:
    rows, numbers = [], []
    for number, line in enumerate(raw.decode("utf-8-sig").split("\n"), 1):
        if line.strip():
            rows.append(json.loads(line))
            numbers.append(number)
    return rows, numbers


def _csv_rows(raw: bytes) -> tuple[list[Any], list[int]]:
    reader = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
    rows, numbers = [], []
    began = 1
    for row in reader:
        if row:
            rows.append(row)
            numbers.append(began)
        began = reader.line_num + 1
    return rows, numbers
