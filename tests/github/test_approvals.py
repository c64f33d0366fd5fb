from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_material import RULES, SUITE, World, config, entry, file_of, new_entry

from evalkit.errors import Problem
from evalkit.github.approvals import Approvals, awaiting
from evalkit.github.forge import ForgeError, Review
from evalkit.github.marker import parse
from evalkit.github.reviewers import approving
from evalkit.promote.base.check import check_change

PATH = "registry/entries/triage/v1.yaml"
BOT = "github-actions[bot]"


@pytest.fixture
def world(tmp_path):
    return made(tmp_path)


def made(tmp_path, rules: str = RULES, **forge) -> World:
    """casey wrote triage@v1, which is a draft on the default branch."""
    world = World(tmp_path, rules, **forge)
    world.push("main", new_entry("triage"), by="casey")
    return world


def approvals(world, wait=lambda _: None) -> Approvals:
    repository = world.clone()
    return Approvals(world.forge, repository, fetch=world.fetcher(repository), wait=wait)


def promotion(world, *, to="staging", branch="evalkit/promote/triage-v1-to-staging", name="triage", by=BOT):
    """evalkit's pull request that moves the entry."""
    path = f"registry/entries/{name}/v1.yaml"
    text = world.text(path)
    lines = [line for line in text.splitlines() if not line.startswith("approved_by:")]
    moved = (
        "\n".join(f"status: {to}   # now" if line.startswith("status:") else line for line in lines) + "\n"
    )
    world.push(branch, {path: moved}, by=by, message=f"Promote {name}@v1 to {to}")
    return world.propose(branch, by=by, title=f"Promote {name} v1 to {to}")


def merged(world, *reviewers: str, method="merge", by="robin", **keys):
    pull = promotion(world, **keys)
    for reviewer in reviewers:
        world.forge.review(pull.number, reviewer)
    world.forge.merge(pull.number, by=pull.author if method == "squash" else by, method=method)
    return pull


def stamp(world, path=PATH, branch="main"):
    found = [line for line in world.text(path, branch).splitlines() if line.startswith("approved_by:")]
    return found[0].removeprefix("approved_by: ") if found else None


def codes(done):
    return [(one.code, one.severity) for one in (*done.plan.problems, *done.problems)]


# Who is stamped


@pytest.mark.parametrize("method", ["merge", "squash"])
def test_the_reviewer_is_stamped_once_it_is_merged(world, method):
    pull = merged(world, "robin", method=method)
    done = approvals(world).push(pull.number)
    assert stamp(world) == "robin"
    assert done.commit == world.head()
    assert codes(done) == []
    message = world.git(world.top / "acme.git", "show", "-s", "--format=%B", done.commit)
    assert message == f"Stamp the approval of triage@v1\n\ntriage@v1: approved by robin in #{pull.number}"


def test_a_rebased_pull_request_of_several_commits_is_stamped(world):
    pull = promotion(world)
    world.push(pull.head, {"notes.md": "why\n"}, by=BOT)
    world.forge.review(pull.number, "robin")
    head = world.head()
    commits = world.forge.git.between(head, world.head(pull.head))
    for old, new in pairwise([head, *commits]):
        files = {
            path: world.forge.git.read(path, new)
            for path in (PATH, "notes.md")
            if world.forge.git.read(path, new) != world.forge.git.read(path, old)
        }
        head = world.forge.push("main", files, by=BOT)
    known = world.forge.pull(pull.number)
    world.forge._pulls[pull.number] = replace(known, state="closed", is_merged=True, merge_commit=head)
    first = world.git(world.top / "acme.git", "rev-parse", f"{head}^")
    with_ = world.forge.pulls_with
    world.forge.pulls_with = lambda commit: (
        [world.forge.pull(pull.number)] if commit == first else with_(commit)
    )
    approvals(world).push(pull.number)
    assert stamp(world) == "robin"


def test_a_second_run_changes_nothing(world):
    pull = merged(world, "robin")
    approvals(world).push(pull.number)
    head, writes = world.head(), list(world.forge.writes)
    for number in (pull.number, None):
        done = approvals(world).push(number)
        assert (done.plan.stamps, done.commit, codes(done)) == ((), None, [])
    assert (world.head(), world.forge.writes) == (head, writes)


