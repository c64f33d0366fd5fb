from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.promote.audit import (
    current_roles,
    describe,
    describe_hold,
    is_notable,
    served_time,
    shares,
    tenures,
    with_holds,
)
from evalkit.promote.history import CommitInfo, Moment, NameHistory, Transition, VersionState
from evalkit.promote.history.holds import HoldChange
from evalkit.runtime.serving import EntryState, serving

START = datetime(2026, 10, 1, tzinfo=UTC)


def commit(number: int) -> CommitInfo:
    time = START + timedelta(days=number)
    return CommitInfo(f"{number:040x}", time, "Ann", "ann@example.com", f"Change {number}", "", (), time)


def moment(number: int, *states: EntryState) -> Moment:
    found = {s.version: VersionState(s, f"blob-{number}-{s.version}", None, None, None) for s in states}
    return Moment(commit(number), found)


def change(
    kind: str, before: str | None, after: str | None, *, version: int = 14, was=13, serves=13, **known
) -> Transition:
    return Transition(
        commit(0), "triage", version, kind, before, after, (), None, None, None, None, was, serves, **known
    )


@pytest.mark.parametrize(
    ("transition", "said"),
    [
        (change("status", "staging", "production", serves=14), "v14 staging -> production, replacing v13"),
        (
            change("status", "staging", "production", was=None, serves=14),
            "v14 staging -> production, the first to serve",
        ),
        (change("status", "production", "retired", was=14), "v14 production -> retired; rolled back to v13"),
        (
            change("status", "production", "retired", was=14, serves=15),
            "v14 production -> retired; v15 serves",
        ),
        (
            change("status", "production", "retired", was=14, serves=None),
            "v14 production -> retired; nobody serves",
        ),
        (change("status", "production", "retired", version=12), "v12 production -> retired"),
        (change("status", "draft", "staging"), "v14 draft -> staging"),
        (change("exposure", None, "5 %", canary_after=14), "canary v14 starts with 5 %"),
        (change("exposure", "5 %", "25 %", canary_after=14), "canary v14 5 % -> 25 %"),
        (change("exposure", "5 %", "0 %", status="staging"), "canary v14 5 % -> 0 %"),
        (
            change("exposure", None, "5 %", status="draft"),
            "canary v14 starts with 5 % (from staging on)",
        ),
        (
            change("exposure", None, "5 %", status="staging", was=15, serves=15),
            "canary v14 starts with 5 % (of no effect: v15 is newer)",
        ),
        (
            change("exposure", None, "weight 30", status="staging"),
            "v14 no weight -> weight 30 (from production on)",
        ),
        (
            change("status", "staging", "production", arms_before=(13,), arms_after=(13, 14)),
            "v14 staging -> production, starting an A/B with v13",
        ),
        (
            change("status", "staging", "production", arms_before=(12, 13), arms_after=(12, 13, 14)),
            "v14 staging -> production, joining the A/B of v12 and v13",
        ),
        (
            change("status", "production", "retired", arms_before=(13, 14), arms_after=(13,)),
            "v14 production -> retired; the A/B ends, v13 serves",
        ),
        (
            change("exposure", "weight 5", "weight 0", arms_before=(12, 13, 14), arms_after=(12, 13)),
            "v14 weight 5 -> weight 0; the A/B goes on with v12 and v13",
        ),
        (
            change("status", "production", "retired", version=11, was=13, serves=14, surplus_of=14),
            "v11 production -> retired, a surplus standby when v14 came",
        ),
        (change("exposure", "25 %", None, serves=14), "canary v14 ends, it had 25 %"),
        (
            change("exposure", "weight 30", "weight 70", serves=14),
            "v14 weight 30 -> weight 70, replacing v13",
        ),
        (change("exposure", None, "weight 30"), "v14 no weight -> weight 30"),
        (change("created", None, "draft"), "v14 created"),
        (change("created", None, "production", serves=14), "v14 created as production, replacing v13"),
        (change("deleted", "draft", None), "v14 deleted"),
        (change("deleted", "production", None, was=14), "v14 deleted, it was production; rolled back to v13"),
        (change("approved", None, "bob"), "v14 approved by bob"),
        (change("approved", "bob", None), "v14 approval by bob removed"),
        (change("evaluated", None, "0.93"), "v14 evaluated, score 0.93"),
        (change("evaluated", "0.93", None), "v14 score removed"),
        (change("edited", None, None), "v14 edited"),
    ],
)
def test_a_change_is_said_in_one_line(transition, said):
    assert describe(transition) == said


