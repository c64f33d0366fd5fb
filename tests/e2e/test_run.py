"""`evalkit run` as its user meets it: real processes, a real HTTP server on loopback, files on disk."""

from __future__ import annotations

import json
import signal
import threading
import time
import xml.etree.ElementTree as ET

import pytest
from small_project import ENTRY, configure, right, tickets

from evalkit.evals import load_run
from evalkit.testing.model_server import Faults, ModelServer, RawReply

RECORD_KEYS = [
    "run_id",
    "entry",
    "version",
    "suite",
    "generation_digest",
    "suite_digest",
    "score",
    "ci95",
    "cases",
    "scored",
    "errors",
    "verdict",
    "reasons",
    "metrics",
    "slices",
    "baseline",
    "latency_ms",
    "tokens",
    "cost_usd",
    "cached",
    "served_models",
    "source",
    "output_dir",
]


def test_a_good_candidate_passes_and_leaves_its_record(project):
    project.suite(
        tickets(60), gate="{ min_score: 0.8, min_cases: 50, slices: { hard: 0.7 }, slice_min_cases: 10 }"
    )
    with ModelServer(right) as server:
        configure(project, server.base_url)
        ran = project.evalkit("run", "triage@v1", "--format", "json", "--output", "out")
    assert ran.code == 0, ran.err
    record = ran.json
    assert set(RECORD_KEYS) <= record.keys()
    assert (record["entry"], record["version"], record["suite"]) == ("triage", 1, "triage-eval@v1")
    assert (record["score"], record["cases"], record["scored"], record["errors"]) == (1.0, 60, 60, 0)
    assert (record["verdict"], record["source"], record["cached"]) == ("pass", "local", 0)
    assert record["slices"]["hard"]["cases"] == 12
    assert record["served_models"] == ["mock-2026-01-01"]
    assert 0.9 < record["ci95"][0] < record["ci95"][1] == 1.0
    assert {path.name for path in (project.root / "out").iterdir()} == {
        "run.json", "samples.jsonl", "report.html", "summary.md", "evidence.json",
    }  # fmt: skip
    assert json.loads(project.read("out/run.json")) == record
    lines = [json.loads(line) for line in project.read("out/samples.jsonl").splitlines()]
    assert len(lines) == 60
    wanted = [
        "id",
        "input",
        "expected",
        "output",
        "scores",
        "error",
        "latency_ms",
        "tokens",
        "cost_usd",
        "cached",
        "served_model",
        "tags",
    ]
    assert set(wanted) <= lines[0].keys()


def test_a_bad_candidate_fails_with_the_reason_first(project):
    project.suite(tickets(60))
    with ModelServer("shipping") as server:
        configure(project, server.base_url)
        ran = project.evalkit("run", "triage@v1")
    assert ran.code == 1
    assert "FAIL" in ran.out.splitlines()[0]
    assert "below the required 0.80" in ran.out
    assert "60/60" in ran.err


def test_data_goes_to_stdout_and_progress_to_stderr(project):
    project.suite(tickets(30))
    with ModelServer(right) as server:
        configure(project, server.base_url)
        ran = project.evalkit("run", "triage@v1", "--format", "json")
        markdown = project.evalkit("run", "triage@v1", "--format", "markdown")
        junit = project.evalkit("run", "triage@v1", "--format", "junit")
    json.loads(ran.out)
    assert "30/30" in ran.err
    assert "triage@v1" in markdown.out
    assert ET.fromstring(junit.out).tag == "testsuites"


def test_the_second_run_asks_nothing_and_says_so(project):
    project.suite(tickets(40))
    with ModelServer(right) as server:
        configure(project, server.base_url)
        first = project.evalkit("run", "triage@v1", "--format", "json").json
        second = project.evalkit("run", "triage@v1", "--format", "json").json
        assert len(server.requests) == 40
        refreshed = project.evalkit("run", "triage@v1", "--format", "json", "--cache", "refresh").json
        assert len(server.requests) == 80
        project.evalkit("run", "triage@v1", "--format", "json", "--cache", "off")
        assert len(server.requests) == 120
    assert (first["cached"], second["cached"], refreshed["cached"]) == (0, 40, 0)
    same = ["score", "ci95", "cases", "scored", "errors", "verdict", "metrics", "slices", "tokens"]
    assert {key: first[key] for key in same} == {key: second[key] for key in same}


