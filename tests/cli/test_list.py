from __future__ import annotations

import json

from planting import entry


def add(project, version: int, **keys) -> None:
    extra = keys.pop("extra", "")
    path = project / f"registry/entries/shop/v{version}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(entry("shop", version, extra, **keys))


def rows(result) -> dict[int, dict]:
    return {row["version"]: row for row in json.loads(result.out)["entries"] if row["name"] == "shop"}


def test_the_table_says_who_serves_and_who_stands_by(evalkit, project):
    add(project, 1, status="retired")
    add(project, 2, status="production")
    add(project, 3, status="production", extra="eval: {suite: base-eval@v1, score: 0.91}\n")
    add(project, 4, status="staging", extra="rollout: {percent: 5}\n")
    result = evalkit("list")
    assert result.code == 0
    table = {line.split()[0]: " ".join(line.split()[1:]) for line in result.out.splitlines()}
    model = "gpt-5-mini-2025-08-07 openai"
    assert table == {
        "ENTRY": "STATUS MODEL PROVIDER SCORE SERVES",
        "base@v1": f"draft {model} -",
        "shop@v1": f"retired {model} -",
        "shop@v2": f"production {model} - standby",
        "shop@v3": f"production {model} 0.9100 production",
        "shop@v4": f"staging {model} - staging, canary 5%",
    }


def test_arms_of_an_ab_show_their_share(evalkit, project):
    add(project, 1, status="production", extra="traffic: 70\n")
    add(project, 2, status="production", extra="traffic: 30\n")
    assert rows(evalkit("list", "--format", "json"))[1]["serving"] == {"production": 0.7, "staging": 0.7}
    assert "production 30%" in evalkit("list").out


def test_an_environment_lists_what_serves_it(evalkit, project):
    add(project, 1, status="production")
    add(project, 2, status="staging")
    add(project, 3, status="draft")
    assert list(rows(evalkit("list", "--env", "production", "--format", "json"))) == [1]
    assert list(rows(evalkit("list", "--env", "staging", "--format", "json"))) == [2]
    assert evalkit("list", "--env", "moon").code == 2


def test_a_broken_file_hides_no_other(evalkit, project):
    add(project, 1)
    add(project, 2, status="nonsense")
    result = evalkit("list", "--format", "json")
    assert result.code == 2
    assert list(rows(result)) == [1]
    assert "registry/entries/shop/v2.yaml:7:9: EK106" in result.err


def test_two_controls_are_said_and_the_rest_is_listed(evalkit, project):
    for version in (1, 2):
        add(project, version, status="production", extra="traffic: 1\ncontrol: true\n")
    result = evalkit("list")
    assert result.code == 2
    assert "EK210 shop: more than one arm is marked control" in result.err
    assert "shop@v2" in result.out


def test_a_project_without_entries_lists_nothing(evalkit, tmp_path, monkeypatch):
    (tmp_path / "evalkit.yaml").write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    result = evalkit("list")
    assert (result.code, result.out, result.err) == (0, "", "no entries\n")
    assert json.loads(evalkit("list", "--format", "json").out) == {"schema_version": 1, "entries": []}


def test_a_hostile_model_id_cannot_move_the_cursor(evalkit, project):
    add(project, 1, model='"gpt\\e[2Jx\\n::error::y"')
    out = evalkit("list").out
    assert "\x1b" not in out
    assert not any(line.startswith("::") for line in out.splitlines())
