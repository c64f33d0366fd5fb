from __future__ import annotations

import csv
import io
import json

import pytest
from audit_story import ANN, DAN, begin, evaluated, normal
from small_registry import PROMPT, write

WHO = """\
support-triage@v14: bob approved it (staging -> production, replacing v13,
    2026-11-03 13:00 UTC, PR #15)

  status      retired
  written by  Ann <ann@example.com>: entry
              Dan <dan@example.com>: triage-prompt@v9
  moved by    evalkit <bot@example.com>: status, exposure
              Ann <ann@example.com>: exposure
  evaluated   triage-eval@v4: score 0.9312, run run-14
              2026-10-20 10:00 UTC, commit ############
  follows     v13
  PRs         #11, #12, #13, #14, #15, #16
  served      production for 6 days 3 hours, as a canary for 13 days 5 hours
              canary from 2026-10-21 07:15 UTC, 13 days 5 hours
              primary from 2026-11-03 13:00 UTC, 6 days 3 hours
  left        v14 production -> retired; rolled back to v13 (reason: invented
                refunds)

Its changes, oldest first

2026-10-12 15:00 UTC  v14 created
    commit ############, PR #11
    by Ann

2026-10-20 10:00 UTC  v14 draft -> staging
"""


@pytest.fixture
def story(tmp_path, monkeypatch):
    return begin(tmp_path, monkeypatch)


def told(evalkit, *arguments) -> dict:
    return json.loads(evalkit("who", *arguments, "--format", "json").out)


def writers(data) -> dict[str, list[str]]:
    return {writer["person"]: writer["wrote"] for writer in data["writers"]}


def test_it_tells_all_of_a_version_and_who_approved_it_first(evalkit, story):
    result = evalkit("who", "support-triage@v14")
    assert (result.code, result.err) == (0, "")
    assert normal(result.out).startswith(WHO)
    assert max(map(len, result.out.splitlines())) <= 80


def test_json_and_csv_say_the_same(evalkit, story):
    data = told(evalkit, "support-triage@v14")
    assert {
        key: data[key] for key in ("approver", "pr", "status", "replaced", "served_seconds", "canary_seconds")
    } == {
        "approver": "bob",
        "pr": 15,
        "status": "retired",
        "replaced": 13,
        "served_seconds": (6 * 24 + 3) * 3600 + 40 * 60,
        "canary_seconds": (13 * 24 + 5) * 3600 + 45 * 60,
    }
    assert data["evaluation"]["run"] == "run-14"
    assert data["approved_since"] == "2026-11-03T13:00:00Z"
    row = next(csv.DictReader(io.StringIO(evalkit("who", "support-triage@v14", "--format", "csv").out)))
    assert (row["approver"], row["run"], row["writers"]) == ("bob", "run-14", f"{ANN}; {DAN}")


def test_a_name_is_what_serves_now(evalkit, story):
    data = told(evalkit, "support-triage")
    assert (data["version"], data["approver"], data["left"]) == (13, "cara", None)
    assert [spell["until"] for spell in data["served"]] == ["2026-11-03T13:00:00Z", None]
    assert "and still" in evalkit("who", "support-triage").out


def test_authors_of_a_prompt_that_both_versions_use_count_only_since_the_one_it_follows(evalkit, story):
    story.put(15, "draft", prompt="triage-prompt@v8")
    story.commit("Another", "2026-11-12T08:00Z", "Eve <eve@example.com>")
    assert writers(told(evalkit, "support-triage@v15")) == {"Eve <eve@example.com>": ["entry"]}
    changed = PROMPT.format(version=8).replace("calm", "kind").encode()
    write(story.root, {"registry/prompts/triage-prompt/v8.yaml": changed})
    story.commit("Be kind", "2026-11-13T08:00Z", DAN)
    assert writers(told(evalkit, "support-triage@v15"))[DAN] == ["triage-prompt@v8"]


def test_whoever_changes_the_config_with_a_promotion_wrote_it_too(evalkit, story):
    story.put(15, "draft")
    story.commit("Another", "2026-11-12T08:00Z", ANN)
    story.put(15, "staging", "description: changed on the way\n")
    story.commit("Promote", "2026-11-13T08:00Z", DAN)
    assert writers(told(evalkit, "support-triage@v15"))[DAN] == ["entry"]


