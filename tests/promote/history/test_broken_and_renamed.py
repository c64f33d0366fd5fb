"""Files that cannot be read at some commits, and names that became others."""

from __future__ import annotations

import pytest
from git_story import entry

from evalkit.promote.history import Repository

PATH = "registry/entries/triage/v1.yaml"


def history(story, name="triage"):
    return Repository.of(story.root).history(name)


@pytest.mark.parametrize(
    "broken",
    [
        b"status: [draft\n",
        b"\xff\xfe",
        b"",
        b"- status: draft\n",
        b"status: live\n",
        b"status: draft\nstatus: draft\n",
        b"name: triage\n",
        b"status: draft\ntraffic: much\n",
        b"status: draft\ntraffic: -1\n",
        b"status: draft\nrollout: {percent: 101}\n",
        b"status: draft\nrollout: {unit: key}\n",
        b"status: draft\nrollout: 5\n",
        b"status: draft\ncontrol: 1\n",
        b"status: draft\nrollout: {percent: 5, unit: [key]}\n",
        b"status: [draft]\n",
        b"<<<<<<< HEAD\nstatus: draft\n=======\nstatus: staging\n>>>>>>> x\n",
        b"x" * 2_000_000,
    ],
)
def test_a_version_that_cannot_be_read_keeps_its_last_state(story, broken):
    story.put(1, "production")
    story.commit("v1")
    story.write(PATH, broken)
    story.commit("Break")
    story.put(2)
    story.commit("Beside")
    story.put(1, "retired")
    story.commit("Mend")
    found = history(story)
    assert [m.broken for m in found.moments] == [(), (1,), (1,), ()]
    assert [m.versions[1].state.status for m in found.moments] == ["production"] * 3 + ["retired"]
    assert [(t.version, t.kind) for t in found.transitions()] == [
        (1, "created"),
        (2, "created"),
        (1, "status"),
    ]
    assert [(s.version, s.commit_until.subject) for s in found.spans("production")] == [(1, "Mend")]


def test_a_version_that_could_never_be_read_begins_when_it_can(story):
    story.write(PATH, "status: [")
    story.commit("Break")
    story.put(1)
    story.commit("Mend")
    story.write(PATH, "status: [")
    story.commit("Break again")
    story.write(PATH, None)
    story.commit("Delete")
    found = history(story)
    assert [(m.broken, list(m.versions)) for m in found.moments] == [
        ((1,), []),
        ((), [1]),
        ((1,), [1]),
        ((), []),
    ]
    assert [(t.kind, t.commit.subject) for t in found.transitions()] == [
        ("created", "Mend"),
        ("deleted", "Delete"),
    ]


def test_a_file_that_becomes_a_link_is_gone(story):
    story.put(1)
    story.commit("v1")
    story.write(PATH, None)
    (story.root / PATH).symlink_to("/etc/passwd")
    story.commit("Link")
    assert [t.kind for t in history(story).transitions()] == ["created", "deleted"]


@pytest.mark.parametrize("named", [True, False])
def test_a_renamed_directory_ends_one_name_and_begins_another(story, named):
    story.put(1, "production")
    story.put(2)
    story.commit("v1 and v2")
    for version, status in ((1, "production"), (2, "draft")):
        story.write(f"registry/entries/triage/v{version}.yaml", None)
        story.write(
            f"registry/entries/routing/v{version}.yaml",
            entry(version, status, name="routing" if named else "triage"),
        )
    story.commit("Rename")
    story.put(1, "retired", name="routing")
    story.commit("Go on")
    old, new = history(story), history(story, "routing")
    assert (old.renamed_from, old.renamed_to) == (None, "routing")
    assert (new.renamed_from, new.renamed_to) == ("triage", None)
    assert [t.kind for t in old.transitions()] == ["created", "created", "deleted", "deleted"]
    assert [t.kind for t in new.transitions()] == ["created", "created", "status"]
    assert old.spans("production")[0].commit_until == new.spans("production")[0].commit_since


def test_another_content_is_no_rename(story):
    story.put(1, "production")
    story.commit("v1")
    story.write(PATH, None)
    story.put(1, "draft", name="routing")
    story.commit("One goes, another comes")
    assert history(story, "routing").renamed_from is None
    assert history(story).renamed_to is None


def test_a_copy_is_no_rename(story):
    story.put(1, "production")
    story.commit("v1")
    story.write("registry/entries/routing/v1.yaml", entry(1, "production"))
    story.commit("Copy")
    assert history(story, "routing").renamed_from is None
    assert history(story).renamed_to is None
