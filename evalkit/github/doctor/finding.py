"""What the doctor says: one finding a thing to change, with the exact place to change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from evalkit.errors import Location

__all__ = ["Finding", "Level", "worst_first"]

Level = Literal["error", "warning", "unknown"]
"""`error`: something does not work, or lets in what must stay out. `warning`: it works, and could work better.
`unknown`: the token may not read it, so that nobody can say."""

_ORDER: dict[Level, int] = {"error": 0, "warning": 1, "unknown": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to change."""

    id: str
    """A stable name: `unpinned-action`. Each is described in docs/doctor.md."""
    level: Level
    message: str
    """What is so, and what comes of it."""
    fix: str
    """What to do."""
    where: Location | str
    """The line of a file, or the page of the repository's settings: `Settings > Actions > General`."""
    url: str | None = None
    """Of that page."""


def worst_first(findings: list[Finding]) -> list[Finding]:
    """Errors, then warnings, then what could not be looked at; otherwise as found."""
    return sorted(findings, key=lambda finding: _ORDER[finding.level])
