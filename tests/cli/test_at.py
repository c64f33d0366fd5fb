from __future__ import annotations

import csv
import io
import json

import pytest
from audit_story import begin, normal
from small_registry import write

CANARY = """\
2026-10-22 21:59:59 UTC (23:59:59 CEST): "2026-10-22", the end of that day
in effect: commit ############ of 2026-10-21 07:15 UTC (09:15 CEST), Start the
    canary of support-triage v14 (#13)

support-triage
  production
    v13  95 %  since 2026-10-02 08:00 UTC (10:00 CEST)
        by commit ############, gpt-5-mini-2025-08-07, triage-prompt@v8
    v14  5 %  canary, since 2026-10-21 07:15 UTC (09:15 CEST)
        by commit ############, gpt-5-mini-2025-08-07, triage-prompt@v9
  staging
    v14  100 %  since 2026-10-20 10:00 UTC (12:00 CEST)
        by commit ############, gpt-5-mini-2025-08-07, triage-prompt@v9
"""
ALL = """\
2026-10-22 21:59:59 UTC (23:59:59 CEST): "2026-10-22", the end of that day
in effect: commit ############ of 2026-10-21 07:15 UTC, Start the canary of
    support-triage v14 (#13)

NAME            ENV         VERSION  SHARE       MODEL, PROMPT
support-triage  production  v13      95 %        gpt-5-mini-2025-08-07
                                                 triage-prompt@v8
support-triage  production  v14      5 % canary  gpt-5-mini-2025-08-07
                                                 triage-prompt@v9
support-triage  staging     v14      100 %       gpt-5-mini-2025-08-07
                                                 triage-prompt@v9
"""


@pytest.fixture
def story(tmp_path, monkeypatch):
    return begin(tmp_path, monkeypatch)


def serving(result) -> list[tuple]:
    rows = json.loads(result.out)["serving"]
    return [(row["env"], row["version"], row["role"], row["share"]) for row in rows]


def test_one_name_at_length(evalkit, story):
    result = evalkit("at", "2026-10-22", "support-triage", "--tz", "Europe/Berlin")
    assert (result.code, result.err) == (0, "")
    assert normal(result.out) == CANARY


def test_all_names_in_a_table(evalkit, story):
    result = evalkit("at", "2026-10-22")
    assert result.code == 0
    assert normal(result.out) == ALL


def test_all_names_at_length_say_since_when(evalkit, story):
    long = evalkit("at", "2026-10-22", "--long", "--tz", "Europe/Berlin")
    assert normal(long.out) == CANARY


@pytest.mark.parametrize(
    ("when", "production"),
    [
        ("2026-10-02T07:59:59Z", None),
        ("2026-10-02T08:00:00Z", [13]),
        ("2026-10-21T07:15:00Z", [13, 14]),
        ("2026-11-03T12:59:59Z", [13, 14]),
        ("2026-11-03T13:00:00Z", [14]),
        ("2026-11-03 14:00", [14]),
        ("2026-11-03 13:59", [13, 14]),
        ("2026-11-09T16:39:59Z", [14]),
        ("2026-11-09T16:40:00Z", [13]),
        ("HEAD", [13]),
        ("HEAD~1", [14]),
        ("now", [13]),
    ],
)
def test_a_change_takes_effect_in_its_second(evalkit, story, when, production):
    result = evalkit("at", when, "support-triage", "--env", "production", "--format", "json")
    assert result.code == (0 if production else 1)
    assert [row[1] for row in serving(result)] == (production or [])


def test_of_a_forges_merge_the_title_is_told(evalkit, story):
    out = " ".join(evalkit("at", "2026-10-13").out.split())
    assert "2026-10-12 15:00 UTC, A new prompt (#11) NAME" in out


def test_a_table_that_fits_the_terminal_has_a_line_for_each_version(evalkit, story, monkeypatch):
    from datetime import UTC

    from evalkit.report import audit

    monkeypatch.setattr(
        "evalkit.cli.commands.at.clock_for", lambda _: audit.Clock(UTC, both=False, width=100)
    )
    rows = evalkit("at", "2026-10-22").out.splitlines()[-4:]
    assert [row.split()[-1] for row in rows] == [
        "PROMPT", "triage-prompt@v8", "triage-prompt@v9", "triage-prompt@v9",
    ]  # fmt: skip


def test_a_tag_and_an_id_are_moments(evalkit, story):
    story.git("tag", "release-7", "HEAD~1")
    commit = story.git("rev-parse", "HEAD~1")
    for when in ("release-7", commit, commit[:10]):
        data = json.loads(evalkit("at", when, "support-triage", "--format", "json").out)
        assert (data["commit"]["id"], data["reading"]) == (commit, "commit")


def test_a_commit_beside_the_line_took_no_effect_alone(evalkit, story):
    result = evalkit("at", "v14", "support-triage")
    assert result.code == 2
    assert "which is not on the line of main itself" in result.err
    assert "--ref v14" in result.err
    assert evalkit("at", "v14", "support-triage", "--ref", "v14").code == 0


def test_commits_of_one_second_are_told_apart_by_their_place(evalkit, story):
    for percent in (5, 10, 20):
        story.put(15, "staging", f"rollout: {{ percent: {percent} }}\n")
        story.commit(f"{percent} %", "2026-11-12T08:00Z")
    shares = [
        serving(evalkit("at", when, "support-triage", "--env", "production", "--format", "json"))[-1][3]
        for when in ("HEAD~2", "HEAD~1", "HEAD", "2026-11-12T08:00Z")
    ]
    assert shares == [0.05, 0.1, 0.2, 0.2]


