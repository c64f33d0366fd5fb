from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import Location
from evalkit.registry.checks.entries import EntryFacts
from evalkit.registry.checks.serving import check_serving
from evalkit.runtime.refs import Ref
from evalkit.runtime.serving import Canary, Conflict, EntryState, Serving, conflicts, serving

ENVIRONMENTS = ("production", "staging")

states = st.lists(
    st.builds(
        EntryState,
        version=st.integers(1, 30),
        status=st.sampled_from(["draft", "staging", "production", "retired"]),
        traffic=st.sampled_from([None, None, 0, 1, 30.5, 70]),
        control=st.booleans(),
        percent=st.sampled_from([None, None, 0, 0.5, 5, 100]),
        unit=st.sampled_from(["request", "key"]),
    ),
    unique_by=lambda state: state.version,
    max_size=8,
)
clear = states.filter(lambda found: not conflicts(found))
environments = st.sampled_from(ENVIRONMENTS)


def production(version: int, traffic: float | None = None, *, control: bool = False) -> EntryState:
    return EntryState(version, "production", traffic, control)


def staging(version: int, percent: float | None = None, unit: str = "request") -> EntryState:
    return EntryState(version, "staging", percent=percent, unit=unit)


def test_the_highest_production_version_serves():
    assert serving([production(12), production(13), staging(14)], "production") == Serving(
        13, {13: 1.0}, (12,)
    )


def test_staging_is_its_newest_entry_if_newer_than_production():
    assert serving([production(13), staging(14), staging(15)], "staging") == Serving(15, {15: 1.0})
    assert serving([production(13), staging(12)], "staging") == serving([production(13)], "production")


def test_staging_is_not_an_entry_that_any_arm_of_an_ab_has_overtaken():
    arms = [production(13, 90, control=True), production(15, 10)]
    assert serving([*arms, staging(14)], "staging") == serving(arms, "production")


def test_one_entry_with_traffic_is_no_ab():
    assert serving([production(13, 30), production(14)], "production") == Serving(14, {14: 1.0}, (13,))
    assert serving([production(13, 30), production(14, 0)], "production") == Serving(14, {14: 1.0}, (13,))


def test_the_control_of_an_ab_is_its_primary():
    arms = [production(13, 10, control=True), production(14, 90), production(12)]
    assert serving(arms, "production") == Serving(13, {13: 10.0, 14: 90.0}, (12,))


def test_without_a_control_the_largest_weight_leads():
    assert serving([production(13, 70), production(14, 30)], "production").primary == 13
    assert serving([production(13, 50), production(14, 50)], "production").primary == 14


def test_two_controls_are_ambiguous():
    arms = [production(2, 1, control=True), production(1, 1, control=True)]
    assert conflicts(arms) == [Conflict("control", (1, 2))]
    for env in ENVIRONMENTS:
        with pytest.raises(ValueError, match=r"^more than one arm is marked control: v1, v2$"):
            serving(arms, env)


def test_a_control_that_is_no_arm_is_nobody_s_rival():
    once = [production(12, control=True), production(13, control=True)]
    assert serving(once, "production").primary == 13
    ab = [production(11, control=True), production(12, 50, control=True), production(13, 60)]
    assert serving(ab, "production").primary == 12


def test_an_unknown_environment_is_an_error():
    with pytest.raises(ValueError, match="unknown environment 'prod'"):
        serving([], "prod")


# Canaries


def test_a_newer_staging_entry_with_a_share_is_a_canary_in_production_only():
    found = [production(13), production(14), staging(15, 5, "key")]
    assert serving(found, "production") == Serving(14, {14: 1.0}, (13,), Canary(15, 5.0, "key"))
    assert serving(found, "staging") == Serving(15, {15: 1.0})


def test_a_canary_need_not_be_the_newest_staging_entry():
    found = [production(14), staging(15, 5), staging(16), staging(17, 0)]
    assert serving(found, "production").canary == Canary(15, 5.0)
    assert serving(found, "staging").primary == 17


@pytest.mark.parametrize("percent", [None, 0, 0.0])
def test_no_share_is_no_canary(percent):
    assert serving([production(14), staging(15, percent)], "production").canary is None


def test_an_entry_that_production_has_overtaken_is_no_canary():
    assert serving([production(14), staging(13, 5)], "production").canary is None
    assert serving([production(14), staging(13, 5), staging(15, 5)], "production").canary == Canary(15, 5.0)


