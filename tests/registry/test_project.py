from __future__ import annotations

import pytest
from planting import entry, plant, prompt

from evalkit.errors import SchemaError, UnknownEntry, UnresolvedReference, UsageError
from evalkit.registry.project import Project, effective_policy
from evalkit.registry.resolve import resolve_config
from evalkit.registry.schema import ProjectConfig, Prompt
from evalkit.runtime.refs import Ref


@pytest.fixture
def project(tmp_path) -> Project:
    plant(tmp_path, [])
    for version, status in ((2, "production"), (3, "draft"), (10, "staging")):
        (tmp_path / f"registry/entries/base/v{version}.yaml").write_text(
            entry("base", version, status=status)
        )
    return Project(tmp_path)


def test_a_bare_name_is_its_newest_draft_else_its_newest_entry(project):
    assert project.target("base").model.version == 3
    for version in (1, 3):
        project.path_of("entries", Ref("base", version)).unlink()
    assert Project(project.root).target("base").model.version == 10


@pytest.mark.parametrize("text", ["base@v2", "base@2", "base-v2"])
def test_a_version_is_written_in_several_ways(project, text):
    assert project.target(text).model.version == 2


def test_versions_are_numbers_not_text(project):
    assert project.versions("base") == [1, 2, 3, 10]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("base@v9", "versions of base: v1, v2, v3, v10"),
        ("bsae", "did you mean 'base'?"),
        ("zzz", "entries: base"),
        ("../x", "a target is name, name@v3, or the path of an entry file"),
    ],
)
def test_an_unknown_target_says_what_there_is(project, text, hint):
    with pytest.raises(UnknownEntry) as caught:
        project.target(text)
    (problem,) = caught.value.problems
    if "/" not in text:
        assert (problem.code, problem.hint) == ("EK202", hint)


def test_a_reference_that_leads_nowhere_stands_at_its_place(project):
    place = project.target("base").source.locate(("prompt_ref",))
    with pytest.raises(UnresolvedReference) as caught:
        project.reference("prompts", Prompt, "base-promt@v1", place)
    assert str(caught.value).startswith("registry/entries/base/v3.yaml:5:13: EK201 no prompt base-promt@v1")


def test_the_project_is_found_from_below(project, tmp_path):
    below = tmp_path / "registry" / "entries" / "base"
    assert Project.find(below).root == tmp_path
    with pytest.raises(UsageError, match="EK903"):
        Project.find(tmp_path.parent)


def test_every_broken_version_is_reported_at_once(project, tmp_path):
    for version in (2, 3):
        (tmp_path / f"registry/entries/base/v{version}.yaml").write_text(entry("base", version, status="x"))
    with pytest.raises(SchemaError) as caught:
        project.entries("base")
    assert len(caught.value.problems) == 2


def test_a_link_out_of_the_project_is_not_read(project, tmp_path):
    outside = tmp_path.parent / "outside.yaml"
    outside.write_text(entry("base", 4))
    (tmp_path / "registry/entries/base/v4.yaml").symlink_to(outside)
    with pytest.raises(SchemaError, match="EK108"):
        project.entry(Ref("base", 4))


def policy(**entries) -> ProjectConfig:
    rules = {key.replace("_", "*"): value for key, value in entries.items()}
    defaults = {"suites": ["base-eval@v1"], "approvals": 2}
    return ProjectConfig.model_validate({"policy": {"defaults": defaults, "entries": rules}})


def test_an_exact_rule_wins_then_the_longest_pattern_then_the_defaults():
    config = policy(a_={"approvals": 3}, abc_={"approvals": 4}, abcd={"approvals": 0})
    assert [effective_policy(config, name).approvals for name in ("abcd", "abcx", "ax", "x")] == [0, 4, 3, 2]
    assert effective_policy(config, "x").rule is None


def test_a_rule_without_suites_keeps_the_defaults(project):
    assert effective_policy(policy(a={"approvals": 0}), "a").suites == (Ref("base-eval", 1),)


def test_the_digest_ignores_names_and_follows_content(project, tmp_path):
    digest = resolve_config(project, project.target("base@v2")).digest
    assert resolve_config(project, project.target("base@v3")).digest == digest
    (tmp_path / "registry/prompts/base-prompt/v1.yaml").write_text("# c\n" + prompt("base-prompt"))
    assert resolve_config(Project(tmp_path), project.target("base@v2")).digest == digest
    (tmp_path / "registry/prompts/base-prompt/v1.yaml").write_text(prompt("base-prompt", "Hi {{ ticket }}"))
    assert resolve_config(Project(tmp_path), project.target("base@v2")).digest != digest
