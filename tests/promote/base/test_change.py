"""What is compared with what, and rules that need more than one scene to show."""

from __future__ import annotations

import subprocess

import pytest
from base_material import ANN, BOB, CAT, COMMON, Run, Step, World, cases, config, entry, prompt, suite, told
from catalogue import before, evidence, override, own_suite, path, prompt_path

from evalkit.errors import UsageError
from evalkit.evals.evidence import MAX_BYTES, Evidence, read_evidence, with_run
from evalkit.promote.base import check_change


def codes(world, ref="main", head=None):
    return [problem.code for problem in check_change(world.root, ref, head).problems]


# What is compared


def test_no_change_is_no_problem(world):
    report = check_change(world.root, "main")
    assert (report.problems, report.files, report.is_at_base) == ((), 0, True)


def test_what_happened_on_the_line_since_is_not_this_changes_matter(world):
    world.commit(before("triage", entry("triage", 1, "production"), entry("triage", 2)))
    world.story.branch("change")
    world.commit(Step({path("triage", 3): entry("triage", 3)}))
    world.story.go("main")
    world.commit(Step({path("triage", 2): None, path("triage", 4): entry("triage", 4)}))
    assert codes(world, "main", "change") == []


def test_a_change_that_was_squashed_into_the_line_meanwhile_reuses_nothing(world):
    world.commit(before("triage", entry("triage", 1, "production")))
    world.story.branch("change")
    world.commit(Step({path("triage", 2): entry("triage", 2)}))
    world.story.go("main")
    world.commit(Step({path("triage", 2): entry("triage", 2)}))
    assert codes(world, "main", "change") == []


def test_a_number_that_the_line_used_and_gave_up_after_the_branch_began_is_reused(world):
    world.commit(before("triage", entry("triage", 1, "production")))
    world.story.branch("change")
    world.commit(Step({path("triage", 2): entry("triage", 2)}))
    world.story.go("main")
    world.commit(Step({path("triage", 2): entry("triage", 2)}))
    world.commit(Step({path("triage", 2): None}))
    assert codes(world, "main", "change") == ["EK836"]


def test_merges_that_are_legal_each_are_judged_by_what_they_add_up_to(world):
    world.commit(before("triage", entry("triage", 1, "production"), entry("triage", 2, "production")))
    world.story.git("tag", "before")
    for branch, version in (("one", 1), ("two", 2)):
        world.story.git("checkout", "-q", "-B", branch, "before")
        world.commit(Step({path("triage", version): entry("triage", version, "retired")}))
        assert codes(world, "before", branch) == []
    world.story.go("main")
    world.story.merge("one", message="One")
    world.story.merge("two", message="Two")
    assert codes(world, "before") == ["EK838"]


def test_files_that_are_not_committed_and_not_even_tracked_are_judged(world):
    world.commit(before("triage", entry("triage", 1, "production")))
    world.write({path("triage", 2): entry("triage", 2, "production")})
    assert set(codes(world)) == {"EK838", "EK845", "EK849"}


def test_a_project_in_a_subdirectory_is_judged_by_itself(tmp_path):
    from git_story import Story

    world = World.__new__(World)
    world.story = Story(tmp_path / "repository", "services/bot")
    world.root = world.story.root
    world.write(
        {
            "evalkit.yaml": config(),
            path("triage"): entry("triage", 1, "production"),
            prompt_path("triage"): prompt("triage"),
        }
    )
    world.story.commit("Begin")
    world.story.branch("change")
    world.edit("triage", 1, model="gpt-5-2025-08-07")
    (tmp_path / "repository/registry").mkdir()
    (tmp_path / "repository/registry/x.yaml").write_text("not of this project")
    problems = check_change(world.root, "main").problems
    assert told(problems) == [("EK831", path("triage"), 3)]


