"""Read YAML as its author meant it, and remember where everything stands.

PyYAML's C parser composes the node tree; the tree is then read by YAML 1.2's core rules, so that `no`, `on`, `1:30`
and `2025-01-01` are text, `014` stays `014`, and duplicate keys, merge keys, tags and documents too large or too
deep are refused. All problems of a file are collected.
"""

from __future__ import annotations

import math
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from evalkit.errors import Location, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["MAX_BYTES", "Source", "parse_bytes", "parse_yaml", "read_yaml"]

MAX_BYTES = 1024 * 1024
"""Of one registry file. A suite's cases may be longer: `read_yaml(..., max_bytes=…)`."""

MAX_DEPTH = 48
_MAX_NODES_PER_BYTE = 2  # no honest document has more nodes than this; a nest of aliases has
_MIN_NODES = 10_000

_STR_TAG = "tag:yaml.org,2002:str"
_KNOWN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "value", "merge")
)
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(slots=True)
class Source:
    """A parsed file: its data, and the place of every key and value in it."""

    path: str
    """As shown in messages: relative to the project."""
    text: str
    data: Any
    node: yaml.Node | None

    def locate(self, loc: Sequence[str | int] = (), *, key: bool = False) -> Location:
        """Where a value stands (or, with `key`, its key). Follows `loc` as far as it exists in the file."""
        node, key_node = self.node, None
        for step in loc:
            found = _child(node, step)
            if found is None:
                continue  # a step that the schema adds, such as the tag of a union
            key_node, node = found
        target = key_node if key and key_node is not None else node
        if target is None:
            return Location(self.path, 1, 1)
        line, column = target.start_mark.line + 1, target.start_mark.column + 1
        return Location(self.path, line, column)

    def locate_in_block(self, loc: Sequence[str | int], line_in_value: int) -> Location:
        """Where line `line_in_value` (from 1) of a block scalar stands; of any other value, where it begins."""
        place = self.locate(loc)
        node = self.node
        for step in loc:
            found = _child(node, step)
            node = found[1] if found else None
        if not isinstance(node, yaml.ScalarNode) or node.style not in ("|", ">"):
            return place
        lines = self.text.splitlines()
        below = lines[place.line : node.end_mark.line + 1]
        offset = line_in_value - 1 if node.style == "|" else _folded(below, line_in_value)
        line = place.line + 1 + offset
        text = lines[line - 1] if line <= len(lines) else ""
        return Location(self.path, line, len(text) - len(text.lstrip()) + 1)


def _folded(lines: Sequence[str], wanted: int) -> int:
    """Which of a folded scalar's lines (from 0) begins line `wanted` (from 1) of its value.

    A line break between two lines of text is a space; each empty line between them is a line break; lines indented
    further keep theirs (YAML 1.2, 8.1.3).
    """
    indent = next((len(line) - len(line.lstrip()) for line in lines if line.strip()), 0)
    number, before = 1, None
    for index, line in enumerate(lines):
        kind = "empty" if not line.strip() else "further" if line[indent : indent + 1].isspace() else "text"
        if before == "empty" or (before is not None and "further" in (before, kind)):
            number += 1
        if number >= wanted and kind != "empty":
            return index
        before = kind
    return 0


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.value == str(step):
                return key_node, value_node
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None


def read_yaml(path: Path, display: str, *, max_bytes: int = MAX_BYTES) -> tuple[Source, list[Problem]]:
    """Read and parse one file. With problems, `data` holds what could be read and must not be used."""
    empty = Source(display, "", None, None)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return empty, [Problem("EK107", "is no regular file", Location(display))]
        size = status.st_size
        if size > max_bytes:
            message = f"the file has {size:,} bytes; at most {max_bytes:,} are read"
            return empty, [Problem("EK103", message, Location(display))]
        raw = path.read_bytes()
    except OSError as error:
        return empty, [Problem("EK107", f"cannot be read: {error.strerror}", Location(display))]
    return parse_bytes(raw, display, max_bytes=max_bytes)


def parse_bytes(raw: bytes, display: str, *, max_bytes: int = MAX_BYTES) -> tuple[Source, list[Problem]]:
    """Parse one file from its bytes, as `read_yaml` does."""
    empty = Source(display, "", None, None)
    if len(raw) > max_bytes:
        message = f"the file has {len(raw):,} bytes; at most {max_bytes:,} are read"
        return empty, [Problem("EK103", message, Location(display))]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        place = Location(display, line, error.start - raw.rfind(b"\n", 0, error.start))
        return empty, [Problem("EK107", "not UTF-8", place, hint="save the file with UTF-8 encoding")]
    return parse_yaml(text, display)