def test_without_a_name_the_answer_is_the_same(evalkit, story):
    story.put(1, "production", "traffic: 70\n", name="faq")
    story.put(2, "production", "traffic: 30\n", name="faq")
    story.commit("Begin an A/B", "2026-11-12T08:00Z")
    everything = json.loads(evalkit("at", "2026-11-13", "--format", "json", "--long").out)["serving"]
    single = [
        row
        for name in ("faq", "support-triage")
        for row in json.loads(evalkit("at", "2026-11-13", name, "--format", "json").out)["serving"]
    ]
    assert everything == single
    fast = json.loads(evalkit("at", "2026-11-13", "--format", "json").out)["serving"]
    assert fast == [{**row, "since": None, "since_commit": None} for row in everything]
    out = evalkit("at", "2026-11-13").out
    assert "\nfaq             production  v1       70 % primary  " in out
    assert "\nfaq             production  v2       30 % arm      " in out
    assert "    v1  70 %  primary, since 2026-11-12" in evalkit("at", "2026-11-13", "faq").out
    assert max(map(len, out.splitlines())) <= 80


def test_csv_has_a_line_for_each_version(evalkit, story):
    rows = list(csv.DictReader(io.StringIO(evalkit("at", "2026-10-22", "--format", "csv").out)))
    assert [(row["env"], row["version"], row["role"], row["share"]) for row in rows] == [
        ("production", "13", "primary", "0.95"),
        ("production", "14", "canary", "0.05"),
        ("staging", "14", "primary", "1.0"),
    ]


def test_a_file_that_cannot_be_read_keeps_its_last_state(evalkit, story):
    write(story.root, {"registry/entries/support-triage/v13.yaml": b"status: [\n"})
    story.commit("Break it", "2026-11-12T08:00Z")
    for arguments in ((), ("support-triage",)):
        found = serving(evalkit("at", "2026-11-13", *arguments, "--env", "production", "--format", "json"))
        assert found == [("production", 13, "primary", 1.0)]


def test_entries_that_contradict_each_other_are_an_answer(evalkit, story):
    for version in (15, 16):
        story.put(version, "staging", "rollout: { percent: 5 }\n")
    story.commit("Two canaries", "2026-11-12T08:00Z")
    result = evalkit("at", "2026-11-13", "support-triage")
    assert result.code == 1
    assert "production: more than one staging entry is a canary: v15, v16" in result.out
    assert evalkit("at", "2026-11-13").out.splitlines()[-2].split()[:4] == [
        "support-triage",
        "production",
        "not",
        "clear",
    ]


@pytest.mark.parametrize("arguments", [(), ("support-triage",), ("support-triage", "--format", "json")])
def test_before_the_history_nobody_served(evalkit, story, arguments):
    result = evalkit("at", "2026-10-01", *arguments)
    assert result.code == 1
    assert "begins later" in result.out or json.loads(result.out)["commit"] is None


def test_a_name_that_was_renamed_later_or_earlier_says_so(evalkit, story):
    (story.root / "registry/entries/support-triage").rename(story.root / "registry/entries/triage")
    for path in (story.root / "registry/entries/triage").iterdir():
        path.write_text(path.read_text().replace("name: support-triage", "name: triage"))
    story.commit("Call it triage", "2026-11-12T08:00Z")
    assert evalkit("at", "2026-11-10", "support-triage").code == 0
    gone = evalkit("at", "2026-11-13", "support-triage")
    assert gone.code == 1
    assert gone.out.splitlines()[-2:] == [
        "support-triage had no entries then.",
        "It was renamed to triage: evalkit log triage",
    ]
    assert "It was renamed from support-triage" in evalkit("at", "2026-11-10", "triage").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("2026-11-03", "suport-triage"), "did you mean 'support-triage'?"),
        (("2999-01-01",), "EK863 '2999-01-01' has not come yet"),
        (("last banana",), "EK861 'last banana' is no moment"),
        (("main@{yesterday}",), "EK861"),
        (("--", "--all"), "EK861"),
        (("2026-11-03", "--env", "prod"), "EK902"),
        (("support-triage",), "EK861 'support-triage' is a name, and WHEN is missing"),
        (("support-triage",), "help: evalkit at now support-triage: WHEN comes first"),
        (("support-triage", "yesterday"), "help: evalkit at yesterday support-triage: WHEN comes first"),
    ],
)
def test_what_cannot_be_answered_says_why(evalkit, story, arguments, said):
    result = evalkit("at", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_a_shallow_clone_says_what_to_fetch(evalkit, story, tmp_path, monkeypatch):
    story.git("clone", "-q", "--depth", "2", f"file://{story.root}", str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    result = evalkit("at", "2026-10-22", "support-triage")
    assert result.code == 2
    assert (
        "EK803 this clone is shallow and does not hold what was in effect at 2026-10-22 23:59:59 CEST"
        in result.err
    )
    assert "fetch-depth: 0" in result.err


def test_what_serves_now_needs_no_more_than_the_newest_commit(evalkit, story, tmp_path, monkeypatch):
    story.git("clone", "-q", "--depth", "1", f"file://{story.root}", str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    result = evalkit("at", "now", "--env", "production", "--format", "json")
    assert serving(result) == [("production", 13, "primary", 1.0)]


def test_a_file_that_cannot_be_read_still_tells_what_it_asked_for(evalkit, story):
    write(story.root, {"registry/entries/support-triage/v13.yaml": b"status: [\n"})
    story.commit("Break it", "2026-11-12T08:00Z")
    row = json.loads(evalkit("at", "2026-11-13", "--env", "production", "--format", "json").out)["serving"][0]
    assert (row["model"], row["prompt"]) == ("gpt-5-mini-2025-08-07", "triage-prompt@v8")
