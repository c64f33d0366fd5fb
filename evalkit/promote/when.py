"""A date, a time or a phrase as one moment. Pure: the time it is now and the zone are given.

Dates and times in ISO 8601 are read here. Phrases ("last tuesday 14:00") are read by dateparser, in English and with
the past preferred; it is loaded for phrases only. What could be two moments is refused, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from evalkit.errors import Problem, UsageError
from evalkit.promote.zones import offset_zone, zone_text

if TYPE_CHECKING:
    from datetime import tzinfo

__all__ = ["EXAMPLES", "When", "clock_text", "read_when"]

EXAMPLES = (
    'write it like "2026-11-03", "2026-11-03 14:00", "2026-11-03T14:00+01:00", "last tuesday 14:00", '
    '"yesterday", "3 days ago", "now", or name a commit or a tag'
)
_LONGEST = 100
_DAY = re.compile(r"(\d{4})[-./](\d{1,2})[-./](\d{1,2})")
_TIME = re.compile(rf"{_DAY.pattern}(?:t| +)(\d{{2}}:\d{{2}}(?::\d{{2}}(?:[.,]\d{{1,6}})?)?)")
_ZONE = re.compile(r"(?<=[\d:]) ?z|\s+(?:utc|gmt|z)|(?:(?<=:\d\d)|\s+)[+-]\d\d:?\d\d")
"""At the end of a text. Without a space before it, an offset stands only after a time: `3-11-2026` ends in a year."""
_ELAPSED = re.compile(r"\b(?:h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?)\b.*\bago\b")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY = re.compile(
    r"\b(?:(mon)(?:day)?|(tue)(?:s|sday)?|(wed)(?:nesday)?|(thu)(?:r|rs|rsday)?|(fri)(?:day)?|(sat)(?:urday)?|(sun)(?:day)?)\b"
)


@dataclass(frozen=True, slots=True)
class When:
    """A moment, and how it was found."""

    text: str
    """As it was asked for."""
    moment: datetime
    """In UTC."""
    reading: str
    """`moment`, `now`, `day_end` or `day_start`; `commit` where a commit was named."""


def read_when(text: str, now: datetime, zone: tzinfo, *, day: str = "end") -> When:
    """The moment that a text means.

    A date without a time is a day: its last second, or now if the day is not over. A weekday is the last one before
    today, and a time without a date the last one before now. `3 days ago` keeps the time of day in the zone; hours and
    minutes ago are time that has passed, whatever the clocks did meanwhile.

    Args:
        text: what was asked for.
        now: aware.
        zone: of what names no zone.
        day: the `end` of a day, or its `start`.

    Raises:
        UsageError: EK861, it cannot be read, is longer than a day, or could be several moments: also a clock time that
            the zone skipped or had twice; EK863, it has not come yet.
    """
    asked = " ".join(text.split())
    if not asked or len(asked) > _LONGEST or not asked.isprintable():
        raise _refused(asked[:_LONGEST], "no moment")
    found = _read(asked, now.astimezone(UTC), zone, day)
    if found.moment > now:
        message = f"'{asked}' has not come yet: it is {clock_text(found.moment, zone)}"
        hint = f"now it is {clock_text(now, zone)}"
        raise UsageError(Problem("EK863", message, hint=hint))
    return found


def clock_text(moment: datetime, zone: tzinfo) -> str:
    """`2026-11-03 14:00 CET`; seconds only where there are any."""
    local = moment.astimezone(zone)
    seconds = ":%S" if local.second else ""
    name = local.strftime("%Z") or zone_text(zone)
    return local.strftime(f"%Y-%m-%d %H:%M{seconds} ") + name


def _read(asked: str, now: datetime, zone: tzinfo, day: str) -> When:
    lowered = asked.lower()
    if found := re.search(rf"(?:{_ZONE.pattern})$", lowered):
        lowered, zone = lowered[: found.start()].rstrip(), offset_zone(found[0].strip())
    if lowered == "now":
        return When(asked, now, "now")
    if match := _DAY.fullmatch(lowered):
        return _day(asked, _date(asked, match), now, zone, day)
    if match := _TIME.fullmatch(lowered):
        return When(asked, _instant(asked, _clock(asked, match), zone, stated=True), "moment")
    return _phrase(asked, lowered, now, zone, day)


def _date(asked: str, match: re.Match[str]) -> date:
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError as error:
        raise _refused(asked, f"no date: {error}") from None


def _clock(asked: str, match: re.Match[str]) -> datetime:
    try:
        return datetime.combine(_date(asked, match), time.fromisoformat(match[4].replace(",", ".")))
    except ValueError as error:
        raise _refused(asked, f"no time: {error}") from None


def _day(asked: str, found: date, now: datetime, zone: tzinfo, day: str) -> When:
    """A whole day: its first second or its last, or now if that is earlier."""
    start = _midnight(asked, found, zone)
    if day == "start" or start > now:
        return When(asked, start, "day_start")
    end = _midnight(asked, found + timedelta(days=1), zone) - timedelta(seconds=1)
    return When(asked, end, "day_end") if end <= now else When(asked, now, "now")


def _midnight(asked: str, found: date, zone: tzinfo) -> datetime:
    return _instant(asked, datetime.combine(found, time()), zone, stated=False)


def _phrase(asked: str, lowered: str, now: datetime, zone: tzinfo, day: str) -> When:
    elapsed = _ELAPSED.search(lowered) is not None
    counted = UTC if elapsed else zone
    base = now.astimezone(counted).replace(tzinfo=None)
    readings = {order: _parsed(lowered, base, order) for order in ("MDY", "DMY")}
    found, period = readings["MDY"]
    if found is None or readings["DMY"][0] is None:
        raise _refused(asked, "no moment")
    if found != readings["DMY"][0]:
        both = " or ".join(f"{one:%Y-%m-%d}" for one, _ in readings.values() if one)
        raise _refused(asked, f"not clear: it could be {both}")
    if found.tzinfo is not None:
        raise _refused(
            asked, "not clear: several zones share such a name; use --tz, or an offset like +01:00"
        )
    if period == "part_of_day":
        raise _refused(asked, "no time of day: say the hour")
    named = _WEEKDAY.search(lowered)
    if named and _WEEKDAYS[found.weekday()] not in named.groups():
        raise _refused(asked, f"not clear: {found:%Y-%m-%d} is a {found:%A}")
    ago = re.search(r"\bago\b", lowered) is not None
    if period == "time" or ago:
        stated = period == "time" and not elapsed
        return When(asked, _instant(asked, found, counted, stated=stated), "moment")
    if period != "day":
        raise _refused(asked, f"not one day but a whole {period}")
    return _day(asked, found.date(), now, zone, day)


def _parsed(lowered: str, base: datetime, order: str) -> tuple[datetime | None, str]:
    """What dateparser reads, and how long it says that is: `time`, `day`, `week` and so on."""
    from dateparser.date import DateDataParser

    settings = {
        "DATE_ORDER": order,
        "PARSERS": ["relative-time", "absolute-time"],
        "PREFER_DATES_FROM": "past",
        "RELATIVE_BASE": base,
        "RETURN_TIME_AS_PERIOD": True,
    }
    try:
        found = DateDataParser(languages=["en"], settings=settings).get_date_data(lowered)
    except (OverflowError, ValueError):  # "99999999 years ago"
        return None, ""
    return found.date_obj, found.period


def _instant(asked: str, clock: datetime, zone: tzinfo, *, stated: bool) -> datetime:
    """A clock time in a zone as a moment in UTC.

    One that the zone skipped or had twice is refused if it was stated. One that was counted to is then the moment as
    far after the change as the clock says, or the first of two.
    """
    early, late = clock.replace(tzinfo=zone), clock.replace(tzinfo=zone, fold=1)
    before, after = early.utcoffset(), late.utcoffset()
    if stated and before is not None and after is not None and before != after:
        where = f"{clock:%H:%M} on {clock:%Y-%m-%d} in {zone_text(zone)}"
        offsets = " or ".join(f'"{one.isoformat(timespec="minutes")}"' for one in (early, late))
        if before < after:
            raise _refused(asked, f"no moment: there was no {where}, clocks went forward", f"write {offsets}")
        raise _refused(asked, f"not clear: there was {where} twice, clocks went back", f"write {offsets}")
    try:
        return early.astimezone(UTC)
    except OverflowError:
        raise _refused(asked, "no moment that a calendar has") from None


def _refused(asked: str, why: str, hint: str = EXAMPLES) -> UsageError:
    return UsageError(Problem("EK861", f"'{asked}' is {why}", hint=hint))
