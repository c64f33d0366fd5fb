"""`run --head`: the entry of another commit, measured by the rules of this one; and parts of it, merged."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from small_project import ENTRY, PROMPT, configure, right, tickets

from evalkit.evals.evidence import EvidenceRun
from evalkit.testing.model_server import ModelServer


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
        done = subprocess.run(
            ["git", "-C", str(project.root), *arguments], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    call("init", "-q", "-b", "main")
    return call


def branch(project, git, files: dict[str, str]) -> str:
    """A commit with these files on top of what there is; the work tree is as before. Returns its id."""
    git("add", "-A")
    git("commit", "-q", "--allow-empty", "-m", "base")
    git("checkout", "-q", "-b", "candidate")
    for path, text in files.items():
        project.write(path, text)
    git("add", "-A")
    git("commit", "-q", "-m", "candidate")
    head = git("rev-parse", "HEAD")
    git("checkout", "-q", "main")
    return head


V2 = "registry/entries/triage/v2.yaml"


def candidate(**changes: str) -> str:
    text = ENTRY.format(version=2, model="mock-2026-02-02").replace("triage@v1", "triage@v2")
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def test_only_the_candidate_comes_from_the_head(project, git):
    """The change also brings a provider that leads elsewhere, a suite that anything passes, and a scorer."""
    project.suite(tickets(30))
    with ModelServer(right) as server, ModelServer("stolen") as thief:
        configure(project, server.base_url)
        head = branch(
            project,
            git,
            {
                V2: candidate(),
                "registry/prompts/triage/v2.yaml": PROMPT.replace("version: 1", "version: 2").replace(
                    "one word", "one lower-case word"
                ),
                "evalkit.yaml": project.read("evalkit.yaml").replace(server.base_url, thief.base_url),
                "suites/triage-eval/v1/suite.yaml": project.read("suites/triage-eval/v1/suite.yaml").replace(
                    "0.8", "0.1"
                ),
                "evil.py": "raise SystemExit('imported')\n",
            },
        )
        scratch = project.root.parent / "scratch"
        scratch.mkdir()
        ran = project.evalkit(
            "run", "triage@v2", "--head", head, "--output", "out", "--format", "json", TMPDIR=str(scratch)
        )
        assert thief.requests == []
        asked = server.requests[0].body["messages"]
    assert ran.code == 0, ran.err
    assert "one lower-case word" in asked[0]["content"]
    record = ran.json
    assert (record["version"], record["model"], record["gate"]) == (2, "mock-2026-02-02", {"min_score": 0.8})
    assert not (project.root / V2).exists()
    assert (project.root / ".evalkit" / "cache.sqlite").exists()
    assert list(scratch.iterdir()) == []
    locations = [json.loads(line)["location"] for line in project.read("out/samples.jsonl").splitlines()]
    assert locations[0].startswith("suites/triage-eval/v1/cases.jsonl:")


def test_the_digest_is_that_of_the_same_files_in_the_tree(project, git):
    project.suite(tickets(5))
    files = {V2: candidate(**{"triage@v2": "triage@v1"})}
    with ModelServer(right) as server:
        configure(project, server.base_url)
        head = branch(project, git, files)
        from_head = project.evalkit("run", "triage@v2", "--head", head, "--format", "json").json
        git("checkout", "-q", "candidate")
        here = project.evalkit("run", "triage@v2", "--format", "json").json
    for key in ("generation_digest", "suite_digest", "measurement_digest", "score"):
        assert from_head[key] == here[key]
    assert here["cached"] == 5


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("triage@v2", "--write-back"), "EK902", "--write-back edits the files here"),
        (("triage",), "EK901", "names no version"),
        (("registry/entries/triage/v2.yaml",), "EK901", "names no version"),
        (("triage@v9",), "EK202", "there is no entry triage@v9 in the commit"),
    ],
)
def test_what_cannot_be_taken_from_a_head_is_one_message(project, git, arguments, code, message):
    project.suite(tickets(3))
    head = branch(project, git, {V2: candidate(**{"triage@v2": "triage@v1"})})
    ran = project.evalkit("run", *arguments, "--head", head)
    assert ran.code == 2
    assert code in ran.err
    assert message in ran.err


def test_a_provider_that_the_tree_does_not_define_is_a_plain_error(project, git):
    project.suite(tickets(3))
    config = project.read("evalkit.yaml") + "\n"
    head = branch(
        project,
        git,
        {
            V2: candidate(**{"triage@v2": "triage@v1", "provider: mock": "provider: theirs"}),
            "evalkit.yaml": config.replace("mock:", "theirs:"),
        },
    )
    ran = project.evalkit("run", "triage@v2", "--head", head)
    assert ran.code == 2
    assert f"{V2}:4:" in ran.err
    assert "EK201 no provider is called 'theirs'" in ran.err


def test_a_file_that_poses_as_another_entry_is_refused(project, git):
    project.suite(tickets(3))
    head = branch(project, git, {V2: ENTRY.format(version=1, model="mock-2026-01-01")})
    ran = project.evalkit("run", "triage@v2", "--head", head)
    assert ran.code == 2
    assert f"{V2}: EK109 the file of triage@v2 says that it is triage@v1" in ran.err


def test_a_ref_that_does_not_exist_is_named(project, git):
    project.suite(tickets(3))
    branch(project, git, {V2: candidate()})
    ran = project.evalkit("run", "triage@v2", "--head", "nowhere")
    assert ran.code == 2
    assert "EK804" in ran.err


def test_parts_from_a_head_are_merged_and_judged(project, git):
    project.suite(tickets(31), extra="metrics: [f1_macro]\n")
    with ModelServer(right) as server:
        configure(project, server.base_url, "artifacts: { outputs: false }\n")
        head = branch(project, git, {V2: candidate(**{"triage@v2": "triage@v1"})})
        for index in (1, 2, 3):
            part = project.evalkit(
                "run", "triage@v2", "--suite", "triage-eval@v1", "--head", head, "--shard", f"{index}/3",
                "--cache", "refresh", "--output", f"parts/{index}", GITHUB_ACTIONS="true",
            )  # fmt: skip
            assert part.code == 0, part.err
    assert not (project.root / "parts/1/evidence.json").exists()
    merged = project.evalkit(
        "merge",
        "parts/3",
        "parts/1",
        "parts/2",
        "--output",
        "whole",
        "--format",
        "json",
        GITHUB_ACTIONS="true",
    )
    assert merged.code == 0, merged.err
    record = merged.json
    assert (record["verdict"], record["scored"], record["source"], record["shard"]) == (
        "pass",
        31,
        "ci",
        None,
    )
    assert record["metrics"]["f1_macro"] == 1.0
    run = EvidenceRun.from_bytes((project.root / "whole/evidence.json").read_bytes(), "evidence.json")
    assert (run.run_id, run.score, len(run.scores)) == (record["run_id"], 1.0, 31)
    for path in (project.root / "parts/1/samples.jsonl", *(project.root / "whole").iterdir()):
        assert "ticket " not in path.read_text()
        assert '"billing"' not in path.read_text()
    table = project.evalkit("report", "whole")
    assert "PASS" in table.out
    missing = project.evalkit("merge", "parts/1", "parts/2", "--output", "partial")
    assert missing.code == 2
    assert "EK512" in missing.err


def test_a_merge_that_fails_the_gate_exits_with_1(project):
    project.suite(tickets(20))
    with ModelServer("wrong") as server:
        configure(project, server.base_url)
        project.evalkit("run", "triage@v1", "--shard", "1/1", "--output", "part")
    ran = project.evalkit("merge", "part", "--output", "whole")
    assert ran.code == 1
    assert "FAIL" in ran.out
