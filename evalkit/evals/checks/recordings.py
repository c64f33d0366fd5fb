"""Recordings in the registry: each can be read, is small enough, and is of something that there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError, Location, Problem
from evalkit.evals.recordings import open_recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.registry.checks import Catalog

__all__ = ["RecordingsReport", "check_recordings"]


@dataclass(slots=True)
class RecordingsReport:
    """What was found."""

    problems: list[Problem] = field(default_factory=list)
    files: int = 0


def check_recordings(catalog: Catalog, wanted: Callable[[str], bool]) -> RecordingsReport:
    """Check every recording: its size, its lines, and that there are such an entry and such a suite."""
    report = RecordingsReport()
    for found in catalog.tree.recordings:
        if not wanted(found.display):
            continue
        report.files += 1
        try:
            open_recording(found.path, found.display).close()
        except EvalkitError as error:
            report.problems += error.problems
        except OSError as error:
            said = f"cannot be read: {error.strerror}"
            report.problems.append(Problem("EK107", said, Location(found.display)))
        for kind, ref in (("entries", found.ref), ("suites", found.suite)):
            if ref is not None and not catalog.tree.exists(kind, ref):
                noun = "entry" if kind == "entries" else "suite"
                message = f"this is a recording for {ref}, and there is no such {noun}"
                hint = "move it to the folder of what it was made for, or delete it"
                report.problems.append(Problem("EK201", message, Location(found.display), hint))
    return report
