from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evalkit.cli.main import COMMANDS

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "promote"))

from plan_material import plant

NAMES = ("promote", "rollback", "pause", "hold", "unhold", "split", "retire")
SUITE = (
    "name: triage-eval\nversion: 1\ncases: cases.jsonl\nscorers: [exact_match]\ngate: { min_score: 0.9 }\n"
)
STAYS = "gpt-5.4-2026-03-05"
"""A model without an announced end: these tests run on the real clock."""
HERE = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def git(root: Path, *arguments: str, when: datetime | None = None) -> None:
    import os

    stamp = when.isoformat() if when else ""
    dates = {"GIT_COMMITTER_DATE": stamp, "GIT_AUTHOR_DATE": stamp} if when else {}
    subprocess.run(
        ["git", *arguments], cwd=root, check=True, capture_output=True, env={**os.environ, **HERE, **dates}
    )


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """v13 served for a month, v14 serves since three days; v15 is a canary and v16 a draft without evidence."""
    for key, value in HERE.items():
        monkeypatch.setenv(key, value)
    now = datetime.now(UTC)
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "config", "user.name", "Ada")
    git(tmp_path, "config", "user.email", "ada@example.org")
    plant(tmp_path, {13: "production"}, model=STAYS)
    suite = tmp_path / "suites/triage-eval/v1"
    suite.mkdir(parents=True)
    (suite / "suite.yaml").write_text(SUITE)
    rows = [{"id": f"c{i}", "vars": {"ticket": f"ticket {i}"}, "expected": "a"} for i in range(20)]
    (suite / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / ".gitignore").write_text(".evalkit/\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "First", when=now - timedelta(days=33))
    versions = {
        13: "production", 14: "production",
        15: {"status": "staging", "rollout": "{ percent: 10 }"}, 16: "draft",
    }  # fmt: skip
    tree = plant(tmp_path, versions, model=STAYS)
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "Second", when=now - timedelta(days=3))
    monkeypatch.chdir(tmp_path)
    return tree


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    for name in NAMES:
        if name not in COMMANDS:
            monkeypatch.setitem(COMMANDS, name, name)


def test_without_a_target_it_says_what_may_not_move_and_why(evalkit, repo):
    result = evalkit("promote")
    assert result.code == 1
    assert "triage@v15 has no canary verdict" in result.out
    assert "there is no evidence for triage@v16" in result.out
    assert result.out.endswith("Nothing may move now.\n")


def test_what_was_named_and_is_refused_exits_1(evalkit, repo):
    for target in ("triage", "triage@v16"):
        result = evalkit("promote", target, "--apply")
        assert result.code == 1
        assert "EK812" in result.out
    assert evalkit("promote", "triage@v99").code == 2
    assert evalkit("promote", "nothing-like-it").code == 2


def test_an_override_is_for_one_version_needs_a_reason_and_is_loud(evalkit, repo):
    assert evalkit("promote", "triage", "--override", "--reason", "x").code == 2
    assert evalkit("promote", "triage@v16", "--override").code == 2
    result = evalkit("promote", "triage@v16", "--override", "--reason", "an outage", "--apply")
    assert result.code == 0
    assert "OVERRIDE" in result.out
    assert "  Reason: an outage\n  Override: evidence v16\n" in result.out
    assert "status: staging" in repo.read("registry/entries/triage/v16.yaml")
    recorded = repo.read("registry/overrides/triage.yaml")
    assert "change: evidence\n" in recorded
    assert "by: Ada\n" in recorded


def test_a_rollback_needs_no_version_and_changes_nothing_until_it_is_applied(evalkit, repo):
    before = repo.snapshot()
    result = evalkit("rollback", "triage", "--reason", "invented refunds")
    assert result.code == 0
    assert "v13 is the newest version that served production for a day or more (30 days)." in result.out
    assert result.out.endswith("  evalkit rollback triage --reason 'invented refunds' --apply\n")
    assert repo.snapshot() == before


def test_a_rollback_that_is_applied_twice_before_it_is_merged_goes_back_once(evalkit, repo):
    arguments = ("rollback", "triage", "--reason", "invented refunds", "--apply")
    first = evalkit(*arguments)
    assert first.code == 0
    assert "Commit these together, with this message:\n  Roll back triage from v14 to v13\n" in first.out
    assert "  Reason: invented refunds\n" in first.out
    once = repo.snapshot()
    second = evalkit(*arguments)
    assert second.code == 1
    assert "v13 serves here, and on the main line v14 does" in second.out
    assert repo.snapshot() == once
    assert "by: Ada" in repo.read("registry/holds/triage.yaml")


def test_outside_of_git_somebody_must_be_named(evalkit, tmp_path, monkeypatch):
    for key, value in HERE.items():
        monkeypatch.setenv(key, value)
    plant(tmp_path, {13: "production", 14: "production"}, model=STAYS)
    monkeypatch.chdir(tmp_path)
    nobody = evalkit("rollback", "triage", "--reason", "bad")
    assert nobody.code == 2
    assert "EK819" in nobody.err
    named = evalkit("rollback", "triage", "--reason", "bad", "--by", "Ada")
    assert named.code == 0
    assert "git does not tell here how long it served" in named.out


