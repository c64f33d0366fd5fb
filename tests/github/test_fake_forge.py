"""What `FakeForge` has besides the port: people, failures, and the same commits in each run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evalkit.errors import Problem
from evalkit.github.forge import ForgeError, MovedOn
from evalkit.testing.fake_forge import FakeForge

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.github.forge import Forge


def story(folder: Path) -> FakeForge:
    forge = FakeForge(folder)
    start = forge.push("main", {"a": b"1", 'odd "name"\\é.txt': b"2"}, by="casey")
    forge.commit("evalkit/x", "Say", {"b": b"1"}, parents=[start])
    pull = forge.open_pull(head="evalkit/x", base="main", title="t", body="b")
    forge.merge(pull.number, by="robin")
    return forge


def test_it_is_a_forge(tmp_path: Path) -> None:
    forge: Forge = FakeForge(tmp_path / "acme.git")
    assert forge.head_of("main") is None


def test_the_same_story_makes_the_same_commits(tmp_path: Path) -> None:
    one, other = story(tmp_path / "one.git"), story(tmp_path / "other.git")
    assert one.head_of("main") == other.head_of("main")
    assert one.read('odd "name"\\é.txt', "main") == b"2"


def test_what_was_written_is_listed_in_order_without_what_people_did(tmp_path: Path) -> None:
    assert story(tmp_path / "acme.git").writes == ["commit", "open_pull"]


def test_a_failure_comes_once_before_anything_is_done(forge: FakeForge) -> None:
    head = forge.head_of("main")
    assert head
    forge.fail_next("commit", MovedOn(Problem("EK872", "elsewhere")))
    forge.fail_next("commit")
    for kind in (MovedOn, ForgeError):
        with pytest.raises(kind):
            forge.commit("main", "m", {"a": b"1"}, parents=[head])
    assert forge.head_of("main") == head
    forge.commit("main", "m", {"a": b"1"}, parents=[head])
    assert forge.writes == ["commit"]


def test_somebody_else_may_act(forge: FakeForge) -> None:
    head = forge.head_of("main")
    assert head
    with forge.acting("casey") as casey:
        mine = casey.commit("casey/x", "m", {"a": b"1"}, parents=[head])
    assert forge.login_of(mine) == "casey"
    assert forge.login() == "github-actions[bot]"


def test_a_branch_in_conflict_is_not_merged(forge: FakeForge) -> None:
    forge.push("x", {"README.md": b"theirs\n"})
    number = forge.open_pull(head="x", base="main", title="t", body="b").number
    forge.push("main", {"README.md": b"ours\n"})
    with pytest.raises(ForgeError, match="conflict"):
        forge.merge(number)


def test_a_pull_request_whose_branch_has_nothing_new_is_closed(forge: FakeForge) -> None:
    new = forge.push("x", {"a": b"1"})
    number = forge.open_pull(head="x", base="main", title="t", body="b").number
    assert forge.git.move("main", new, forge.head_of("main"))
    pull = forge.pull(number)
    assert pull is not None
    assert pull.state == "closed"


def test_a_misspelt_method_cannot_fail(forge: FakeForge) -> None:
    with pytest.raises(ValueError, match="no method 'comit'"):
        forge.fail_next("comit")