def test_a_plan_changes_nothing(world):
    pull = merged(world, "robin")
    head = world.head()
    plan = approvals(world).look(pull.number)
    assert [(str(one.entry), one.text, one.pull) for one in plan.stamps] == [
        ("triage@v1", "robin", pull.number)
    ]
    assert (world.head(), world.forge.writes) == (head, ["open_pull"])


def test_the_stamp_passes_the_check_of_its_change(world):
    pull = merged(world, "robin")
    before = world.head()
    approvals(world).push(pull.number)
    repository = world.clone()
    assert check_change(repository.root, before, world.head()).problems == ()


def test_what_an_event_missed_is_found_later(world):
    merged(world, "robin")
    world.push("main", {"README.md": "Later.\n"})
    approvals(world).push()
    assert stamp(world) == "robin"


def test_an_event_stamps_its_own_pull_request_only(world):
    world.push("main", new_entry("other"))
    merged(world, "robin", name="other", branch="evalkit/promote/other")
    pull = merged(world, "robin")
    approvals(world).push(pull.number)
    assert stamp(world) == "robin"
    assert stamp(world, "registry/entries/other/v1.yaml") is None


def test_each_transition_is_approved_anew(world):
    pull = merged(world, "robin")
    approvals(world).push(pull.number)
    second = merged(world, "dana", to="production", branch="evalkit/promote/again")
    assert stamp(world) is None
    approvals(world).push(second.number)
    assert stamp(world) == "dana"


def test_several_approvers_are_all_named(tmp_path):
    world = made(tmp_path, RULES.replace("defaults: {", "defaults: { approvals: 2,"))
    pull = merged(world, "robin", "dana")
    approvals(world).push(pull.number)
    assert stamp(world) == '"robin, dana"' or stamp(world) == "robin, dana"


def test_fewer_than_policy_asks_for_are_not_stamped(tmp_path):
    world = made(tmp_path, RULES.replace("defaults: {", "defaults: { approvals: 2,"))
    pull = merged(world, "robin")
    done = approvals(world).push(pull.number)
    assert stamp(world) is None
    assert codes(done) == [("EK890", "warning")]
    assert "1 of 2 have approved" in done.plan.problems[0].message


def test_where_policy_asks_for_none_nothing_is_missing(tmp_path):
    world = made(tmp_path, RULES.replace("defaults: {", "defaults: { approvals: 0,"))
    pull = merged(world)
    done = approvals(world).push(pull.number)
    assert (stamp(world), codes(done)) == (None, [])


# Who is not


def test_what_nobody_approved_is_pending_and_no_error(world):
    pull = merged(world)
    done = approvals(world).push(pull.number)
    assert stamp(world) is None
    assert codes(done) == [("EK890", "warning")]


def test_an_approval_after_the_merge_counts(world):
    pull = merged(world)
    world.forge.review(pull.number, "robin")
    approvals(world).push()
    assert stamp(world) == "robin"


def test_the_author_of_the_entry_is_refused(world):
    pull = merged(world, "casey")
    done = approvals(world).push(pull.number)
    assert stamp(world) is None
    assert codes(done) == [("EK891", "error")]
    assert "casey wrote it" in done.plan.problems[0].message


def test_the_author_is_known_by_account_whatever_the_commit_says(world):
    world.forge.accounts["unrelated@example.com"] = "quinn"
    root = world.clone().root
    world.git(root, "checkout", "-q", "-b", "edit")
    (root / PATH).write_text(entry("triage", params="{ max_tokens: 301 }"))
    world.git(root, "-c", "user.name=Q", "-c", "user.email=unrelated@example.com", "commit", "-qam", "Edit")
    world.git(root, "push", "-q", "origin", "edit:main")
    pull = merged(world, "quinn")
    done = approvals(world).push(pull.number)
    assert codes(done) == [("EK891", "error")]


def test_who_wrote_on_the_branch_is_known_after_a_squash(world):
    pull = promotion(world)
    text = world.text(PATH, pull.head).replace("max_tokens: 300", "max_tokens: 301")
    world.push(pull.head, {PATH: text}, by="robin")
    world.forge.review(pull.number, "robin")
    world.forge.merge(pull.number, by=BOT, method="squash")
    done = approvals(world).push(pull.number)
    assert codes(done) == [("EK891", "error")]


