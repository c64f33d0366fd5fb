from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.runtime.serving import EntryState, serving

states = st.lists(
    st.builds(
        EntryState,
        version=st.integers(1, 30),
        status=st.sampled_from(["draft", "staging", "production", "retired"]),
        traffic=st.none() | st.floats(0, 100),
    ),
    unique_by=lambda state: state.version,
    max_size=12,
)


def test_the_highest_production_version_serves():
    serves = serving(
        [EntryState(12, "production"), EntryState(13, "production"), EntryState(14, "staging")], "production"
    )
    assert serves is not None
    assert (serves.primary, serves.weights, serves.standby) == (13, {13: 1.0}, (12,))


def test_staging_is_its_newest_entry_if_newer_than_production():
    assert serving([EntryState(13, "production"), EntryState(14, "staging")], "staging").primary == 14
    assert serving([EntryState(13, "production"), EntryState(12, "staging")], "staging").primary == 13


def test_one_entry_with_traffic_is_no_ab():
    serves = serving([EntryState(13, "production", traffic=30), EntryState(14, "production")], "production")
    assert serves.primary == 14


def test_the_control_of_an_ab_is_its_primary():
    arms = [
        EntryState(13, "production", 10, control=True),
        EntryState(14, "production", 90),
        EntryState(12, "production"),
    ]
    serves = serving(arms, "production")
    assert (serves.primary, serves.weights, serves.standby) == (13, {13: 10.0, 14: 90.0}, (12,))


def test_without_a_control_the_largest_weight_leads():
    assert (
        serving([EntryState(13, "production", 70), EntryState(14, "production", 30)], "production").primary
        == 13
    )
    assert (
        serving([EntryState(13, "production", 50), EntryState(14, "production", 50)], "production").primary
        == 14
    )


def test_two_controls_are_ambiguous():
    arms = [EntryState(1, "production", 1, control=True), EntryState(2, "production", 1, control=True)]
    with pytest.raises(ValueError, match="v2, v1"):
        serving(arms, "production")


def test_an_unknown_environment_is_an_error():
    with pytest.raises(ValueError, match="unknown environment 'prod'"):
        serving([], "prod")


@given(states, st.sampled_from(["production", "staging"]))
def test_drafts_and_retired_entries_never_serve(entries, env):
    serves = serving(entries, env)
    if serves is None:
        assert not any(state.status == "production" for state in entries)
    else:
        live = {state.version for state in entries if state.status in {"staging", "production"}}
        assert {serves.primary, *serves.weights, *serves.standby} <= live
        assert serves.primary in serves.weights
        assert not set(serves.weights) & set(serves.standby)


@given(states, st.randoms())
def test_the_order_of_files_does_not_matter(entries, shuffler):
    shuffled = list(entries)
    shuffler.shuffle(shuffled)
    assert serving(entries, "production") == serving(shuffled, "production")
