"""Repositories that have no history to tell, and where a project may lie."""

from __future__ import annotations

import os
import subprocess

import pytest
from git_story import Story, hour

from evalkit.errors import UsageError
from evalkit.promote.history import Repository


def code(problem):
    (found,) = problem.value.problems
    assert found.hint
    return found.code


def clone(story, target, *args, checkout=True):
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    more = [] if checkout else ["--no-checkout"]
    subprocess.run(
        ["git", "clone", "-q", *more, *args, f"file://{story.top}", str(target)],
        check=True,
        env=env,
        capture_output=True,
    )
    return target


def test_a_directory_without_git_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UsageError, match="is in no git repository") as error:
        Repository.of(tmp_path)
    assert code(error) == "EK801"


def test_a_directory_that_does_not_exist_says_so(tmp_path):
    with pytest.raises(UsageError) as error:
        Repository.of(tmp_path / "none")
    assert code(error) == "EK801"


def test_a_bare_repository_says_so(story, tmp_path):
    story.commit("Begin")
    with pytest.raises(UsageError, match="bare") as error:
        Repository.of(clone(story, tmp_path / "bare.git", "--bare"))
    assert code(error) == "EK801"


def test_a_repository_without_a_commit_says_so(story):
    with pytest.raises(UsageError, match="no commit yet") as error:
        Repository.of(story.root)
    assert code(error) == "EK802"


def test_git_that_is_not_installed_says_so(story, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="cannot be started") as error:
        Repository.of(story.root)
    assert code(error) == "EK805"


