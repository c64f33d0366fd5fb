"""Add and remove records of a list file, `registry/holds/` and `registry/overrides/`, so that all other bytes stay.

The list is cut and grown by lines (block style) or by characters (flow style). What comes out is read again: unless it
holds exactly the records asked for, nothing is changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from evalkit.errors import Location, Problem, WriteBackError
from evalkit.registry.literal import literal
from evalkit.runtime.yaml_source import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalkit.registry.literal import Scalar
    from evalkit.runtime.yaml_source import Source

__all__ = ["add_record", "records_in", "remove_records"]

_BOM = b"\xef\xbb\xbf"


def records_in(text: bytes | None, key: str, path: str) -> list[dict[str, Any]]:
    """The records of a file; a file of holds may also be one record by itself.

    Raises:
        WriteBackError: EK601, the file cannot be read as a list of records.
    """
    if text is None:
        return []
    data = _parsed(text, path).data
    records = data.get(key) if key in data else [data]
    if records is None:
        return []
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise _refusal(path, f"'{key}' is no list of records", "evalkit check says what is wrong")
    return records


def add_record(text: bytes | None, key: str, record: Mapping[str, Scalar], path: str) -> bytes:
    """The file with one more record at the end; unchanged if it is there already. `text` is None for a new file.

    Raises:
        WriteBackError: EK601, with the lines to add by hand.
    """
    wanted = dict(record)
    if text is None:
        return f"{key}:\n{_block(wanted, 2)}".encode()
    before = records_in(text, key, path)
    if wanted in before:
        return text
    body, newline = _lines(text)
    source = _parsed(text, path)
    node = _list_node(source, key)
    if not before and (node is None or not isinstance(node, yaml.SequenceNode)):
        raise _refusal(path, f"'{key}' has no value", f"remove the file, or write {key}: []")
    if node is None:
        indented = [f"    {line}" if line.strip() else line for line in body]
        first = next(i for i, line in enumerate(body) if line.strip() and not line.lstrip().startswith("#"))
        indented[first] = f"  - {body[first]}"
        grown = [f"{key}:{newline}", *indented, *_block_lines(wanted, 2, newline)]
    elif node.flow_style:
        end = node.value[-1].end_mark if before else node.end_mark
        line = body[end.line]
        at = end.column if before else end.column - 1
        body[end.line] = f"{line[:at]}{', ' if before else ''}{literal(wanted)}{line[at:]}"
        grown = body
    else:
        column = node.start_mark.column
        spans = _spans(body, node.start_mark.line, column)
        last = spans[-1][1]
        if last and not body[last - 1].endswith(("\n", "\r")):
            body[last - 1] += newline
        grown = [*body[:last], *_block_lines(wanted, column, newline), *body[last:]]
    return _verified(text, grown, key, [*before, wanted], path)


def remove_records(text: bytes, key: str, records: Sequence[Mapping[str, Any]], path: str) -> bytes | None:
    """The file without these records; None when none is left, and the file is to go.

    Raises:
        WriteBackError: EK601.
    """
    before = records_in(text, key, path)
    unwanted = [dict(record) for record in records]
    kept = [record for record in before if record not in unwanted]
    if len(kept) == len(before):
        return text
    if not kept:
        return None
    body, _ = _lines(text)
    node = _list_node(_parsed(text, path), key)
    if not isinstance(node, yaml.SequenceNode) or node.flow_style:
        grown = _cut_flow(body, node, before, unwanted, path)
    else:
        spans = _spans(body, node.start_mark.line, node.start_mark.column)
        gone = {
            line
            for record, (start, end) in zip(before, spans, strict=False)
            if record in unwanted
            for line in range(start, end)
        }
        grown = [line for index, line in enumerate(body) if index not in gone]
    return _verified(text, grown, key, kept, path)


def _cut_flow(
    body: list[str],
    node: yaml.Node | None,
    before: Sequence[dict[str, Any]],
    unwanted: Sequence[dict[str, Any]],
    path: str,
) -> list[str]:
    """Without some items of `[…]`: each with the comma behind it, or before it for the last one."""
    if node is None:
        raise _refusal(path, "there is no list", "edit the file by hand")
    text = "".join(body)
    starts = [0]
    for line in body:
        starts.append(starts[-1] + len(line))
    places = [
        (
            starts[item.start_mark.line] + item.start_mark.column,
            starts[item.end_mark.line] + item.end_mark.column,
        )
        for item in node.value
    ]
    for index in reversed(range(len(places))):
        if before[index] in unwanted:
            is_last = not any(record not in unwanted for record in before[index + 1 :])
            start = places[index - 1][1] if is_last and index else places[index][0]
            end = places[index][1] if is_last else places[index + 1][0]
            text = text[:start] + text[end:]
    return text.splitlines(keepends=True)


def _spans(body: Sequence[str], first: int, column: int) -> list[tuple[int, int]]:
    """The lines of each item of a block list, as half-open ranges; comments between items belong to none."""
    spans: list[tuple[int, int]] = []
    for index in range(first, len(body)):
        line = body[index]
        content = line.strip()
        if not content:
            continue
        indent = len(line) - len(line.lstrip(" "))
        if indent == column and (content == "-" or content.startswith("- ")):
            spans.append((index, index + 1))
        elif indent > column and spans:
            spans[-1] = (spans[-1][0], index + 1)
        elif not content.startswith("#"):
            break
    return spans


def _list_node(source: Source, key: str) -> yaml.Node | None:
    if isinstance(source.node, yaml.MappingNode):
        for name, value in source.node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == key:
                return value
    return None


def _parsed(text: bytes, path: str) -> Source:
    source, problems = parse_bytes(text, path)
    if problems:
        raise WriteBackError(problems)
    if not isinstance(source.data, dict):
        raise _refusal(path, "the file is no mapping", "evalkit check says what is wrong")
    return source


def _lines(text: bytes) -> tuple[list[str], str]:
    body = text.removeprefix(_BOM).decode()
    return body.splitlines(keepends=True), "\r\n" if "\r\n" in body else "\n"


def _block(record: Mapping[str, Scalar], column: int) -> str:
    return "".join(_block_lines(record, column, "\n"))


def _block_lines(record: Mapping[str, Scalar], column: int, newline: str) -> list[str]:
    pad = " " * column
    return [
        f"{pad}{'  ' if index else '- '}{key}: {literal(value)}{newline}"
        for index, (key, value) in enumerate(record.items())
    ]


def _verified(
    text: bytes, grown: Sequence[str], key: str, wanted: Sequence[Mapping[str, Any]], path: str
) -> bytes:
    """The new bytes, if they read as they should."""
    lead = _BOM if text.startswith(_BOM) else b""
    new = lead + "".join(grown).encode()
    source, problems = parse_bytes(new, path)
    old = _parsed(text, path).data
    others = {name: value for name, value in old.items() if name != key} if key in old else {}
    if problems or source.data != {**others, key: list(wanted)}:
        lines = "; ".join(literal(record) for record in wanted)
        raise _refusal(
            path,
            "the list cannot be changed without touching more",
            f"edit it by hand; it should hold {lines}",
        )
    return new


def _refusal(path: str, message: str, hint: str) -> WriteBackError:
    return WriteBackError(Problem("EK601", f"{message}; nothing was written", Location(path), hint))
