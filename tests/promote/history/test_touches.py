"""What is looked up and compared along the main line is what `git log` tells of it."""

from __future__ import annotations

import itertools
import shutil

import pytest
from git_story import Story
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.promote.history import Repository
from evalkit.promote.history.command import Git
from evalkit.promote.history.compared import touches
from evalkit.promote.history.line import Change

PLACES = itertools.count()
FOLDERS = ("registry", "suites")
PATHS = st.sampled_from(
    ["registry/entries/a/v1.yaml", "registry/x", "registry", "suites/ü b/v1/cases.jsonl", "src/x"]
)
STEPS = st.lists(st.tuples(PATHS, st.sampled_from(["1", "2", None]), st.booleans()), min_size=1, max_size=7)


def tell(story: Story, steps) -> None:
    """Each step writes or removes a file, by a commit on the line or by a merge; `registry` may become a file."""
    story.write("README.md", "x")
    story.commit("Begin")
    for number, (path, text, is_merge) in enumerate(steps):
        place, folder = story.root / path, story.root / "registry"
        if text is None and not place.is_file():
            continue
        if path == "registry" and folder.is_dir():
            shutil.rmtree(folder)
        elif path.startswith("registry/") and folder.is_file():
            folder.unlink()
        if is_merge:
            story.branch(f"side-{number}")
        story.write(path, text)
        story.commit(f"Step {number}")
        if is_merge:
            story.go("main")
            story.merge(f"side-{number}", message=f"Merge {number}")


def told_by_git_log(story: Story, ids: tuple[str, ...], project: str) -> dict[int, list[Change]]:
    args = (
        "log",
        "--first-parent",
        "--diff-merges=first-parent",
        "-r",
        "-z",
        "--raw",
        "--no-abbrev",
        "--no-renames",
    )
    fields = iter(story.git("-c", "log.showRoot=true", *args, "--format=%H").split("\0"))
    found: dict[int, list[Change]] = {}
    commit = ""
    for field in fields:
        if not field.strip().startswith(":"):
            commit = field
            continue
        path = next(fields)
        name = path.removeprefix(f"{project}/") if project else path
        old, new, before, after, _ = field.strip().removeprefix(":").split(" ")
        if name.startswith(tuple(f"{folder}/" for folder in FOLDERS)):
            change = Change(name, before if int(old) else None, after if int(new) else None)
            found.setdefault(ids.index(commit), []).append(change)
    return dict(sorted(found.items()))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, project=st.sampled_from(["", "deep/a b ü"]), few=st.sampled_from([1, 2, 4_096]))
def test_a_step_changed_what_git_log_says_it_did(tmp_path, steps, project, few):
    story = Story(tmp_path / str(next(PLACES)), project)
    tell(story, steps)
    git = Git(story.root)
    line, found = touches(git, story.head(), FOLDERS, few=few)
    assert found == told_by_git_log(story, line.ids, project)


def test_a_link_in_place_of_a_folder_holds_no_files(story):
    story.write("registry/x", "1")
    story.commit("A folder")
    shutil.rmtree(story.root / "registry")
    (story.root / "registry").symlink_to("elsewhere")
    story.commit("A link")
    git = Git(story.root)
    _, found = touches(git, story.head(), ("registry",))
    assert [(change.path, change.after) for change in found[1]] == [("registry/x", None)]


@pytest.mark.parametrize("knows_paths", [False, True])
def test_a_commit_graph_changes_how_long_it_takes_and_nothing_else(story, knows_paths):
    for number, status in enumerate(("draft", "staging", "draft", "production")):
        story.put(1, status)
        story.commit(status, at=number)
    plain = Repository.of(story.root).history("triage")
    story.git("commit-graph", "write", "--reachable", *(["--changed-paths"] if knows_paths else []))
    assert Repository.of(story.root).history("triage") == plain
    assert len(plain.moments) == 4
