"""The cuts that change a YAML text: each touches the lines of one pair, and leaves every other byte alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from evalkit.errors import WriteBackError
from evalkit.registry.layout import BLANK, BLOCK_HEADER, LINE_BREAK, Document, is_block_scalar

if TYPE_CHECKING:
    from evalkit.registry.layout import Layout, Pair

__all__ = ["insert_flow_pair", "insert_line", "remove_pair", "replace_value"]


def replace_value(document: Document, pair: Pair, literal: str) -> Document:
    """One-line `literal` in place of a pair's value, whatever that is; comments stay, or it is refused."""
    text, slot = document.text, pair.slot
    if slot is None:
        hint = f"write `{pair.key}:` on a line of its own"
        raise document.refusal(pair.start, f"the key '{pair.key}' has no ':'", hint)
    if not pair.value:
        return _cut(document, slot, slot, f" {literal}")
    first = pair.value[0]
    start = first.start_mark.index
    if is_block_scalar(first):
        return _cut(document, start, pair.end, literal + _around_block(document, start, pair.end))
    if isinstance(first, yaml.ScalarToken):
        return _cut(document, start, pair.end, literal)
    if document.has_comment(slot, pair.end):
        hint = "move the comments above the key, or write the new value by hand"
        raise document.refusal(start, f"comments inside the value of '{pair.key}' would be lost", hint)
    if isinstance(first, yaml.FlowMappingStartToken | yaml.FlowSequenceStartToken):
        return _cut(document, start, pair.end, literal)
    return _cut(document, slot, slot + len(text[slot : pair.end].rstrip(BLANK)), f" {literal}")


def _around_block(document: Document, start: int, end: int) -> str:
    """What stays of a block scalar when its text goes: the rest of its first line, and a line break."""
    text = document.text
    header = BLOCK_HEADER.match(text, start)
    body_start = min(document.line_end(start), end)
    first_line, body = text[header.end(1) if header else start : body_start], text[body_start:end]
    if not body.strip(BLANK):
        return first_line
    # Its last line break takes the place of the first line's: there may be none at the end of the file.
    last_break = LINE_BREAK.search(body, len(body.rstrip(BLANK)))
    return first_line.rstrip("\r\n") + (last_break[0] if last_break else "")


def insert_line(document: Document, layout: Layout, index: int, item: str) -> Document:
    """A new pair of a block mapping on its own line, before the pair at `index` or behind the last one."""
    pairs, text = layout.pairs, document.text
    indent = _indent(document, pairs[0])
    if index == len(pairs) and pairs[-1].ends_in_block and _ends_open(text, pairs[-1].end):
        index -= 1  # a line break behind this block scalar would become part of it
    at = (
        _line_above(document, layout, index, indent)
        if index < len(pairs)
        else document.below_comments(pairs[-1])
    )
    newline = _newline(text, at)
    line = f"{indent}{item}"
    return _cut(document, at, at, newline + line if _ends_open(text, at) else line + newline)


def _line_above(document: Document, layout: Layout, index: int, indent: str) -> int:
    """Above the pair and the comment that belongs to it: the lines directly above, at its column."""
    pair = layout.pairs[index]
    at = pair.start - len(_indent(document, pair))
    limit = document.below(layout.pairs[index - 1]) if index else at
    own = {document.line_start(start) for start, _ in document.comments}
    while at > limit:
        start = document.line_start(at - (2 if document.text.endswith("\r\n", 0, at) else 1))
        if start not in own or not document.text.startswith(f"{indent}#", start):
            break
        at = start
    return at


def insert_flow_pair(document: Document, layout: Layout, index: int, item: str) -> Document:
    """A new pair of a flow mapping, before the pair at `index` or behind the last one."""
    pairs, text = layout.pairs, document.text
    pair = pairs[min(index, len(pairs) - 1)]
    prefix = text[document.line_start(pair.start) : pair.start]
    own_line = not prefix.strip(BLANK)
    gap = _newline(text, pair.start) + prefix if own_line else " "
    if index < len(pairs):
        return _cut(document, pair.start, pair.start, f"{item},{gap}")
    behind = layout.comma or pair.end
    found = LINE_BREAK.search(text, behind)
    line_end = found.start() if found else len(text)
    rest = text[behind:line_end].strip(BLANK)
    if not own_line or (rest and not rest.startswith("#")):
        return _cut(document, pair.end, pair.end, f",{gap}{item}")
    # One pair a line: the new line goes below this one and its comment, with or without a last comma as before.
    before, after = ("", ",") if layout.comma else (",", "")
    return _cut(document, behind, line_end, f"{before}{text[behind:line_end]}{gap}{item}{after}")


def remove_pair(document: Document, layout: Layout, index: int) -> Document:
    """Without a pair: the lines of a block mapping's, or a flow mapping's with one comma."""
    pairs = layout.pairs
    pair = pairs[index]
    if not layout.flow:
        return _cut(document, pair.start - len(_indent(document, pair)), document.below(pair), "")
    if index + 1 < len(pairs):
        start, end = pair.start, pairs[index + 1].start
    else:
        start, end = pairs[index - 1].end if index else pair.start, pair.end
    if document.has_comment(start, end):
        hint = "move the comments, or remove the key by hand"
        raise document.refusal(pair.start, f"comments around the key '{pair.key}' would be lost", hint)
    return _cut(document, start, end, "")


def _cut(document: Document, start: int, end: int, new: str) -> Document:
    try:
        return Document(document.text[:start] + new + document.text[end:], document.path)
    except WriteBackError as error:
        message = "a value cannot be set here so that the file reads as before"
        raise document.refusal(start, message, "set it by hand") from error


def _indent(document: Document, pair: Pair) -> str:
    prefix = document.text[document.line_start(pair.start) : pair.start]
    if prefix.strip(" "):
        hint = "give it a line of its own"
        raise document.refusal(pair.start, f"the key '{pair.key}' does not begin its line", hint)
    return prefix


def _ends_open(text: str, at: int) -> bool:
    """Whether a position is the end of a text whose last line has no line break."""
    return at == len(text) and not text.endswith(("\n", "\r"))


def _newline(text: str, at: int) -> str:
    """The line break in use just before a position, or else in the file."""
    before = LINE_BREAK.findall(text, 0, at)
    return str(before[-1] if before else next(iter(LINE_BREAK.findall(text)), "\n"))
