"""The table of the benchmark: a row a measurement, a column a library."""

# ruff: noqa: RUF001 - the table is for people: a dash, and a multiplication sign

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass
class Cell:
    value: float
    more_than: bool = False
    said: str = ""
    """What is printed behind the value."""


@dataclass
class Row:
    label: str
    unit: str
    cells: dict[str, Cell] = field(default_factory=dict)
    budget: float | None = None
    more_is_better: bool = False

    @property
    def missed(self) -> bool:
        return self.budget is not None and any(
            cell.value > self.budget for title, cell in self.cells.items() if title == "evalkit"
        )

    def ratio(self, title: str) -> float | None:
        """How many times better evalkit is."""
        ours, theirs = self.cells.get("evalkit"), self.cells.get(title)
        if ours is None or theirs is None or title == "evalkit" or not ours.value or not theirs.value:
            return None
        return ours.value / theirs.value if self.more_is_better else theirs.value / ours.value


def cell_text(row: Row, title: str) -> str:
    cell = row.cells.get(title)
    if cell is None:
        return "–"
    digits = 1 if cell.value < 100 and row.unit != "ns" else 0
    ratio = row.ratio(title)
    times = f" ×{ratio:,.{0 if ratio >= 10 else 1 if ratio >= 1 else 2}f}" if ratio is not None else ""
    return f"{'> ' if cell.more_than else ''}{cell.value:,.{digits}f}{times}{' ' + cell.said if cell.said else ''}"


def print_table(rows: list[Row], titles: list[str]) -> None:
    lines = [["over bare Python where a process starts", "unit", *titles, "budget"]]
    for row in rows:
        budget = "" if row.budget is None else f"{row.budget:,.0f}{'  MISSED' if row.missed else ''}"
        lines.append([row.label, row.unit, *(cell_text(row, title) for title in titles), budget])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    print()
    if titles == ["evalkit"]:
        print("Only evalkit was measured; --peers DIR measures MLflow, Langfuse and promptops beside it.")
    else:
        print(
            "×: how many times better evalkit is (below 1: worse). In brackets the worst of the flips. –: the library has no such thing"
        )
        print("(benchmarks/README.md says why).")


def as_json(rows: list[Row]) -> str:
    return json.dumps(
        [
            {
                "label": row.label,
                "unit": row.unit,
                "budget": row.budget,
                "missed": row.missed,
                "measured": {
                    title: {
                        "value": round(cell.value, 3),
                        "more_than": cell.more_than,
                        "said": cell.said,
                        "ratio": row.ratio(title),
                    }
                    for title, cell in row.cells.items()
                },
            }
            for row in rows
        ],
        indent=1,
        ensure_ascii=False,
    )