def test_a_bare_name_is_the_newest_draft(project):
    project.suite(tickets(20))
    project.write("registry/entries/triage/v2.yaml", ENTRY.format(version=2, model="mock-2026-02-02"))
    retired = ENTRY.format(version=3, model="mock-2026-03-03").replace("status: draft ", "status: retired ")
    project.write("registry/entries/triage/v3.yaml", retired)
    with ModelServer(right) as server:
        configure(project, server.base_url)
        assert project.evalkit("run", "triage", "--format", "json").json["version"] == 2


def test_an_entry_file_is_a_target(project):
    project.suite(tickets(20))
    with ModelServer(right) as server:
        configure(project, server.base_url)
        ran = project.evalkit("run", "registry/entries/triage/v1.yaml", "--format", "json")
    assert ran.json["version"] == 1


def test_several_suites_give_a_list_and_the_worst_exit_code(project):
    project.suite(tickets(40))
    project.suite(tickets(40), name="strict-eval", scorers="[{exact_match: nothing}]")
    with ModelServer(right) as server:
        configure(project, server.base_url)
        ran = project.evalkit(
            "run", "triage@v1", "--suite", "triage-eval@v1", "--suite", "strict-eval-v1", "--format", "json"
        )
    assert [record["verdict"] for record in ran.json] == ["pass", "fail"]
    assert ran.code == 1


def test_repeats_are_asked_and_averaged_within_the_case(project):
    project.suite(tickets(25), extra="repeats: 3\nmetrics: [pass@3, pass^3]\n")
    calls = {}

    def flaky(body):
        text = body["messages"][-1]["content"]
        calls[text] = calls.get(text, 0) + 1
        return "nothing" if calls[text] == 1 else right(body)

    with ModelServer(flaky) as server:
        configure(project, server.base_url)
        record = project.evalkit("run", "triage@v1", "--format", "json").json
    assert record["cases"] == record["scored"] == 25
    assert record["score"] == pytest.approx(2 / 3)
    assert record["metrics"]["pass@3"] == 1.0
    assert record["metrics"]["pass^3"] == 0.0


def test_shards_ask_each_case_once_and_are_never_gated(project):
    project.suite(tickets(50))
    with ModelServer("wrong") as server:
        configure(project, server.base_url)
        shards = [
            project.evalkit("run", "triage@v1", "--shard", f"{i}/3", "--format", "json") for i in (1, 2, 3)
        ]
        assert max(server.answered.values()) == 1
        assert len(server.answered) == 50
    assert [shard.code for shard in shards] == [0, 0, 0]
    assert [shard.json["cases"] for shard in shards] == [17, 17, 16]


def test_rate_limits_and_server_errors_are_retried_and_never_scored(project):
    project.suite(tickets(60))
    faults = Faults(rate_limited_every=7, retry_after="0", error_every=11, drop_every=13)
    with ModelServer(right, faults=faults) as server:
        configure(project, server.base_url)
        record = project.evalkit("run", "triage@v1", "--format", "json").json
    assert (record["score"], record["errors"], record["verdict"]) == (1.0, 0, "pass")


def test_a_refused_request_is_the_candidates_failure_and_scores_zero(project):
    project.suite(tickets(40))

    def refuse_some(body):
        text = body["messages"][-1]["content"]
        if int(text.split()[-1]) % 4 == 0:
            return RawReply(
                400, b'{"error": {"message": "context too long", "code": "context_length_exceeded"}}'
            )
        return right(body)

    with ModelServer(refuse_some) as server:
        configure(project, server.base_url)
        ran = project.evalkit("run", "triage@v1", "--format", "json")
    assert (ran.json["score"], ran.json["errors"], ran.json["candidate_failures"]) == (0.75, 0, 10)
    assert ran.code == 1


def test_what_cannot_be_measured_is_inconclusive_and_not_a_failure(project):
    project.suite(tickets(40))

    def broken_for_some(body):
        text = body["messages"][-1]["content"]
        return RawReply(500, b"{}") if int(text.split()[-1]) % 4 == 0 else right(body)

    with ModelServer(broken_for_some) as server:
        configure(project, server.base_url)
        text = project.read("evalkit.yaml").replace("kind: openai", "kind: openai, max_attempts: 2")
        project.write("evalkit.yaml", text)
        ran = project.evalkit("run", "triage@v1", "--format", "json")
    assert ran.code == 3
    record = ran.json
    assert (record["score"], record["scored"], record["errors"], record["verdict"]) == (
        1.0,
        30,
        10,
        "inconclusive",
    )


