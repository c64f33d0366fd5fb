"""`evalkit check --base` and `--history`: what is printed, where, and the exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "promote" / part) for part in ("base", "history")]

from base_material import Step, World, entry
from catalogue import before, path


@pytest.fixture
def world(tmp_path, monkeypatch):
    world = World(tmp_path / "repository")
    world.commit(before("triage", entry("triage", 1, "production", provider="openai", approved_by="dora")))
    world.story.branch("change")
    monkeypatch.chdir(world.root)
    return world


def test_a_change_that_keeps_the_rules_exits_0(evalkit, world):
    world.write({path("triage", 2): entry("triage", 2)})
    result = evalkit("check", "--base", "main")
    assert result.code == 0, result.out
    assert result.err.splitlines()[0].startswith("1 changed since ")


def test_a_breach_is_told_at_the_edited_key_with_its_fix_and_exits_1(evalkit, world):
    world.edit("triage", 1, model="gpt-5-2025-08-07")
    result = evalkit("check", "--base", "main")
    assert result.code == 1
    assert (
        "registry/entries/triage/v1.yaml:3:1: EK831 triage@v1 is in production, and its config never changes: "
        "model was 'gpt-5-mini-2025-08-07' and is 'gpt-5-2025-08-07'\n"
        "  help: restore it, and change it in a new version: evalkit new triage --from triage@v1\n"
    ) in result.out


def test_what_is_wrong_in_a_file_is_told_together_with_what_the_change_does(evalkit, world):
    world.edit("triage", 1, model="gpt-5-2025-08-07")
    world.write({path("triage", 2): entry("triage", 2, "production", prompt_ref="gone-prompt@v1")})
    out = evalkit("check", "--base", "main").out
    for code in ("EK831", "EK201", "EK838", "EK849"):
        assert code in out


def test_two_commits_are_compared_without_the_files_on_disk(evalkit, world):
    world.edit("triage", 1, model="gpt-5-2025-08-07")
    world.story.commit("Edit")
    world.story.go("main")
    result = evalkit("check", "--base", "main", "--head", "change", "--format", "json")
    data = json.loads(result.out)
    assert (result.code, data["files"], data["errors"]) == (1, 1, 1)
    assert data["problems"][0] | {"message": "", "help": ""} == {
        "severity": "error",
        "code": "EK831",
        "message": "",
        "help": "",
        "path": "registry/entries/triage/v1.yaml",
        "line": 3,
        "column": 1,
    }


def test_github_gets_annotations(evalkit, world):
    world.edit("triage", 1, model="gpt-5-2025-08-07")
    out = evalkit("check", "--base", "main", "--format", "github").out
    assert "::error file=registry/entries/triage/v1.yaml,line=3,col=1,title=EK831::" in out


def test_only_what_is_below_a_path_is_reported(evalkit, world):
    world.edit("triage", 1, model="gpt-5-2025-08-07")
    assert "EK831" in evalkit("check", "registry/entries/triage", "--base", "main").out
    assert "EK831" not in evalkit("check", "registry/prompts", "--base", "main").out


def test_on_the_line_itself_its_history_is_audited(evalkit, world):
    world.story.go("main")
    world.commit(Step({path("triage", 2): entry("triage", 2, "production")}), "Skip")
    result = evalkit("check", "--base", "main")
    assert result.code == 1
    assert "EK838 commit " in result.out
    assert "EK838 commit " not in evalkit("check", "--base", "main~1").out
    assert "EK838 triage" in evalkit("check", "--base", "main~1").out


def test_history_is_audited_instead_of_the_files(evalkit, world):
    world.write({path("triage", 2): "status: [\n"})
    result = evalkit("check", "--history")
    assert "EK101" not in result.out
    assert (result.code, result.err.splitlines()[0]) == (1, "2 commits of refs/heads/main")
    assert "EK838 commit " in result.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--head", "main"],
        ["--history", "--head", "main"],
        ["--history", "registry"],
        ["--base", "nowhere"],
        ["--base", "--help"],
    ],
)
def test_what_cannot_be_compared_exits_2(evalkit, world, arguments):
    result = evalkit("check", *arguments)
    assert result.code == 2
    assert "EK" in result.err


def test_outside_of_git_there_is_nothing_to_compare_with(evalkit, project):
    result = evalkit("check", "--base", "main")
    assert (result.code, "EK801" in result.err) == (2, True)


def test_hostile_names_and_texts_stay_on_their_line(evalkit, world):
    world.edit("triage", 1, approved_by="x\x1b[31m\n::error file=evil::owned")
    out = evalkit("check", "--base", "main").out
    assert "EK852" in out
    assert "\x1b" not in out
    assert not any(line.startswith("::error") for line in out.splitlines())
