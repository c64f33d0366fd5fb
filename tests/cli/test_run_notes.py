"""What `evalkit run` says on stderr about the environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from evalkit.testing.model_server import ModelServer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "promote"))

from plan_material import plant

RUN = ("run", "triage@v1", "--quiet", "--format", "json")
SUITE = (
    "name: triage-eval\nversion: 1\ncases: cases.jsonl\nscorers: [exact_match]\ngate: { min_score: 0.5 }\n"
)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    tree = plant(tmp_path, {1: "draft"})
    tree.write("suites/triage-eval/v1/suite.yaml", SUITE)
    case = {"id": "a", "vars": {"ticket": "x"}, "expected": "a"}
    tree.write("suites/triage-eval/v1/cases.jsonl", json.dumps(case) + "\n")
    tree.write("answers.jsonl", '{"id": "a", "output": "a"}\n')
    monkeypatch.chdir(tmp_path)
    return tree


def test_an_address_in_the_environment_is_not_used_and_one_note_says_which_is(evalkit, tree, monkeypatch):
    with ModelServer("a") as used, ModelServer("b") as unused:
        config = tree.read("evalkit.yaml")
        tree.write(
            "evalkit.yaml", config.replace("kind: openai", f"kind: openai, base_url: {used.base_url!r}")
        )
        monkeypatch.setenv("OPENAI_BASE_URL", unused.base_url)
        ran = evalkit(*RUN)
        address = used.base_url
    assert json.loads(ran.out)["score"] == 1.0
    assert ran.err.count("note: OPENAI_BASE_URL is set") == 1
    assert address in ran.err
    assert not unused.requests


def test_a_recording_asks_nobody_so_nothing_is_noted(evalkit, tree, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert "note:" not in evalkit(*RUN, "--replay", "answers.jsonl").err