def test_a_canary_of_an_ab_is_newer_than_every_arm():
    arms = [production(13, 90, control=True), production(15, 10)]
    assert serving([*arms, staging(14, 5)], "production").canary is None
    assert serving([*arms, staging(16, 5)], "production") == Serving(
        13, {13: 90.0, 15: 10.0}, (), Canary(16, 5.0)
    )


def test_where_nobody_serves_production_there_is_no_canary():
    assert serving([staging(1, 5)], "production") is None
    assert serving([staging(1, 5)], "staging") == Serving(1, {1: 1.0})


@pytest.mark.parametrize("env", ENVIRONMENTS)
@pytest.mark.parametrize("others", [[], [production(14)], [production(13, 1), production(14, 1)]])
def test_two_live_canaries_are_ambiguous(env, others):
    with pytest.raises(ValueError, match=r"^more than one staging entry is a canary: v15, v16$"):
        serving([staging(16, 1), *others, staging(15, 5)], env)


def test_everything_that_is_not_clear_is_said_at_once():
    found = [production(1, 1, control=True), production(2, 1, control=True), staging(3, 5), staging(4, 5)]
    with pytest.raises(ValueError, match=r"control: v1, v2; .*canary: v3, v4$"):
        serving(found, "production")


# Laws


@given(states, environments)
def test_there_is_one_answer_or_a_conflict(entries, env):
    if found := conflicts(entries):
        with pytest.raises(ValueError) as raised:
            serving(entries, env)
        assert str(raised.value) == "; ".join(map(str, found))
        return
    somebody = {"production"} if env == "production" else {"production", "staging"}
    assert (serving(entries, env) is None) == (not any(state.status in somebody for state in entries))


@given(clear, environments)
def test_who_serves_is_live_and_has_one_role(entries, env):
    found = serving(entries, env)
    if found is None:
        return
    status = {state.version: state.status for state in entries}
    assert found.primary in found.weights
    assert all(weight > 0 for weight in found.weights.values())
    assert {status[v] for v in found.standby} <= {"production"}
    assert list(found.standby) == sorted(found.standby, reverse=True)
    assert not set(found.weights) & set(found.standby)
    if env == "production":
        assert {v for v in status if status[v] == "production"} == {*found.weights, *found.standby}
    if found.canary:
        assert env == "production"
        assert status[found.canary.version] == "staging"
        assert found.canary.version > max(found.weights)
        assert 0 < found.canary.percent <= 100


@given(states, environments, st.randoms())
def test_the_order_of_files_does_not_matter(entries, env, shuffler):
    shuffled = list(entries)
    shuffler.shuffle(shuffled)
    assert conflicts(entries) == conflicts(shuffled)
    if not conflicts(entries):
        assert serving(iter(entries), env) == serving(iter(shuffled), env)


@given(states, environments, states)
def test_drafts_and_retired_entries_change_nothing(entries, env, others):
    taken = {state.version for state in entries}
    idle = [state for state in others if state.version not in taken and state.status in {"draft", "retired"}]
    assert conflicts([*entries, *idle]) == conflicts(entries)
    if not conflicts(entries):
        assert serving([*idle, *entries], env) == serving(entries, env)


@given(clear)
def test_a_canary_changes_nothing_else(entries):
    without = [state.replace(percent=None) for state in entries]
    found = serving(entries, "production")
    assert serving(without, "production") == (found.replace(canary=None) if found else None)
    assert serving(without, "staging") == serving(entries, "staging")


@given(states)
def test_check_reports_at_its_line_whatever_is_not_clear_and_nothing_else(entries):
    facts = [
        EntryFacts(
            ref=Ref("shop", state.version),
            status=state.status,
            state=state,
            prompt=None,
            eval={},
            places={
                key: Location(f"v{state.version}.yaml", 1)
                for key in ("control", "rollout", "status", "traffic")
            },
        )
        for state in sorted(entries, key=lambda state: state.version)
    ]
    problems = [problem for problem in check_serving(facts) if problem.code == "EK210"]
    claimed = {f"v{version}.yaml" for conflict in conflicts(entries) for version in conflict.versions[1:]}
    assert {problem.location.path for problem in problems} == claimed
    assert all(problem.severity == "error" for problem in problems)
