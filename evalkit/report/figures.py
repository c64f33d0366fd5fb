"""How numbers read in every report: the same score, duration or price is written the same way everywhere."""

from __future__ import annotations

import math
from typing import Final

__all__ = [
    "MISSING",
    "count",
    "countdown",
    "duration",
    "interval",
    "latency",
    "part",
    "rate",
    "score",
    "share",
    "usd",
]

MISSING: Final = "n/a"
"""For what was not measured. Never 0."""


def score(value: float | None, threshold: float | None = None) -> str:
    """Three decimals, or as many more as it takes to show on which side of the threshold the score is."""
    if value is None:
        return MISSING
    digits = 3
    if threshold is not None and value != threshold:
        while digits < 9 and _side(round(value, digits), threshold) != _side(value, threshold):
            digits += 1
    return f"{value:.{digits}f}"


def _side(value: float, threshold: float) -> bool:
    return value >= threshold


def interval(bounds: tuple[float, float] | None) -> str:
    """`0.625-0.785`, with an en dash."""
    return MISSING if bounds is None else f"{score(bounds[0])}–{score(bounds[1])}"  # noqa: RUF001 - a range


def share(part: int, whole: int) -> str:
    """Whole per cent, rounded down: 100 % means all."""
    return f"{100 * part // whole} %" if whole else MISSING


def count(value: int | None) -> str:
    """`12,345`."""
    return MISSING if value is None else f"{value:,}"


def part(some: int, whole: int) -> str:
    """`120`, or `118/120` when not all of them count."""
    return count(whole) if some == whole else f"{count(some)}/{count(whole)}"


def latency(ms: float | None) -> str:
    """Milliseconds below a second, then seconds with three significant digits."""
    if ms is None:
        return MISSING
    if ms < 999.5:
        return f"{ms:.0f} ms" if ms >= 9.95 else f"{ms:.1f} ms"
    return duration(ms / 1000)


def duration(seconds: float) -> str:
    """`0.4 s`, `26.1 s`, `3 min 05 s`, `2 h 04 min`."""
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def countdown(seconds: float) -> str:
    """Time that is left, coarse enough not to flicker: `12 s`, `4 min`, `2 h 04 min`."""
    if seconds < 99.5:
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def rate(per_s: float) -> str:
    """`8.1/s`, `1,250/s`."""
    return f"{per_s:,.0f}/s" if per_s >= 99.5 else f"{per_s:.1f}/s"


def usd(value: float | None) -> str:
    """Cents from a dollar up; below, enough digits for two significant ones (`$0.00042`)."""
    if value is None:
        return MISSING
    if value >= 1 or value == 0:
        return f"${value:,.2f}"
    return f"${value:.{max(2, 1 - math.floor(math.log10(value)))}f}"