def test_an_empty_base_has_nothing_to_compare_with(tmp_path):
    from git_story import Story

    world = World.__new__(World)
    world.story = Story(tmp_path / "repository")
    world.root = world.story.root
    world.write({"README.md": "x"})
    world.story.commit("Begin")
    world.story.branch("change")
    world.write(
        {
            path("triage"): entry("triage", 1, "production", approved_by="dora"),
            prompt_path("triage"): prompt("triage"),
        }
    )
    (problem,) = check_change(world.root, "main").problems
    assert (problem.code, problem.severity) == ("EK855", "warning")


def test_histories_that_have_nothing_in_common_are_refused(world):
    world.story.git("checkout", "-q", "--orphan", "other")
    world.story.commit("Another beginning")
    with pytest.raises(UsageError, match="EK857"):
        check_change(world.root, "main")
    with pytest.raises(UsageError, match="EK804"):
        check_change(world.root, "nowhere")


def test_a_shallow_clone_says_what_to_fetch(world, tmp_path):
    world.commit(before("triage", entry("triage", 1, "production"), entry("triage", 2)))
    world.commit(Step({path("triage", 2): None}))
    for number in range(3):
        world.commit(Step({"README.md": str(number)}))
    world.story.branch("change")
    world.commit(Step({path("triage", 2): entry("triage", 2)}))
    clone = tmp_path / "clone"
    run = ["git", "clone", "-q", "--depth", "3", "--no-single-branch", f"file://{world.root}", str(clone)]
    subprocess.run(run, check=True, capture_output=True)
    (problem,) = check_change(clone, "origin/main").problems
    assert problem.code == "EK803"
    assert "fetch --unshallow" in problem.hint
    subprocess.run(["git", "-C", str(clone), "fetch", "-q", "--unshallow"], check=True, capture_output=True)
    assert codes(type("At", (), {"root": clone}), "origin/main") == ["EK836"]


def test_what_cannot_be_read_in_the_base_is_said_and_not_guessed(world):
    world.commit(before("triage", "status: [\n", entry("triage", 2, "production")))
    world.write({path("triage"): entry("triage", 1, "production")})
    (problem,) = check_change(world.root, "main").problems
    assert (problem.code, problem.severity) == ("EK856", "warning")


def test_a_file_that_the_change_breaks_is_left_to_the_check_of_files(world):
    world.commit(before("triage", entry("triage", 1, "production")))
    world.write({path("triage"): "status: [\n", prompt_path("triage"): "messages: [\n"})
    assert codes(world) == []


# The config of what left draft, through evalkit.yaml


PROVIDERS = "default_provider: {0}\nproviders:\n  main: {{ kind: {1} }}\n  other: {{ kind: {2}, base_url: 'https://{3}' }}\n"


@pytest.mark.parametrize(
    ("after", "line"),
    [
        (("other", "openai", "anthropic", "a.example"), 1),
        (("main", "anthropic", "anthropic", "a.example"), 3),
    ],
)
def test_another_kind_of_provider_is_another_config_for_all_that_use_it(world, after, line):
    world.write({"evalkit.yaml": PROVIDERS.format("main", "openai", "anthropic", "a.example")})
    world.commit(
        before(
            "triage",
            entry("triage", 1, "production"),
            entry("triage", 2),
            entry("triage", 3, "retired", provider="openai"),
        )
    )
    world.write({"evalkit.yaml": PROVIDERS.format(*after)})
    (problem,) = check_change(world.root, "main").problems
    assert (problem.code, str(problem.location).rpartition(":")[0]) == ("EK832", f"evalkit.yaml:{line}")
    assert "triage@v1" in problem.message
    assert "v2" not in problem.message
    assert "v3" not in problem.message


@pytest.mark.parametrize(
    "after",
    [
        ("main", "openai", "anthropic", "b.example"),
        ("openai", "openai", "anthropic", "a.example"),
        ("main", "openai", "openai", "a.example"),
    ],
)
def test_a_url_a_name_and_a_provider_that_nobody_uses_are_no_config(world, after):
    world.write({"evalkit.yaml": PROVIDERS.format("main", "openai", "anthropic", "a.example")})
    world.commit(before("triage", entry("triage", 1, "production")))
    world.write({"evalkit.yaml": PROVIDERS.format(*after)})
    assert codes(world) == []


