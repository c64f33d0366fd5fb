"""Set values in an author's YAML file so that only the intended lines change, byte for byte.

A dumper would rewrite the file: comments, spacing and quoting would be gone. Here each change is a cut in the text
(`splice`) at a place that the scanner names (`layout`). What comes out is read again and compared with what went in;
unless it differs in exactly what was asked for, nothing is written. See docs/decisions/yaml-write-back.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import yaml

from evalkit.errors import Location, Problem, WriteBackError
from evalkit.registry.layout import CODE, LINE_BREAK, Document
from evalkit.registry.literal import Scalar, literal, reads_as
from evalkit.registry.splice import insert_flow_pair, insert_line, remove_pair, replace_value
from evalkit.runtime import atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from evalkit.registry.layout import Layout

__all__ = ["Change", "Scalar", "apply", "edit"]

Change: TypeAlias = Scalar | Mapping[str, Scalar] | None
"""What a key is set to; None removes it."""

_LAST_KEYS = ("eval", "canary", "approved_by", "status")
"""What evalkit writes, in the order in which it stands below the author's keys."""

_BOM = "\ufeff"


def apply(path: Path, changes: Mapping[str, Change], *, display: str, lock_dir: Path) -> bool:
    """`edit` a file under its lock, all at once. Returns whether anything changed.

    `display` names the file in messages; `lock_dir` is the project's, such as `.evalkit/locks`.
    Raises `WriteBackError` (EK601) with the file untouched.
    """
    with atomic.locked(path, lock_dir):
        try:
            old = path.read_bytes()
        except OSError as error:
            message = f"cannot be read: {error.strerror}; nothing was written"
            raise WriteBackError(Problem(CODE, message, Location(display))) from error
        new = edit(old, changes, path=display)
        if new == old:
            return False
        atomic.write_bytes(path, new, display=display)
        return True


def edit(text: bytes, changes: Mapping[str, Change], *, path: str) -> bytes:
    """The text with top-level keys set, or removed where the change is None; every other line as it was.

    A scalar replaces the value where it stands. A mapping changes what differs in the mapping that is there, in its
    author's style, or is written as `{ key: value, … }` on one line. A new key gets its own line behind the last one,
    and what evalkit writes stands above `approved_by` and `status`. Values that read as asked are left alone, so the
    same edit twice changes nothing. Raises `WriteBackError` (EK601) if that cannot be done; `path` is for messages.
    """
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        line = len(LINE_BREAK.findall(text[: error.start].decode())) + 1
        message, hint = "not UTF-8; nothing was written", "save the file with UTF-8 encoding"
        raise WriteBackError(Problem(CODE, message, Location(path, line, 1), hint)) from error
    body = decoded.removeprefix(_BOM)
    before = after = Document(body, path)
    wanted = {key: _normal(value, key, path) for key, value in changes.items()}
    _refuse_all(before, wanted)
    for key, value in wanted.items():
        after = _set(after, key, value)
    if after is before:
        return text
    _verify(before, after, wanted)
    return (decoded[: len(decoded) - len(body)] + after.text).encode()


def _normal(value: Change, key: str, path: str) -> Change:
    """Without subclasses, such as enums and numpy's floats: what is read back is compared by type."""
    if isinstance(value, Mapping):
        return {
            str.__str__(name): _normal_scalar(item, f"{key}.{name}", path) for name, item in value.items()
        }
    return None if value is None else _normal_scalar(value, key, path)


def _normal_scalar(value: Scalar, key: str, path: str) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if not math.isfinite(value):
        message = f"{key}: {value} is not a finite number; nothing was written"
        raise WriteBackError(Problem(CODE, message, Location(path), "measure it first"))
    return float(value)


def _refuse_all(document: Document, wanted: Mapping[str, Change]) -> None:
    """Try each change alone: what cannot be done is told for all keys at once, at its line in the file as it is."""
    problems: list[Problem] = []
    for key, value in wanted.items():
        try:
            _set(document, key, value)
        except WriteBackError as error:
            problems.extend(error.problems)
    if problems:
        raise WriteBackError(problems)


def _set(document: Document, key: str, wanted: Change) -> Document:
    root = document.root
    index = root.find(key)
    if index is not None and wanted is not None:
        return _update(document, (key,), wanted)
    if index is not None:
        _refuse_shared(document, root.pairs[index].tokens)
        return remove_pair(document, root, index)
    if wanted is None:
        return document
    if not root.pairs:
        raise document.refusal(0, "the file has no keys", "write the author's keys first")
    place = len(root.pairs)
    if key in _LAST_KEYS:
        following = _LAST_KEYS[_LAST_KEYS.index(key) + 1 :]
        while place and root.pairs[place - 1].key in following:
            place -= 1
    if root.flow:  # never behind the last pair: its line would need a comma
        return insert_flow_pair(document, root, min(place, len(root.pairs) - 1), _item(root, key, wanted))
    return insert_line(document, root, place, _item(root, key, wanted))


def _item(layout: Layout, key: str, value: Scalar | Mapping[str, Scalar]) -> str:
    """A new pair as text. In JSON, which is YAML too, everything is quoted."""
    quote = '"' if layout.flow and layout.pairs[-1].quote == '"' else None
    return f"{literal(key, quote)}: {literal(value, quote)}"


