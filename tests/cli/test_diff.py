from __future__ import annotations

import json

from planting import entry, prompt, tools


def second(project, text: str) -> None:
    (project / "registry/entries/base/v2.yaml").write_text(text)


def changes(evalkit) -> dict[str, tuple]:
    data = json.loads(evalkit("diff", "base@v1", "base@v2", "--format", "json").out)
    return {change["key"]: (change["a"], change["b"]) for change in data["changes"]}


def test_comments_names_versions_and_status_make_no_difference(evalkit, project):
    second(project, "# another comment\n" + entry("base", 2, owner="me", status="staging"))
    result = evalkit("diff", "base@v1", "base@v2")
    assert result.code == 0
    assert result.out.startswith("base@v1 and base@v2 have the same generation digest: sha256:")
    assert (
        json.loads(evalkit("diff", "base@v1", "base@v2", "--format", "json").out)["same_generation"] is True
    )


def test_params_and_model_are_listed_by_key(evalkit, project):
    second(project, entry("base", 2, model="gpt-4o-2024-11-20", params="{max_tokens: 500, temperature: 0.5}"))
    assert changes(evalkit) == {
        "model": ("gpt-5-mini-2025-08-07", "gpt-4o-2024-11-20"),
        "params.max_tokens": (300, 500),
        "params.temperature": (None, 0.5),
    }
    out = evalkit("diff", "base@v1", "base@v2").out
    assert "params.max_tokens: 300 -> 500" in out
    assert "params.temperature: (none) -> 0.5" in out


def test_a_whole_number_and_a_float_differ_as_they_do_in_the_digest(evalkit, project):
    first = project / "registry/entries/base/v1.yaml"
    first.write_text(entry("base", params="{top_p: 1}"))
    second(project, entry("base", 2, params="{top_p: 1.0}"))
    assert list(changes(evalkit)) == ["params.top_p"]


def test_prompt_text_is_a_unified_diff(evalkit, project):
    for version, line in ((1, "Be brief."), (2, "Be kind.")):
        text = prompt("base-prompt", f"Hello.\n{line}\n{{{{ ticket }}}}").replace(
            "version: 1", f"version: {version}"
        )
        (project / f"registry/prompts/base-prompt/v{version}.yaml").write_text(text)
    second(project, entry("base", 2, prompt_ref="base-prompt@v2"))
    out = evalkit("diff", "base@v1", "base@v2").out
    assert "messages[1].content\n" in out
    assert "  -Be brief.\n  +Be kind.\n" in out
    assert "  +++" not in out


def test_a_tool_that_changes_is_named(evalkit, project):
    for version, kind in ((1, "string"), (2, "integer")):
        text = tools(
            "t", f"  - name: look\n    parameters: {{type: object, properties: {{a: {{type: {kind}}}}}}}\n"
        )
        path = project / f"registry/tools/t/v{version}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("version: 1", f"version: {version}"))
    (project / "registry/entries/base/v1.yaml").write_text(entry("base", tools_ref="t@v1"))
    second(project, entry("base", 2, tools_ref="t@v2"))
    out = evalkit("diff", "base@v1", "base@v2").out
    assert "tools.look\n" in out
    assert '  -        "type": "string"\n  +        "type": "integer"\n' in out


def test_two_names_can_be_compared(evalkit, project):
    path = project / "registry/entries/other/v1.yaml"
    path.parent.mkdir()
    path.write_text(entry("other", params="{}"))
    assert "params.max_tokens: 300 -> (none)" in evalkit("diff", "base", "other").out


def test_an_unknown_side_exits_2(evalkit, project):
    assert evalkit("diff", "base", "gone").code == 2
