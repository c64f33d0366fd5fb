"""Any sequence of edits, committed in any way: the history is the journal that was kept beside it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from git_story import Story, hour
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.promote.history import Repository

NAMES = ("alpha", "beta")
EDIT = st.tuples(
    st.sampled_from(NAMES),
    st.integers(1, 3),
    st.sampled_from(["draft", "staging", "production", "retired", None, "broken"]),
    st.integers(0, 2),
)
COMMIT = st.tuples(
    st.lists(EDIT, min_size=0, max_size=3),
    st.sampled_from(["straight", "merge", "squash"]),
    st.integers(-3, 5),
)


@given(st.lists(COMMIT, min_size=1, max_size=8))
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_the_history_is_the_journal(commits):
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder))
        line = [(story.commit("Begin", at=0), 0)]
        files: dict[tuple[str, int], str | None] = {}
        states = {name: {} for name in NAMES}
        journal = {name: [] for name in NAMES}
        effective, clock = 0, 0
        for edits, way, step in commits:
            clock += step
            effective = max(effective, clock)
            before = dict(files)
            if way != "straight":
                story.branch("side")
            for name, version, status, weight in edits:
                apply(story, files, name, version, status, weight)
                if way != "straight":
                    story.commit("Part", at=clock - 1)
            land(story, way, clock)
            line.append((story.head(), effective))
            for name in NAMES:
                changed = {
                    v
                    for n, v in files.keys() | before.keys()
                    if n == name and files.get((n, v)) != before.get((n, v))
                }
                for version in changed:
                    record(states[name], version, files.get((name, version)))
                if changed:
                    journal[name].append((story.head(), hour(effective), dict(states[name])))
        repository = Repository.of(story.root)
        for name in NAMES:
            found = repository.history(name)
            told = [
                (
                    m.commit.id,
                    m.commit.time,
                    {v: (s.state.status, s.state.traffic) for v, s in m.versions.items()},
                )
                for m in found.moments
            ]
            assert told == journal[name]
            for number in range(-4, 45):
                known = [row for row in journal[name] if row[1] <= hour(number)]
                at = found.at(hour(number))
                assert (at.commit.id if at else None) == (known[-1][0] if known else None)
        for number in {-1, *(number for _, number in line)}:
            at = repository.commit_at(hour(number))
            assert (at.id if at else None) == next((i for i, n in reversed(line) if n <= number), None)


def apply(story, files, name, version, status, weight):
    path = f"registry/entries/{name}/v{version}.yaml"
    if status is None:
        if files.get((name, version)) is not None:
            story.write(path, None)
            files[name, version] = None
        return
    if status == "broken":
        text = f"status: [ {weight}"
        story.write(path, text)
    else:
        text = f"{status} {weight}"
        story.put(version, status, f"traffic: {weight}", name=name)
    files[name, version] = text


def land(story, way, clock):
    """Bring what was written to main."""
    if way == "straight":
        story.commit("Straight", at=clock)
        return
    story.go("main")
    if story.git("rev-parse", "side") == story.head():
        story.commit("Nothing", at=clock)
    elif way == "merge":
        story.merge("side", message="Merge", at=clock)
    else:
        story.git("merge", "-q", "--squash", "side")
        story.commit("Squash", at=clock)
    story.git("branch", "-q", "-D", "side")


def record(states, version, text):
    if text is None:
        states.pop(version, None)
    elif not text.startswith("status: ["):
        status, weight = text.split()
        states[version] = (status, int(weight))
