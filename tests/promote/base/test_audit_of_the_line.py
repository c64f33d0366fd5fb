"""The whole main line: what landed there although it was not to, with its commit."""

from __future__ import annotations

import json
import subprocess

import pytest
from base_material import Run, Step, entry, prompt
from catalogue import before, evidence, override, own_suite, path, prompt_path

from evalkit.errors import UsageError
from evalkit.promote.base import audit_history

SERVES = before("triage", entry("triage", 1, "production"))


def draft(version: int, status: str = "draft", **keys) -> Step:
    return Step(
        {
            path("triage", version): entry(
                "triage", version, status, params=f"{{ max_tokens: {version} }}", **keys
            )
        }
    )


def legal(world) -> None:
    """A life as it should be: v2 to production, v1 retired, a draft given up, v3 as a canary."""
    for step in (
        draft(1),
        draft(1, "staging"),
        draft(1, "production"),
        draft(2),
        draft(2, "staging"),
        draft(2, "staging", rollout="{ percent: 5 }"),
        draft(2, "production", approved_by="dora"),
        draft(1, "retired", description="Old"),
        draft(3),
        draft(4),
        Step({path("triage", 4): None}),
        draft(3, "staging"),
        draft(3, "staging", rollout="{ percent: 5, unit: key }", provider="openai"),
        Step(
            {
                prompt_path("triage", 2): prompt("triage", 2),
                prompt_path("triage"): "# said before\n" + prompt("triage"),
            }
        ),
    ):
        world.commit(step)


def found(world, ref=None):
    return [(problem.code, problem.location.path) for problem in audit_history(world.root, ref).problems]


def test_a_legal_history_has_no_problem(world):
    world.write({prompt_path("triage"): prompt("triage")})
    legal(world)
    report = audit_history(world.root)
    assert (report.problems, report.commits, report.line) == ((), 15, "refs/heads/main")


def test_what_the_first_commit_brings_has_no_past(tmp_path):
    from base_material import World
    from git_story import Story

    world = World.__new__(World)
    world.story = Story(tmp_path / "repository")
    world.root = world.story.root
    world.write({"README.md": "x"})
    world.story.commit("Begin")
    world.commit(SERVES)
    assert found(world) == []


BREACHES = [
    ("an illegal transition", (draft(2), draft(2, "production")), "EK838", path("triage", 2)),
    ("a status that goes back", (draft(2), draft(2, "staging"), draft(2)), "EK838", path("triage", 2)),
    (
        "nobody left to serve",
        (Step({path("triage"): entry("triage", 1, "retired")}),),
        "EK838",
        path("triage"),
    ),
    (
        "an edited config",
        (Step({path("triage"): entry("triage", 1, "production", model="gpt-5-2025-08-07")}),),
        "EK831",
        path("triage"),
    ),
    ("a reused number", (draft(2), Step({path("triage", 2): None}), draft(2)), "EK836", path("triage", 2)),
    (
        "a deleted entry",
        (draft(2), draft(2, "retired"), Step({path("triage", 2): None})),
        "EK837",
        path("triage", 2),
    ),
    (
        "an edited prompt",
        (Step({prompt_path("triage"): prompt("triage", text="Other")}),),
        "EK833",
        prompt_path("triage"),
    ),
    ("a deleted prompt", (Step({prompt_path("triage"): None}),), "EK835", prompt_path("triage")),
]


@pytest.mark.parametrize(("name", "steps", "code", "where"), BREACHES, ids=[name for name, *_ in BREACHES])
def test_a_breach_is_told_with_its_commit_and_author(world, name, steps, code, where):
    world.commit(Step({**SERVES.files, prompt_path("triage", 2): prompt("triage", 2)}), "Begin to serve")
    world.write(override("triage", (1, "skips-staging")))
    world.story.commit("Settle the beginning")
    for step in steps:
        commit = world.commit(step, by_whom := f"{name} happens")
        assert by_whom
    world.commit(Step({"README.md": "later"}))
    (problem,) = audit_history(world.root).problems
    assert (problem.code, problem.location.path) == (code, where)
    assert problem.message.startswith(f"commit {commit[:12]} of 2026-03-02 by Ann: ")


