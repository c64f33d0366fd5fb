"""Where everything stands in an author's YAML file.

The scanner's tokens tell, character by character, what is YAML and what is the author's space and comments. Node
marks alone would not do: a block mapping "ends" behind the comments that follow it, an alias stands where its anchor
is, an empty value has no width.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from evalkit.errors import Location, Problem, WriteBackError
from evalkit.runtime.yaml_source import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BLANK", "BLOCK_HEADER", "CODE", "LINE_BREAK", "Document", "Layout", "Pair", "is_block_scalar"]

CODE = "EK601"

BLANK = " \t\r\n"
"""To strip: YAML's own white space. Python's has no-break spaces too, which are text."""

LINE_BREAK = re.compile(r"\r\n|\n|\r")
BLOCK_HEADER = re.compile(r"[|>]([-+0-9]*)(?:[ \t]+(#[^\r\n]*))?")
"""Of a block scalar: its indicators and its comment."""

_MAX_DEPTH = 100  # the C parser composes by recursion: what is nested deeper is not handed to it
_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
_COMMENT = re.compile(r"#[^\r\n]*")
_EMPTY_LINES = re.compile(r"(?>\r\n|\n|\r)((?:\r\n|\n|\r)+)\Z")  # atomic: "\r\n" is one line break, not two


@dataclass(frozen=True, slots=True)
class Pair:
    """One `key: value` of a mapping. Positions are indexes into the text."""

    key: str | None
    """None if the key is a list or a mapping."""
    quote: str | None
    """How the key is quoted."""
    node: yaml.Node
    """The value, as composed: for an alias, the node of its anchor."""
    tokens: Sequence[yaml.Token]
    """Of key and value."""
    start: int
    slot: int | None
    """Behind the `:`, and behind the value's anchor and tag. None if there is no `:`."""
    value: Sequence[yaml.Token]
    """The value's tokens without its anchor and tag: empty for an empty value."""
    end: int
    """Behind the last character; of a block scalar, behind its last line break."""
    ends_in_block: bool
    """Whether the last thing in it is a block scalar."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The pairs of one mapping, in the order of the file."""

    flow: bool
    """Written with braces."""
    pairs: Sequence[Pair]
    comma: int | None
    """Behind the comma after the last pair, if there is one."""

    def find(self, key: str) -> int | None:
        """The index of the pair with this key, if there is one."""
        return next((i for i, pair in enumerate(self.pairs) if pair.key == key), None)

    def get(self, key: str) -> Pair:
        """The pair with this key, which exists."""
        return next(pair for pair in self.pairs if pair.key == key)


