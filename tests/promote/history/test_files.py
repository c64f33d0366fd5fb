"""Files as they were, and what differs."""

from __future__ import annotations

import pytest
from git_story import entry

from evalkit.promote.history import FileChange, Repository

PATH = "registry/entries/triage/v1.yaml"


def test_the_files_of_a_commit_are_those_a_bundle_is_made_of(story):
    wanted = {
        "evalkit.yaml": b"default_provider: openai\n",
        PATH: entry(1).encode(),
        "registry/prompts/triage-prompt/v1.yaml": b"\xff\x00 not text\n\n",
        "registry/tools/t/v2.yaml": b"",
        "registry/classes/c/v3.yaml": b"x" * 100_000,
    }
    others = {
        "registry/entries/triage/notes.md": b"x",
        "registry/holds/triage.yaml": b"x",
        "src/evalkit.yaml": b"x",
    }
    for path, content in {**wanted, **others}.items():
        story.write(path, content)
    (story.root / "registry/entries/triage/v2.yaml").symlink_to("v1.yaml")
    story.git("init", "-q", "registry/entries/triage/v3.yaml")
    story.git("-C", "registry/entries/triage/v3.yaml", "commit", "-q", "--allow-empty", "-m", "x")
    commit = story.commit("All kinds")
    story.put(1, "retired")
    story.commit("Later")
    repository = Repository.of(story.root)
    assert repository.files(commit) == wanted
    assert repository.files("HEAD")[PATH] == entry(1, "retired").encode()
    assert list(repository.history("triage").moments[0].versions) == [1]


def test_a_file_is_read_as_it_was(story):
    story.put(1)
    commit = story.commit("v1")
    (story.root / "link").symlink_to(PATH)
    story.commit("Link")
    repository = Repository.of(story.root)
    assert repository.read(commit, PATH) == entry(1).encode()
    for path in (
        "none",
        "registry",
        "link",
        "../x",
        "/etc/passwd",
        "",
        "a\nb",
        f"./{PATH}",
        "registry//x",
        "*",
        ":/",
    ):
        assert repository.read("HEAD", path) is None


def test_what_differs_between_two_commits(story):
    story.put(1)
    story.put(2)
    story.write("src/app.py", "x")
    before = story.commit("Before")
    story.put(1, "staging")
    story.write("registry/entries/triage/v2.yaml", None)
    story.write("suites/s/v1/suite.yaml", "name: s\n")
    story.write("src/app.py", "y")
    story.commit("After")
    found = Repository.of(story.root).changed(before, "HEAD")
    assert found == (
        FileChange(PATH, entry(1).encode(), entry(1, "staging").encode()),
        FileChange("registry/entries/triage/v2.yaml", entry(2).encode(), None),
        FileChange("suites/s/v1/suite.yaml", None, b"name: s\n"),
    )


def test_what_differs_on_disk_is_staged_or_not_or_new(story):
    for version in range(1, 5):
        story.put(version)
    story.write(".gitignore", "*.tmp\n")
    story.commit("Before")
    story.put(1, "staging")
    story.git("add", "-A")
    story.put(2, "staging")
    story.write("registry/entries/triage/v3.yaml", None)
    story.write("registry/entries/triage/v4.yaml", entry(4))  # touched, and the same
    story.put(5)
    story.write("registry/entries/triage/v6.yaml.tmp", "x")
    story.write("src/app.py", "x")
    found = Repository.of(story.root).changed("HEAD")
    assert [(change.path[-7:], change.before is None, change.after is None) for change in found] == [
        ("v1.yaml", False, False),
        ("v2.yaml", False, False),
        ("v3.yaml", False, True),
        ("v5.yaml", True, False),
    ]
    assert found[1].after == entry(2, "staging").encode()


def test_reading_leaves_the_repository_as_it_was(story):
    story.put(1)
    story.commit("v1")
    story.put(1, "staging")
    index = (story.top / ".git/index").read_bytes()
    before = sorted(str(path) for path in story.top.rglob("*"))
    repository = Repository.of(story.root)
    repository.history("triage")
    repository.changed("HEAD")
    repository.files("HEAD")
    assert sorted(str(path) for path in story.top.rglob("*")) == before
    assert (story.top / ".git/index").read_bytes() == index


@pytest.mark.parametrize("mode", ["+x", "-x"])
def test_a_changed_mode_is_no_change(story, mode):
    story.put(1)
    story.commit("v1")
    story.git("update-index", f"--chmod={mode}", PATH)
    story.git("commit", "-q", "--allow-empty", "-m", "Mode")
    assert len(Repository.of(story.root).history("triage").moments) == 1