@pytest.mark.parametrize("reason", [(), ("--reason", "  ")])
def test_a_rollback_says_why(evalkit, repo, reason):
    assert evalkit("rollback", "triage", *reason).code == 2


def test_a_pause_stops_the_canary(evalkit, repo):
    assert evalkit("pause", "triage", "--apply").code == 0
    assert "rollout: { percent: 0 }" in repo.read("registry/entries/triage/v15.yaml")
    again = evalkit("pause", "triage", "--apply")
    assert again.code == 0
    assert "Nothing to do." in again.out


def test_hold_and_unhold_take_a_version_or_a_name(evalkit, repo):
    assert evalkit("hold", "triage@v16", "--reason", "legal", "--apply").code == 0
    assert "EK815" in evalkit("promote", "triage@v16").out
    assert evalkit("hold", "triage", "--reason", "holidays", "--until", "2999-01-06", "--apply").code == 0
    assert evalkit("unhold", "triage", "--reason", "over", "--apply").code == 0
    assert evalkit("unhold", "triage@v16", "--reason", "done", "--apply").code == 0
    assert not (repo.root / "registry/holds/triage.yaml").exists()
    assert evalkit("unhold", "triage@v16", "--reason", "done").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("hold", "triage", "--reason", "x", "--until", "soon"),
        ("hold", "triage@v16", "--all", "--reason", "x"),
        ("split", "triage", "v14"),
        ("split", "triage", "v14=much"),
        ("split", "triage", "v14=1", "14=2"),
        ("split", "triage", "other@v14=1"),
        ("retire", "triage"),
        ("rollback", "triage", "--to", "last", "--reason", "x"),
        ("pause", "nothing-like-it"),
    ],
)
def test_what_makes_no_sense_exits_2_and_says_how_it_is_written(evalkit, repo, arguments):
    result = evalkit(*arguments)
    assert result.code == 2
    assert result.err.startswith("EK")


def test_split_and_retire(evalkit, repo):
    assert evalkit("split", "triage", "v13=30", "v14=70", "--apply").code == 0
    assert "traffic: 30" in repo.read("registry/entries/triage/v13.yaml")
    assert "control: true" in repo.read("registry/entries/triage/v14.yaml")
    assert evalkit("retire", "triage@v13", "--reason", "lost", "--apply").code == 0
    assert "status: retired" in repo.read("registry/entries/triage/v13.yaml")
    refused = evalkit("retire", "triage@v14", "--reason", "gone")
    assert refused.code == 1
    assert "nobody would serve production" in refused.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("promote",),
        ("rollback", "triage", "--reason", "bad"),
        ("pause", "triage"),
        ("hold", "triage", "--reason", "x"),
        ("unhold", "triage", "--reason", "x"),
        ("split", "triage", "v13=1", "v14=1"),
        ("retire", "triage@v13"),
    ],
)
def test_every_plan_is_data_too(evalkit, repo, arguments):
    result = evalkit(*arguments, "--format", "json")
    data = json.loads(result.out)
    assert data["schema_version"] == 1
    assert data["applied"] is False
    assert data["plans"]
    for plan in data["plans"]:
        assert plan["outcome"] in {"possible", "nothing", "refused"}
        assert bool(plan["edits"]) == (plan["outcome"] == "possible")
        assert set(plan["serving"]) == {"production", "staging"}


def test_data_says_what_was_written(evalkit, repo):
    data = json.loads(evalkit("pause", "triage", "--apply", "--format", "json").out)
    assert data["applied"] is True
    assert data["written"] == ["registry/entries/triage/v15.yaml"]
    assert "percent: 0" in data["plans"][0]["edits"][0]["content"]


