from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import UsageError
from evalkit.promote.when import clock_text, read_when
from evalkit.promote.zones import zone_named

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)  # a Wednesday, 10:00 in Berlin
ZONES = ["Europe/Berlin", "America/New_York", "America/Havana", "Africa/Cairo", "Asia/Kolkata", "UTC"]
"""Havana and Cairo change their clocks at midnight."""


def read(text: str, zone=BERLIN, now: datetime = NOW, **options):
    return read_when(text, now, zone, **options)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-03 14:00", "2026-11-03 14:00 CET"),
        ("2026-11-03T14:00", "2026-11-03 14:00 CET"),
        ("2026-11-03T14:00:05", "2026-11-03 14:00:05 CET"),
        ("2026/11/3 08:00", "2026-11-03 08:00 CET"),
        ("2026-11-03T14:00:00+01:00", "2026-11-03 14:00 CET"),
        ("2026-11-03 14:00Z", "2026-11-03 15:00 CET"),
        ("2026-11-03 14:00 UTC", "2026-11-03 15:00 CET"),
        ("Tue, 3 Nov 2026 14:00:00 +0500", "2026-11-03 10:00 CET"),
        ("last tuesday 14:00", "2026-11-24 14:00 CET"),
        ("last tuesday at 2pm", "2026-11-24 14:00 CET"),
        ("last wednesday 14:00", "2026-11-18 14:00 CET"),
        ("yesterday 9am", "2026-11-24 09:00 CET"),
        ("2pm yesterday", "2026-11-24 14:00 CET"),
        ("yesterday 14:00 UTC", "2026-11-24 15:00 CET"),
        ("today 09:00", "2026-11-25 09:00 CET"),
        ("nov 3 14:00", "2026-11-03 14:00 CET"),
        ("tuesday 3 nov 14:00", "2026-11-03 14:00 CET"),
        ("14:00", "2026-11-24 14:00 CET"),
        ("3 days ago", "2026-11-22 10:00 CET"),
        ("3 days ago 14:00", "2026-11-22 14:00 CET"),
        ("2 weeks ago", "2026-11-11 10:00 CET"),
        ("1 month ago", "2026-10-25 10:00 CET"),
        ("90 minutes ago", "2026-11-25 08:30 CET"),
        ("now", "2026-11-25 10:00 CET"),
        ("  NOW ", "2026-11-25 10:00 CET"),
    ],
)
def test_a_time_is_the_moment_that_it_says(text, moment):
    assert clock_text(read(text).moment, BERLIN) == moment


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24",
        "2026.11.24",
        "yesterday",
        "last tuesday",
        "tuesday",
        "nov 24",
        "24 november 2026",
        "11/24/2026",
    ],
)
def test_a_day_is_its_end(text):
    found = read(text)
    assert (clock_text(found.moment, BERLIN), found.reading) == ("2026-11-24 23:59:59 CET", "day_end")


@pytest.mark.parametrize("text", ["yesterday", "2026-11-24"])
def test_since_a_day_is_from_its_start(text):
    assert clock_text(read(text, day="start").moment, BERLIN) == "2026-11-24 00:00 CET"


@pytest.mark.parametrize("text", ["today", "2026-11-25"])
def test_a_day_that_is_not_over_is_now(text):
    assert (read(text).moment, read(text).reading) == (NOW, "now")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no moment"),
        ("last banana", "no moment"),
        ("tuesday banana 14:00", "no moment"),
        ("2026-13-45", "month must be in 1..12"),
        ("2026-02-29", "no date"),
        ("2026-11-03 25:00", "hour must be in 0..23"),
        ("03/11/2026", "it could be 2026-03-11 or 2026-11-03"),
        ("last week", "a whole week"),
        ("last month", "a whole month"),
        ("2025", "a whole year"),
        ("monday morning", "say the hour"),
        ("monday 3 nov", "2026-11-03 is a Tuesday"),
        ("2026-11-03 14:00 CET", "several zones share such a name"),
        ("99999999 years ago", "no moment"),
        ("0001-01-01", "no moment"),
        ("yester\x1bday", "no moment"),
        ("x" * 1_000, "no moment"),
        ("2026-10-25 02:30", "02:30 on 2026-10-25 in Europe/Berlin twice"),
        ("2026-03-29 02:30", "no 02:30 on 2026-03-29 in Europe/Berlin"),
    ],
)
def test_what_is_not_one_moment_is_refused(text, why):
    with pytest.raises(UsageError) as caught:
        read(text)
    problem = caught.value.problems[0]
    assert problem.code == "EK861"
    assert why in problem.message
    assert problem.hint


