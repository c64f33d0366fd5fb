from __future__ import annotations

import json

from planting import entry

from evalkit.evals.checks.everything import check_project
from evalkit.registry.project import Project


def check_is_clean(project) -> bool:
    from datetime import date

    return not check_project(Project(project), date(2026, 6, 1)).errors


WRITTEN = """\
# yaml-language-server: $schema=../../schemas/entry.schema.json
name: shop
version: 7
model:   gpt-5-mini-2025-08-07   # a snapshot

# What it may cost us:
params: { max_tokens: 300 }      # enough
provider: openai
prompt_ref: base-prompt@v1
traffic: 70
control: true
eval: { suite: base-eval@v1, score: 0.93, run: r1 }
approved_by: somebody
status: production               # serves
"""


def shop(project, text: str = WRITTEN, version: int = 7):
    path = project / f"registry/entries/shop/v{version}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_the_next_version_keeps_the_authors_text_and_drops_what_was_earned(evalkit, project):
    old = shop(project)
    result = evalkit("new", "shop")
    assert result.code == 0
    assert result.out == "created registry/entries/shop/v8.yaml\n"
    assert "evalkit run shop@v8" in result.err
    expected = "".join(
        line
        for line in WRITTEN.splitlines(keepends=True)
        if not line.startswith(("traffic", "control", "eval:", "approved_by"))
    )
    expected = expected.replace("version: 7", "version: 8").replace("status: production", "status: draft")
    assert [line.split() for line in (old.parent / "v8.yaml").read_text().splitlines()] == [
        line.split() for line in expected.splitlines()
    ]
    assert old.read_text() == WRITTEN
    assert check_is_clean(project)


def test_the_number_follows_every_version_file_even_a_broken_one(evalkit, project):
    shop(project)
    shop(project, "broken: [", version=12)
    result = evalkit("new", "shop", "--from", "shop@v7")
    assert result.out == "created registry/entries/shop/v13.yaml\n"


def test_another_version_or_name_can_be_the_start(evalkit, project):
    shop(project)
    shop(project, entry("shop", 8, params="{ max_tokens: 9 }"), version=8)
    assert evalkit("new", "shop", "--from", "shop@v7").code == 0
    assert "What it may cost us" in (project / "registry/entries/shop/v9.yaml").read_text()
    assert evalkit("new", "other", "--from", "shop@v7").code == 0
    assert "name: other\nversion: 1\n" in (project / "registry/entries/other/v1.yaml").read_text()
    assert check_is_clean(project)


def test_a_new_model_takes_the_exception_of_the_old_one_away(evalkit, project):
    shop(
        project,
        entry("shop", 7, model="my-deployment", pin_exception="{reason: locked, expires: 2999-01-01}"),
    )
    assert evalkit("new", "shop", "--model", "gpt-4o-2024-11-20").code == 0
    text = (project / "registry/entries/shop/v8.yaml").read_text()
    assert "model: gpt-4o-2024-11-20\n" in text
    assert "pin_exception" not in text


def test_a_first_version_comes_with_a_prompt_and_passes_check(evalkit, project):
    result = evalkit("new", "faq-answer", "--model", "gpt-4o-2024-11-20")
    assert result.code == 0
    assert result.out.splitlines() == [
        "created registry/entries/faq-answer/v1.yaml",
        "created registry/prompts/faq-answer-prompt/v1.yaml",
    ]
    assert check_is_clean(project)
    assert "yaml-language-server" not in (project / "registry/entries/faq-answer/v1.yaml").read_text()


def test_files_name_the_schema_where_the_project_has_one(evalkit, project):
    assert evalkit("schema", "--write", "registry/schemas").code == 0
    assert evalkit("new", "faq-answer", "--model", "gpt-4o-2024-11-20").code == 0
    first = (project / "registry/entries/faq-answer/v1.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../../schemas/entry.schema.json"
    assert check_is_clean(project)


def test_a_first_version_needs_a_model(evalkit, project):
    result = evalkit("new", "faq-answer")
    assert result.code == 2
    assert "which model is it to use?" in result.err
    assert "gpt-5-mini-2025-08-07" in result.err
    assert not (project / "registry/entries/faq-answer").exists()


def test_a_dry_run_writes_nothing(evalkit, project):
    before = sorted(project.rglob("*"))
    result = evalkit("new", "base", "--dry-run")
    assert "would create registry/entries/base/v2.yaml" in result.out
    assert "version: 2" in result.out
    assert sorted(project.rglob("*")) == before


def test_json_names_the_files_and_their_text(evalkit, project):
    data = json.loads(evalkit("new", "base", "--dry-run", "--format", "json").out)
    assert (data["entry"], data["written"]) == ("base@v2", False)
    assert data["files"][0]["path"] == "registry/entries/base/v2.yaml"
    assert "version: 2" in data["files"][0]["content"]


def test_a_name_that_is_none_is_refused(evalkit, project):
    for name in ("Base", "base@v3", "../evil"):
        result = evalkit("new", name, "--model", "m")
        assert result.code == 2
        assert "EK901" in result.err


def test_a_text_that_cannot_be_edited_is_left_alone(evalkit, project):
    shop(project, entry("shop", 7, params="{ max_tokens: *n }").replace("version: 7", "version: &n 7"))
    result = evalkit("new", "shop")
    assert result.code == 2
    assert "registry/entries/shop/v7.yaml:2:10: EK601" in result.err
    assert not (project / "registry/entries/shop/v8.yaml").exists()
