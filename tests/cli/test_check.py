from __future__ import annotations

import json

import pytest
from planting import cases, entry, prompt, suite

from evalkit.cli.main import run


def test_a_valid_project_exits_0_and_says_how_much_was_looked_at(evalkit, project):
    result = evalkit("check")
    assert (result.code, result.out) == (0, "")
    assert result.err == "7 files, 0 errors, 0 warnings\n"


def test_errors_exit_1_with_place_code_and_help(evalkit, project):
    (project / "registry/entries/base/v1.yaml").write_text(entry("base", prompt_ref="base-promt@v1"))
    result = evalkit("check")
    assert result.code == 1
    assert result.out == (
        "registry/entries/base/v1.yaml:5:13: EK201 no prompt base-promt@v1\n  help: did you mean 'base-prompt'?\n"
    )
    assert result.err == "7 files, 1 error, 0 warnings\n"


def test_warnings_alone_exit_0(evalkit, project):
    (project / "registry/entries/base/v1.yaml").write_text(entry("base", model="gpt-4o"))
    result = evalkit("check")
    assert result.code == 0
    assert "warning EK203" in result.out
    assert result.err.endswith("0 errors, 1 warning\n")


def test_nothing_to_check_is_no_pass(evalkit, tmp_path, monkeypatch):
    (tmp_path / "registry/entries").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    result = evalkit("check")
    assert result.code == 2
    assert "EK901 there is nothing to check" in result.err


def test_no_project_exits_2(evalkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert evalkit("check").code == 2


@pytest.mark.parametrize("path", ["gone.yaml", "/etc"])
def test_a_path_that_is_not_there_or_not_in_the_project_exits_2(evalkit, project, path):
    result = evalkit("check", path)
    assert result.code == 2
    assert "EK901" in result.err


def test_with_a_path_only_the_files_below_it_are_reported(evalkit, project):
    for name in ("one", "two"):
        path = project / f"registry/entries/{name}/v1.yaml"
        path.parent.mkdir()
        path.write_text(entry(name, owner="3"))
    result = evalkit("check", "registry/entries/one")
    assert [line.split(":")[0] for line in result.out.splitlines() if "EK" in line] == [
        "registry/entries/one/v1.yaml"
    ]
    assert result.err.startswith("1 file, 1 error")
    assert evalkit("check", "registry/entries/base").code == 0
    assert evalkit("check", ".", "registry/entries/base").err.startswith("9 files, 2 errors")


def test_a_path_is_read_from_the_current_directory(evalkit, project, monkeypatch):
    (project / "registry/entries/base/v1.yaml").write_text(entry("base", owner="3"))
    monkeypatch.chdir(project / "registry")
    assert evalkit("check", "entries").code == 1
    assert evalkit("check", "../suites").code == 0


def test_a_suite_is_checked_against_the_prompts_of_its_entries_when_only_the_suite_is_named(evalkit, project):
    (project / "registry/prompts/base-prompt/v1.yaml").write_text(
        prompt("base-prompt", "{{ text }}", "{text: {}}")
    )
    for path in ("suites", "suites/base-eval/v1/cases.jsonl", "suites/base-eval/v1"):
        result = evalkit("check", path)
        assert result.code == 1, path
        assert "suites/base-eval/v1/cases.jsonl:1:1: EK408" in result.out
    assert "EK408" not in evalkit("check", "registry").out


def test_json_has_counts_and_every_problem(evalkit, project):
    (project / "registry/entries/base/v1.yaml").write_text(entry("base", owner="3"))
    data = json.loads(evalkit("check", "--format", "json").out)
    assert {key: data[key] for key in ("schema_version", "files", "errors", "warnings")} == {
        "schema_version": 1,
        "files": 7,
        "errors": 1,
        "warnings": 0,
    }
    assert data["problems"] == [
        {
            "severity": "error",
            "code": "EK106",
            "message": "owner must be text, found 3",
            "help": 'quote it if it is text: "3"',
            "path": "registry/entries/base/v1.yaml",
            "line": 8,
            "column": 8,
        }
    ]


def test_github_annotations_stand_at_the_line(evalkit, project):
    (project / "registry/entries/base/v1.yaml").write_text(entry("base", model="gpt-4o", owner="3"))
    lines = evalkit("check", "--format", "github").out.splitlines()
    path = "registry/entries/base/v1.yaml"
    assert lines[0].startswith(f"::warning file={path},line=3,col=8,title=EK203::'gpt-4o'")
    assert lines[1] == (
        f'::error file={path},line=8,col=8,title=EK106::owner must be text, found 3%0Ahelp: quote it if it is text: "3"'
    )


def test_github_paths_are_those_of_the_repository(evalkit, project, monkeypatch):
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.parent))
    (project / "registry/entries/base/v1.yaml").write_text(entry("base", owner="3"))
    assert f"file={project.name}/registry/entries/base/v1.yaml," in evalkit("check", "--format", "github").out


def test_a_hostile_file_cannot_write_a_workflow_command_or_an_escape(evalkit, project):
    hostile = '"x\\n::error file=evil::owned\\e[31m%0A,title=y": 1\n'
    (project / "registry/entries/base/v1.yaml").write_text(entry("base", extra=hostile))
    for output_format in ("text", "github"):
        out = evalkit("check", "--format", output_format).out
        assert "\x1b" not in out
        assert not any(line.strip().startswith("::error file=evil") for line in out.splitlines())
        assert len(out.splitlines()) <= 2


def test_a_suite_of_many_cases_is_checked_whole(evalkit, project):
    (project / "suites/base-eval/v1/cases.jsonl").write_text(
        cases('{"id": "c7", "vars": {"ticket": "x"}, "expected": "y"}')
    )
    (project / "suites/base-eval/v1/suite.yaml").write_text(suite("base-eval"))
    result = evalkit("check")
    assert "cases.jsonl:41:1: EK402 duplicate case id 'c7'\n  help: line 8 has it already" in result.out


def test_this_repository_is_well(evalkit, seed):
    result = evalkit("check")
    assert result.code == 0, result.out


def test_help_has_examples_and_exit_codes(capsys):
    assert run(["check", "--help"]) == 0
    out = capsys.readouterr().out
    assert "Examples:" in out
    assert "Exit codes: 0 no errors" in out
