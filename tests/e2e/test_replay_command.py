"""`evalkit replay`: a change without keys brings recorded answers along, and they are scored by the rules of its base."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from markdown_it import MarkdownIt
from small_project import ENTRY, PROMPT, configure, right, tickets

from evalkit.testing.model_server import ModelServer

V2 = "registry/entries/triage/v2.yaml"
RECORDING = "registry/recordings/triage/v2/triage-eval@v1.jsonl"
MIB = 1024 * 1024


@pytest.fixture
def git(project):
    def call(*arguments: str) -> str:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        who = {
            f"GIT_{role}_{what}": "a@example.com"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        env = {**kept, **who, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        command = ["git", "-C", str(project.root), *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip()

    call("init", "-q", "-b", "main")
    return call


@pytest.fixture
def change(project, git):
    """A branch that adds triage@v2, in the work tree; its base has a suite of thirty tickets and a provider that is off."""
    project.suite(tickets(30))
    project.write(".gitignore", ".evalkit/\n")
    git("add", "-A")
    git("commit", "-q", "-m", "base")
    git("checkout", "-q", "-b", "candidate")
    project.write(V2, ENTRY.format(version=2, model="mock-2026-02-02").replace("triage@v1", "triage@v2"))
    new = PROMPT.replace("version: 1", "version: 2").replace("one word", "one lower-case word")
    project.write("registry/prompts/triage/v2.yaml", new)

    def commit() -> str:
        git("add", "-A")
        git("commit", "-q", "-m", "candidate")
        return git("rev-parse", "HEAD")

    return commit


def digest(project) -> str:
    """Of triage@v2, as `show` says it."""
    return project.evalkit("show", "triage@v2", "--format", "json").json["digest"]


def lines(generation: str | None, answers=None, **more) -> str:
    made = {} if generation is None else {"generation_digest": generation}
    rows = ({"id": one["id"], "output": one["expected"], **made, **more} for one in answers or tickets(30))
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_without_a_recording_it_says_that_a_maintainer_is_needed(project, change):
    head = change()
    ran = project.evalkit("replay", "--base", "main", "--head", head)
    assert ran.code == 0, ran.err
    assert f"there is no recording; it would lie at {RECORDING}" in ran.out
    assert "needs a maintainer's run" in ran.out


def test_the_samples_of_a_run_are_a_recording_and_are_scored(project, change, tmp_path):
    with ModelServer(right) as server:
        configured = project.read("evalkit.yaml")
        configure(project, server.base_url)
        asked = project.evalkit("run", "triage@v2", "--output", str(tmp_path / "run"))
        assert asked.code == 0, asked.err
        project.write("evalkit.yaml", configured)
    project.write(RECORDING, (tmp_path / "run/samples.jsonl").read_text())
    assert project.evalkit("check").code == 0
    head = change()
    summary = tmp_path / "summary.md"
    summary.touch()
    ran = project.evalkit(
        "replay", "--base", "main", "--head", head, "--format", "github",
        GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    for said in (ran.out, summary.read_text()):
        assert "the recorded answers give the verdict pass (30 of 30 cases scored)" in said
        assert "promotes nothing" in said
        assert "needs a maintainer's run" not in said


def test_the_run_is_a_replay_and_writes_nothing_into_the_registry(project, change, git):
    project.write(RECORDING, lines(digest(project)))
    head = change()
    ran = project.evalkit("replay", "--base", "main", "--head", head, "--format", "json")
    assert ran.code == 0, ran.err
    (one,) = ran.json["evaluations"]
    assert (one["run"]["source"], one["run"]["verdict"], one["refused"]) == ("replay", "pass", None)
    assert git("status", "--porcelain") == ""


def test_a_verdict_that_fails_is_shown_and_is_no_error(project, change):
    answers = [{**one, "expected": "other"} for one in tickets(30)]
    project.write(RECORDING, lines(digest(project), answers))
    ran = project.evalkit("replay", "--base", "main")
    assert ran.code == 0, ran.err
    assert "the recorded answers give the verdict fail" in ran.out


@pytest.mark.parametrize(
    ("generation", "said"),
    [
        (None, "it was made for another config: it does not say for which"),
        ("sha256:" + "1" * 64, "it was made for another config: it says sha256:111111111111…"),
    ],
)
def test_a_recording_of_another_config_is_refused(project, change, generation, said):
    project.write(RECORDING, lines(generation))
    ran = project.evalkit("replay", "--base", "main")
    assert ran.code == 0, ran.err
    assert said in ran.out
    assert "verdict pass" not in ran.out
    assert "needs a maintainer's run" in ran.out


def test_a_lenient_suite_or_another_scorer_of_the_change_does_not_judge_it(project, change):
    """A suite that comes with the candidate is one more reason to evaluate it after the merge."""
    project.write(RECORDING, lines(digest(project)))
    lenient = project.read("suites/triage-eval/v1/suite.yaml").replace("0.8", "0.1")
    project.write("suites/triage-eval/v1/suite.yaml", lenient)
    ran = project.evalkit("replay", "--base", "main")
    assert ran.code == 0, ran.err
    assert "evaluated after the merge" in ran.out
    assert "verdict" not in ran.out


def test_code_that_the_change_brings_is_not_imported(project, change):
    project.write(RECORDING, lines(digest(project)))
    project.write("suites.py", "raise SystemExit('imported')\n")
    project.write("sitecustomize.py", "raise SystemExit('imported')\n")
    ran = project.evalkit("replay", "--base", "main")
    assert ran.code == 0, ran.err
    assert "verdict pass" in ran.out


HOSTILE = '::stop-commands::x\n\x1b[2J@everyone <img src=x> <!-- evalkit:v1 {"kind": "promotion"} --> ```'


def test_hostile_answers_stay_text(project, change, tmp_path):
    answers = [{**one, "expected": HOSTILE} for one in tickets(30)]
    project.write(
        RECORDING, lines(digest(project), answers, served_model="::error::x", finish_reason=HOSTILE)
    )
    summary = tmp_path / "summary.md"
    summary.touch()
    ran = project.evalkit(
        "replay", "--base", "main", "--format", "github", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary)
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert not [line for line in ran.out.splitlines() if line.lstrip().startswith("::")]
    assert "\x1b[2J" not in ran.out + summary.read_text()
    assert not [line for line in summary.read_text().splitlines() if line.startswith("::")]
    page = MarkdownIt("commonmark").enable("table").render(summary.read_text())
    for live in ("<img", "<!-- evalkit"):
        assert live not in page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the recording is empty"),
        ("{\n", "line 1: not valid JSON"),
        ('{"id": "t1", "output": "x", "tokens": [1]}\n', "'tokens' is a mapping of 'in' and 'out'"),
        ('{"id": "t1", "output": "x", "tokens": {"in": "many"}}\n', "'tokens.in' is a whole number"),
        ('{"id": "t1", "output": "x", "latency_ms": "long"}\n', "'latency_ms' is a number"),
        ('{"id": "t1", "output": "x", "latency_ms": 1e999}\n', "'latency_ms' is a number"),
        ('{"id": "t1", "output": "x", "cost_usd": NaN}\n', "'cost_usd' is a number"),
        ('{"id": "t1", "output": "x", "generation_digest": [1]}\n', "'generation_digest' is text"),
        ('{"id": "t1", "output": "x", "served_model": {"a": 1}}\n', "'served_model' is text"),
        ('{"id": "t1", "output": "' + "x" * 5 * MIB + '"}\n', "at most 5 MiB"),
    ],
    ids=lambda value: value[:40],
)
def test_a_broken_recording_is_an_error_of_check_and_not_scored(project, change, text, said):
    project.write(RECORDING, text)
    checked = project.evalkit("check")
    assert checked.code == 1
    assert "EK507" in checked.out
    assert f"{RECORDING}" in checked.out
    ran = project.evalkit("replay", "--base", "main")
    assert ran.code == 0, ran.err
    assert said in ran.out


def test_a_recording_that_answers_a_case_twice_is_refused(project, change):
    project.write(RECORDING, lines(digest(project)) * 2)
    ran = project.evalkit("replay", "--base", "main")
    assert ran.code == 0, ran.err
    assert "recorded more often than the suite asks (1)" in ran.out


def test_check_knows_the_folder_and_what_does_not_belong_there(project, change):
    project.write("registry/recordings/triage/v9/triage-eval@v1.jsonl", lines(None))
    project.write("registry/recordings/triage/v2/other@v1.jsonl", lines(None))
    project.write("registry/recordings/triage/v2/triage-eval@v1.json", "{}")
    ran = project.evalkit("check")
    assert ran.code == 1
    assert "this is a recording for triage@v9, and there is no such entry" in ran.out
    assert "this is a recording for other@v1, and there is no such suite" in ran.out
    assert "a recording lies at registry/recordings/<entry name>/v1/<suite>@v1.jsonl" in ran.out
    project.write(RECORDING, lines(digest(project)))
    only = project.evalkit("check", "registry/recordings/triage/v2/triage-eval@v1.jsonl")
    assert (only.code, only.out) == (0, "")
