"""`evalkit plan`: the table, the JSON and the outputs of a step."""

from __future__ import annotations

import json
import subprocess

import pytest


def outputs(text: str) -> dict[str, str]:
    """What the runner reads: `name=value`, or `name<<mark`, lines, `mark`."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, mark, rest = line.partition("<<")
        if mark and "=" not in name:
            found[name] = "\n".join(iter(lambda: next(lines), rest))
        elif line:
            name, _, value = line.partition("=")
            found[name] = value
    return found


@pytest.fixture
def registry(seed):
    """This repository's own registry, committed."""
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-q", "-m", "Begin"],
    ):
        subprocess.run(["git", *command], cwd=seed, check=True, capture_output=True)
    return seed


def test_json_has_the_evaluations_and_both_matrices(evalkit, registry):
    ran = evalkit("plan", "--format", "json", "--shard-size", "50")
    assert ran.code == 0, ran.err
    data = json.loads(ran.out)
    assert data["schema_version"] == 1
    assert data["evaluations"]
    first = data["evaluations"][0]
    assert {"key", "entry", "suite", "generation_digest", "measurement_digest", "cases", "repeats", "shards",
            "provider", "estimated_cost_usd"} == first.keys()  # fmt: skip
    assert len(data["include"]) == sum(one["shards"] for one in data["evaluations"])
    assert first["shards"] == -(-first["cases"] * first["repeats"] // 50)
    assert data["include"][0] == {
        "key": first["key"], "entry": first["entry"], "suite": first["suite"], "shard": 1, "shards": first["shards"],
    }  # fmt: skip


def test_a_step_gets_its_outputs_and_its_summary(evalkit, registry, tmp_path, monkeypatch):
    output, summary = tmp_path / "output", tmp_path / "summary.md"
    output.touch()
    summary.touch()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    ran = evalkit("plan", "--format", "github")
    assert ran.code == 0, ran.err
    told = outputs(output.read_text())
    data = json.loads(evalkit("plan", "--format", "json").out)
    assert json.loads(told["matrix"]) == {"include": data["include"]}
    assert json.loads(told["merges"]) == {"include": data["merges"]}
    assert told["count"] == str(len(data["evaluations"]))
    assert "| entry | suite |" in summary.read_text()
    assert ran.out.splitlines()[0] in summary.read_text()


def test_a_change_that_changes_nothing_needs_nothing(evalkit, registry):
    ran = evalkit("plan", "--base", "main")
    assert (ran.code, ran.out) == (0, "No evaluation is needed.\n")


def test_another_run_can_be_asked_for(evalkit, registry):
    data = json.loads(evalkit("plan", "--format", "json").out)
    entry = data["evaluations"][0]["entry"]
    again = json.loads(evalkit("plan", "--format", "json", "--again", entry).out)
    assert again["evaluations"] == data["evaluations"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--head", "main"), "EK901"),
        (("--again", "nobody@v1"), "EK202"),
        (("--base", "main", "--again", "nobody@v1"), "EK901"),
        (("--base", "nowhere"), "EK804"),
        (("--shard-size", "0"), "EK902"),
    ],
)
def test_mistakes_are_one_message(evalkit, registry, arguments, code):
    ran = evalkit("plan", *arguments)
    assert ran.code == 2
    assert ran.err.startswith(code)
    assert ran.out == ""