def test_an_entry_may_name_the_provider_that_was_the_default_when_the_default_changes(world):
    world.write({"evalkit.yaml": PROVIDERS.format("main", "openai", "anthropic", "a.example")})
    world.commit(before("triage", entry("triage", 1, "production")))
    world.write(
        {
            "evalkit.yaml": PROVIDERS.format("other", "openai", "anthropic", "a.example"),
            path("triage"): entry("triage", 1, "production", provider="main"),
        }
    )
    assert codes(world) == []


def test_an_artifact_may_move_and_not_change(world):
    artifact = "{{ uri: 's3://{0}/w', digest: 'sha256:" + "a" * 64 + "', kind: {1} }}"
    world.commit(before("triage", entry("triage", 1, "production", artifact=artifact.format("a", "adapter"))))
    world.write({path("triage"): entry("triage", 1, "production", artifact=artifact.format("b", "adapter"))})
    assert codes(world) == []
    world.write({path("triage"): entry("triage", 1, "production", artifact=artifact.format("b", "full"))})
    assert codes(world) == ["EK831"]


# Cases in other formats


@pytest.mark.parametrize(
    ("file", "old", "same", "other", "line"),
    [
        (
            "cases.csv",
            "id,ticket,expected\na,x,y\nb,x,y\n",
            'id,ticket,expected\r\na,"x",y\r\nb,x,y\r\n',
            "id,ticket,expected\na,x,y\nb,x,z\n",
            3,
        ),
        (
            "cases.yaml",
            "- {id: a, expected: y}\n- {id: b}\n",
            "# more\n- id: a\n  expected: 'y'\n- {id: b}\n",
            "- {id: a, expected: y}\n- {id: c}\n",
            2,
        ),
        ("cases.jsonl", '{"id": "a"}\n{"id": "b"}\n', '{"id":"a"}\n\n{"id":"b"}', '{"id": "a"}\n', 1),
    ],
)
def test_cases_are_compared_row_by_row(world, file, old, same, other, line):
    folder = "suites/own/v1"
    files = {f"{folder}/suite.yaml": suite("own", cases=file), f"{folder}/{file}": old}
    world.commit(
        Step(
            {
                **files,
                **before(
                    "triage", entry("triage", 1, "production", eval="{ suite: own@v1, score: 1 }")
                ).files,
            }
        )
    )
    world.write({f"{folder}/{file}": same})
    assert codes(world) == []
    world.write({f"{folder}/{file}": other})
    assert told(check_change(world.root, "main").problems) == [("EK834", f"{folder}/{file}", line)]
    world.write({f"{folder}/{file}": None})
    assert codes(world) == ["EK835"]


def test_cases_may_move_into_a_file_of_another_name(world):
    world.commit(
        Step(
            {
                **own_suite("own"),
                **before(
                    "triage", entry("triage", 1, "production", eval="{ suite: own@v1, score: 1 }")
                ).files,
            }
        )
    )
    folder = "suites/own/v1"
    world.write(
        {
            f"{folder}/suite.yaml": suite("own", cases="tickets.jsonl"),
            f"{folder}/tickets.jsonl": cases(expected="refund"),
            f"{folder}/cases.jsonl": None,
        }
    )
    assert codes(world) == []


# Evidence


def test_scores_that_had_to_go_for_want_of_room_are_no_edit(world):
    world.commit(before("triage", entry("triage", 1, "production"), runs=(Run("triage"),)))
    place = world.root / evidence("triage")
    known = read_evidence(place, "x")
    scores = {f"{number:016x}": (1, 1.0) for number in range(2_000)}
    large = known.runs[0].model_copy(update={"scores": scores, "cases": 2_000, "scored": 2_000, "score": 1.0})
    grown = Evidence(entry="triage", version=1, suite=COMMON)
    for number in range(3):
        grown = with_run(grown, large.model_copy(update={"run_id": f"r{number}"}))
    world.write({evidence("triage"): grown.to_bytes().decode()})
    world.story.commit("More")
    more = grown
    while more.runs[1].scores is not None:
        more = with_run(more, large.model_copy(update={"run_id": f"r{len(more.runs)}"}))
    assert len(more.to_bytes()) <= MAX_BYTES
    world.write({evidence("triage"): more.to_bytes().decode()})
    assert codes(world) == []
    runs = [run.model_copy(update={"scores": None}) for run in more.runs]
    world.write({evidence("triage"): more.model_copy(update={"runs": runs}).to_bytes().decode()})
    assert codes(world) == ["EK842"]