def test_another_model_than_the_one_asked_for_is_noted(project):
    project.suite(tickets(20))
    with ModelServer(right, served_model="mock-2026-09-09") as server:
        configure(project, server.base_url)
        record = project.evalkit("run", "triage@v1", "--format", "json").json
    assert record["served_models"] == ["mock-2026-09-09"]
    assert "answered with mock-2026-09-09, not with mock-2026-01-01" in record["notes"][0]


# Mistakes: one clear message, the documented exit code, nothing asked.


def test_a_missing_entry_names_the_one_that_may_be_meant(project):
    project.suite(tickets(5))
    ran = project.evalkit("run", "triagee@v1")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "EK202 no entry triagee@v1\n  help: did you mean 'triage'?\n"


def test_a_missing_version_names_those_that_exist(project):
    ran = project.evalkit("run", "triage@v7")
    assert ran.code == 2
    assert ran.err == "EK202 no entry triage@v7\n  help: versions of triage: v1\n"


def test_a_broken_suite_is_reported_whole_before_anything_is_asked(project):
    rows = [
        *tickets(3),
        {"id": "t1", "vars": {"ticket": "x"}},
        {"id": "odd", "vars": {"tikcet": "x"}, "expected": "y"},
    ]
    project.suite(rows, scorers="[exact_match, {regex: '('}]", gate="{ min_scor: 0.8 }")
    with ModelServer(right) as server:
        configure(project, server.base_url)
        ran = project.evalkit("run", "triage@v1")
        assert server.requests == []
    assert ran.code == 2
    assert "suites/triage-eval/v1/suite.yaml:4:" in ran.err
    assert "suites/triage-eval/v1/suite.yaml:5:" in ran.err
    assert "did you mean 'min_score'?" in ran.err


def test_broken_cases_are_all_reported_at_their_lines(project):
    rows = [
        *tickets(3),
        {"id": "t1", "vars": {"ticket": "x"}, "expected": "a"},
        {"id": "odd", "vars": {"tikcet": "x"}},
    ]
    project.suite(rows)
    with ModelServer(right) as server:
        configure(project, server.base_url)
        ran = project.evalkit("run", "triage@v1")
        assert server.requests == []
    assert ran.code == 2
    assert "cases.jsonl:4:1: EK402" in ran.err
    assert "cases.jsonl:5:1: EK408" in ran.err


def test_a_key_that_is_not_set_is_named(project):
    project.suite(tickets(5))
    text = project.read("evalkit.yaml").replace("kind: openai", "kind: openai, api_key_env: MOCK_KEY")
    project.write("evalkit.yaml", text)
    ran = project.evalkit("run", "triage@v1")
    assert ran.code == 2
    assert "EK501" in ran.err
    assert "$MOCK_KEY is not set" in ran.err


def test_a_wrong_key_stops_the_run_at_once_and_is_never_shown(project):
    project.suite(tickets(50))
    with ModelServer(right, api_key="right-key") as server:
        configure(project, server.base_url)
        text = project.read("evalkit.yaml").replace("kind: openai", "kind: openai, api_key_env: MOCK_KEY")
        project.write("evalkit.yaml", text)
        ran = project.evalkit("run", "triage@v1", MOCK_KEY="sk-very-secret-1234567890")
        assert len(server.requests) <= 16
    assert ran.code == 2
    assert "EK502" in ran.err
    assert ran.err.count("EK502") == 1
    assert "$MOCK_KEY" in ran.err
    everything = ran.out + ran.err
    for path in (project.root / ".evalkit").rglob("*"):
        if path.is_file():
            everything += path.read_bytes().decode("utf-8", "replace")
    assert "very-secret" not in everything


def test_an_unreachable_server_is_one_message_within_seconds(project):
    project.suite(tickets(200))
    began = time.monotonic()
    ran = project.evalkit("run", "triage@v1")
    assert time.monotonic() - began < 15
    assert ran.code == 3
    assert ran.err.count("EK503") == 1
    assert "127.0.0.1:9" in ran.err


def test_an_unknown_model_is_a_configuration_error(project):
    project.suite(tickets(20))
    with ModelServer(right, models=frozenset({"another"})) as server:
        configure(project, server.base_url)
        ran = project.evalkit("run", "triage@v1")
    assert ran.code == 2
    assert "EK505" in ran.err
    assert "mock-2026-01-01" in ran.err


