from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_material import World

from evalkit.github.comments import keep_comment
from evalkit.github.forge import ForgeError
from evalkit.github.marker import Marker, encode

MARKER = Marker(kind="evaluation")


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    world.push("topic", {"notes.md": "x\n"})
    world.number = world.propose("topic").number
    return world


def bodies(world):
    return [comment.body for comment in world.forge.comments(world.number)]


def test_a_comment_is_added_once_and_edited_in_its_place(world):
    assert keep_comment(world.forge, world.number, MARKER, "one") == "added"
    assert keep_comment(world.forge, world.number, MARKER, "two") == "changed"
    assert bodies(world) == [encode(MARKER, "two")]


def test_an_unchanged_comment_costs_no_call(world):
    keep_comment(world.forge, world.number, MARKER, "one")
    writes = list(world.forge.writes)
    assert keep_comment(world.forge, world.number, MARKER, "one\n") == "unchanged"
    assert world.forge.writes == writes


def test_it_is_found_behind_a_long_conversation(world):
    for number in range(150):
        with world.forge.acting("robin"):
            world.forge.comment(world.number, f"remark {number}")
    keep_comment(world.forge, world.number, MARKER, "one")
    for number in range(150):
        with world.forge.acting("robin"):
            world.forge.comment(world.number, f"remark {number}")
    assert keep_comment(world.forge, world.number, MARKER, "two") == "changed"


def test_another_persons_comment_with_the_same_marker_is_not_touched(world):
    with world.forge.acting("mallory"):
        world.forge.comment(world.number, encode(MARKER, "all is well"))
    assert keep_comment(world.forge, world.number, MARKER, "one") == "added"
    assert bodies(world) == [encode(MARKER, "all is well"), encode(MARKER, "one")]


def test_comments_about_other_things_are_not_touched(world):
    keep_comment(world.forge, world.number, Marker(kind="promotion"), "other")
    keep_comment(world.forge, world.number, Marker(kind="evaluation", entry="triage"), "third")
    assert keep_comment(world.forge, world.number, MARKER, "one") == "added"
    assert len(bodies(world)) == 3


def test_of_two_the_oldest_is_kept_up_to_date(world):
    for text in ("first", "second"):
        world.forge.comment(world.number, encode(MARKER, text))
    assert keep_comment(world.forge, world.number, MARKER, "one") == "changed"
    assert bodies(world) == [encode(MARKER, "one"), encode(MARKER, "second")]


def test_what_is_too_long_is_refused_and_nothing_is_changed(world):
    keep_comment(world.forge, world.number, MARKER, "one")
    with pytest.raises(ForgeError):
        keep_comment(world.forge, world.number, MARKER, "x" * 70_000)
    assert bodies(world) == [encode(MARKER, "one")]


class Conversation:
    """As little of a forge as a conversation is."""

    def __init__(self):
        self.said = []

    def login(self):
        return "evalkit[bot]"

    def comments(self, _):
        return iter(list(self.said))

    def comment(self, number, body):
        from evalkit.github.forge import Comment

        self.said.append(Comment(len(self.said), self.login(), body))

    def edit_comment(self, number, body):
        from evalkit.github.forge import Comment

        self.said[number] = Comment(number, self.login(), body)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=8))
def test_whatever_is_said_there_is_one_comment_and_it_says_the_last(texts):
    forge = Conversation()
    for text in texts:
        keep_comment(forge, 1, MARKER, text)
        assert keep_comment(forge, 1, MARKER, text) == "unchanged"
    assert len(forge.said) == 1
    assert (
        forge.said[0].body.replace("\r\n", "\n").rstrip()
        == encode(MARKER, texts[-1]).replace("\r\n", "\n").rstrip()
    )