def test_a_damaged_repository_says_so(story):
    story.put(1)
    story.commit("v1")
    blob = story.git("rev-parse", "HEAD:registry/entries/triage/v1.yaml")
    (story.top / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(UsageError) as error:
        Repository.of(story.root).history("triage")
    assert code(error) == "EK805"


@pytest.mark.parametrize(
    "ref", ["none", "-n1", "--output=x", "", "a b\n", "main:registry", "x" * 5_000, "\x1b[31m", "HEAD~99"]
)
def test_a_ref_that_names_no_commit_is_refused(story, ref):
    story.commit("Begin")
    with pytest.raises(UsageError) as error:
        Repository.of(story.root).history("triage", ref)
    assert code(error) == "EK804"


def test_the_main_line_is_that_of_the_remote_before_ones_own(story, tmp_path):
    story.put(1)
    story.commit("v1")
    here = Story(clone(story, tmp_path / "clone"))
    here.put(1, "staging")
    here.commit("Not pushed yet", at=5)
    repository = Repository.of(here.root)
    assert repository.main_ref() == "refs/remotes/origin/HEAD"
    assert len(repository.history("triage").moments) == 1
    assert len(repository.history("triage", "HEAD").moments) == 2
    here.git("update-ref", "-d", "refs/remotes/origin/main")  # origin/HEAD leads nowhere now
    assert repository.main_ref() == "refs/heads/main"


def test_without_main_or_master_the_branch_that_is_checked_out_counts(story):
    story.put(1)
    story.commit("v1")
    assert Repository.of(story.root).main_ref() == "refs/heads/main"
    story.git("branch", "-q", "-m", "main", "trunk")
    assert Repository.of(story.root).main_ref() == "HEAD"
    assert len(Repository.of(story.root).history("triage").moments) == 1


def test_a_detached_head_is_no_main_line(story):
    story.put(1)
    commit = story.commit("v1")
    story.git("branch", "-q", "-m", "main", "trunk")
    story.git("checkout", "-q", "--detach")
    repository = Repository.of(story.root)
    with pytest.raises(UsageError, match="detached") as error:
        repository.history("triage")
    assert code(error) == "EK806"
    assert len(repository.history("triage", "HEAD").moments) == 1
    story.git("branch", "main")
    assert repository.commit().id == commit


def test_a_project_may_lie_in_a_subdirectory_of_any_name(tmp_path):
    story = Story(tmp_path / "top", "žluť/ml [*] -x")
    story.put(1, "production")
    story.write("evalkit.yaml", "default_provider: openai\n")
    (story.top / "registry/entries/triage").mkdir(parents=True)
    (story.top / "registry/entries/triage/v7.yaml").write_text("status: production\n")
    commit = story.commit("v1")
    story.put(1, "retired")
    story.commit("Retire")
    repository = Repository.of(story.root)
    assert [list(m.versions) for m in repository.history("triage").moments] == [[1], [1]]
    assert repository.names() == ["triage"]
    assert sorted(repository.files(commit)) == ["evalkit.yaml", "registry/entries/triage/v1.yaml"]
    assert repository.read(commit, "evalkit.yaml") == b"default_provider: openai\n"
    story.put(1, "production", "owner: us")
    assert [change.path for change in repository.changed(commit)] == ["registry/entries/triage/v1.yaml"]
    assert [change.path for change in repository.changed(commit, "HEAD")] == [
        "registry/entries/triage/v1.yaml"
    ]


def test_the_environment_and_the_configuration_change_nothing(story, monkeypatch, tmp_path):
    story.put(1)
    story.commit("v1")
    story.put(1, "staging")
    second = story.commit("Stage")
    plain = Repository.of(story.root).history("triage")
    for key, value in (
        ("core.quotePath", "true"),
        ("log.showSignature", "true"),
        ("log.follow", "true"),
        ("diff.renames", "copies"),
        ("color.ui", "always"),
        ("format.pretty", "raw"),
        ("diff.external", "false"),
        ("log.showRoot", "false"),
        ("log.decorate", "full"),
        ("i18n.logOutputEncoding", "ISO-8859-1"),
        ("core.abbrev", "4"),
        ("log.diffMerges", "off"),
        ("diff.orderFile", "/dev/null"),
        ("diff.noprefix", "true"),
        ("core.pager", "false"),
        ("log.date", "relative"),
    ):
        story.git("config", key, value)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    story.git("replace", second, story.git("rev-parse", f"{second}~1"))
    assert Repository.of(story.root).history("triage") == plain


@pytest.fixture
def old_story(story):
    story.put(1, name="old")
    story.commit("An old name")
    story.put(1)
    story.commit("Another")
    for number in range(3):
        story.write("README.md", f"{number}")
        story.commit("Beside")
    story.put(1, name="young")
    story.commit("A young name")
    story.put(1, "staging", name="young")
    story.commit("Staged")
    return story


def test_a_shallow_clone_says_what_to_fetch_only_when_it_lacks_something(old_story, tmp_path):
    repository = Repository.of(clone(old_story, tmp_path / "shallow", "--depth", "3"))
    assert len(repository.history("young").moments) == 2
    assert repository.commit_at(hour(6)).subject == "A young name"
    assert repository.names() == ["old", "triage", "young"]
    for ask in (
        lambda: repository.history("old"),
        lambda: repository.history("never-was"),
        lambda: repository.histories(),
        lambda: repository.commit_at(hour(2)),
    ):
        with pytest.raises(UsageError, match="shallow") as error:
            ask()
        assert code(error) == "EK803"
        assert "git fetch --unshallow" in str(error.value)
        assert "fetch-depth: 0" in str(error.value)


def test_a_shallow_clone_that_holds_the_whole_line_answers(old_story, tmp_path):
    repository = Repository.of(clone(old_story, tmp_path / "shallow", "--depth", "100"))
    assert len(repository.history("old").moments) == 1
    assert repository.commit_at(hour(0)) is None


def test_where_two_lines_went_apart(old_story, tmp_path):
    base = old_story.head()
    old_story.branch("change")
    old_story.commit("On the branch")
    old_story.go("main")
    old_story.commit("On main")
    assert Repository.of(old_story.root).merge_base("main", "change") == base
    old_story.git("checkout", "-q", "--orphan", "alone")
    old_story.commit("Nothing in common")
    assert Repository.of(old_story.root).merge_base("main", "alone") is None
    old_story.go("main")
    shallow = clone(old_story, tmp_path / "shallow", "--depth", "1", "--no-single-branch")
    with pytest.raises(UsageError, match="shallow") as error:
        Repository.of(shallow).merge_base("origin/main", "origin/change")
    assert code(error) == "EK803"