class Document:
    """A text, its data and its layout. Never changed: an edit makes a new one, read anew.

    Raises `WriteBackError` unless the text reads as one mapping without duplicate keys.
    """

    def __init__(self, text: str, path: str) -> None:
        """`text` has no byte order mark: the C parser counts it as a character of the first line."""
        self.text = text
        self.path = path
        tokens = self._scan()
        source, problems = parse_yaml(text, path)
        fatal = [found for found in problems if source.node is None or found.code == "EK102"]
        if fatal:
            raise WriteBackError(
                Problem(CODE, f"{found.message}; nothing was written", found.location, found.hint)
                for found in fatal
            )
        if not isinstance(source.node, yaml.MappingNode):
            raise self.refusal(0, "the file is not a mapping of keys to values")
        self.node = source.node
        self.data = source.data
        """By YAML 1.2's core rules."""
        self.comments = self._comments(tokens)
        """Every comment, with the position where it begins."""
        self.aliases = {token.value for token in tokens if isinstance(token, yaml.AliasToken)}
        first = next(i for i, token in enumerate(tokens) if isinstance(token, _OPENING))
        last = max(i for i, token in enumerate(tokens) if isinstance(token, _CLOSING))
        self.root = self.layout(tokens[first : last + 1], source.node)

    def refusal(self, index: int, message: str, hint: str | None = None) -> WriteBackError:
        """The error that says why nothing is written, and where."""
        line = len(LINE_BREAK.findall(self.text, 0, index)) + 1
        place = Location(self.path, line, index - self.line_start(index) + 1)
        return WriteBackError(Problem(CODE, f"{message}; nothing was written", place, hint))

    def layout(self, tokens: Sequence[yaml.Token], node: yaml.MappingNode) -> Layout:
        """The pairs of a mapping, from its tokens: the opening one, all inside, the closing one."""
        groups: list[list[yaml.Token]] = []
        depth, in_pair, comma = 0, False, None
        for token in tokens[1:-1]:
            if depth == 0 and isinstance(token, yaml.FlowEntryToken):
                in_pair, comma = False, token.end_mark.index
                continue
            if depth == 0 and (isinstance(token, yaml.KeyToken) or not in_pair):
                groups.append([])
                in_pair, comma = True, None
            depth += _step(token)
            groups[-1].append(token)
        if len(groups) != len(node.value):
            raise self.refusal(tokens[0].start_mark.index, "the keys of this mapping cannot be told apart")
        pairs = [self._pair(group, *nodes) for group, nodes in zip(groups, node.value, strict=True)]
        return Layout(isinstance(tokens[0], yaml.FlowMappingStartToken), pairs, comma)

    def at(self, path: Sequence[str]) -> tuple[Pair, Any]:
        """The pair at a path of keys that exist, and its data."""
        pair, data = self.root.get(path[0]), self.data.get(path[0])
        for key in path[1:]:
            pair, data = self.layout(pair.value, pair.node).get(key), data.get(key)
        return pair, data

    def line_start(self, index: int) -> int:
        """Where the line of a character begins."""
        return max(self.text.rfind("\n", 0, index), self.text.rfind("\r", 0, index)) + 1

    def line_end(self, index: int) -> int:
        """Where the next line begins, or the end of the text."""
        found = LINE_BREAK.search(self.text, index)
        return found.end() if found else len(self.text)

    def below(self, pair: Pair) -> int:
        """Where the line below a pair begins, or the end of the text."""
        return pair.end if pair.ends_in_block else self.line_end(pair.end)

    def below_comments(self, pair: Pair) -> int:
        """The same, below the comments that belong to the pair: those indented deeper than it."""
        at, column = self.below(pair), pair.start - self.line_start(pair.start)
        for start, _ in self.comments:
            if start < at:
                continue
            if self.text[at:start].strip(BLANK) or start - self.line_start(start) <= column:
                break
            at = self.line_end(start)
        return at

    def has_comment(self, start: int, end: int) -> bool:
        """Whether a comment begins between two positions."""
        return any(start <= at < end for at, _ in self.comments)

    def _scan(self) -> list[yaml.Token]:
        tokens: list[yaml.Token] = []
        depth = 0
        try:
            for token in yaml.scan(self.text, Loader=yaml.CSafeLoader):
                depth += _step(token)
                if depth > _MAX_DEPTH:
                    raise self.refusal(token.start_mark.index, "nested too deeply")
                tokens.append(token)
        except yaml.YAMLError:
            pass  # parse_yaml meets the same error and words it
        return tokens

    def _comments(self, tokens: Sequence[yaml.Token]) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        behind = 0
        for token in tokens:
            start = token.start_mark.index
            found += [(match.start(), match[0]) for match in _COMMENT.finditer(self.text, behind, start)]
            header = BLOCK_HEADER.match(self.text, start) if is_block_scalar(token) else None
            if header and header[2]:
                found.append((header.start(2), header[2]))
            behind = max(behind, token.end_mark.index)
        return found

    def _pair(self, tokens: Sequence[yaml.Token], key: yaml.Node, value: yaml.Node) -> Pair:
        depth, at, slot = 0, len(tokens), None
        for i, token in enumerate(tokens):
            if depth == 0 and isinstance(token, yaml.ValueToken):
                at, slot = i + 1, token.end_mark.index
                break
            depth += _step(token)
        while at < len(tokens) and isinstance(tokens[at], yaml.AnchorToken | yaml.TagToken):
            slot = tokens[at].end_mark.index
            at += 1
        last = [token for token in tokens if token.start_mark.index < token.end_mark.index][-1]
        start, end = last.start_mark.index, last.end_mark.index
        header = BLOCK_HEADER.match(self.text, start) if is_block_scalar(last) else None
        if header and "+" not in header[1]:
            # Empty lines below the text are no part of the value: they are the author's space.
            empty = _EMPTY_LINES.search(self.text[start:end])
            end -= len(empty[1]) if empty else 0
        is_scalar = isinstance(key, yaml.ScalarNode)
        return Pair(
            key=key.value if is_scalar else None,
            quote=key.style or None if is_scalar else None,
            node=value,
            tokens=tokens,
            start=tokens[0].start_mark.index,
            slot=slot,
            value=tokens[at:],
            end=end,
            ends_in_block=header is not None,
        )


def is_block_scalar(token: yaml.Token) -> bool:
    """Whether it is a text after `|` or `>`."""
    return isinstance(token, yaml.ScalarToken) and token.style in {"|", ">"}


def _step(token: yaml.Token) -> int:
    return isinstance(token, _OPENING) - isinstance(token, _CLOSING)
