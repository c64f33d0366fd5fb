"""Rows as CSV that a spreadsheet opens without running anything in them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from evalkit.report.neutral import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["csv_text"]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a cell a formula, or lets one begin behind it (OWASP, "CSV Injection")."""


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """A header and a line for each row, with line feeds (RFC 4180 otherwise); None is an empty cell.

    A text that a spreadsheet would take for a formula gets an apostrophe before it; characters that hide are spelled
    out, and a cell keeps to its line. Numbers stay as they are.
    """
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(columns)
    table.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return written.getvalue()


def _cell(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return "" if value is None else value
    text = str(value)
    return visible(f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text).replace("\n", "↵")