def test_a_time_that_the_clocks_had_twice_can_be_said_with_its_offset():
    with pytest.raises(UsageError, match="twice") as caught:
        read("2026-10-25 02:30")
    first, second = caught.value.problems[0].hint.removeprefix("write ").split(" or ")
    moments = [read(text.strip('"')).moment for text in (first, second)]
    assert moments == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]


def test_hours_ago_have_passed_whatever_the_clocks_did():
    now = datetime(2026, 10, 25, 3, 0, tzinfo=UTC)  # 04:00 in Berlin, where 02:00 to 03:00 came twice
    assert read("4 hours ago", now=now).moment == now - timedelta(hours=4)


def test_days_ago_keep_the_time_of_day():
    now = datetime(2026, 10, 26, 9, 0, tzinfo=UTC)  # 10:00; the day before had 25 hours
    assert clock_text(read("2 days ago", now=now).moment, BERLIN) == "2026-10-24 10:00 CEST"


@pytest.mark.parametrize(
    "text", ["tomorrow", "2026-11-26", "next friday", "in 3 days", "2026-11-25 10:01", "9999-12-31"]
)
def test_what_has_not_come_yet_is_said_to_be_so(text):
    with pytest.raises(UsageError, match="EK863") as caught:
        read(text)
    assert "now it is 2026-11-25 10:00 CET" in caught.value.problems[0].hint


moments = st.integers(0, (datetime(2026, 11, 1) - datetime(1990, 1, 1)) // timedelta(seconds=1)).map(  # noqa: DTZ001 - clock times, of any zone
    lambda seconds: datetime(1990, 1, 1) + timedelta(seconds=seconds)  # noqa: DTZ001
)


@given(moments, st.sampled_from(ZONES), st.integers(-14 * 60, 14 * 60))
def test_a_time_with_an_offset_is_read_back_whatever_the_zone(clock, name, minutes):
    moment = clock.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert read(moment.isoformat(), ZoneInfo(name)).moment == moment


@given(moments, st.sampled_from(ZONES))
def test_a_local_time_is_refused_or_read_back(clock, name):
    zone = ZoneInfo(name)
    try:
        found = read(clock.isoformat(sep=" "), zone).moment
    except UsageError:
        one, other = clock.replace(tzinfo=zone), clock.replace(tzinfo=zone, fold=1)
        assert one.utcoffset() != other.utcoffset()
    else:
        assert found.astimezone(zone).replace(tzinfo=None) == clock


@given(moments, st.sampled_from(ZONES))
def test_a_day_ends_where_the_next_begins(clock, name):
    zone, day = ZoneInfo(name), clock.date()
    start, end = read(day.isoformat(), zone, day="start").moment, read(day.isoformat(), zone).moment
    following = read((day + timedelta(days=1)).isoformat(), zone, day="start").moment
    assert end + timedelta(seconds=1) == following
    assert start.astimezone(zone).date() == end.astimezone(zone).date() == day


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        moment = read(text).moment
    except UsageError:
        return
    assert moment <= NOW


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("UTC", "UTC"),
        ("z", "UTC"),
        ("+01:00", "UTC+01:00"),
        ("-0330", "UTC-03:30"),
        ("Asia/Tokyo", "Asia/Tokyo"),
    ],
)
def test_a_zone_is_a_name_or_an_offset(name, shown):
    assert str(zone_named(name)) == shown


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("../../etc/passwd", "like"),
        ("Europe", ""),
        ("+25:00", ""),
        ("+00:99", ""),
    ],
)
def test_a_zone_that_is_none_is_refused(name, hint):
    with pytest.raises(UsageError, match="EK862") as caught:
        zone_named(name)
    assert hint in caught.value.problems[0].hint


def test_a_date_is_read_without_loading_the_library_for_phrases():
    code = (
        "import sys; from datetime import UTC, datetime; from evalkit.promote.when import read_when;"
        "read_when('2026-11-03 14:00', datetime(2026, 11, 25, tzinfo=UTC), UTC); assert 'dateparser' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
