from __future__ import annotations

import json

import pytest
from audit_story import begin, normal
from small_registry import write

RESOLVE = ("resolve", "support-triage", "--env", "production")


@pytest.fixture
def story(tmp_path, monkeypatch):
    return begin(tmp_path, monkeypatch)


def resolved(evalkit, *arguments) -> dict:
    return json.loads(evalkit(*RESOLVE, *arguments, "--format", "json").out)


def test_it_rebuilds_the_config_with_the_text_of_its_prompt(evalkit, story):
    result = evalkit(*RESOLVE, "--at", "2026-11-03T14:00Z")
    assert (result.code, result.err) == (0, "")
    lines = normal(result.out).splitlines()
    assert lines[:3] == [
        "support-triage@v14  v14 serves production",
        "  as of     2026-11-03 14:00 UTC (15:00 CET), commit ############ of 2026-11-03",
        "            13:05 UTC",
    ]
    assert result.out.count("commit ") == 1
    assert all(len(line) <= 80 for line in lines)
    assert "  | Prompt 9. Sort the ticket, be {{ tone }}." in lines


@pytest.mark.parametrize("when", ["HEAD", "HEAD~1", "HEAD~3", "HEAD~5", "HEAD~7"])
def test_it_is_what_the_bundle_of_that_commit_gives(evalkit, story, when):
    commit = story.git("rev-parse", when)
    evalkit("bundle", "--ref", commit, "-o", "bundle.json")
    then = resolved(evalkit, "--at", commit)
    bundled = resolved(evalkit, "--from", "bundle.json")
    assert {**then, "source": ""} == {**bundled, "source": "", "as_of": then["as_of"]}
    assert then["as_of"]["commit"]["id"] == then["commit"] == commit


def test_what_lies_here_now_does_not_matter(evalkit, story):
    before = resolved(evalkit, "--at", "2026-11-04")
    write(story.root, {"registry/prompts/triage-prompt/v9.yaml": b"gone\n", "evalkit.yaml": b""})
    assert resolved(evalkit, "--at", "2026-11-04") == before


def test_a_key_is_assigned_as_it_was_then(evalkit, story):
    told = resolved(evalkit, "--at", "2026-10-22", "--key", "42")
    assert told["reason"] in {"v13 is assigned to this key", "v14 is assigned to this key"}
    assert [one["weight"] for one in told["variants"]] == [0.95, 0.05]


def test_a_broken_file_is_named_with_its_commit(evalkit, story):
    write(story.root, {"registry/prompts/triage-prompt/v8.yaml": b"name: [\n"})
    commit = story.commit("Break it", "2026-11-12T08:00Z")
    result = evalkit(*RESOLVE, "--at", "2026-11-13")
    assert result.code == 2
    assert f"{commit[:12]}:registry/prompts/triage-prompt/v8.yaml" in result.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("support-triage", "--env", "production", "--at", "2026-10-01"),
            "EK202 support-triage had no entries at 2026-10-01",
        ),
        (("suport-triage", "--env", "production", "--at", "2026-11-01"), "did you mean 'support-triage'?"),
        (("support-triage", "--env", "prod", "--at", "2026-11-01"), "EK707 there is no environment 'prod'"),
        (("support-triage", "--env", "production", "--at", "2999-01-01"), "EK863"),
        (("support-triage", "--env", "production", "--at", "now", "--from", "x.json"), "EK902"),
        (("support-triage", "--env", "production", "--ref", "main"), "EK902"),
        (("support-triage", "--env", "production", "--tz", "UTC"), "EK902"),
    ],
)
def test_what_cannot_be_rebuilt_says_why(evalkit, story, arguments, said):
    result = evalkit("resolve", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_nobody_served_is_said_as_without_a_moment(evalkit, story):
    story.put(1, "draft", name="faq")
    story.commit("Begin", "2026-11-12T08:00Z")
    result = evalkit("resolve", "faq", "--env", "production", "--at", "2026-11-13")
    assert result.code == 2
    assert "EK707 nobody serves faq in production" in result.err
