"""Who takes a promotion back with `git revert` is told the way that works."""

from __future__ import annotations

import pytest
from base_material import Step, entry
from catalogue import before, evidence, measured, path

from evalkit.promote.base import check_change


@pytest.mark.parametrize("status", ["staging", "draft"])
def test_a_production_version_that_goes_back_is_told_to_roll_back(world, status):
    served = [entry("triage", version, "production") for version in (1, 2)]
    world.commit(before("triage", *served))
    world.story.branch("change")
    world.commit(Step({path("triage", 2): entry("triage", 2, status)}), "Revert")
    (hint,) = (one.hint for one in check_change(world.root, "main").problems if one.code == "EK838")
    assert 'evalkit rollback triage --reason "…"' in hint


def test_evidence_that_goes_with_a_revert_is_told_to_stay_and_how_to_roll_back(world):
    world.commit(measured("triage"))
    world.story.branch("change")
    world.commit(Step({evidence("triage"): None}), "Revert")
    (hint,) = (one.hint for one in check_change(world.root, "main").problems if one.code == "EK841")
    assert hint.startswith("restore the file from the base")
    assert 'evalkit rollback triage --reason "…"' in hint
