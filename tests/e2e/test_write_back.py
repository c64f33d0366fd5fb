"""`--write-back`: the author's file with one more line, the evidence with one more run, and nothing lost."""

from __future__ import annotations

import json

import yaml
from small_project import ENTRY, configure, right, tickets

from evalkit.testing.model_server import ModelServer

ENTRY_PATH = "registry/entries/triage/v1.yaml"
EVIDENCE_PATH = "registry/evidence/triage/v1/triage-eval@v1.json"


def test_only_the_eval_line_is_added(project):
    project.suite(tickets(40))
    before = project.read(ENTRY_PATH)
    with ModelServer(right) as server:
        configure(project, server.base_url)
        ran = project.evalkit("run", "triage@v1", "--write-back", "--format", "json")
    after = project.read(ENTRY_PATH)
    added = [line for line in after.splitlines() if line not in before.splitlines()]
    assert len(added) == 1
    assert [line for line in after.splitlines() if line not in added] == before.splitlines()
    block = yaml.safe_load(after)["eval"]
    evidence = json.loads(project.read(EVIDENCE_PATH))
    assert block["suite"] == "triage-eval@v1"
    assert block["score"] == 1.0
    assert block["run"] == ran.json["run_id"] == evidence["runs"][0]["run_id"]
    assert evidence["runs"][0]["generation_digest"] == ran.json["generation_digest"]
    assert "ticket 3" not in project.read(EVIDENCE_PATH)
    assert project.evalkit("check").code == 0


def test_twice_in_a_row_changes_nothing(project):
    project.suite(tickets(40))
    with ModelServer(right) as server:
        configure(project, server.base_url)
        project.evalkit("run", "triage@v1", "--write-back")
        once = project.read(ENTRY_PATH), project.read(EVIDENCE_PATH)
        again = project.evalkit("run", "triage@v1", "--write-back")
    assert (project.read(ENTRY_PATH), project.read(EVIDENCE_PATH)) == once
    assert "nothing new" in again.err


def test_a_fresh_run_is_added_and_the_score_is_over_both(project):
    project.suite(tickets(40))
    answers = {"mode": right}
    with ModelServer(lambda body: answers["mode"](body)) as server:
        configure(project, server.base_url)
        project.evalkit("run", "triage@v1", "--write-back")
        answers["mode"] = lambda _: "billing"
        ran = project.evalkit("run", "triage@v1", "--write-back", "--cache", "refresh")
    evidence = json.loads(project.read(EVIDENCE_PATH))
    assert [run["score"] for run in evidence["runs"]] == [1.0, 0.5]
    assert yaml.safe_load(project.read(ENTRY_PATH))["eval"]["score"] == 0.75
    assert "0.75 over 2 runs" in ran.err


def test_two_processes_at_once_lose_nothing(project):
    project.suite(tickets(30))
    with ModelServer(right) as server:
        configure(project, server.base_url)
        command = ("run", "triage@v1", "--write-back", "--cache", "off", "--quiet")
        running = [project.popen(*command) for _ in range(4)]
        for process in running:
            _, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
    evidence = json.loads(project.read(EVIDENCE_PATH))
    assert len(evidence["runs"]) == 4
    assert project.evalkit("check").code == 0


def test_an_entry_that_cannot_be_edited_safely_is_left_alone(project):
    project.suite(tickets(30))
    entry = (
        ENTRY.format(version=1, model="mock-2026-01-01")
        + "eval: &shared { suite: triage-eval@v1, score: 0.1 }\n"
    )
    entry = entry.replace("params: {", "canary: *shared\nparams: {").replace("canary: *shared\n", "")
    entry += "description: x\n"
    text = entry.replace("score: 0.1 }", "score: 0.1 }").replace("eval: &shared", "eval: !!map &shared")
    project.write(ENTRY_PATH, text)
    with ModelServer(right) as server:
        configure(project, server.base_url)
        ran = project.evalkit("run", "triage@v1", "--write-back")
    if ran.code == 2:
        assert project.read(ENTRY_PATH) == text
        assert not (project.root / EVIDENCE_PATH).exists()
    else:
        assert yaml.safe_load(project.read(ENTRY_PATH))["eval"]["score"] == 1.0


def test_a_broken_evidence_file_is_never_overwritten(project):
    project.suite(tickets(30))
    project.write(EVIDENCE_PATH, '{"schema_version": 1, "runs": [\n')
    before = project.read(ENTRY_PATH)
    with ModelServer(right) as server:
        configure(project, server.base_url)
        ran = project.evalkit("run", "triage@v1", "--write-back")
    assert ran.code == 2
    assert "EK208" in ran.err
    assert EVIDENCE_PATH in ran.err
    assert project.read(EVIDENCE_PATH) == '{"schema_version": 1, "runs": [\n'
    assert project.read(ENTRY_PATH) == before
