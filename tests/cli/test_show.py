from __future__ import annotations

import json

from planting import entry, prompt

from evalkit.registry.project import Project
from evalkit.registry.resolve import resolve_config


def test_the_seed_entry_is_shown_whole(evalkit, seed):
    result = evalkit("show", "support-triage")
    assert result.code == 0
    for text in (
        "support-triage@v14  draft",
        "pinned: 'gpt-5-mini-2025-08-07' is a dated OpenAI snapshot",
        "params     max_tokens: 300",
        "message 1, system:",
        "  | {{ ticket }}",
        "tool order_status:",
        "suites       triage-eval@v4",
        "nobody yet (policy asks for 1)",
    ):
        assert text in result.out, text


def test_json_carries_the_digest_that_evidence_is_bound_to(evalkit, seed):
    data = json.loads(evalkit("show", "support-triage@v14", "--format", "json").out)
    project = Project(seed)
    assert data["digest"] == resolve_config(project, project.target("support-triage@v14")).digest
    assert data["schema_version"] == 1
    assert data["pin"]["verdict"] == "pinned"
    assert data["suites"] == ["triage-eval@v4"]
    assert [message["role"] for message in data["messages"]] == ["system", "user"]


def test_a_target_is_a_name_a_version_or_a_file(evalkit, project):
    (project / "registry/entries/base/v2.yaml").write_text(entry("base", 2, status="staging"))
    shown = [evalkit("show", t).out.split()[0] for t in ("base", "base@v2", "registry/entries/base/v2.yaml")]
    assert shown == ["base@v1", "base@v2", "base@v2"]


def test_an_unknown_entry_gets_a_suggestion(evalkit, project):
    result = evalkit("show", "bsae")
    assert result.code == 2
    assert result.err == "EK202 no entry bsae\n  help: did you mean 'base'?\n"


def test_every_reference_that_leads_nowhere_is_said(evalkit, project):
    text = entry("base", prompt_ref="gone@v1", tools_ref="gone@v2", provider="nobody")
    (project / "registry/entries/base/v1.yaml").write_text(text)
    result = evalkit("show", "base")
    assert result.code == 2
    assert result.err.count("EK201") == 3


def test_a_hostile_prompt_cannot_write_an_escape(evalkit, project):
    path = project / "registry/prompts/base-prompt/v1.yaml"
    path.write_text(
        prompt("base-prompt").replace("|\n      {{ ticket }}", '"\\e]0;owned\\a\\u202e{{ ticket }}"')
    )
    out = evalkit("show", "base").out
    assert "\\x1b]0;owned" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_an_exception_is_shown_with_its_end(evalkit, project):
    text = entry("base", model="my-deployment", pin_exception="{reason: locked, expires: 2999-01-01}")
    (project / "registry/entries/base/v1.yaml").write_text(text)
    assert "exception  until 2999-01-01: locked" in evalkit("show", "base").out