def test_who_wrote_the_prompt_is_refused(world):
    prompt = "registry/prompts/triage-prompt/v1.yaml"
    world.push("main", {prompt: world.text(prompt).replace("Sort", "Route")}, by="robin")
    done = approvals(world).push(merged(world, "robin").number)
    assert codes(done) == [("EK891", "error")]
    assert "wrote triage-prompt@v1" in done.plan.problems[0].message


def test_who_opened_the_pull_request_is_refused(world):
    pull = merged(world, by="dana", branch="mine")
    world.forge._pulls[pull.number] = replace(world.forge.pull(pull.number), author="robin")
    world.forge._reviews[pull.number].append(
        Review("robin", is_bot=False, state="approved", commit=pull.head_sha, submitted=None, is_member=True)
    )
    done = approvals(world).push(pull.number)
    assert codes(done) == [("EK891", "error")]


def test_an_author_may_approve_where_policy_allows_it_and_that_is_shown(tmp_path):
    world = made(tmp_path, RULES.replace("policy:\n", "policy:\n  allow_self_approval: true\n"))
    pull = merged(world, "casey")
    done = approvals(world).push(pull.number)
    assert stamp(world) == "casey"
    assert "casey wrote it" in done.plan.stamps[0].wrote


def test_a_policy_that_came_with_the_promotion_does_not_allow_it(world):
    pull = promotion(world)
    easy = RULES.replace("policy:\n", "policy:\n  allow_self_approval: true\n")
    world.push(pull.head, {"evalkit.yaml": easy}, by=BOT)
    world.forge.review(pull.number, "casey")
    world.forge.merge(pull.number, by=BOT)
    assert codes(approvals(world).push(pull.number)) == [("EK891", "error")]


@pytest.mark.parametrize(
    ("login", "keys"),
    [
        ("robin", {"is_member": False}),
        ("renovate[bot]", {}),
        ("robin", {"state": "commented"}),
        ("robin", {"state": "dismissed"}),
        ("robin", {"state": "changes_requested"}),
    ],
)
def test_other_reviews_approve_nothing(world, login, keys):
    pull = promotion(world)
    world.forge.review(pull.number, login, **keys)
    world.forge.merge(pull.number)
    done = approvals(world).push(pull.number)
    assert stamp(world) is None
    assert codes(done) == [("EK890", "warning")]


def test_who_approved_and_then_asked_for_changes_does_not_approve(world):
    pull = promotion(world)
    world.forge.review(pull.number, "robin")
    world.forge.review(pull.number, "robin", "changes_requested")
    world.forge.merge(pull.number)
    assert codes(approvals(world).push(pull.number)) == [("EK890", "warning")]


STATES = st.sampled_from(["approved", "changes_requested", "commented", "dismissed", "pending"])


@given(st.lists(st.tuples(st.sampled_from(["ann", "Ann", "bob", "cy"]), STATES), max_size=12))
def test_the_latest_decision_of_each_person_counts(given_reviews):
    reviews = [
        Review(who, is_bot=False, state=state, commit="c", submitted=None, is_member=True)
        for who, state in given_reviews
    ]
    expected = {}
    for who, state in given_reviews:
        if state not in {"commented", "pending"}:
            expected[who.lower()] = state
    found = [one.author.lower() for one in approving(reviews)]
    assert sorted(found) == sorted(who for who, state in expected.items() if state == "approved")
    assert len(found) == len(set(found))


# What was reviewed


def test_an_approval_of_an_earlier_commit_counts_if_only_records_followed(world):
    pull = promotion(world)
    world.forge.review(pull.number, "robin")
    run = world.measured("triage")
    known = world.admission().find(run.generation_digest, run.measurement_digest)
    files = file_of("triage", *known)
    text = world.text(PATH, pull.head).replace(
        "status:", f"eval: {{ suite: {SUITE}, score: 1.0, run: x }}\nstatus:"
    )
    world.push(pull.head, {**files, PATH: text}, by=BOT)
    world.forge.merge(pull.number, by=BOT)
    approvals(world).push(pull.number)
    assert stamp(world) == "robin"


