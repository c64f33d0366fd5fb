from __future__ import annotations

import pytest
from plan_material import TODAY, plant

from evalkit.promote.exposure import plan_retire
from evalkit.promote.plan import Force
from evalkit.registry.checks.catalog import Catalog
from evalkit.registry.checks.overrides import check_overrides
from evalkit.registry.checks.tree import Found, walk
from evalkit.runtime.refs import Ref

PATH = "registry/overrides/triage.yaml"


@pytest.fixture
def tree(tmp_path):
    return plant(tmp_path, {14: "production"})


def problems(tree, name: str = "triage") -> list[tuple[str, int]]:
    path = f"registry/overrides/{name}.yaml"
    found = Found("overrides", Ref(name, 0), tree.root / path, path)
    checked = check_overrides(found, Catalog(tree.project(), walk(tree.root), TODAY))
    return [(problem.code, problem.location.line) for problem in checked.problems]


def record(tree, **changes) -> str:
    values = {
        "version": 14, "change": "empties", "digest": tree.facts().versions[14].digest,
        "reason": "gone", "by": "Ada", "on": '"2026-03-10"',
    } | changes  # fmt: skip
    lines = [f"{key}: {value}" for key, value in values.items() if value is not None]
    return "overrides:\n  - " + "\n    ".join(lines) + "\n"


def test_what_an_override_writes_is_valid(tree):
    plan = plan_retire(tree.facts(), 14, "gone", Force("the feature is gone", "Ada", TODAY))
    (change,) = [change for change in plan.changes if change.path == PATH]
    tree.write(PATH, change.after.decode())
    assert problems(tree) == []


@pytest.mark.parametrize(
    ("changes", "code", "line"),
    [
        ({"digest": "sha256:" + "0" * 64}, "EK822", 4),
        ({"reason": '"  "'}, "EK106", 5),
        ({"change": "Empties"}, "EK106", 3),
        ({"why": "x"}, "EK104", 8),
        ({"by": None}, "EK105", 2),
    ],
)
def test_a_record_is_whole_and_of_the_content_that_is_there(tree, changes, code, line):
    tree.write(PATH, record(tree, **changes))
    assert problems(tree) == [(code, line)]


def test_a_record_may_outlive_its_version(tree):
    tree.write(PATH, record(tree, version=9))
    assert problems(tree) == []


def test_overrides_are_of_a_name_that_exists(tree):
    tree.write("registry/overrides/triagee.yaml", record(tree))
    assert problems(tree, "triagee") == [("EK822", 1)]
