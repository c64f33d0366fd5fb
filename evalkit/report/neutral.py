r"""Foreign text made harmless: one function for each place that text is written to.

Whatever a model, a contributor or a provider wrote is hostile. It may carry terminal escapes, bidirectional
overrides (Boucher and Anderson 2021, "Trojan Source"), markup, mentions, or the workflow commands that GitHub's
runner obeys on stdout. Every function here keeps the text readable and shows what was hidden: an escape
character becomes the four characters `\x1b`, an override becomes `\u202e`.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Markdown",
    "actions_log",
    "encodable",
    "html_text",
    "markdown",
    "markdown_code",
    "one_line",
    "terminal",
    "visible",
    "xml_text",
]

# Controls, invisible format characters, line separators, lone surrogates, non-characters. Zero-width joiners stay:
# Persian, Indic scripts and emoji need them.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufdd0-\ufdef\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\U0001d173-\U0001d17a\U000e0000-\U000e007f\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""The text with hidden characters spelled out; line feeds and tabs stay, `\r\n` becomes `\n`."""
    # Nothing that Python calls printable is hidden: most texts are done with one quick look.
    return text if text.isprintable() else _HIDDEN.sub(_spell, text.replace("\r\n", "\n"))


def _spell(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def one_line(text: str, limit: int) -> str:
    """`visible`, on one line (a line feed becomes `↵`), at most `limit` characters and an ellipsis."""
    # Spelling out shrinks nothing but `\r\n`, so twice the limit is enough to cut from, however long the answer.
    cut = visible(text.strip()[: 2 * limit + 2]).replace("\n", "↵").replace("\t", " ")
    return cut if len(cut) <= limit else cut[:limit].rstrip() + "…"


def terminal(text: str, limit: int = 2_000) -> str:
    """One line for a terminal. Give it to `rich.text.Text`, never to anything that reads console markup."""
    return one_line(text, limit)


_ASCII: Final = str.maketrans({"…": "...", "–": "-", "—": "-", "·": "-", "↵": "\\n", "≥": ">=", "×": "x"})  # noqa: RUF001 - typographic signs of our own reports


def encodable(text: str, encoding: str) -> str:
    """The text as a stream of this encoding can carry it: plain signs, then escapes, for what it cannot."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


_COMMAND: Final = re.compile(r"(^|[\r\n])(\s*):(?=:)")


def actions_log(rendered: str) -> str:
    """Finished output (own and foreign text alike) in which GitHub's runner finds no command.

    The runner trims a line and reads `::name::` at its start, and reads the older `##[name]` anywhere in it.
    """
    return _COMMAND.sub(r"\1\2: ", rendered).replace("##[", "# #[")


class Markdown(str):
    """Text that is Markdown already: written as it stands."""

    __slots__ = ()


# What starts a block, what GitHub links in the rendered text, and what formats. Left alone: underscores inside a word,
# and `name@v2`, which mentions nobody (a mention follows no ASCII word character) and is no address.
_PROSE: Final = re.compile(
    r"(?ai)(?P<block>^(?:[-+=]|\d+(?=[.)](?:\s|$))))"
    r"|(?P<link>(?<!\w)@|@(?=[\w-]+\.)|#|\bGH-|://|\bwww(?=\.))"
    r"|(?P<format>[\\`*\[\]<>|~&$]|(?<![^\W_])_|_(?![^\W_]))"
)
# A pipe or backslash after a backslash is read differently by different parsers; an entity is not.
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "\\": "&#92;"}


def markdown(value: object) -> Markdown:
    """Foreign text as literal prose for GitHub-flavoured Markdown, on one line.

    Nothing in it formats, links, mentions (`@name`), refers (`#1`), starts a block or is HTML. `Markdown` and
    `None` pass; numbers read as Python writes them.
    """
    if isinstance(value, Markdown):
        return value
    return Markdown(_PROSE.sub(_literal, one_line("" if value is None else str(value), 500)))


def _literal(match: re.Match[str]) -> str:
    text = match[0]
    if match["link"]:
        # GitHub looks for mentions and references in the rendered text: a zero-width space ends them.
        return f"{text}&#8203;"
    if match["block"]:
        return f"&#{ord(text[0])};{text[1:]}"
    return _ENTITIES.get(text, f"\\{text}")


# What no code span may carry: a pipe ends a table cell, and how `\|` reads differs between parsers; `<!--` could pass
# for one of our own hidden markers; `##[` is a command in a log.
_BREAKS: Final = re.compile(r"(\||<(?=!--)|#(?=#\[))")
_TICKS: Final = re.compile(r"`+")


def markdown_code(text: str, limit: int = 300) -> Markdown:
    """Foreign text as code spans on one line, for prose and table cells; nothing inside is read as Markdown."""
    pieces = _BREAKS.split(one_line(text, limit))
    return Markdown("".join(f"&#{ord(piece)};" if odd else _span(piece) for piece, odd in _alternate(pieces)))


def _alternate(pieces: Iterable[str]) -> Iterable[tuple[str, bool]]:
    """`re.split` with a group: text and separators take turns."""
    return ((piece, index % 2 == 1) for index, piece in enumerate(pieces))


def _span(text: str) -> str:
    """CommonMark 6.1: a fence longer than any run of backticks inside, padded where a backtick touches it."""
    if not text:
        return ""
    fence = "`" * (1 + max(map(len, _TICKS.findall(text)), default=0))
    padded = text.startswith(("`", " ")) or text.endswith(("`", " "))
    return f"{fence} {text} {fence}" if padded and text.strip() else f"{fence}{text}{fence}"


def html_text(value: object) -> str:
    """Foreign text for an HTML template, which escapes it: hidden characters are spelled out, lines stay."""
    return visible(str(value))


def xml_text(text: str) -> str:
    """Foreign text for XML 1.0, in elements and attributes.

    Line feeds become references, so that in a log no line starts with foreign text.
    """
    escaped = escape(visible(text), quote=True)
    return escaped.replace("\n", "&#10;").replace("\t", "&#9;").replace("##[", "&#35;#[")