def test_an_approval_counts_if_the_branch_only_took_over_what_was_merged_meanwhile(world):
    pull = promotion(world)
    world.forge.review(pull.number, "robin")
    world.push("main", new_entry("other"), by="dana")
    world.forge.commit(
        pull.head,
        "Refresh",
        {PATH: world.text(PATH, pull.head).encode()},
        parents=[world.head(pull.head), world.head()],
    )
    world.forge.merge(pull.number, by=BOT)
    approvals(world).push(pull.number)
    assert stamp(world) == "robin"


def test_an_approval_of_something_else_than_was_merged_does_not_count(world):
    pull = promotion(world)
    world.forge.review(pull.number, "robin")
    text = world.text(PATH, pull.head).replace("max_tokens: 300", "max_tokens: 301")
    world.push(pull.head, {PATH: text}, by="casey")
    world.forge.merge(pull.number, by=BOT)
    done = approvals(world).push(pull.number)
    assert stamp(world) is None
    assert codes(done) == [("EK890", "warning")]
    assert "proposes something else" in done.plan.problems[0].message


# What awaits a stamp


def test_exposure_awaits_a_stamp_and_retirement_does_not(world):
    merged(world, "robin")
    approvals(world).push()
    world.push(
        "main",
        {
            PATH: world.text(PATH)
            .replace("approved_by: robin\n", "")
            .replace("status:", "rollout: { percent: 5 }\nstatus:")
        },
    )
    assert awaiting(world.clone().history("triage")) == {1: 3}
    world.push("main", {PATH: world.text(PATH).replace("status: staging", "status: retired")})
    assert awaiting(world.clone().history("triage")) == {}


def test_a_trailer_that_names_an_approver_is_no_stamp(world):
    world.push(
        "main", {PATH: world.text(PATH).replace("draft", "staging", 1)}, message="Move\n\nApproved-by: boss\n"
    )
    assert awaiting(world.clone().history("triage")) == {1: 1}


def test_what_was_pushed_without_a_pull_request_is_nobodys_to_stamp(world):
    world.push("main", {PATH: world.text(PATH).replace("draft", "staging", 1)})
    done = approvals(world).push()
    assert (done.plan.stamps, codes(done)) == ((), [])


# A protected branch


def protected(world):
    world.forge.protect("main")
    return next(world.forge.pulls(head="evalkit/stamps"), None)


def test_where_the_default_branch_is_protected_stamps_are_one_pull_request(world):
    pull = merged(world, "robin")
    protected(world)
    done = approvals(world).push(pull.number)
    assert done.commit is None
    assert done.pull.head == "evalkit/stamps"
    assert stamp(world) is None
    assert stamp(world, branch="evalkit/stamps") == "robin"
    assert parse(done.pull.body).kind == "stamps"
    assert "needs no stamp of its own" in done.pull.body
    assert "Approve workflows to run" in done.pull.body


def test_an_app_asks_nobody_to_click(tmp_path):
    world = made(tmp_path, is_app=True, login="evalkit[bot]")
    pull = merged(world, "robin")
    protected(world)
    assert "Approve workflows" not in approvals(world).push(pull.number).pull.body


def test_stamps_collect_in_the_one_pull_request_and_unchanged_ones_cost_no_call(world):
    world.push("main", new_entry("other"))
    first = merged(world, "robin")
    protected(world)
    one = approvals(world).push(first.number).pull
    writes = list(world.forge.writes)
    assert approvals(world).push().pull == one
    assert world.forge.writes == writes
    second = merged(world, "dana", name="other", branch="evalkit/promote/other")
    two = approvals(world).push(second.number).pull
    assert two.number == one.number
    assert stamp(world, branch="evalkit/stamps") == "robin"
    assert stamp(world, "registry/entries/other/v1.yaml", "evalkit/stamps") == "dana"
    shown = world.forge.pull(one.number).body
    assert "robin" in shown
    assert "dana" in shown
    assert len(list(world.forge.pulls(head="evalkit/stamps"))) == 1


