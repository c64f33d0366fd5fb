"""Each rule alone and all of them in one change: exactly what is planted is reported, at its line."""

from __future__ import annotations

import pytest
from base_material import told
from catalogue import SCENES

from evalkit.promote.base import check_change


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_scene_is_told_exactly(scene, world):
    world.set_up(scene)
    report = check_change(world.root, "main")
    assert told(report.problems) == world.expected(scene), "\n".join(map(str, report.problems))


def test_all_scenes_in_one_change_are_told_together(world):
    world.set_up(*SCENES)
    report = check_change(world.root, "main")
    assert told(report.problems) == world.expected(*SCENES)
    world.story.commit("All of it")
    assert check_change(world.root, "main").problems == report.problems
    world.story.go("main")
    assert check_change(world.root, "main", "change").problems == report.problems


def test_every_error_has_a_way_out(world):
    world.set_up(*SCENES)
    assert all(problem.hint for problem in check_change(world.root, "main").problems)