def test_runs_of_this_machine_do_not_promote_and_runs_of_ci_do(evalkit, repo, monkeypatch):
    from evalkit.testing.model_server import ModelServer

    for key in ("GITHUB_ACTIONS", "OPENAI_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    with ModelServer("a") as server:
        config = repo.read("evalkit.yaml").replace(
            "kind: openai", f"kind: openai, base_url: {server.base_url!r}"
        )
        repo.write("evalkit.yaml", config)
        assert evalkit("run", "triage@v16", "--write-back").code == 0
        local = evalkit("promote", "triage@v16")
        assert local.code == 1
        assert "only ci runs count" in local.out
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        assert evalkit("run", "triage@v16", "--write-back", "--cache", "refresh").code == 0
    monkeypatch.delenv("GITHUB_ACTIONS")
    result = evalkit("promote", "triage", "--apply")
    assert result.code == 0
    assert "triage-eval@v1: pass, score 1.0000" in result.out
    assert "1 run in CI" in result.out
    assert "status: staging " in repo.read("registry/entries/triage/v16.yaml")
    assert "status: staging " in repo.read("registry/entries/triage/v15.yaml")


def test_a_reason_without_an_override_is_not_dropped_in_silence(evalkit, seed):
    result = evalkit("promote", "order-extract@v2", "--reason", "because")
    assert result.code == 2
    assert "a promotion's reason is its evidence" in result.err


def test_without_a_target_it_exits_0_when_one_may_move_or_none_wants_to(evalkit, repo):
    repo.entry(15, "staging", model=STAYS, tokens=315, canary="{ verdict: clean, run: c-91 }")
    config = repo.read("evalkit.yaml")
    repo.write("evalkit.yaml", config.replace("suites: [triage-eval@v1], ", "suites: [], "))
    assert evalkit("promote").code == 1
    repo.write("evalkit.yaml", config)
    for version in (15, 16):
        assert evalkit("retire", f"triage@v{version}", "--apply").code == 0
    idle = evalkit("promote")
    assert idle.code == 0
    assert idle.out.startswith("Nothing to do: this project has no draft")


def test_what_waits_for_a_verdict_only_exits_3(evalkit, repo, monkeypatch):
    from evalkit.testing.model_server import ModelServer

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    suite = repo.read("suites/triage-eval/v1/suite.yaml")
    repo.write(
        "suites/triage-eval/v1/suite.yaml", suite.replace("min_score: 0.9", "min_score: 0.9, min_cases: 100")
    )
    with ModelServer("a") as server:
        config = repo.read("evalkit.yaml")
        address = f"kind: openai, base_url: {server.base_url!r}"
        repo.write("evalkit.yaml", config.replace("kind: openai", address))
        assert evalkit("run", "triage@v16", "--write-back", "--quiet").code == 3
    waiting = evalkit("promote", "triage@v16")
    assert waiting.code == 3
    assert "EK813 triage-eval@v1: inconclusive" in waiting.out
    assert evalkit("promote").code == 1, "v15 has no evidence at all"


def test_who_decides_is_said_with_where_the_name_comes_from(evalkit, repo):
    told = "Who decides\n  {}\n"
    held = evalkit("hold", "triage@v16", "--reason", "legal")
    assert told.format("Ada (git config user.name; --by names another)") in held.out
    for arguments in (
        ("hold", "triage@v16"),
        ("rollback", "triage"),
        ("promote", "triage@v16", "--override"),
    ):
        named = evalkit(*arguments, "--reason", "legal", "--by", "Bo")
        assert told.format("Bo (--by)") in named.out
    assert "Who decides" not in evalkit("pause", "triage").out


def test_an_override_of_nothing_is_said_and_leaves_no_record(evalkit, repo):
    result = evalkit("retire", "triage@v13", "--override", "--reason", "old", "--apply")
    assert result.code == 0
    assert "Nothing needed an override; none is recorded." in result.out
    planned = evalkit("retire", "triage@v16", "--override", "--reason", "old")
    assert planned.out.endswith("  evalkit retire triage@v16 --reason old --apply\n")
    assert "Who decides" not in result.out
    assert not (repo.root / "registry/overrides").exists()


@pytest.mark.parametrize("name", [*NAMES, "resolve"])
def test_the_help_of_a_lifecycle_command_fits_80_columns(evalkit, name):
    assert max(map(len, evalkit(name, "--help").out.splitlines())) <= 80


@pytest.mark.parametrize(
    "arguments",
    [
        ("promote",),
        ("promote", "triage@v16", "--override", "--reason", "an outage"),
        ("rollback", "triage", "--reason", "invented refunds " * 10),
        ("pause", "triage"),
        ("hold", "triage@v16", "--reason", "legal reads the prompt " * 10),
        ("unhold", "triage", "--reason", "x"),
        ("split", "triage", "v13=1", "v14=1"),
        ("retire", "triage@v14", "--reason", "old"),
    ],
)
def test_sentences_of_a_plan_fit_80_columns_where_there_is_no_terminal(evalkit, repo, arguments):
    for line in evalkit(*arguments).out.splitlines():
        assert len(line) <= 80 or line.lstrip().startswith("evalkit "), line


def test_on_a_terminal_a_plan_is_as_wide_as_that_but_not_wider_than_reads_well(evalkit, repo, monkeypatch):
    text = "Commit it on a branch and open a pull request: policy asks for 1 approval by somebody who did not write it."
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    longest = {}
    for columns in (60, 90, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        out = evalkit("promote", "triage@v16", "--override", "--reason", "an outage").out
        assert " ".join(text.split()) in " ".join(out.split())
        longest[columns] = max(len(line) for line in out.splitlines() if "evalkit" not in line)
    assert longest[60] <= 72 < longest[90] <= 90 < longest[200] <= 100


def test_weights_are_written_in_a_plan_as_in_a_bundle(evalkit, repo):
    plan = json.loads(evalkit("pause", "triage", "--format", "json").out)["plans"][0]
    weights = plan["serving"]["production"]["before"]["weights"]
    assert evalkit("bundle", "-o", "bundle.json").code == 0
    bundle = json.loads(repo.read("bundle.json"))
    assert weights == bundle["serving"]["triage"]["production"]["weights"] == {"14": 1.0}