# Promotions


def test_the_message_says_which_runs_do_not_count_and_why(world):
    world.commit(
        before(
            "triage",
            entry("triage", 1, "production"),
            entry("triage", 2, params="{ max_tokens: 2 }"),
            runs=(Run("triage", 2, source="local"), Run("triage", 2, source="replay")),
        )
    )
    world.write({path("triage", 2): entry("triage", 2, "staging", params="{ max_tokens: 2 }")})
    (problem,) = check_change(world.root, "main").problems
    assert "1 run was of source local: only ci runs count" in problem.message
    assert "1 run was of source replay" in problem.message


def test_a_gate_with_a_regression_limit_is_compared_with_what_served_before_the_change(world):
    world.write(
        {
            "evalkit.yaml": config("triage: { suites: [own@v1], production_gate: eval }"),
            **own_suite("own", gate="{ min_score: 0.5, max_regression: 0.05 }"),
        }
    )
    step = before(
        "triage",
        entry("triage", 1, "production"),
        entry("triage", 2, "staging", params="{ max_tokens: 2 }"),
        runs=(Run("triage", 1, suite="own@v1"), Run("triage", 2, suite="own@v1", passed=45)),
    )
    world.commit(step)
    world.write({path("triage", 2): entry("triage", 2, "production", params="{ max_tokens: 2 }")})
    (problem,) = check_change(world.root, "main").problems
    assert problem.code in {"EK846", "EK847"}
    world.story.git("checkout", "-q", "--", ".")
    world.commit(
        Step(
            {path("triage", 3): entry("triage", 3, "staging", params="{ max_tokens: 3 }")},
            (Run("triage", 3, suite="own@v1", passed=60),),
        )
    )
    world.write({path("triage", 3): entry("triage", 3, "production", params="{ max_tokens: 3 }")})
    assert codes(world) == []


SCORER = "def judge(output, expected, vars):\n    return {0}\n"


def test_evidence_that_comes_with_another_scorer_does_not_promote(world):
    world.write({
        "evalkit.yaml": config("triage: { suites: [own@v1] }") + "scorers: { mine: 'own_scorer_of_a_test:judge' }\n",
        "own_scorer_of_a_test.py": SCORER.format(1.0),
        **own_suite("own", scorers="[{ python: { name: mine } }]"),
    })  # fmt: skip
    world.commit(
        before("triage", entry("triage", 1, "production"), entry("triage", 2, params="{ max_tokens: 2 }"))
    )
    world.story.branch("change")
    world.add(Run("triage", 2, suite="own@v1"))
    world.write({path("triage", 2): entry("triage", 2, "staging", params="{ max_tokens: 2 }")})
    assert codes(world) == []
    world.write({"own_scorer_of_a_test.py": SCORER.format(0.9)})
    (problem,) = check_change(world.root, "main").problems
    assert problem.code == "EK848"
    assert "scorers of own@v1" in problem.message


def test_a_provider_that_comes_with_the_change_does_not_count_for_it(world):
    world.commit(
        before(
            "triage",
            entry("triage", 1, "production"),
            entry("triage", 2, params="{ max_tokens: 2 }", provider="new"),
        )
    )
    world.write(
        {
            "evalkit.yaml": config(tail="  new: { kind: openai }\n"),
            path("triage", 2): entry("triage", 2, "staging", params="{ max_tokens: 2 }", provider="new"),
        }
    )
    (problem,) = check_change(world.root, "main").problems
    assert (problem.code, "no provider is called 'new'" in problem.message) == ("EK847", True)


