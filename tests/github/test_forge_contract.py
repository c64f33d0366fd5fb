"""What every forge does, whoever is behind the port."""

from __future__ import annotations

import hashlib
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from forge_worlds import DISPATCHABLE, FakeWorld, GitHubWorld

from evalkit.github.forge import ForgeError, MovedOn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from forge_worlds import World

BOT = "github-actions[bot]"


@pytest.fixture(params=[FakeWorld, GitHubWorld], ids=["fake", "github"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = request.param(tmp_path)
    made.push("main", {"README.md": b"# Prompts\n", "a/b.yaml": b"x: 1\n"}, "casey")
    yield made
    made.close()


def main(world: World) -> str:
    found = world.forge.head_of("main")
    assert found
    return found


def candidate(world: World, branch: str = "evalkit/x", files: dict[str, bytes | None] | None = None) -> str:
    return world.forge.commit(branch, "Say", files or {"c.yaml": b"c: 1\n"}, parents=[main(world)])


def open_pull(world: World, branch: str = "evalkit/x") -> int:
    candidate(world, branch, {f"{branch}.yaml": b"1\n"})
    return world.forge.open_pull(head=branch, base="main", title="Promote", body="Because").number


def test_it_knows_itself(world: World) -> None:
    assert (world.forge.repository, world.forge.is_app) == ("acme/llm", False)
    assert (world.forge.login(), world.forge.default_branch()) == (BOT, "main")


def test_a_branch_points_to_a_commit_or_is_not_there(world: World) -> None:
    assert len(main(world)) == 40
    assert world.forge.head_of("none") is None


def test_files_are_read_as_of_a_commit(world: World) -> None:
    before = main(world)
    world.push("main", {"a/b.yaml": None, "c.bin": b"\xff\x00\r\n"}, "casey")
    read = world.forge.read
    assert [read(path, before) for path in ("a/b.yaml", "c.bin", "a", "a/b.yaml/c")] == [
        b"x: 1\n",
        None,
        None,
        None,
    ]
    assert [read(path, main(world)) for path in ("a/b.yaml", "c.bin")] == [None, b"\xff\x00\r\n"]


def test_a_commit_makes_the_branch_and_then_moves_it(world: World) -> None:
    start = main(world)
    first = world.forge.commit("evalkit/x", "One", {"n/w.yaml": b"\xc3\xa9\n"}, parents=[start])
    second = world.forge.commit("evalkit/x", "Two", {"a/b.yaml": None, "none": None}, parents=[first])
    assert world.forge.head_of("evalkit/x") == second
    assert main(world) == start
    assert world.forge.read("n/w.yaml", second) == b"\xc3\xa9\n"
    assert world.forge.read("README.md", second) == b"# Prompts\n"
    assert world.forge.read("a/b.yaml", second) is None
    assert world.forge.login_of(second) == BOT


def test_a_commit_with_two_parents_has_the_files_of_the_last(world: World) -> None:
    old = candidate(world)
    base = world.push("main", {"README.md": b"new\n"}, "casey")
    merged = world.forge.commit("evalkit/x", "Refresh", {"d.yaml": b"d\n"}, parents=[old, base])
    read = world.forge.read
    assert [read(path, merged) for path in ("README.md", "c.yaml", "d.yaml")] == [b"new\n", None, b"d\n"]


def test_a_branch_that_is_elsewhere_is_not_moved(world: World) -> None:
    start = main(world)
    first = candidate(world)
    with pytest.raises(MovedOn, match="EK872"):
        world.forge.commit("evalkit/x", "Late", {"l": b"1"}, parents=[start])
    assert world.forge.head_of("evalkit/x") == first


def test_writers_at_once_who_try_again_lose_nothing(world: World) -> None:
    candidate(world)

    def write(name: str) -> None:
        for _ in range(50):
            head = world.forge.head_of("evalkit/x")
            assert head
            try:
                world.forge.commit("evalkit/x", name, {name: b"1\n"}, parents=[head])
            except MovedOn:
                continue
            return
        pytest.fail("50 attempts were not enough")

    names = [f"{number}.yaml" for number in range(6)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(write, names))
    head = world.forge.head_of("evalkit/x")
    assert head
    assert [world.forge.read(name, head) for name in names] == [b"1\n"] * len(names)


def test_a_protected_branch_is_not_written_to(world: World) -> None:
    world.protect("main")
    before = main(world)
    with pytest.raises(ForgeError, match="EK879") as caught:
        world.forge.commit("main", "Sneak", {"s": b"1"}, parents=[before])
    assert not isinstance(caught.value, MovedOn)
    assert main(world) == before


def test_a_branch_is_deleted_once_and_for_all(world: World) -> None:
    candidate(world)
    world.forge.delete_branch("evalkit/x")
    world.forge.delete_branch("evalkit/x")
    assert world.forge.head_of("evalkit/x") is None


def test_who_wrote_a_commit_is_a_login(world: World) -> None:
    assert world.forge.login_of(main(world)) == "casey"
    with pytest.raises(ForgeError):
        world.forge.login_of("f" * 40)


def test_a_pull_request_says_what_it_is(world: World) -> None:
    number = open_pull(world)
    pull = world.forge.pull(number)
    assert pull is not None
    assert (pull.title, pull.body, pull.state, pull.is_merged) == ("Promote", "Because", "open", False)
    assert (pull.author, pull.head, pull.base, pull.head_repository) == (BOT, "evalkit/x", "main", "acme/llm")
    assert pull.head_sha == world.forge.head_of("evalkit/x")
    assert (pull.merge_commit, pull.merged_by, pull.labels) == (None, None, ())
    assert world.forge.pull(number + 1_000) is None


def test_only_one_is_open_from_a_branch(world: World) -> None:
    number = open_pull(world)
    again = world.forge.open_pull(head="evalkit/x", base="main", title="Other", body="Other")
    assert (again.number, again.title) == (number, "Promote")
    assert len(list(world.forge.pulls())) == 1


def test_a_pull_request_without_commits_or_branch_is_refused(world: World) -> None:
    world.forge.commit("same", "m", {"s": b"1"}, parents=[main(world)])
    for head in ("main", "none"):
        with pytest.raises(ForgeError, match="EK879"):
            world.forge.open_pull(head=head, base="main", title="t", body="b")
    assert list(world.forge.pulls(state="all")) == []


def test_a_repository_may_forbid_workflows_to_open_pull_requests(world: World) -> None:
    candidate(world)
    world.forbid_pulls()
    with pytest.raises(ForgeError, match="EK874"):
        world.forge.open_pull(head="evalkit/x", base="main", title="t", body="b")


def test_pull_requests_are_listed_newest_first_by_branch_base_and_state(world: World) -> None:
    first, second = open_pull(world), open_pull(world, "evalkit/y")
    world.forge.close_pull(first)

    def listed(**wanted: str) -> list[int]:
        return [pull.number for pull in world.forge.pulls(**wanted)]

    assert listed() == [second]
    assert listed(state="closed") == [first]
    assert listed(state="all") == [second, first]
    assert listed(state="all", head="evalkit/x") == [first]
    assert listed(base="other") == []


def test_its_text_and_labels_change(world: World) -> None:
    number = open_pull(world)
    world.forge.update_pull(number, title="New")
    world.forge.update_pull(number, body="New body")
    world.forge.add_labels(number, ["evalkit", "promotion"])
    world.forge.add_labels(number, ["evalkit"])
    pull = world.forge.pull(number)
    assert pull is not None
    assert (pull.title, pull.body, set(pull.labels)) == ("New", "New body", {"evalkit", "promotion"})


def test_its_head_is_where_the_branch_is_and_without_the_branch_it_is_closed(world: World) -> None:
    number = open_pull(world)
    new = world.push("evalkit/x", {"more": b"1"}, "casey")
    assert [pull.head_sha for pull in world.forge.pulls()] == [new]
    assert [login for _, login in world.forge.commits_of(number)] == [BOT, "casey"]
    assert world.forge.commits_of(number)[-1][0] == new
    world.forge.delete_branch("evalkit/x")
    found = world.forge.pull(number)
    assert found is not None
    assert (found.state, found.is_merged) == ("closed", False)


@pytest.mark.parametrize("method", ["merge", "squash"])
def test_a_merged_one_names_the_commit_and_who_merged_it(world: World, method: str) -> None:
    number = open_pull(world)
    head = world.forge.head_of("evalkit/x")
    merged = world.merge(number, "robin", method)
    pull = world.forge.pull(number)
    assert pull is not None
    assert (pull.state, pull.is_merged, pull.merge_commit, pull.merged_by) == (
        "closed",
        True,
        merged,
        "robin",
    )
    assert main(world) == merged
    assert world.forge.read("evalkit/x.yaml", merged) == b"1\n"
    assert [one.number for one in world.forge.pulls_with(merged)] == [number]
    assert [commit for commit, _ in world.forge.commits_of(number)] == [head]


def test_reviews_are_in_order_with_the_head_that_was_reviewed(world: World) -> None:
    number = open_pull(world)
    head = world.forge.head_of("evalkit/x")
    world.review(number, "robin", "changes_requested")
    world.review(number, "robin", "approved")
    found = world.forge.reviews(number)
    assert [one.state for one in found] == ["changes_requested", "approved"]
    assert [(one.author, one.is_bot, one.commit, one.is_member) for one in found] == [
        ("robin", False, head, True)
    ] * 2
    assert all(one.submitted and one.submitted.tzinfo for one in found)


def test_nobody_approves_a_pull_request_of_their_own(world: World) -> None:
    world.push("mine", {"m": b"1"}, "casey")
    number = world.open("mine", "casey")
    with pytest.raises(ForgeError):
        world.review(number, "casey", "approved")


def test_comments_are_in_order_and_one_is_edited_in_place(world: World) -> None:
    number = open_pull(world)
    made = world.forge.comment(number, "one")
    world.comment(number, "two", "casey")
    world.forge.edit_comment(made.id, "one, again")
    found = [(one.author, one.body) for one in world.forge.comments(number)]
    assert found == [(BOT, "one, again"), ("casey", "two")]


def test_all_comments_are_found_however_many_there_are(world: World) -> None:
    number = open_pull(world)
    for index in range(101):
        world.forge.comment(number, f"{index}")
    assert [one.body for one in world.forge.comments(number)] == [f"{index}" for index in range(101)]


def test_a_text_that_is_too_long_is_refused(world: World) -> None:
    number = open_pull(world)
    world.forge.update_pull(number, body="x" * 65_536)
    with pytest.raises(ForgeError, match="EK878"):
        world.forge.comment(number, "x" * 65_537)


def test_the_newest_status_of_a_name_counts(world: World) -> None:
    head = candidate(world)
    assert world.forge.status(head, "check") is None
    world.forge.set_status(head, "check", "pending", "waiting")
    world.forge.set_status(head, "other", "failure", "wrong", "https://example.com/")
    assert world.forge.status(head, "check") == "pending"
    world.forge.set_status(head, "check", "success", "well")
    assert (world.forge.status(head, "check"), world.forge.status(head, "other")) == ("success", "failure")


def test_an_artifact_is_found_by_its_name_and_downloaded_as_it_was(world: World) -> None:
    world.upload("evalkit-evidence-k", {"evidence.json": b"{}"})
    run_id = world.upload("evalkit-evidence-k", {"evidence.json": b"{ }"})
    world.upload("evalkit-evidence-other", {"evidence.json": b"[]"})
    newest, older = world.forge.artifacts("evalkit-evidence-k")
    assert newest.run_id == run_id
    assert newest.created >= older.created
    assert newest.created.tzinfo is not None
    content = world.forge.download(newest, 10_000)
    assert newest.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert newest.size_bytes == len(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("evidence.json") == b"{ }"
    with pytest.raises(ForgeError, match="EK877"):
        world.forge.download(newest, 10)
    run = world.forge.run(run_id)
    assert run is not None
    assert (run.path, run.event, run.head_branch) == (".github/workflows/evaluate.yml", "push", "main")
    assert (run.head_sha, run.head_repository, run.attempt) == (main(world), "acme/llm", 1)
    assert world.forge.run(run_id + 1_000) is None


def test_an_expired_artifact_is_still_known_and_cannot_be_had(world: World) -> None:
    world.upload("evalkit-evidence-k", {"evidence.json": b"{}"})
    world.expire("evalkit-evidence-k")
    (found,) = world.forge.artifacts("evalkit-evidence-k")
    assert found.is_expired
    with pytest.raises(ForgeError, match="EK876"):
        world.forge.download(found, 10_000)


def test_a_workflow_is_started_with_its_inputs(world: World) -> None:
    world.push("main", {".github/workflows/evaluate.yml": DISPATCHABLE}, "casey")
    world.forge.dispatch("evaluate.yml", "main", {"pr": "7"})
    assert world.dispatched() == [{"pr": "7"}]


def test_a_file_of_a_release_is_made_and_then_replaced(world: World) -> None:
    forge = world.forge
    assert forge.release_asset("evalkit-bundle", "bundle.json") is None
    address = forge.put_release_asset("evalkit-bundle", "bundle.json", b"{}")
    assert forge.release_asset("evalkit-bundle", "bundle.json") == b"{}"
    assert forge.release_asset("evalkit-bundle", "other.json") is None
    assert forge.put_release_asset("evalkit-bundle", "bundle.json", b"{ }") == address
    assert forge.release_asset("evalkit-bundle", "bundle.json") == b"{ }"
    assert address.endswith("/releases/download/evalkit-bundle/bundle.json")
