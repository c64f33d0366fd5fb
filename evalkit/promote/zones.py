"""Time zones by name or offset."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from datetime import tzinfo

__all__ = ["offset_zone", "zone_named", "zone_text"]

_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")


def zone_named(name: str) -> tzinfo:
    """The zone of a name (`Europe/Berlin`, `UTC`) or an offset (`+01:00`).

    Raises:
        UsageError: EK862, there is none.
    """
    if name.lower() in {"utc", "gmt", "z"} or _OFFSET.fullmatch(name):
        return offset_zone(name.lower())
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a folder of the zone database is an OSError
        known = {zone.lower(): zone for zone in available_timezones()}
        guess = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {known[guess[0]]}?" if guess else "like Europe/Berlin, UTC or +01:00"
        raise UsageError(Problem("EK862", f"there is no time zone '{name[:100]}'", hint=hint)) from None


def offset_zone(text: str) -> tzinfo:
    """The zone of `utc`, `gmt`, `z`, or an offset of less than a day.

    Raises:
        UsageError: EK862, an offset of a day or more.
    """
    match = _OFFSET.fullmatch(text)
    if match is None:
        return UTC
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    if offset >= timedelta(days=1) or int(match[3]) > 59:
        raise UsageError(Problem("EK862", f"{text} is no offset from UTC", hint="like +01:00"))
    return timezone(-offset if match[1] == "-" else offset)


def zone_text(zone: tzinfo) -> str:
    """The zone's name, for people."""
    return str(zone)
