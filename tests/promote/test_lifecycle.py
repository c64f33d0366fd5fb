from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.registry.lifecycle import violations
from evalkit.registry.overrides import added, unexcused
from evalkit.registry.schema.override import Override
from evalkit.runtime.serving import EntryState, conflicts, serving

STATUSES = ("draft", "staging", "production", "retired")


def states(**versions) -> dict[int, EntryState]:
    """`v14="production"`, or a tuple of status and other fields."""
    found = {}
    for key, value in versions.items():
        status, fields = (value, {}) if isinstance(value, str) else value
        found[int(key[1:])] = EntryState(int(key[1:]), status, **fields)
    return found


def kinds(before, after, used=()) -> list[tuple[int, str]]:
    return [(one.version, one.kind) for one in violations(before, after, used)]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("draft", "staging", None),
        ("staging", "production", None),
        ("draft", "retired", None),
        ("staging", "retired", None),
        ("production", "retired", None),
        ("draft", "production", "skips-staging"),
        ("staging", "draft", "goes-back"),
        ("production", "staging", "goes-back"),
        ("production", "draft", "goes-back"),
        ("retired", "draft", "revives"),
        ("retired", "staging", "revives"),
        ("retired", "production", "revives"),
    ],
)
def test_a_version_moves_forward_one_step_or_is_retired(old, new, kind):
    others = {"v1": "production", "v2": "production"}
    found = kinds(states(**others, v9=old), states(**others, v9=new))
    assert found == ([] if kind is None else [(9, kind)])


def test_a_new_version_begins_as_a_draft_so_it_may_arrive_in_staging_and_not_in_production():
    served = states(v1="production")
    assert kinds(served, served | states(v2="draft")) == []
    assert kinds(served, served | states(v2="staging")) == []
    assert kinds(served, served | states(v2="production")) == [(2, "skips-staging")]


def test_promoting_below_what_serves_is_refused():
    before = states(v13="staging", v14="production")
    assert kinds(before, states(v13="production", v14="production")) == [(13, "below")]
    assert kinds(states(v13="draft", v14="production"), states(v13="staging", v14="production")) == [
        (13, "below")
    ]


def test_an_older_version_does_not_slip_in_by_retiring_what_serves_in_the_same_change():
    before = states(v12="production", v13="staging", v14="production")
    after = states(v12="production", v13="production", v14="retired")
    assert kinds(before, after) == [(13, "below")]


def test_of_two_promotions_merged_in_parallel_the_one_that_never_serves_is_refused():
    before = states(v14="production", v15="staging", v16="staging")
    after = states(v14="production", v15="production", v16="production")
    assert kinds(before, after) == [(15, "below")]


def test_two_parallel_retirements_that_together_empty_production_are_refused():
    before = states(v13="production", v14="production")
    assert kinds(before, states(v13="production", v14="retired")) == []
    assert kinds(before, states(v13="retired", v14="production")) == []
    assert kinds(before, states(v13="retired", v14="retired")) == [(14, "empties")]


def test_what_serves_may_be_retired_when_its_successor_comes_in_the_same_change():
    before = states(v14="production", v15="staging")
    assert kinds(before, states(v14="retired", v15="production")) == []


def test_emptying_staging_is_refused_too():
    assert kinds(states(v1="staging"), states(v1="retired")) == [(1, "empties")]
    assert kinds(states(v1="staging", v2="staging"), states(v1="staging", v2="retired")) == []


def test_into_a_live_ab_goes_only_what_has_a_weight():
    ab = {"v14": ("production", {"traffic": 70}), "v15": ("production", {"traffic": 30})}
    before = states(**ab, v16="staging")
    assert kinds(before, states(**ab, v16="production")) == [(16, "no-weight")]
    assert kinds(before, states(**ab, v16=("production", {"traffic": 10}))) == []


def test_a_promotion_that_ends_the_ab_in_the_same_change_needs_no_weight():
    before = states(v14=("production", {"traffic": 7}), v15=("production", {"traffic": 3}), v16="staging")
    after = states(v14=("production", {"traffic": 7}), v15="retired", v16="production")
    assert kinds(before, after) == []


def test_one_canary_and_one_control():
    served = states(v1="production")
    two = states(v2=("staging", {"percent": 5}), v3=("staging", {"percent": 5}))
    assert kinds(served, served | two) == [(3, "ambiguous")]
    arms = states(
        v1=("production", {"traffic": 1, "control": True}), v2=("production", {"traffic": 1, "control": True})
    )
    before = states(v1="production", v2="production")
    assert kinds(before, arms) == [(2, "ambiguous")]


def test_only_drafts_are_deleted_and_no_number_is_used_twice():
    before = states(v1="production", v2="draft", v3="retired")
    assert kinds(before, states(v1="production", v3="retired")) == []
    assert kinds(before, states(v1="production", v2="draft")) == [(3, "deletes")]
    assert kinds(before, before | states(v4="draft"), used={1, 2, 3, 4}) == [(4, "reuses-number")]


def test_a_change_out_of_an_ambiguous_state_is_legal():
    before = states(v1="production", v2=("staging", {"percent": 5}), v3=("staging", {"percent": 5}))
    assert kinds(before, states(v1="production", v2="staging", v3=("staging", {"percent": 5}))) == []


any_states = st.dictionaries(
    st.integers(1, 5),
    st.tuples(
        st.sampled_from(STATUSES), st.sampled_from([None, 0, 30]), st.booleans(), st.sampled_from([None, 10])
    ),
    max_size=4,
).map(
    lambda found: {
        v: EntryState(v, status, traffic, control, percent=percent)
        for v, (status, traffic, control, percent) in found.items()
    }
)


@given(any_states)
def test_changing_nothing_is_legal_wherever_it_is_clear_who_serves(found):
    assert violations(found, found) == [] or conflicts(found.values())


@given(any_states, any_states)
def test_a_legal_change_leaves_everything_clear_and_served_and_brings_nothing_back(before, after):
    if violations(before, after) or conflicts(before.values()):
        return
    for env in ("production", "staging"):
        was, now = serving(before.values(), env), serving(after.values(), env)
        assert was is None or now is not None
        for version in now.weights if now else ():
            assert version not in before or before[version].status != "retired"


def record(version, change, reason="an outage") -> Override:
    return Override.model_validate(
        {"version": version, "change": change, "reason": reason, "by": "Ada", "on": "2026-03-01"}
    )


def test_an_override_excuses_one_kind_for_one_version_in_the_same_change():
    found = violations(states(v1="production", v2="draft"), states(v1="retired", v2="production"))
    assert [(v.version, v.kind) for v in found] == [(2, "skips-staging")]
    assert unexcused(found, [record(2, "skips-staging")]) == []
    assert unexcused(found, [record(1, "skips-staging")]) == found
    assert unexcused(found, [record(2, "below")]) == found


def test_no_record_excuses_what_cannot_be_compiled():
    served = states(v1="production", v2=("staging", {"percent": 5}), v3=("staging", {"percent": 5}))
    found = violations({}, served | states(v1="production"))
    assert "ambiguous" in {one.kind for one in unexcused(found, [record(3, "ambiguous")])}


def test_the_list_of_overrides_only_grows():
    one, two = record(1, "below"), record(2, "empties")
    assert added([one], [one, two]) == [two]
    assert added([one], [one]) == []
    assert added([one, two], [two]) is None
    assert added([one], [record(1, "below", "another reason")]) is None