def test_a_prompt_that_changes_with_the_promotion_is_the_one_that_was_evaluated(world):
    step = before(
        "triage",
        entry("triage", 1),
        entry("triage", 2, params="{ max_tokens: 2 }"),
        entry("triage", 3, params="{ max_tokens: 3 }"),
    )
    world.commit(step)
    world.write({prompt_path("triage"): prompt("triage", text="Another.")})
    world.add(Run("triage", 2))
    world.edit("triage", 2, status="staging")
    assert codes(world) == []
    world.write({prompt_path("triage"): prompt("triage", text="Yet another.")})
    assert codes(world) == ["EK845"]


def test_nothing_is_promoted_by_a_policy_that_cannot_be_read(world):
    world.write({"evalkit.yaml": config() + "polcy: 3\n"})
    world.commit(
        before("triage", entry("triage", 1, "production"), entry("triage", 2, params="{ max_tokens: 2 }"))
    )
    world.write(
        {
            "evalkit.yaml": config(),
            path("triage", 2): entry("triage", 2, "staging", params="{ max_tokens: 2 }"),
        }
    )
    assert codes(world) == ["EK847"]


def test_a_policy_without_suites_says_that_nothing_was_asked(tmp_path):
    from git_story import Story

    world = World.__new__(World)
    world.story = Story(tmp_path / "repository")
    world.root = world.story.root
    world.commit(before("triage", entry("triage", 1, "production"), entry("triage", 2)))
    world.write({path("triage", 2): entry("triage", 2, "staging")})
    (problem,) = check_change(world.root, "main").problems
    assert (problem.code, problem.severity) == ("EK850", "warning")


def test_a_second_release_needs_its_canary_although_nobody_serves_now(world):
    world.commit(
        before(
            "triage",
            entry("triage", 1, "production"),
            entry("triage", 2, "staging", params="{ max_tokens: 2 }"),
            runs=(Run("triage", 2),),
        )
    )
    world.commit(Step({path("triage"): entry("triage", 1, "retired"), **override("triage", (1, "empties"))}))
    world.write({path("triage", 2): entry("triage", 2, "production", params="{ max_tokens: 2 }")})
    assert codes(world) == ["EK849"]


# Approvals


def stamp(world, who, *steps, version=2):
    for step in steps:
        world.commit(step)
    world.edit("triage", version, approved_by=who)
    return codes(world)


PROMOTED = (
    Step(before("triage", entry("triage", 1, "production")).files, by=BOB),
    Step({path("triage", 2): entry("triage", 2, params="{ max_tokens: 2 }")}, by=ANN),
    Step({path("triage", 2): entry("triage", 2, "staging", params="{ max_tokens: 2 }")}, by=CAT),
)


def test_who_wrote_only_what_the_replaced_version_has_too_may_approve(world):
    assert stamp(world, "bob", *PROMOTED) == []
    assert stamp(world, "ann") == ["EK853"]


def test_a_co_author_of_a_squash_is_an_author(world):
    world.commit(PROMOTED[0])
    world.commit(PROMOTED[1], "Two (#1)\n\nCo-authored-by: Hedy L <7+hedy@users.noreply.github.com>")
    world.commit(PROMOTED[2])
    assert stamp(world, "hedy") == ["EK853"]


def test_who_wrote_on_the_branch_of_a_merge_is_an_author_and_who_merged_is_not(world):
    world.commit(PROMOTED[0])
    world.story.branch("work")
    world.commit(PROMOTED[1])
    world.commit(PROMOTED[2])
    world.story.go("main")
    world.commit(Step({"README.md": "x"}, by=BOB))
    world.story.merge("work", message="Merge pull request #2", by="Eve <eve@example.com>")
    assert stamp(world, "eve") == []
    assert stamp(world, "cat") == ["EK853"]


