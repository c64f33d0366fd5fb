from __future__ import annotations

import csv
import io
import json
from datetime import UTC

import pytest
from audit_story import ANN, DAN, begin, evaluated, normal
from small_registry import write

LOG = """\
support-triage: 8 changes on main, newest first

2026-11-09 16:40 UTC  v14 production -> retired; rolled back to v13
    commit ############, PR #16, score 0.9312
    by Dan; approved by cara
    reason: invented refunds

2026-11-03 13:00 UTC  v14 staging -> production, replacing v13
                      canary v14 ends, it had 25 %
    commit ############, PR #15, score 0.9312
    by evalkit; approved by bob

2026-10-26 07:15 UTC  canary v14 5 % -> 25 %
    commit ############, PR #14, score 0.9312
    by Ann; approved by bob

2026-10-21 07:15 UTC  canary v14 starts with 5 %
    commit ############, PR #13, score 0.9312
    by Ann; approved by bob

2026-10-20 10:00 UTC  v14 draft -> staging
    commit ############, PR #12, score 0.9312
    by evalkit; approved by bob

2026-10-02 08:00 UTC  v13 created as production, the first to serve
                      v12 created as retired
    commit ############, v12 score 0.9000, v13 score 0.9100
    by Ann; approved by cara
"""


@pytest.fixture
def story(tmp_path, monkeypatch):
    return begin(tmp_path, monkeypatch)


def subjects(result) -> list[str]:
    return [change["change"] for change in json.loads(result.out)["transitions"]]


def test_it_tells_each_transition_newest_first(evalkit, story):
    result = evalkit("log", "support-triage")
    assert (result.code, result.err) == (0, "")
    assert normal(result.out) == LOG
    assert max(map(len, result.out.splitlines())) <= 80


def test_another_zone_is_shown_beside_utc(evalkit, story):
    lines = evalkit("log", "support-triage", "--tz", "Asia/Tokyo").out.splitlines()
    assert lines[2:4] == [
        "2026-11-09 16:40 UTC (2026-11-10 01:40 JST)",
        "  v14 production -> retired; rolled back to v13",
    ]
    assert "2026-11-03 13:00 UTC (22:00 JST)  v14 staging -> production, replacing v13" in lines
    assert max(map(len, lines)) <= 80


def test_drafts_scores_and_approvals_are_shown_when_asked_for(evalkit, story):
    said = subjects(evalkit("log", "support-triage", "--all", "--format", "json"))
    assert "v14 created" in said
    assert "v14 approved by bob" in said
    assert len(said) == 10


def test_it_can_be_cut_short(evalkit, story):
    result = evalkit("log", "support-triage", "--limit", "1")
    assert result.out.startswith("support-triage: 1 of 8 changes on main\n")
    assert "v14 staging -> production" not in result.out


@pytest.mark.parametrize(
    ("since", "count"),
    [("2026-11-03", 3), ("2026-11-03 14:01", 1), ("HEAD~2", 3), ("HEAD", 1), ("2026-11-10", 0)],
)
def test_since_is_from_the_start_of_a_day_a_moment_or_a_commit(evalkit, story, since, count):
    assert len(subjects(evalkit("log", "support-triage", "--since", since, "--format", "json"))) == count


def test_json_holds_what_a_script_needs(evalkit, story):
    data = json.loads(evalkit("log", "support-triage", "--limit", "1", "--format", "json").out)
    head = story.git("rev-parse", "HEAD")
    assert data == {
        "schema_version": 1,
        "name": "support-triage",
        "ref": "refs/heads/main",
        "since": None,
        "renamed_from": None,
        "renamed_to": None,
        "transitions": [
            {
                "time": "2026-11-09T16:40:00Z",
                "name": "support-triage",
                "version": 14,
                "kind": "status",
                "change": "v14 production -> retired; rolled back to v13",
                "before": "production",
                "after": "retired",
                "commit": head,
                "subject": "Roll support-triage back to v13 (#16)",
                "pr": 16,
                "authors": [DAN],
                "approver": "cara",
                "score": 0.9312,
                "reason": "invented refunds",
                "override": None,
                "serving_before": 14,
                "serving_after": 13,
                "held": None,
                "by": None,
                "until": None,
            }
        ],
    }