def test_once_it_is_merged_nothing_is_due_and_the_next_one_is_a_new_one(world):
    first = merged(world, "robin")
    protected(world)
    one = approvals(world).push(first.number).pull
    world.forge.merge(one.number, by="dana")
    assert stamp(world) == "robin"
    assert approvals(world).push().pull is None
    second = merged(world, "dana", to="production", branch="evalkit/promote/again")
    two = approvals(world).push(second.number).pull
    assert two.number != one.number
    assert stamp(world, branch="evalkit/stamps") == "dana"


def test_the_pull_request_is_closed_when_its_stamps_came_another_way(world):
    first = merged(world, "robin")
    protected(world)
    one = approvals(world).push(first.number).pull
    world.push("main", {PATH: world.text(PATH, "evalkit/stamps")})
    assert approvals(world).push().pull is None
    assert world.forge.pull(one.number).state == "closed"
    assert world.forge.head_of("evalkit/stamps") is None


def test_a_persons_commit_on_the_branch_is_left_alone(world):
    world.push("main", new_entry("other"))
    first = merged(world, "robin")
    protected(world)
    one = approvals(world).push(first.number).pull
    mine = world.push("evalkit/stamps", {"README.md": "mine\n"}, by="dana")
    second = merged(world, "dana", name="other", branch="evalkit/promote/other")
    done = approvals(world).push(second.number)
    assert codes(done) == [("EK894", "warning")]
    assert world.head("evalkit/stamps") == mine
    assert done.pull.number == one.number


def test_what_was_turned_down_is_not_opened_again(world):
    first = merged(world, "robin")
    protected(world)
    one = approvals(world).push(first.number).pull
    world.forge.close_pull(one.number)
    done = approvals(world).push()
    assert done.pull is None
    assert codes(done) == [("EK894", "warning")]


@pytest.mark.parametrize("step", ["commit", "open_pull", "update_pull"])
def test_a_run_that_broke_off_is_finished_by_the_next(world, step):
    world.push("main", new_entry("other"))
    first = merged(world, "robin")
    protected(world)
    if step == "update_pull":
        approvals(world).push(first.number)
        first = merged(world, "dana", name="other", branch="evalkit/promote/other")
    elif step == "commit":
        world.forge.fail_next("commit", _protected_refusal())  # of the default branch; the next is of its own
    world.forge.fail_next(step)
    with pytest.raises(ForgeError):
        approvals(world).push(first.number)
    done = approvals(world).push()
    assert codes(done) == []
    assert stamp(world, branch="evalkit/stamps") == "robin"
    assert parse(world.forge.pull(done.pull.number).body).commit == world.head("evalkit/stamps")


def _protected_refusal():
    return ForgeError(Problem("EK879", "a rule of the repository forbids it"))


# What follows


def publishing() -> str:
    return config(tail="forge: {}\npublish: { to: release }\n")


def test_a_stamp_that_is_pushed_is_published(tmp_path):
    world = made(tmp_path, publishing())
    done = approvals(world).push(merged(world, "robin").number)
    assert done.published
    assert [(one.workflow, one.ref) for one in world.forge.dispatches] == [("publish.yml", "main")]


def test_an_apps_push_starts_what_follows_by_itself(tmp_path):
    world = made(tmp_path, publishing(), is_app=True)
    assert not approvals(world).push(merged(world, "robin").number).published
    assert world.forge.dispatches == []


def test_a_stamp_stays_if_publishing_cannot_be_started(tmp_path):
    world = made(tmp_path, publishing())
    pull = merged(world, "robin")
    world.forge.fail_next("dispatch")
    done = approvals(world).push(pull.number)
    assert stamp(world) == "robin"
    assert codes(done) == [("EK893", "warning")]


def test_a_default_branch_that_moves_on_is_read_again(world):
    pull = merged(world, "robin")
    commit = world.forge.commit
    late: list[str] = []

    def first_late(*args, **keys):
        if not late:
            late.append(world.push("main", {"README.md": "mine\n"}, by="dana"))
        return commit(*args, **keys)

    world.forge.commit = first_late
    done = approvals(world).push(pull.number)
    assert stamp(world) == "robin"
    assert world.text("README.md") == "mine\n"
    assert done.commit == world.head()
