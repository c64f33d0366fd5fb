"""The examples of docs/audit.md are what the commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from audit_story import begin, normal

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```text\n\$ evalkit (.*)\n((?:.*\n)*?)```$", PAGE, re.MULTILINE)


@pytest.fixture
def story(tmp_path, monkeypatch):
    return begin(tmp_path, monkeypatch)


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_an_example_is_what_the_command_prints(evalkit, story, command, output):
    arguments, _, lines = command.partition(" | head -")
    printed = evalkit(*shlex.split(arguments)).out.splitlines(keepends=True)
    assert normal("".join(printed[: int(lines) if lines else None])) == normal(output)


def test_the_page_has_an_example_of_each_command():
    assert {command.split()[0] for command, _ in SHOWN} == {"log", "at", "resolve", "who"}