def parse_yaml(text: str, path: str) -> tuple[Source, list[Problem]]:
    """Parse one document. `text` has no byte order mark, since the C parser counts it as a character."""
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        return Source(path, text, None, None), [_syntax_problem(error, text, path)]
    except RecursionError:
        place = Location(path, 1, 1)
        return Source(path, text, None, None), [Problem("EK103", "nested too deeply", place)]
    if node is None:
        place = Location(path, 1, 1)
        return Source(path, text, None, None), [Problem("EK101", "the file is empty", place)]
    reader = _Reader(path, max(_MIN_NODES, len(text) * _MAX_NODES_PER_BYTE))
    try:
        data = reader.read(node, 0)
    except _TooLarge as error:
        return Source(path, text, None, None), [Problem("EK103", str(error), reader.place(error.node))]
    return Source(path, text, data, node), reader.problems


def _syntax_problem(error: yaml.YAMLError, text: str, path: str) -> Problem:
    mark = _mark(error, text.splitlines())
    place = Location(path, mark.line + 1, mark.column + 1) if mark else Location(path, 1, 1)
    if mark and mark.line >= len(written := text.rstrip().splitlines()):  # noticed at the end of the file
        place = Location(path, len(written), len(written[-1]) if written else 1)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).splitlines()[0]
    if isinstance(error, yaml.reader.ReaderError) and isinstance(error.position, int):
        before = text[: error.position]
        place = Location(path, before.count("\n") + 1, len(before) - before.rfind("\n"))
        what = "a control character that YAML does not allow"
    context = getattr(error, "context", None)
    hint = None
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        hint = "indent with spaces: YAML allows no tabs there"
    elif "mapping values are not allowed" in what:
        hint = "quote a text that contains ': '"
    elif "could not find expected ':'" in what:
        hint = "a key needs a ':' after it"
    elif "cannot start any token" in what:
        hint = "quote a text that begins with this character"
    elif "expected <document start>" in what or "expected a single document" in what:
        hint = "one document a file"
    elif "undefined alias" in what:
        hint = "quote a text that begins with '*'"
    return Problem("EK101", f"not valid YAML: {what}" + (f" ({context})" if context else ""), place, hint)


def _mark(error: yaml.YAMLError, lines: Sequence[str]) -> yaml.Mark | None:
    """Where the mistake is. What is never closed is noticed further down; its beginning is the place to look."""
    at, began = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or ""
    if at is None or began is None:
        return at or began
    if "unexpected end of stream" in what or "could not find expected ':'" in what:
        return began
    if "did not find expected ','" in what and at.line != began.line:
        # A line that is indented no further than the bracket's own belongs to what comes after it.
        indents = [len(line) - len(line.lstrip()) for line in (*lines, "")]
        return began if indents[min(at.line, len(lines))] <= indents[began.line] else at
    return at


class _TooLarge(Exception):
    def __init__(self, message: str, node: yaml.Node) -> None:
        super().__init__(message)
        self.node = node


class _Reader:
    """One walk over the node tree: data out, problems collected."""

    def __init__(self, path: str, budget: int) -> None:
        self.path = path
        self.budget = budget
        self.problems: list[Problem] = []

    def place(self, node: yaml.Node) -> Location:
        return Location(self.path, node.start_mark.line + 1, node.start_mark.column + 1)

    def report(self, code: str, message: str, node: yaml.Node, hint: str | None = None) -> None:
        self.problems.append(Problem(code, message, self.place(node), hint))

    def read(self, node: yaml.Node, depth: int) -> Any:
        self.budget -= 1
        if self.budget < 0:
            raise _TooLarge("aliases expand this document beyond any honest size", node)
        if depth > MAX_DEPTH:
            raise _TooLarge(f"nested more than {MAX_DEPTH} levels deep", node)
        if (node.tag not in _KNOWN_TAGS and not node.tag.startswith("!")) or (
            node.tag.startswith("!") and node.tag != "!"
        ):
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.report("EK101", f"the tag {tag} is not read", node, "remove the tag: plain data only")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, depth + 1) for child in node.value]
        return self._mapping(node, depth)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        first: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.report("EK101", "a key is text, not a list or a mapping", key_node)
                continue
            key = key_node.value
            if key == "<<" and not key_node.style:
                hint = "write the keys out: what an entry says must be readable in its diff"
                self.report("EK101", "merge keys are not read", key_node, hint)
                continue
            if key in first:
                line = first[key].start_mark.line + 1
                self.report("EK102", f"duplicate key '{key}'", key_node, f"it is set on line {line} already")
            first.setdefault(key, key_node)
            data[key] = self.read(value_node, depth + 1)
        return data

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        if node.style or node.tag == "!":
            return text
        if node.tag == _STR_TAG and (text in _CONSTANTS or _INT.fullmatch(text)):
            return text  # an explicit !!str: the parser would have resolved this text to something else
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INT.fullmatch(text):
            if len(text) > 40:
                self.report("EK106", "this number is too long", node, "quote it if it is an identifier")
                return 0
            return int(text)
        if _FLOAT.fullmatch(text):
            value = float(text)
            if math.isfinite(value):
                return value
        elif not _NOT_FINITE.fullmatch(text):
            return text
        self.report("EK106", f"{text} is not a finite number", node, "quote it if it is text")
        return 0.0
