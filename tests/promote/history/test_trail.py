"""What is looked up at every commit is what comparing neighbours finds."""

from __future__ import annotations

import itertools
import shutil

import pytest
from git_story import Story, entry, hour
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.errors import UsageError
from evalkit.promote.history import Repository
from evalkit.promote.history import trail as trails
from evalkit.promote.history.command import Git
from evalkit.promote.history.compared import touches
from evalkit.promote.history.gather import by_name
from evalkit.promote.history.line import walk
from evalkit.promote.history.trail import changes_along, follow, look_up

FOLDER = "registry/entries/triage"
OTHER = "registry/entries/other/v1.yaml"
NUMBERS = itertools.count()
PATHS = st.sampled_from(
    [
        *(f"{FOLDER}/v{version}.yaml" for version in (1, 2, 10)),
        f"{FOLDER}/notes.txt",
        f"{FOLDER}/more/v1.yaml",
        FOLDER,
        OTHER,
        "src/x.py",
    ]
)
STEPS = st.lists(st.tuples(PATHS, st.sampled_from(["a", "b", None]), st.booleans()), min_size=1, max_size=7)


def step(story: Story, message: str, files: dict[str, str | None]) -> str:
    for path, text in files.items():
        story.write(path, text)
    return story.commit(message)


def tell(story: Story, steps) -> None:
    """Each step writes or removes a file, by a commit on the line or by a merge."""
    step(story, "Begin", {"README.md": "x"})
    folder = story.root / FOLDER
    for number, (path, text, is_merge) in enumerate(steps):
        if text is None and not (story.root / path).is_file():
            continue
        if path == FOLDER and folder.is_dir():
            shutil.rmtree(folder)
        elif path != FOLDER and folder.is_file():
            folder.unlink()
        if is_merge:
            story.branch(f"side-{number}")
        step(story, f"Step {number}", {path: text})
        if is_merge:
            story.go("main")
            story.merge(f"side-{number}", message=f"Merge {number}")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, project=st.sampled_from(["", "deep/a b ü"]))
def test_a_directory_that_is_followed_changed_where_git_log_says_so(tmp_path, steps, project):
    story = Story(tmp_path / str(next(NUMBERS)), project)
    tell(story, steps)
    git = Git(story.root)
    tip = story.head()
    line, (moves, others) = follow(git, tip, [FOLDER, OTHER])
    assert line == walk(git, tip)
    assert [moves, others] == look_up(git, line, [FOLDER, OTHER])
    assert by_name(changes_along(git, moves, FOLDER)) == by_name(touches(git, tip, [FOLDER])[1])


def test_what_changed_and_changed_back_is_two_changes(story):
    for status in ("draft", "staging", "draft"):
        step(story, status, {f"{FOLDER}/v1.yaml": entry(1, status)})
    git, tip = Git(story.root), story.head()
    _, [moves] = follow(git, tip, [FOLDER])
    assert moves[0][1] == moves[2][1] == moves[1][0] != moves[1][1]
    assert list(changes_along(git, moves, FOLDER)) == [0, 1, 2]


def test_commits_that_cannot_have_changed_anything_need_no_look(story):
    for number in range(4):
        step(story, f"{number}", {"registry/x": f"{number}"})
    git = Git(story.root)
    line = walk(git, story.head())
    [whole] = look_up(git, line, ["registry/x"])
    assert list(whole) == [0, 1, 2, 3]
    assert look_up(git, line, ["registry/x"], among=[3, 1]) == [{place: whole[place] for place in (1, 3)}]
    assert look_up(git, line, ["registry/x"], among=[]) == [{}]


@pytest.mark.parametrize("chunk", [1, 150, 4_000])
def test_the_size_of_what_is_passed_on_at_a_time_changes_nothing(story, monkeypatch, chunk):
    for number in range(12):
        step(story, f"{number}", {f"{FOLDER}/v{1 + number % 3}.yaml": entry(1, "draft", f"owner: o{number}")})
    git, tip = Git(story.root), story.head()
    whole = follow(git, tip, [FOLDER, OTHER])
    monkeypatch.setattr(trails, "_CHUNK", chunk)
    assert follow(git, tip, [FOLDER, OTHER]) == whole


def test_a_walk_that_fails_says_so(story):
    step(story, "Begin", {"README.md": "x"})
    with pytest.raises(UsageError) as caught:
        follow(Git(story.root), "1" * 40, [FOLDER])
    assert caught.value.problems[0].code == "EK805"


@pytest.mark.parametrize("graph", [False, True])
def test_a_history_is_the_same_with_and_without_a_commit_graph(story, graph):
    for status in ("draft", "staging", "production"):
        step(story, status, {f"{FOLDER}/v1.yaml": entry(1, status)})
    if graph:
        story.git("commit-graph", "write", "--reachable", "--changed-paths")
    kinds = [change.after for change in Repository.of(story.root).history("triage").transitions()]
    assert kinds == ["draft", "staging", "production"]


def test_a_history_read_along_is_that_of_every_earlier_commit_too(story):
    ids = [
        step(story, status, {f"{FOLDER}/v1.yaml": entry(1, status)})
        for status in ("draft", "staging", "production")
    ]
    repository = Repository.of(story.root)
    repository.read_along("triage", "main")
    for commit in ids:
        assert repository.history("triage", commit) == Repository.of(story.root).history("triage", commit)


def test_a_commit_on_the_line_has_the_time_at_which_it_took_effect(story):
    first = step(story, "first", {"README.md": "x"})
    story.branch("side")
    side = step(story, "side", {"a": "x"})
    story.go("main")
    story.merge("side", message="Merge")
    repository = Repository.of(story.root)
    found = repository.on_line(first, "main")
    assert found is not None
    assert (found.id, found.time) == (first, repository.commit(first).time)
    assert found.time <= hour(10)
    assert repository.on_line(side, "main") is None
