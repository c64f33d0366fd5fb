from __future__ import annotations

import pytest
from promotion_world import NAME, NOW, World

from evalkit.errors import UsageError
from evalkit.github.marker import parse
from evalkit.github.opening import open_change
from evalkit.promote.exposure import plan_split
from evalkit.promote.gather import gather, production_spans
from evalkit.promote.holding import plan_hold
from evalkit.promote.promotion import plan_promotion
from evalkit.promote.rollback import plan_rollback


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.draft(1, "production")
    made.forge.now = NOW.replace(month=2)
    made.draft(2, "production")
    return made


def rollback(reason="invented refunds", to=None):
    def planner(project):
        facts = gather(project, NAME, spans=production_spans(project.root, NAME))
        return plan_rollback(facts, to, reason, "ana", NOW)

    return planner


def hold(reason="look at it first", by="ana"):
    def planner(project):
        facts = gather(project, NAME)
        return plan_hold(facts, None, reason, by, None)

    return planner


def opened(world, planner):
    return open_change(world.forge, world.root, planner, environ={})


def test_a_rollback_is_opened_with_everything_that_it_changes(world):
    plan, outcome = opened(world, rollback())
    assert outcome.action == "opened"
    (pull,) = world.open()
    assert pull.head == "evalkit/rollback/triage-to-v1"
    assert set(pull.labels) == {"evalkit", "evalkit: rollback", "evalkit: fast"}
    assert pull.title == plan.title == "Roll back triage from v2 to v1"
    assert "status: retired" in world.entry(2, pull.head)
    assert "invented refunds" in world.text(f"registry/holds/{NAME}.yaml", pull.head)
    assert parse(pull.body).kind == "rollback"
    assert "Reason: invented refunds" in pull.body
    world.forge.merge(pull.number)
    _, again = opened(world, rollback(to=1))
    assert again is None


def test_asked_for_twice_it_is_one_pull_request(world):
    opened(world, rollback())
    world.forge.writes.clear()
    assert opened(world, rollback())[1].action == "unchanged"
    assert world.forge.writes == []
    assert opened(world, rollback("worse than that"))[1].action == "refreshed"
    assert len(world.open()) == 1


def test_one_that_a_person_closed_is_opened_again(world):
    _, first = opened(world, rollback())
    with world.forge.acting("ana"):
        world.forge.close_pull(first.number)
    _, second = opened(world, rollback())
    assert second.action == "opened"
    assert second.number != first.number


def test_the_branch_is_the_same_for_the_same_effect_whoever_asks(world):
    _, first = opened(world, hold())
    _, second = opened(world, hold("another reason", "bo"))
    assert (first.action, second.action, second.number) == ("opened", "refreshed", first.number)


def test_a_split_raises_exposure_and_is_not_fast(world):
    def planner(project):
        return plan_split(gather(project, NAME), {1: 70, 2: 30}, None, None)

    _, outcome = opened(world, planner)
    assert "evalkit: fast" not in world.forge.pull(outcome.number).labels


def test_the_users_own_files_are_neither_read_nor_changed(world):
    entry = world.root / f"registry/entries/{NAME}/v2.yaml"
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.write_text("not even YAML: [")
    before = sorted(
        path.relative_to(world.clone) for path in world.clone.rglob("*") if ".git" not in path.parts
    )
    assert opened(world, rollback())[1].action == "opened"
    after = sorted(
        path.relative_to(world.clone) for path in world.clone.rglob("*") if ".git" not in path.parts
    )
    assert before == after
    assert entry.read_text() == "not even YAML: ["


def test_a_promotion_is_not_opened_that_way(world):
    world.draft(3)
    with pytest.raises(UsageError, match="by its gate alone"):
        opened(world, lambda project: plan_promotion(gather(project, NAME), 3, None, NOW.date()))


def test_what_is_refused_opens_nothing(world):
    plan, outcome = opened(world, rollback(to=2))
    assert outcome is None
    assert plan.outcome in {"nothing", "refused"}
    assert world.forge.writes == []
