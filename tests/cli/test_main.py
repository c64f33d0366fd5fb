"""What holds for every command: help, mistyped commands, and no traceback whatever happens."""

from __future__ import annotations

import pytest


def test_without_a_command_the_help_is_shown(evalkit):
    shown = evalkit()
    assert shown.code == 0
    assert shown.out.startswith("Usage: evalkit")
    assert shown.err == ""


def test_a_mistyped_command_gets_a_suggestion(evalkit):
    refused = evalkit("chekc")
    assert (refused.code, refused.out) == (2, "")
    assert "did you mean 'check'?" in refused.err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("promot",), "'promote'"),
        (("--projet", "x", "list"), "'--project'"),
        (("promote", "support-triage", "--aply"), "'--apply'"),
        (("show", "suport-triage"), "'support-triage'"),
        (("promote", "suport-triage"), "'support-triage'"),
        (("rollback", "suport-triage", "--reason", "x"), "'support-triage'"),
        (("hold", "suport-triage@v14", "--reason", "x"), "'support-triage'"),
        (("resolve", "suport-triage", "--env", "production"), "'support-triage'"),
        (("new", "suport-triage"), "'support-triage'"),
        (("check", "registy"), "registry?"),
        (("verify", "bundle", "evalkit.yml"), "evalkit.yaml?"),
        (("run", "order-extract@v1", "--suite", "order-extract-evl@v1"), "'order-extract-eval'"),
    ],
)
def test_what_is_mistyped_gets_a_suggestion(evalkit, seed, arguments, meant):
    refused = evalkit(*arguments)
    assert (refused.code, refused.out) == (2, "")
    assert "did you mean " in refused.err.lower()
    assert meant in refused.err


def test_a_mistyped_run_gets_a_suggestion(evalkit, seed):
    (seed / ".evalkit/runs/20261124T183328Z-a").mkdir(parents=True)
    refused = evalkit("report", "20261124T183328Z-b")
    assert refused.code == 2
    assert "20261124T183328Z-a?" in refused.err


@pytest.mark.parametrize(
    "arguments", [("run",), ("run", "x", "--formt", "json"), ("list", "--format", "jsn")]
)
def test_a_wrong_command_line_is_one_message_and_exit_code_two(evalkit, arguments):
    refused = evalkit(*arguments)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("EK902 ")
    assert f"evalkit {arguments[0]} --help" in refused.err


def test_what_the_system_refuses_is_a_message_and_no_traceback(evalkit, project):
    (project / ".evalkit").write_text("a file where a folder is needed")
    (project / "answers.jsonl").write_text('{"id": "a", "output": "x"}\n')
    names = [path.parent.name for path in (project / "registry/entries").glob("*/*.yaml")]
    refused = evalkit("run", names[0], "--replay", "answers.jsonl", "--quiet")
    assert refused.code == 2
    assert "Traceback" not in refused.err
    assert refused.err.startswith(("EK906 ", f"{project}"))