def hold(number: int, kind: str = "held", **changes) -> HoldChange:
    known = {"digest": None, "by": "Ann", "reason": "why", "until": None, "authors": (), "approver": None}
    return HoldChange(commit(number), "triage", kind, **(known | changes), pr=None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (hold(0), "every version held by Ann"),
        (hold(0, until="2027-01-06"), "every version held by Ann until 2027-01-06"),
        (hold(0, digest="sha256:ab"), "content held by Ann"),
        (hold(0, "released", by=None), "every version released"),
    ],
)
def test_a_hold_is_said_in_a_few_words(change, said):
    assert describe_hold(change) == said


def test_holds_stand_with_what_came_in_the_same_commit_and_else_in_their_time():
    moved = [replace(change("status", "staging", "production"), commit=commit(n)) for n in (1, 1, 3)]
    found = with_holds(moved, [hold(0), hold(1), hold(2), hold(4)])
    told = [(one.kind, (one.commit.time - START).days) for one in found]
    assert told == [
        ("held", 0), ("status", 1), ("status", 1), ("held", 1), ("held", 2), ("status", 3), ("held", 4),
    ]  # fmt: skip


def test_drafts_and_records_are_no_news():
    quiet = [
        ("created", None, "draft"),
        ("deleted", "draft", None),
        ("approved", None, "bob"),
        ("edited", None, None),
    ]
    loud = [
        ("created", None, "staging"),
        ("deleted", "retired", None),
        ("status", "draft", "staging"),
        ("exposure", None, "5 %"),
    ]
    assert [is_notable(change(*one)) for one in quiet + loud] == [False] * 4 + [True] * 4


def test_the_canary_is_taken_first_and_arms_divide_the_rest():
    entries = [
        EntryState(13, "production", 60.0, control=True),
        EntryState(14, "production", 20.0),
        EntryState(15, "staging", percent=20.0),
    ]
    found = shares(serving(entries, "production"))
    assert [(one.version, one.role, round(one.share, 9)) for one in found] == [
        (13, "primary", 0.6),
        (14, "arm", 0.2),
        (15, "canary", 0.2),
    ]


def test_a_version_that_comes_back_has_two_tenures():
    history = [
        moment(0, EntryState(13, "production")),
        moment(1, EntryState(13, "production"), EntryState(14, "staging", percent=5.0)),
        moment(3, EntryState(13, "production"), EntryState(14, "production")),
        moment(6, EntryState(13, "production"), EntryState(14, "retired")),
    ]
    found = tenures(history, "production")
    days = [(t.version, t.role, (t.since - START).days, t.until and (t.until - START).days) for t in found]
    assert days == [
        (13, "primary", 0, 3),
        (14, "canary", 1, 3),
        (14, "primary", 3, 6),
        (13, "primary", 6, None),
    ]
    total = served_time([t for t in found if t.version == 13], START + timedelta(days=10))
    assert total == timedelta(days=7)


def test_nobody_is_said_to_serve_where_entries_contradict_each_other():
    clash = [EntryState(v, "staging", percent=5.0) for v in (14, 15)]
    history = [
        moment(0, EntryState(13, "production")),
        moment(1, EntryState(13, "production"), *clash),
        moment(2, EntryState(13, "production")),
    ]
    found = tenures(history, "production")
    assert [((t.since - START).days, t.until and (t.until - START).days) for t in found] == [
        (0, 1),
        (2, None),
    ]
    with pytest.raises(ValueError, match="more than one staging entry is a canary"):
        list(current_roles(NameHistory("triage", tuple(history[:2])), "production"))


states = st.builds(
    EntryState,
    st.integers(1, 5),
    st.sampled_from(["draft", "staging", "production", "retired"]),
    st.none() | st.sampled_from([0.0, 1.0, 30.0]),
    st.booleans(),
    percent=st.none() | st.sampled_from([0.0, 5.0, 100.0]),
)
moments = st.lists(st.lists(states, max_size=5, unique_by=lambda s: s.version), min_size=1, max_size=8).map(
    lambda found: [moment(number, *entries) for number, entries in enumerate(found)]
)


@given(moments, st.sampled_from(["production", "staging"]))
def test_tenures_tell_at_every_moment_who_serves(history, env):
    found = tenures(history, env)
    for one in history:
        now = one.commit.time
        said = {(t.version, t.role) for t in found if t.since <= now and (t.until is None or now < t.until)}
        try:
            live = one.serving(env)
        except ValueError:
            live = None
        assert said == {(share.version, share.role) for share in shares(live)}
        assert not live or abs(sum(share.share for share in shares(live)) - 1) < 1e-9


@given(moments, st.sampled_from(["production", "staging"]))
def test_the_last_tenures_are_the_current_roles(history, env):
    try:
        current = list(current_roles(NameHistory("triage", tuple(history)), env))
    except ValueError:
        return
    assert {(share.version, share.role) for share, _ in current} == {
        (t.version, t.role) for t in tenures(history, env) if t.until is None
    }
    assert all(share.version == tenure.version and tenure.until is None for share, tenure in current)