def test_a_spreadsheet_finds_no_formula_in_the_csv(evalkit, story):
    story.put(15, "staging")
    story.commit(
        "=HYPERLINK(1)\n\nReason: @SUM(1)\nApproved-by: +1\x1b[31m",
        "2026-11-10T08:00Z",
        "-Eve <eve@example.com>",
    )
    result = evalkit("log", "support-triage", "--format", "csv")
    first = next(csv.DictReader(io.StringIO(result.out)))
    told = (first["subject"], first["reason"], first["authors"], first["approver"])
    assert told == ("'=HYPERLINK(1)", "'@SUM(1)", "'-Eve <eve@example.com>", "'+1\\x1b[31m")
    assert (first["version"], first["serving_after"]) == ("15", "13")


def test_what_commits_say_cannot_speak_to_the_terminal_or_the_runner(evalkit, story, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    story.put(15, "staging")
    story.commit(
        "x\n\nReason: \x1b[2J\u202egnp\nApproved-by: ##[error]x",
        "2026-11-10T08:00Z",
        "::error::E <e@example.com>",
    )
    out = evalkit("log", "support-triage", "--limit", "1").out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert r"reason: \x1b[2J\u202egnp" in out
    assert "##[" not in out
    assert not [line for line in out.splitlines() if line.lstrip().startswith("::")]


def test_a_name_that_is_gone_is_found_and_says_where_to(evalkit, story):
    (story.root / "registry/entries/support-triage").rename(story.root / "registry/entries/triage")
    for path in (story.root / "registry/entries/triage").iterdir():
        path.write_text(path.read_text().replace("name: support-triage", "name: triage"))
    story.commit("Call it triage", "2026-11-12T08:00Z", ANN)
    lines = evalkit("log", "support-triage").out.splitlines()
    assert lines[1] == "It was renamed to triage: evalkit log triage"
    assert "                      v12 deleted, it was retired" in lines
    assert "It was renamed from support-triage: evalkit log support-triage" in evalkit("log", "triage").out


def test_a_name_that_was_deleted_says_so(evalkit, story):
    story.put(1, "draft", name="trial")
    story.commit("Try", "2026-11-12T08:00Z")
    (story.root / "registry/entries/trial/v1.yaml").unlink()
    gone = story.commit("Give up", "2026-11-13T08:00Z")
    lines = evalkit("log", "trial").out.splitlines()
    assert lines == [
        "trial: 0 changes on main",
        f"It has no entries any more since commit {gone[:12]}.",
        "It was a draft only: evalkit log trial --all shows drafts, edits and scores.",
    ]


HOLDS = "registry/holds/support-triage.yaml"
DIGEST = f"sha256:{'ab' * 32}"


def test_holds_are_told_with_who_and_why_and_until_when(evalkit, story):
    write(story.root, {HOLDS: f"holds:\n  - {{digest: '{DIGEST}', reason: it lies, by: Dan}}\n".encode()})
    story.commit("Hold v14 of support-triage (#17)\n\nApproved-by: bob", "2026-11-10T08:00Z", DAN)
    everything = f"holds:\n  - {{digest: '{DIGEST}', reason: it lies, by: Dan}}\n"
    everything += "  - {all: true, reason: holidays, by: Ann, until: 2027-01-06}\n"
    write(story.root, {HOLDS: everything.encode()})
    story.commit("Hold every version of support-triage", "2026-11-11T08:00Z", ANN)
    (story.root / HOLDS).unlink()
    story.commit("Lift the holds\n\nReason: it was the client (lifted by Eve)", "2026-11-12T08:00Z", ANN)
    out = normal(evalkit("log", "support-triage", "--limit", "4").out)
    assert (
        out
        == f"""\
support-triage: 4 of 12 changes on main, newest first

2026-11-12 08:00 UTC  every version released by Eve
                      content released by Eve
    {DIGEST}
    commit ############
    by Ann
    reason: it was the client

2026-11-11 08:00 UTC  every version held by Ann until 2027-01-06
    commit ############
    by Ann
    reason: holidays

2026-11-10 08:00 UTC  content held by Dan
    {DIGEST}
    commit ############, PR #17
    by Dan; approved by bob
    reason: it lies
"""
    )
    data = json.loads(evalkit("log", "support-triage", "--limit", "4", "--format", "json").out)
    keys = ("kind", "version", "held", "by", "until", "reason")
    assert [tuple(one[key] for key in keys) for one in data["transitions"]] == [
        ("released", None, "all", "Eve", None, "it was the client"),
        ("released", None, DIGEST, "Eve", None, "it was the client"),
        ("held", None, "all", "Ann", "2027-01-06", "holidays"),
        ("held", None, DIGEST, "Dan", None, "it lies"),
    ]
    rows = list(csv.DictReader(io.StringIO(evalkit("log", "support-triage", "--format", "csv").out)))
    assert [row["held"] for row in rows[:5]] == ["all", DIGEST, "all", DIGEST, ""]
    assert list(rows[0]) == list(rows[-1])


def test_a_hold_on_other_terms_is_a_hold_and_no_release(evalkit, story):
    for day, until in ((10, "2027-01-06"), (11, "2027-02-06")):
        write(story.root, {HOLDS: f"all: true\nreason: holidays\nby: Ann\nuntil: {until}\n".encode()})
        story.commit("Hold", f"2026-11-{day}T08:00Z")
    said = subjects(evalkit("log", "support-triage", "--format", "json", "--since", "2026-11-10"))
    assert said == [f"every version held by Ann until 2027-0{month}-06" for month in (2, 1)]


def test_a_name_that_only_has_drafts_says_how_to_see_them(evalkit, story):
    story.put(1, "draft", name="trial")
    story.commit("Try", "2026-11-12T08:00Z")
    lines = evalkit("log", "trial").out.splitlines()
    assert lines[1] == "It was a draft only: evalkit log trial --all shows drafts, edits and scores."
    assert "--all shows" not in evalkit("log", "trial", "--all").out


def test_the_same_reviewer_approves_both_steps_and_each_says_so(evalkit, story):
    steps = (("staging", ""), ("staging", "kim"), ("production", ""), ("production", "kim"))
    for number, (status, stamp) in enumerate(steps, 10):
        story.put(15, status, f"approved_by: {stamp}\n" if stamp else "")
        story.commit("Stamp" if stamp else f"To {status}", f"2026-11-{number}T08:00Z")
        out = evalkit("log", "support-triage", "--limit", "1").out
        assert ("by Ann; approved by kim" if stamp else "by Ann; approval pending") in out
    data = json.loads(evalkit("log", "support-triage", "--limit", "2", "--format", "json").out)
    assert [one["approver"] for one in data["transitions"]] == ["kim", "kim"]


def test_a_stamp_that_was_left_in_place_is_of_the_step_before(evalkit, story):
    for day, status in ((10, "staging"), (11, "production")):
        story.put(15, status, "approved_by: kim\n")
        story.commit(f"To {status}", f"2026-11-{day}T08:00Z")
    out = evalkit("log", "support-triage", "--limit", "2").out
    assert out.index("approval pending") < out.index("approved by kim")


def test_what_joins_and_leaves_an_ab_says_so_and_what_is_set_in_advance_too(evalkit, story):
    def commit(day: int, *entries: tuple[int, str, str]) -> list[str]:
        for version, status, weight in entries:
            story.put(version, status, f"traffic: {weight}\n" if weight else "")
        story.commit("A step", f"2026-11-{day}T08:00Z")
        since = f"2026-11-{day}"
        return subjects(evalkit("log", "support-triage", "--since", since, "--format", "json"))[::-1]

    assert commit(10, (15, "staging", "")) == ["v15 created as staging"]
    assert commit(11, (13, "production", "70"), (15, "staging", "30")) == [
        "v13 no weight -> weight 70",
        "v15 no weight -> weight 30 (from production on)",
    ]
    assert commit(12, (15, "production", "30")) == ["v15 staging -> production, starting an A/B with v13"]
    assert commit(13, (13, "retired", "70")) == ["v13 production -> retired; the A/B ends, v15 serves"]


def test_a_revert_without_a_reason_gives_its_title(evalkit, story):
    story.git("revert", "--no-edit", "HEAD", at="2026-11-10T08:00Z")
    out = evalkit("log", "support-triage", "--limit", "1").out
    assert 'reason: Revert "Roll support-triage back to v13 (#16)"' in out


def test_a_surplus_standby_says_what_it_made_room_for_and_not_why_that_came(evalkit, story):
    story.put(15, "staging")
    story.commit("Stage", "2026-11-10T08:00Z")
    story.put(15, "production")
    story.commit("Serve (#20)\n\nReason: v15 is better", "2026-11-11T08:00Z")
    story.put(16, "staging", evaluated(0.95, "run-16"))
    story.commit("Stage", "2026-11-12T08:00Z")
    story.put(16, "production", evaluated(0.95, "run-16", "kim"))
    story.put(13, "retired", evaluated(0.91, "run-13", "cara"))
    story.commit("Serve (#21)\n\nReason: v16 is best", "2026-11-13T08:00Z")
    lines = evalkit("log", "support-triage", "--limit", "2").out.splitlines()
    assert lines[2:4] == [
        "2026-11-13 08:00 UTC  v16 staging -> production, replacing v15",
        "                      v13 production -> retired, a surplus standby when v16 came",
    ]
    assert lines[4].endswith(", PR #21, score 0.9500")
    data = json.loads(evalkit("log", "support-triage", "--limit", "2", "--format", "json").out)
    told = {one["version"]: (one["reason"], one["approver"]) for one in data["transitions"]}
    assert told == {16: ("v16 is best", "kim"), 13: (None, "kim")}


def test_long_reasons_are_as_wide_as_the_terminal_and_no_id_is_cut(evalkit, story, monkeypatch):
    from evalkit.report import audit

    story.put(15, "staging")
    story.commit(f"Stage\n\nReason: {'because it is so ' * 9}{DIGEST}", "2026-11-10T08:00Z")
    monkeypatch.setattr(
        "evalkit.cli.commands.log.clock_for", lambda _: audit.Clock(UTC, both=False, width=120)
    )
    wide = evalkit("log", "support-triage", "--limit", "1").out.splitlines()
    assert 100 < max(map(len, wide)) <= 120
    assert any(line.endswith(DIGEST) for line in wide)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("suport-triage",), "did you mean 'support-triage'?"),
        (("../../etc",), "EK202 there never was an entry called '../../etc' on main"),
        (("support-triage", "--ref", "no-such"), "EK804 there is no commit no-such"),
        (("support-triage", "--since", "last week"), "EK861 'last week' is not one day but a whole week"),
        (("support-triage", "--tz", "Europe/Berln"), "did you mean Europe/Berlin?"),
        (("support-triage", "--limit", "0"), "EK902"),
        (("support-triage", "--format", "xml"), "EK902"),
    ],
)
def test_what_cannot_be_told_says_why(evalkit, story, arguments, said):
    result = evalkit("log", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_what_is_only_in_the_files_has_no_history_yet(evalkit, story):
    story.put(1, "draft", name="faq")
    result = evalkit("log", "faq")
    assert result.code == 2
    assert "EK202 faq has no history on main" in result.err
    assert "--ref HEAD asks your branch" in result.err


def test_another_line_is_read_when_asked_for(evalkit, story):
    story.git("checkout", "-q", "-b", "side")
    story.put(15, "staging")
    story.commit("Promote support-triage v15", "2026-11-12T08:00Z")
    assert subjects(evalkit("log", "support-triage", "--format", "json", "--limit", "1")) == [
        LOG.splitlines()[2][22:]
    ]
    assert subjects(
        evalkit("log", "support-triage", "--ref", "side", "--format", "json", "--limit", "1")
    ) == ["v15 created as staging"]