def test_an_approval_by_an_author_is_said_to_be_one(evalkit, story):
    story.put(15, "draft")
    story.commit("Another", "2026-11-12T08:00Z", ANN)
    story.put(15, "staging", "approved_by: ann\n")
    story.commit("Promote support-triage v15", "2026-11-13T08:00Z", ANN)
    assert evalkit("who", "support-triage@v15").out.startswith(
        "support-triage@v15: ann, who also wrote it, approved it (draft -> staging,"
    )


def test_whoever_only_moved_it_did_not_write_it_and_may_not_approve_it_either(evalkit, story):
    story.put(15, "draft")
    story.commit("Another", "2026-11-12T08:00Z", ANN)
    story.put(15, "staging")
    story.commit("Promote support-triage v15\n\nApproved-by: dan", "2026-11-13T08:00Z", DAN)
    data = told(evalkit, "support-triage@v15")
    assert list(writers(data)) == [ANN]
    assert data["movers"] == [{"person": DAN, "changed": ["status"]}]
    assert data["self_approved"] is True
    assert ": dan, who also changed it, approved it (" in evalkit("who", "support-triage@v15").out


def test_who_stamps_or_evaluates_wrote_nothing(evalkit, story):
    data = told(evalkit, "support-triage@v14")
    assert "evalkit <bot@example.com>" not in writers(data)
    story.put(13, "production", evaluated(0.99, "run-14", "eve"))
    story.commit("Evaluate and stamp", "2026-11-12T08:00Z", "Eve <eve@example.com>")
    assert "Eve" not in str(told(evalkit, "support-triage@v13")["writers"])


def test_an_approval_that_awaits_its_stamp_is_pending(evalkit, story):
    story.put(15, "staging", "approved_by: kim\n")
    story.commit("Stage", "2026-11-12T08:00Z")
    story.put(15, "production")
    story.commit("Serve (#20)", "2026-11-13T08:00Z")
    data = told(evalkit, "support-triage@v15")
    assert (data["approver"], data["pending"]) == (None, True)
    story.put(15, "production", "approved_by: kim\n")
    story.commit("Stamp", "2026-11-14T08:00Z")
    data = told(evalkit, "support-triage@v15")
    assert (data["approver"], data["pending"], data["pr"]) == ("kim", False, 20)


def test_a_version_that_was_deleted_has_its_account(evalkit, story):
    story.put(15, "draft")
    story.commit("Another", "2026-11-12T08:00Z", ANN)
    (story.root / "registry/entries/support-triage/v15.yaml").unlink()
    story.commit("Give up\n\nApproved-by: bob", "2026-11-13T08:00Z", DAN)
    data = told(evalkit, "support-triage@v15")
    assert (data["status"], list(writers(data))) == (None, [ANN])


def test_a_draft_needed_no_approval(evalkit, story):
    story.put(15, "draft")
    story.commit("Another", "2026-11-12T08:00Z", ANN)
    result = evalkit("who", "support-triage@v15")
    assert " ".join(result.out.split("\n\n")[0].split()) == (
        "support-triage@v15: nobody is recorded as having approved it; it never went to production"
    )
    assert "never in production" in result.out


def test_a_promotion_without_a_stamp_says_so(evalkit, story):
    story.put(15, "production")
    story.commit("Promote support-triage v15 (#20)", "2026-11-12T08:00Z", ANN)
    assert evalkit("who", "support-triage").out.startswith(
        "support-triage@v15: its approval is pending (created as production, replacing\n    v13, 2026-11-12"
    )
    assert told(evalkit, "support-triage@v13")["left"] == "v15 took over"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("support-triage@v19", "versions that are or were: v12, v13, v14"),
        ("suport-triage", "did you mean 'support-triage'?"),
    ],
)
def test_what_never_was_is_refused(evalkit, story, target, said):
    result = evalkit("who", target)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_a_name_that_nobody_serves_needs_a_version(evalkit, story):
    story.put(1, "draft", name="faq")
    story.commit("Begin", "2026-11-12T08:00Z")
    result = evalkit("who", "faq")
    assert result.code == 2
    assert "evalkit who faq@v1" in result.err