def test_an_exhausted_budget_stops_cleanly_and_is_inconclusive(project):
    project.suite(tickets(200))
    with ModelServer(right) as server:
        configure(project, server.base_url, "prices:\n  mock-2026-01-01: { input: 1000, output: 1000 }\n")
        ran = project.evalkit("run", "triage@v1", "--max-cost", "1", "--concurrency", "4", "--format", "json")
        asked = len(server.requests)
    record = ran.json
    assert ran.code == 3
    assert 0 < record["scored"] == asked < 200
    assert record["cost_usd"] <= 1
    assert record["scored"] + record["errors"] == 200
    assert "budget" in record["reasons"][0]


def test_a_budget_without_a_known_price_is_refused(project):
    project.suite(tickets(5))
    ran = project.evalkit("run", "triage@v1", "--max-cost", "1")
    assert ran.code == 2
    assert "EK506" in ran.err


def test_partial_runs_are_not_written_back(project):
    project.suite(tickets(5))
    ran = project.evalkit("run", "triage@v1", "--limit", "2", "--write-back")
    assert ran.code == 2
    assert "--limit" in ran.err


def test_outside_of_a_project_the_next_step_is_said(project, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    project.root = empty
    ran = project.evalkit("run", "triage@v1")
    assert ran.code == 2
    assert "EK903" in ran.err


# Interruptions


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(project):
    project.suite(tickets(300))
    with ModelServer(right, latency_s=0.02) as server:
        configure(project, server.base_url)
        process = project.popen("run", "triage@v1", "--format", "json", "--concurrency", "4")
        while len(server.answered) < 60:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130, err
        assert "Traceback" not in err
        record = json.loads(out)
        assert (record["verdict"], record["errors"]) == ("inconclusive", 0)
        assert 0 < record["scored"] < 300
        resumed = project.evalkit("run", "triage@v1", "--format", "json")
        repeats = sum(count - 1 for count in server.answered.values())
    assert resumed.code == 0
    assert resumed.json["cached"] >= record["scored"]
    assert (resumed.json["score"], resumed.json["scored"]) == (1.0, 300)
    assert repeats <= 4  # those in flight when the run was interrupted


def test_ten_thousand_cases_killed_ten_times_are_each_answered_once(project):
    """At most what was in flight at a kill is asked again: its answer had not arrived."""
    concurrency, kills = 16, 10
    project.suite(tickets(10_000))
    with ModelServer(right) as server:
        configure(project, server.base_url)
        command = ("run", "triage@v1", "--format", "json", "--quiet", "--concurrency", str(concurrency))
        for kill in range(1, kills + 1):
            process = project.popen(*command)
            drain = threading.Thread(target=process.communicate, daemon=True)
            drain.start()
            while len(server.answered) < kill * 900:
                assert process.poll() is None
                time.sleep(0.005)
            process.kill()
            drain.join()
        ran = project.evalkit(*command)
        repeats = sum(count - 1 for count in server.answered.values())
        asked = len(server.answered)
    assert ran.code == 0, ran.err
    assert asked == 10_000
    assert repeats <= kills * concurrency
    assert (ran.json["scored"], ran.json["errors"], ran.json["score"]) == (10_000, 0, 1.0)
    assert ran.json["cached"] >= 9000 - kills * concurrency


# The baseline


def test_a_candidate_is_compared_with_what_serves_production(project):
    project.suite(tickets(100), gate="{ min_score: 0.7, max_regression: 0.02 }")
    project.write(
        "registry/entries/triage/v1.yaml",
        ENTRY.format(version=1, model="mock-2026-01-01").replace("status: draft ", "status: production "),
    )
    project.write("registry/entries/triage/v2.yaml", ENTRY.format(version=2, model="mock-2026-02-02"))

    def worse(body):
        number = int(body["messages"][-1]["content"].split()[-1])
        return "wrong" if body["model"] == "mock-2026-02-02" and number % 10 == 0 else right(body)

    with ModelServer(worse) as server:
        configure(project, server.base_url)
        ran = project.evalkit("run", "triage@v2", "--format", "json")
    record = ran.json
    assert ran.code == 1
    assert (record["baseline"]["version"], record["baseline"]["score"]) == (1, 1.0)
    assert record["baseline"]["difference"] == pytest.approx(-0.1)
    assert len(record["baseline"]["worse"]) == 10


def test_the_data_frame_has_a_row_a_case_and_no_zero_for_what_was_not_measured(project):
    project.suite(tickets(10))
    recording = "".join(json.dumps({"id": f"t{i}", "output": "billing"}) + "\n" for i in range(0, 10, 2))
    project.write("answers.jsonl", recording)
    ran = project.evalkit(
        "run", "triage@v1", "--replay", "answers.jsonl", "--output", "out", "--format", "json"
    )
    assert ran.code == 3
    assert (ran.json["scored"], ran.json["errors"], ran.json["source"]) == (5, 5, "replay")
    frame = load_run(project.root / "out").to_frame()
    assert list(frame["id"]) == [f"t{i}" for i in range(10)]
    assert list(frame["score"].isna()) == [False, True] * 5
    assert set(frame["error"].dropna()) == {"missing"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"id": "t0", "output": "x"}\n{"id": \n', 2),
        ('{"id": "t0"}\n', 1),
        ('{"output": "x"}\n', 1),
        ('{"id": "t0", "output": 3}\n', 1),
        ('{"id": "t0", "tool_calls": [1]}\n', 1),
        ("[]\n", 1),
        ('{"id": "t0", "output": "x"}\n{"id": "t0", "output": "y"}\n', 0),
    ],
)
def test_a_broken_recording_is_reported_at_its_line(project, text, line):
    project.suite(tickets(3))
    project.write("answers.jsonl", text)
    ran = project.evalkit("run", "triage@v1", "--replay", "answers.jsonl")
    assert ran.code == 2
    assert (f"answers.jsonl:{line}:" if line else "answers.jsonl: EK507") in ran.err
    assert "EK507" in ran.err