def test_each_step_is_judged_although_the_end_looks_well(world):
    world.commit(before("triage", entry("triage")))
    edits = [("draft", 1), ("staging", 1), ("staging", 2), ("staging", 1)]
    for status, tokens in edits:
        world.commit(Step({path("triage"): entry("triage", 1, status, params=f"{{ max_tokens: {tokens} }}")}))
    assert found(world) == [("EK831", path("triage"))] * 2


def test_an_override_of_the_same_commit_or_a_later_one_settles_a_breach_and_an_earlier_one_does_not(world):
    world.write(override("triage", (1, "skips-staging")))
    world.commit(before("triage", entry("triage")))
    world.commit(Step({path("triage"): entry("triage", 1, "production")}))
    assert found(world) == [("EK838", path("triage"))]
    world.commit(Step(override("triage", (1, "skips-staging"), (1, "below"))))
    assert found(world) == [("EK838", path("triage"))]
    world.commit(
        Step(
            {
                **override("triage", (1, "skips-staging"), (1, "below"), (1, "empties")),
                path("triage"): entry("triage", 1, "retired"),
            }
        )
    )
    assert found(world) == [("EK838", path("triage"))]


def test_a_record_that_was_added_later_settles_what_was_edited(world):
    world.commit(before("triage", entry("triage")))
    world.commit(Step({path("triage"): entry("triage", 1, "staging")}))
    world.commit(Step({path("triage"): entry("triage", 1, "staging", model="gpt-5-2025-08-07")}))
    assert found(world) == [("EK831", path("triage"))]
    world.commit(Step(override("triage", (1, "rewrites"))))
    assert found(world) == []


def test_evidence_and_suites_are_followed_too(world):
    world.commit(
        Step({**before("triage", entry("triage")).files, **own_suite("own")}, (Run("triage"), Run("triage")))
    )
    world.commit(Step({path("triage"): entry("triage", 1, "staging", eval="{ suite: own@v1, score: 1.0 }")}))
    place = world.root / evidence("triage")
    data = json.loads(place.read_text())
    data["runs"] = data["runs"][1:]
    world.commit(Step({evidence("triage"): json.dumps(data)}))
    world.commit(Step({evidence("triage"): None}))
    world.commit(
        Step(
            {
                "suites/own/v1/suite.yaml": (world.root / "suites/own/v1/suite.yaml")
                .read_text()
                .replace("0.8", "0.7")
            }
        )
    )
    spaced = (world.root / "suites/common-eval/v1/cases.jsonl").read_text().replace(": ", ":")
    world.commit(Step({"suites/common-eval/v1/cases.jsonl": spaced, "suites/common-eval/v1/README.md": "x"}))
    world.commit(Step({"suites/common-eval/v1/README.md": "y"}))
    world.commit(Step({"suites/common-eval/v1/cases.jsonl": '{"id": "a"}\n'}))
    world.commit(Step({"suites/common-eval/v1/cases.jsonl": None}))
    assert found(world) == [
        ("EK842", evidence("triage")),
        ("EK841", evidence("triage")),
        ("EK834", "suites/own/v1/suite.yaml"),
        ("EK834", "suites/common-eval/v1/cases.jsonl"),
        ("EK835", "suites/common-eval/v1/cases.jsonl"),
    ]
    world.commit(Step(override("triage", (1, "rewrites"))))
    assert found(world) == []


def test_a_merge_counts_as_one_step(world):
    world.commit(before("triage", entry("triage")))
    world.story.branch("work")
    world.commit(Step({path("triage"): entry("triage", 1, "production")}))
    world.commit(Step({path("triage"): entry("triage", 1, "draft")}))
    world.commit(Step({path("triage"): entry("triage", 1, "staging")}))
    world.story.go("main")
    world.story.merge("work", message="Merge")
    assert found(world) == []
    assert set(found(world, "work")) == {("EK838", path("triage"))}


def test_a_shallow_clone_says_what_to_fetch(world, tmp_path):
    world.commit(SERVES)
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", f"file://{world.root}", str(clone)],
        check=True,
        capture_output=True,
    )
    with pytest.raises(UsageError, match="EK803"):
        audit_history(clone)
