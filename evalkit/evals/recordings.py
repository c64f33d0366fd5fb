"""Recordings that lie in the registry: answers that a contributor without keys brings along with a candidate.

Anybody can write one, so it shows what a candidate may be worth, and is never evidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evalkit.errors import ConfigError, Location, Problem
from evalkit.evals.providers.replay import Recording

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.runtime.refs import Ref

__all__ = ["MAX_RECORDING_BYTES", "open_recording", "recording_path"]

MAX_RECORDING_BYTES: Final = 5 * 1024 * 1024
"""What a repository can bear to keep for ever."""


def recording_path(entry: Ref, suite: Ref) -> str:
    """Where the recording of an entry's answers to a suite lies in a project."""
    return f"registry/recordings/{entry.name}/v{entry.version}/{suite}.jsonl"


def open_recording(path: Path, display: str) -> Recording:
    """Open a recording that lies in a registry; the caller closes it.

    Raises:
        ConfigError: EK507, it is too large, or not a recording.
    """
    size = path.stat().st_size
    if size > MAX_RECORDING_BYTES:
        message = f"a recording in the registry has at most {MAX_RECORDING_BYTES >> 20} MiB, and this has {size:,} bytes"
        hint = "keep the answers of the cases, and leave out what else a run writes"
        raise ConfigError(Problem("EK507", message, Location(display), hint))
    return Recording(path, display)
