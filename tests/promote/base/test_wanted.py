"""What a change makes worth measuring, by the rules that were there before it."""

from __future__ import annotations

import sys

import pytest
from base_material import Run, config, entry, prompt, suite, tools

from evalkit.promote.base.change import Change
from evalkit.promote.needs import needs
from evalkit.promote.wanted import of_change, of_tree, recorded_in_change, recorded_in_tree
from evalkit.registry.project import Project
from evalkit.runtime.refs import Ref

COMMON = "common-eval@v1"


def changed(world, head=None):
    change = Change(world.root, "main", head)
    return needs(of_change(change), recorded_in_change(change))


def asked(found) -> list[str]:
    return [f"{one.question.entry} on {one.question.suite}" for one in found.evaluations]


def left(listed) -> dict[str, str]:
    return {one.entry: one.reason for one in listed}


@pytest.fixture
def branch(world):
    """The world of one entry, on a branch."""
    world.story.branch("change")
    return world


def test_a_new_entry_is_measured_by_every_suite_that_the_base_requires(branch):
    branch.write({"registry/entries/first/v2.yaml": entry("first", 2, params="{ max_tokens: 30 }")})
    found = changed(branch)
    assert asked(found) == [f"first@v2 on {COMMON}"]
    (one,) = found.evaluations
    assert (one.question.cases, one.question.provider) == (60, "openai")
    assert 0 < one.question.estimated_cost_usd < 1
    project = Project(branch.root)
    tree = of_tree(project)
    same = next(question for question in tree.questions if question.entry.version == 2)
    assert same.key == one.question.key


def test_the_commit_of_a_head_is_looked_at_instead_of_the_files_here(branch):
    branch.write({"registry/entries/first/v2.yaml": entry("first", 2, params="{ max_tokens: 30 }")})
    head = branch.story.commit("Add v2")
    branch.write({"registry/entries/first/v2.yaml": None})
    assert asked(changed(branch, head)) == [f"first@v2 on {COMMON}"]
    assert asked(changed(branch)) == []


def test_a_prompt_that_changes_is_measured_with_every_draft_that_refers_to_it(branch):
    branch.write({"registry/prompts/first-prompt/v1.yaml": prompt("first", text="Sort this ticket well.")})
    assert asked(changed(branch)) == [f"first@v1 on {COMMON}"]


def test_a_comment_a_status_and_a_description_are_nothing_to_measure(branch):
    branch.write(
        {
            "registry/entries/first/v1.yaml": "# a comment\n"
            + entry("first", description="better", status="staging")
        }
    )
    found = changed(branch)
    assert asked(found) == []
    assert left(found.left_out) == {"first@v1": "its config is as it was"}


def test_what_may_not_move_any_more_is_not_measured(branch):
    branch.write(
        {"registry/entries/first/v2.yaml": entry("first", 2, "retired", params="{ max_tokens: 30 }")}
    )
    found = changed(branch)
    assert asked(found) == []
    assert left(found.left_out) == {
        "first@v2": "it is in retired: only drafts and staging entries may still move"
    }


def test_what_ci_measured_in_the_change_or_before_is_not_measured_again(branch):
    branch.write({"registry/entries/first/v2.yaml": entry("first", 2, params="{ max_tokens: 30 }")})
    branch.add(Run("first", 2, source="local"))
    assert asked(changed(branch)) == [f"first@v2 on {COMMON}"]
    branch.add(Run("first", 2, passed=3))
    found = changed(branch)
    assert asked(found) == []
    assert "CI has measured it" in left(found.left_out)["first@v2"]


@pytest.mark.parametrize(
    ("files", "because"),
    [
        (
            {"suites/common-eval/v1/suite.yaml": suite("common-eval", gate="{ min_score: 0.1 }")},
            "a change of common-eval@v1",
        ),
        ({"evalkit.yaml": config("first: { suites: [easy-eval@v1] }")}, "a change of the policy for first"),
        (
            {
                "evalkit.yaml": config().replace(
                    "{ kind: openai }", "{ kind: openai, base_url: 'https://evil.example/v1' }"
                )
            },
            "a change of the provider openai",
        ),
        (
            {"evalkit.yaml": config().replace("default_provider: openai", "default_provider: anthropic")},
            "a change of the default provider",
        ),
        ({"evalkit.yaml": "nonsense: ["}, "a broken evalkit.yaml"),
        ({".github/workflows/evaluate.yml": "on: push\n"}, "a change of .github/"),
    ],
)
@pytest.mark.parametrize("is_committed", [False, True])
def test_rules_that_change_along_are_waited_for(branch, files, because, is_committed):
    branch.write({"registry/entries/first/v2.yaml": entry("first", 2, params="{ max_tokens: 30 }"), **files})
    head = branch.story.commit("All at once") if is_committed else None
    found = changed(branch, head)
    assert asked(found) == []
    assert left(found.after_merge) == {
        "first@v2": f"evaluated after the merge, because {because} comes in the same change"
    }