def test_a_merge_that_joins_two_edits_of_an_entry_wrote_neither(world):
    world.commit(PROMOTED[0])
    world.commit(PROMOTED[1])
    world.story.branch("work")
    world.edit("triage", 2, status="staging")
    world.story.commit("Promote", by=CAT)
    world.story.go("main")
    file = world.root / path("triage", 2)
    file.write_text("owner: us\n" + file.read_text())
    world.story.commit("Own it", by="Fay <fay@example.com>")
    world.story.merge("work", message="Merge branch 'work'", by="Eve <eve@example.com>")
    assert stamp(world, "eve") == []
    assert stamp(world, "fay") == ["EK853"]
    assert stamp(world, "cat") == ["EK853"]


def test_whom_the_merge_names_as_a_co_author_is_one(world):
    world.commit(PROMOTED[0])
    world.story.branch("work")
    world.commit(PROMOTED[1])
    world.commit(PROMOTED[2])
    world.story.go("main")
    world.commit(Step({"README.md": "x"}, by=BOB))
    world.story.merge("work", message="Merge #2\n\nCo-authored-by: Hedy <hedy@example.com>", by=BOB)
    assert stamp(world, "hedy") == ["EK853"]


@pytest.mark.parametrize(
    "record",
    [
        {"eval": {"suite": COMMON, "score": 0.9, "run": "r"}},
        {"canary": {"verdict": "clean", "run": "r"}},
        {"approved_by": "zoe"},
    ],
)
def test_who_only_records_a_result_or_an_approval_wrote_nothing(world, record):
    world.commit(PROMOTED[0])
    world.commit(PROMOTED[1])
    world.edit("triage", 2, **record)
    world.story.commit("Record", by="Eve <eve@example.com>")
    world.edit("triage", 2, status="staging", approved_by=None)
    world.story.commit("Promote", by=CAT)
    assert stamp(world, "eve") == []
    assert stamp(world, "cat") == ["EK853"]


def test_the_same_reviewer_approves_each_step_and_each_is_stamped(world):
    assert stamp(world, "dora", *PROMOTED) == []
    world.story.commit("Stamp")
    world.edit("triage", 2, rollout={"percent": 5}, approved_by=None)
    world.story.commit("A canary", by=CAT)
    assert stamp(world, "dora") == []


def test_what_a_merge_wrote_itself_has_an_author_too(world):
    world.commit(PROMOTED[0])
    world.story.branch("work")
    world.commit(PROMOTED[1])
    world.commit(PROMOTED[2])
    world.story.go("main")
    world.commit(Step({"README.md": "x"}, by=BOB))
    world.story.git("merge", "-q", "--no-ff", "--no-commit", "work")
    world.write({path("triage", 2): entry("triage", 2, "staging", params="{ max_tokens: 7 }")})
    world.story.commit("Merge with an edit", by="Eve <eve@example.com>")
    assert stamp(world, "eve") == ["EK853"]


def test_solo_repositories_may_approve_their_own_work_and_it_shows(world):
    world.write({"evalkit.yaml": config() + "  allow_self_approval: true\n"})
    assert stamp(world, "ann", *PROMOTED) == ["EK858"]


def test_self_approval_is_not_allowed_by_the_change_that_needs_it(world):
    for step in PROMOTED:
        world.commit(step)
    world.write({"evalkit.yaml": config() + "  allow_self_approval: true\n"})
    assert stamp(world, "ann") == ["EK853"]


def test_a_stamp_waits_for_a_promotion_after_each_promotion(world):
    assert stamp(world, "dora", *PROMOTED) == []
    world.story.commit("Stamp")
    assert stamp(world, "eve") == ["EK852"]
    world.story.git("checkout", "-q", "--", ".")
    world.commit(
        Step(
            {
                path("triage", 2): entry(
                    "triage", 2, "production", params="{ max_tokens: 2 }", approved_by="dora"
                )
            }
        )
    )
    assert stamp(world, "eve") == []


def test_a_change_of_exposure_is_stamped_as_well(world):
    for step in PROMOTED:
        world.commit(step)
    assert stamp(world, "dora") == []
    world.story.commit("Stamp")
    world.edit("triage", 2, rollout={"percent": 5})
    world.story.commit("A canary", by=BOB)
    assert stamp(world, "bob") == ["EK853"]
    assert stamp(world, "eve") == []