# Hostile input


def test_a_file_name_cannot_be_a_workflow_command(project):
    project.suite(tickets(3))
    project.write("registry/entries/triage/v\n::error::pwn.yaml", "x")
    ran = project.evalkit("check", GITHUB_ACTIONS="true")
    assert ran.code == 1
    assert not any(line.lstrip().startswith("::") for line in (ran.out + ran.err).splitlines())
    ran = project.evalkit("no\n::error::such", GITHUB_ACTIONS="true")
    assert not any(line.lstrip().startswith("::") for line in (ran.out + ran.err).splitlines())


def test_half_a_surrogate_pair_in_a_recording_is_reported_at_its_line(project):
    project.suite(tickets(3))
    project.write("answers.jsonl", '{"id": "t0", "output": "x"}\n{"id": "t1", "output": "y\\ud800"}\n')
    ran = project.evalkit("run", "triage@v1", "--replay", "answers.jsonl")
    assert ran.code == 2
    assert "answers.jsonl:2:1: EK507" in ran.err


@pytest.mark.parametrize("output", ["answers.jsonl", "suites/triage-eval/v1", "mine"])
def test_results_never_overwrite_what_is_no_result(project, output):
    project.suite(tickets(3))
    project.write("answers.jsonl", '{"id": "t0", "output": "x"}\n')
    project.write("mine/run.json", "{}")
    ran = project.evalkit("run", "triage@v1", "--replay", "answers.jsonl", "--output", output)
    assert ran.code == 2
    assert "EK902 --output" in ran.err
    assert project.read("mine/run.json") == "{}"


def test_a_part_of_a_suite_decides_nothing(project):
    project.suite(tickets(60))
    with ModelServer(right) as server:
        configure(project, server.base_url)
        ran = project.evalkit("run", "triage@v1", "--limit", "40", "--format", "json")
    assert ran.code == 3
    assert (ran.json["verdict"], ran.json["score"], ran.json["cases"]) == ("inconclusive", 1.0, 40)
    assert "--limit" in ran.json["reasons"][0]


def test_a_budget_is_a_number(project):
    project.suite(tickets(3))
    for value in ("nan", "-1", "0", "inf"):
        ran = project.evalkit("run", "triage@v1", "--max-cost", value)
        assert (ran.code, ran.err[:6]) == (2, "EK902 ")


def test_a_recording_of_another_config_is_noted(project):
    project.suite(tickets(1))
    digest = "sha256:" + "0" * 64
    project.write(
        "answers.jsonl", json.dumps({"id": "t0", "output": "account", "generation_digest": digest}) + "\n"
    )
    ran = project.evalkit("run", "triage@v1", "--replay", "answers.jsonl", "--format", "json")
    assert "another config" in ran.json["notes"][0]


def test_a_provider_that_needs_no_declaration_may_be_the_default(project):
    project.suite(tickets(3))
    project.write("evalkit.yaml", "default_provider: openai\n")
    entry = project.read("registry/entries/triage/v1.yaml").replace("provider: mock\n", "")
    project.write("registry/entries/triage/v1.yaml", entry.replace("mock-2026-01-01", "gpt-4o-2024-08-06"))
    ran = project.evalkit("check")
    assert ran.code == 0, ran.out