def test_a_name_that_the_change_gives_its_first_policy_is_waited_for(world):
    world.write({"evalkit.yaml": config().replace(f"suites: [{COMMON}], ", "")})
    world.story.commit("Require nothing")
    world.story.branch("change")
    world.write(
        {
            "registry/entries/first/v2.yaml": entry("first", 2, params="{ max_tokens: 30 }"),
            "evalkit.yaml": config(),
        }
    )
    assert "a change of the policy for first" in left(changed(world).after_merge)["first@v2"]
    world.write({"evalkit.yaml": config().replace(f"suites: [{COMMON}], ", "")})
    assert left(changed(world).left_out) == {"first@v2": "policy requires no suite of it"}


def test_an_entry_that_does_not_resolve_is_named_with_the_reason(branch):
    branch.write({"registry/entries/first/v2.yaml": entry("first", 2, prompt_ref="missing@v1")})
    found = changed(branch)
    assert asked(found) == []
    assert left(found.left_out) == {"first@v2": "it cannot be evaluated: no prompt missing@v1"}


def test_the_scorers_of_the_base_are_used_and_forgotten(world):
    world.write(
        {
            "evalkit.yaml": config(head="scorers: { own: 'own_scorer:judge' }\n"),
            "own_scorer.py": "def judge(output, expected, case_vars):\n    return 1.0\n",
            "suites/common-eval/v1/suite.yaml": suite("common-eval", scorers="[{python: own}]"),
        }
    )
    world.story.commit("An own scorer")
    world.story.branch("change")
    world.write({"registry/entries/first/v2.yaml": entry("first", 2, params="{ max_tokens: 30 }")})
    paths = list(sys.path)
    assert asked(changed(world)) == [f"first@v2 on {COMMON}"]
    assert sys.path == paths
    assert "own_scorer" not in sys.modules
    world.write({"own_scorer.py": "raise SystemExit('the change runs')\n"})
    assert "a change of the scorers of common-eval@v1" in left(changed(world).after_merge)["first@v2"]


def test_tools_are_part_of_a_config(branch):
    branch.write(
        {
            "registry/tools/first-tools/v1.yaml": tools("first"),
            "registry/entries/first/v1.yaml": entry("first", tools_ref="first-tools@v1"),
        }
    )
    assert asked(changed(branch)) == [f"first@v1 on {COMMON}"]


# The files here


def test_everything_that_may_still_move_and_lacks_a_run_of_ci_is_needed(world):
    world.write(
        {
            "registry/entries/first/v1.yaml": entry("first", 1, "production"),
            "registry/entries/first/v2.yaml": entry("first", 2, "staging", params="{ max_tokens: 30 }"),
            "registry/entries/first/v3.yaml": entry("first", 3, "retired", params="{ max_tokens: 31 }"),
            "registry/entries/first/v4.yaml": entry("first", 4, params="{ max_tokens: 32 }"),
        }
    )
    world.add(Run("first", 2))
    project = Project(world.root)
    found = needs(of_tree(project), recorded_in_tree(project))
    assert asked(found) == [f"first@v4 on {COMMON}"]
    assert list(left(found.left_out)) == ["first@v2"]
    again = {Ref("first", 1)}
    found = needs(of_tree(project, again), recorded_in_tree(project), again=again)
    assert asked(found) == [f"first@v1 on {COMMON}", f"first@v4 on {COMMON}"]


def test_evidence_of_other_cases_does_not_count(world):
    world.add(Run("first", 1))
    project = Project(world.root)
    assert asked(needs(of_tree(project), recorded_in_tree(project))) == []
    world.write({"suites/common-eval/v1/suite.yaml": suite("common-eval", repeats=2)})
    project = Project(world.root)
    assert asked(needs(of_tree(project), recorded_in_tree(project))) == [f"first@v1 on {COMMON}"]


def test_a_broken_name_is_named_and_hides_no_other(world):
    world.write(
        {
            "registry/entries/other/v1.yaml": "status: [",
            "registry/entries/second/v1.yaml": entry("second"),
            "registry/prompts/second-prompt/v1.yaml": prompt("second"),
        }
    )
    project = Project(world.root)
    found = needs(of_tree(project), recorded_in_tree(project))
    assert asked(found) == [f"first@v1 on {COMMON}", f"second@v1 on {COMMON}"]
    assert list(left(found.left_out)) == ["other"]