def _update(document: Document, path: Sequence[str], wanted: Scalar | Mapping[str, Scalar]) -> Document:
    """Set what is there to something else, with as small a cut as possible."""
    pair, data = document.at(path)
    if reads_as(pair.node, data, wanted):
        return document
    first = pair.value[0] if pair.value else None
    if isinstance(first, yaml.AliasToken):
        message = f"the value of '{pair.key}' is the alias *{first.value}"
        raise document.refusal(first.start_mark.index, message, "write the value out in place of the alias")
    if isinstance(wanted, Mapping) and isinstance(pair.node, yaml.MappingNode):
        layout = document.layout(pair.value, pair.node)
        if any(layout.find(name) is not None for name in wanted):
            _refuse_shared(document, pair.tokens[: len(pair.tokens) - len(pair.value)])
            return _merge(document, path, wanted)
    _refuse_shared(document, pair.tokens)
    quote = '"' if document.root.flow and pair.quote == '"' else None
    if isinstance(wanted, str) and isinstance(first, yaml.ScalarToken) and first.style in {"'", '"'}:
        quote = first.style
    return replace_value(document, pair, literal(wanted, quote))


def _merge(document: Document, path: Sequence[str], wanted: Mapping[str, Scalar]) -> Document:
    """Change what differs in a mapping. At least one of its keys stays, so there is a style to follow."""

    def layout() -> Layout:
        pair, _ = document.at(path)
        return document.layout(pair.value, pair.node)

    keys = [pair.key for pair in layout().pairs]
    for key in reversed(keys):  # from the end, so that what a refusal points at has not moved
        if key is not None and key in wanted:
            document = _update(document, (*path, key), wanted[key])
    for key in [key for key in reversed(keys) if key not in wanted]:
        inner = layout()
        index = next(i for i, pair in enumerate(inner.pairs) if pair.key == key)
        pair = inner.pairs[index]
        _refuse_shared(document, pair.tokens)
        if document.has_comment(pair.start, document.below(pair)) and not inner.flow:
            hint = "move the comment, or remove the key by hand"
            raise document.refusal(pair.start, f"the comment on '{key}' would be lost with it", hint)
        document = remove_pair(document, inner, index)
    for name in [name for name in wanted if name not in keys]:
        inner = layout()
        insert = insert_flow_pair if inner.flow else insert_line
        document = insert(document, inner, len(inner.pairs), _item(inner, name, wanted[name]))
    return document


def _refuse_shared(document: Document, tokens: Iterable[yaml.Token]) -> None:
    for token in tokens:
        if isinstance(token, yaml.AnchorToken) and token.value in document.aliases:
            message = f"what is anchored here as &{token.value} would change where *{token.value} is too"
            hint = f"write the value out in place of *{token.value}"
            raise document.refusal(token.start_mark.index, message, hint)


def _verify(before: Document, after: Document, wanted: Mapping[str, Change]) -> None:
    """What was set reads as asked; all else reads as before, from the same lines, with the same comments."""
    hint = "set it by hand"
    for key, value in wanted.items():
        index = after.root.find(key)
        if value is None or index is None:
            is_right = value is None and index is None
        else:
            is_right = reads_as(after.root.pairs[index].node, after.data.get(key), value)
        if not is_right:
            raise before.refusal(_start(before, key), f"'{key}' would not read back as it was set", hint)
    if not (
        _same_nodes(_other_nodes(before, wanted), _other_nodes(after, wanted), set())
        and (before.root.flow or _other_lines(before, wanted) == _other_lines(after, wanted))
        and _comments_to_keep(before, wanted) == [text for _, text in after.comments]
    ):
        key = next(iter(wanted))
        raise before.refusal(_start(before, key), f"setting '{key}' would change something else", hint)


def _start(document: Document, key: str) -> int:
    index = document.root.find(key)
    return 0 if index is None else document.root.pairs[index].start


def _other_nodes(document: Document, wanted: Mapping[str, Change]) -> list[yaml.Node]:
    pairs = zip(document.root.pairs, document.node.value, strict=True)
    return [node for pair, nodes in pairs if pair.key not in wanted for node in nodes]


def _same_nodes(ours: Sequence[yaml.Node], theirs: Sequence[yaml.Node], seen: set[tuple[int, int]]) -> bool:
    """Whether two lists of nodes are alike in all that decides how they are read. Aliases are followed once."""
    if len(ours) != len(theirs):
        return False
    for one, other in zip(ours, theirs, strict=True):
        if (id(one), id(other)) in seen:
            continue
        seen.add((id(one), id(other)))
        if type(one) is not type(other) or one.tag != other.tag:
            return False
        if isinstance(one, yaml.ScalarNode):
            if (one.value, one.style) != (other.value, other.style):
                return False
        elif not _same_nodes(_children(one), _children(other), seen):
            return False
    return True


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value)


def _other_lines(document: Document, wanted: Mapping[str, Change]) -> str:
    """The text without the lines of what is set and its comments, which are compared by themselves.

    A line break at the very end does not count: a new line may need it.
    """
    text = document.text
    for pair in reversed(document.root.pairs):
        if pair.key is not None and pair.key in wanted:
            end = document.below(pair) if wanted[pair.key] is None else document.below_comments(pair)
            text = text[: document.line_start(pair.start)] + text[end:]
    for newline in ("\r\n", "\n", "\r"):
        if text.endswith(newline):
            return text.removesuffix(newline)
    return text


def _comments_to_keep(document: Document, wanted: Mapping[str, Change]) -> list[str]:
    """All but those on the lines of a pair that is removed."""
    removed = [key for key, value in wanted.items() if value is None and document.root.find(key) is not None]
    gone = [
        (document.line_start(pair.start), document.below(pair)) for pair in map(document.root.get, removed)
    ]
    return [text for at, text in document.comments if not any(start <= at < end for start, end in gone)]
