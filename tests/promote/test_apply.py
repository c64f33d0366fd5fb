from __future__ import annotations

import os
from dataclasses import replace

import pytest
from plan_material import NOW, TODAY, days, plant

from evalkit.errors import WriteBackError
from evalkit.promote.apply import apply_plans
from evalkit.promote.exposure import plan_retire, plan_split
from evalkit.promote.promotion import plan_promotions
from evalkit.promote.rollback import plan_rollback
from evalkit.registry.project import Project
from evalkit.runtime.serving import serving

CLEAN = "{ verdict: clean, run: c-91 }"


@pytest.fixture
def tree(tmp_path):
    versions = {
        13: "production",
        14: "production",
        15: {"status": "staging", "canary": CLEAN},
        16: "draft",
    }
    return plant(tmp_path, versions, spans=[days(13, 60, 33), days(14, 33)])


def carry_out(tree, *plans):
    return apply_plans(tree.root, plans, lock_dir=tree.root / ".evalkit/locks")


def served(tree):
    live = serving(Project(tree.root).states("triage"), "production")
    return live.primary, tree.facts().versions[live.primary].digest


def test_what_the_plan_says_is_what_the_tree_becomes(tree):
    plan = plan_rollback(tree.facts(), None, "bad", "Ada", NOW)
    written = carry_out(tree, plan)
    assert written == ["registry/entries/triage/v14.yaml", "registry/holds/triage.yaml"]
    assert served(tree)[0] == plan.shifts[0].after.primary == 13


def test_twice_is_once(tree):
    plan = plan_rollback(tree.facts(), None, "bad", "Ada", NOW)
    carry_out(tree, plan)
    once = tree.snapshot()
    assert carry_out(tree, plan) == []
    assert tree.snapshot() == once


def test_several_plans_at_once_are_one_change(tree):
    plans = plan_promotions(tree.facts(), None, TODAY)
    assert carry_out(tree, *plans) == ["registry/entries/triage/v15.yaml", "registry/entries/triage/v16.yaml"]
    assert served(tree)[0] == 15
    assert carry_out(tree, *plans) == []


def test_a_rollback_after_a_promotion_serves_the_same_content_again(tree):
    before = served(tree)
    carry_out(tree, plan_promotions(tree.facts(), "production", TODAY)[0])
    assert served(tree) != before
    tree.spans = [*tree.spans[:-1], days(14, 33, 0.1), days(15, 0.1)]
    carry_out(tree, plan_rollback(tree.facts(), None, "bad", "Ada", NOW))
    assert served(tree) == before


@pytest.mark.parametrize(
    "path",
    [
        "registry/entries/triage/v14.yaml",
        "registry/entries/triage/v13.yaml",
        "registry/prompts/triage-prompt/v13.yaml",
        "evalkit.yaml",
    ],
)
def test_a_tree_that_changed_since_is_refused_and_left_alone(tree, path):
    plan = plan_rollback(tree.facts(), None, "bad", "Ada", NOW)
    tree.write(path, tree.read(path) + "# changed\n")
    before = tree.snapshot()
    with pytest.raises(WriteBackError, match=f"{path}: EK818 changed since the plan was made"):
        carry_out(tree, plan)
    assert tree.snapshot() == before


def test_a_file_that_appeared_since_is_noticed(tree):
    plan = plan_rollback(tree.facts(), None, "bad", "Ada", NOW)
    tree.hold("{ all: true, reason: x, by: Bo }\n")
    with pytest.raises(WriteBackError, match="EK818"):
        carry_out(tree, plan)


def test_what_was_interrupted_half_way_is_completed(tree):
    plan = plan_rollback(tree.facts(), None, "bad", "Ada", NOW)
    first = plan.changes[0]
    tree.write(first.path, first.after.decode())
    assert carry_out(tree, plan) == ["registry/holds/triage.yaml"]


@pytest.mark.skipif(os.name != "posix", reason="the file's mode keeps it from being written")
def test_when_one_file_cannot_be_written_none_is(tree):
    plan = plan_split(tree.facts(), {14: 70, 15: 30}, None, None)
    path = tree.root / "registry/entries/triage/v15.yaml"
    path.chmod(0o444)
    before = tree.snapshot()
    with pytest.raises(WriteBackError, match="read-only"):
        carry_out(tree, plan)
    assert tree.snapshot() == before


def test_two_plans_that_disagree_about_a_file_are_refused(tree):
    one = plan_retire(tree.facts(), 16, None)
    other = replace(one, changes=(replace(one.changes[0], after=b"name: other\n"),))
    with pytest.raises(WriteBackError, match="two plans"):
        carry_out(tree, one, other)


def test_a_refused_plan_writes_nothing(tree):
    before = tree.snapshot()
    plan = plan_rollback(tree.facts(), 16, "bad", "Ada", NOW)
    assert plan.is_refused
    assert carry_out(tree, plan) == []
    assert tree.snapshot() == before


def test_comments_and_spaces_of_the_author_stay(tree):
    before = tree.read("registry/entries/triage/v14.yaml")
    carry_out(tree, plan_rollback(tree.facts(), None, "bad", "Ada", NOW))
    after = tree.read("registry/entries/triage/v14.yaml")
    assert after == before.replace("status: production ", "status: retired ")
