"""Who wrote it, who approved it, and why."""

from __future__ import annotations

import pytest
from git_story import ANN, BOB

from evalkit.promote.history import Repository
from evalkit.promote.history.people import title_of


def transitions(story, name="triage"):
    return Repository.of(story.root).history(name).transitions()


@pytest.mark.parametrize(
    ("subject", "number"),
    [
        ("Merge pull request #12 from example/change", 12),
        ("Promote (#13)", 13),
        ('Revert "Promote (#13)" (#15)', 15),
        ("Fix #14", None),
        ("(#16) at the beginning", None),
        ("Too long (#99999999999999999999)", None),
    ],
)
def test_the_pull_request_is_that_of_the_subject(story, subject, number):
    story.put(1)
    story.commit(subject)
    assert transitions(story)[0].pr == number


def test_the_approver_is_stamped_by_the_promotion_itself(story):
    story.put(1)
    story.commit("v1")
    story.put(1, "staging", "approved_by: bob")
    story.commit("Stage\n\nReviewed-by: Cy <cy@example.com>")
    assert [t.approver for t in transitions(story)] == [None, "bob"]


def test_the_stamp_may_follow_in_a_later_commit(story):
    story.put(1, "production")
    story.commit("Serve\n\nReviewed-by: Cy <cy@example.com>")
    story.put(1, "production", "owner: us")
    story.commit("Beside")
    story.put(1, "production", "owner: us", "approved_by: bob")
    story.commit("Stamp")
    assert [(t.kind, t.approver) for t in transitions(story)] == [
        ("created", "bob"),
        ("edited", None),
        ("approved", "bob"),
    ]


def test_the_stamp_of_the_next_promotion_is_not_that_of_the_one_before(story):
    story.put(1)
    story.commit("v1")
    story.put(1, "staging")
    story.commit("Stage")
    story.put(1, "production", "approved_by: bob")
    story.commit("Serve")
    story.put(1, "retired", "approved_by: bob")
    story.commit("Retire")
    assert [t.approver for t in transitions(story)] == [None, None, "bob", None]


def test_without_a_stamp_the_trailers_of_the_merge_name_the_approver(story):
    story.commit("Begin")
    story.branch("change")
    story.put(1)
    story.commit("v1\n\nReviewed-by: Dee <dee@example.com>")
    story.go("main")
    story.merge(
        "change", message="Merge\n\nReviewed-by: Cy <cy@example.com>\nApproved-by: Bob <bob@example.com>"
    )
    assert transitions(story)[0].approver == BOB


def test_the_reason_is_the_trailer_of_the_commit_or_of_what_it_merged(story):
    story.put(1, "production")
    story.commit("v1\n\nReason: it is better\n  by far\n")
    story.branch("change")
    story.put(1, "retired")
    story.commit("Retire\n\nReason: answers in French")
    story.go("main")
    story.merge("change", message="Merge")
    assert [t.reason for t in transitions(story)] == ["it is better by far", "answers in French"]


@pytest.mark.parametrize(
    "hold",
    [
        "holds:\n  - {{digest: 'sha256:{0}', reason: 'an older one', by: ann}}\n  - {{all: true, reason: wrong queue, by: ann}}\n",
        "all: true\nreason: wrong queue\nby: ann\n",
    ],
)
def test_the_reason_may_be_that_of_a_hold_added_with_it(story, hold):
    story.put(1, "production")
    story.write(
        "registry/holds/triage.yaml",
        f"holds:\n  - {{digest: 'sha256:{'0' * 64}', reason: 'an older one', by: ann}}\n",
    )
    story.commit("v1\n\nReason: first")
    story.put(2, "production")
    story.commit("v2")
    story.put(2, "retired")
    story.write("registry/holds/triage.yaml", hold.format("0" * 64))
    story.commit("Roll back")
    assert [t.reason for t in transitions(story)] == ["first", None, "wrong queue"]


@pytest.mark.parametrize(
    ("message", "title"),
    [
        (
            "Merge pull request #12 from example/x\n\nTry a shorter prompt\n\nmore",
            "Try a shorter prompt (#12)",
        ),
        ("Merge pull request #12 from example/x", "Merge pull request #12 from example/x"),
        ("Merge branch 'x' into 'main'\n\nTry it\n\nSee merge request example/x!3", "Try it"),
        ("Merged in x (pull request #7)\n\nTry it", "Try it"),
        ("Take both\n\nbecause", "Take both"),
    ],
)
def test_a_merge_is_about_what_its_forge_wrote_below_the_subject(story, message, title):
    story.commit("Begin")
    story.branch("change")
    story.put(1)
    story.commit("v1")
    story.go("main")
    story.merge("change", message=message)
    assert title_of(transitions(story)[0].commit) == title


def test_a_commit_that_is_no_merge_is_about_its_subject(story):
    story.put(1)
    story.commit("Merge pull request #12 from example/x\n\nNot so")
    assert title_of(transitions(story)[0].commit) == "Merge pull request #12 from example/x"


@pytest.mark.parametrize("way", ["straight", "merge"])
@pytest.mark.parametrize("subject", ['Revert "Serve v1"', 'Reapply "Serve v1"'])
def test_the_reason_of_a_revert_without_one_is_its_title(story, way, subject):
    story.put(1, "production")
    story.commit("Serve v1")
    story.branch("change")
    story.put(1, "staging")
    story.commit(f"{subject}\n\nThis reverts commit 0123456789.")
    story.go("main")
    if way == "merge":
        story.merge("change", message=f"Merge pull request #9 from example/x\n\n{subject}")
    else:
        story.git("merge", "-q", "--ff-only", "change")
    assert transitions(story)[-1].reason == (f"{subject} (#9)" if way == "merge" else subject)


def test_a_revert_that_gives_its_reason_keeps_it(story):
    story.put(1, "production")
    story.commit("Serve v1")
    story.put(1, "staging")
    story.commit('Revert "Serve v1"\n\nReason: it lies')
    assert transitions(story)[-1].reason == "it lies"


def test_an_approval_is_pending_until_its_stamp_or_the_next_step(story):
    story.put(1)
    story.commit("v1")
    story.put(1, "staging")
    story.commit("Stage")
    assert [t.is_pending for t in transitions(story)] == [False, True]
    story.put(1, "production")
    story.commit("Serve")
    assert [t.is_pending for t in transitions(story)] == [False, False, True]
    story.put(1, "production", "approved_by: bob")
    story.commit("Stamp")
    assert [t.is_pending for t in transitions(story)] == [False] * 4
    story.put(1, "retired", "approved_by: bob")
    story.commit("Retire")
    assert not transitions(story)[-1].is_pending


def test_a_version_that_others_in_between_made_no_surplus_is_none(story):
    """A rollback retires versions too, and nothing came with it."""
    for version in (1, 2, 3):
        story.put(version, "production")
    story.commit("Begin")
    story.put(2, "retired")
    story.put(3, "retired")
    story.commit("Roll back to v1")
    assert [t.surplus_of for t in transitions(story)[-2:]] == [None, None]
    story.put(4, "production")
    story.put(1, "retired")
    story.commit("Replace it at once")
    assert [(t.version, t.surplus_of) for t in transitions(story)[-2:]] == [(1, None), (4, None)]


def test_a_hold_that_cannot_be_read_gives_no_reason(story):
    story.put(1, "production")
    story.write("registry/holds/triage.yaml", b"\xff: [")
    story.commit("v1")
    assert transitions(story)[0].reason is None


def test_the_author_of_a_merge_that_brings_nothing_is_its_own(story):
    story.commit("Begin")
    story.branch("change")
    story.commit("Nothing", by=ANN)
    story.go("main")
    story.git("merge", "-q", "--no-ff", "--no-commit", "change")
    story.put(1)
    story.commit("Merge, and more", by="Cy <cy@example.com>")
    assert transitions(story)[0].authors == ("Cy <cy@example.com>",)


def test_hostile_messages_and_authors_are_read_as_text(story):
    story.put(1)
    story.git("add", "-A")
    tree = story.git("write-tree")
    head = f"tree {tree}\nauthor \x1b[31m::error::\u202e <x@example.com> 1767225600 +0000\n"
    committer = "committer A <a@example.com> 1767225600 +0000\n\n"
    body = (
        b"::set-output name=x::\x1b[2J\x01\x02\n\n:100644 100644 a b M\n\xff\xfe\nReason: \xff::stop-commands::\n"
        + b"x" * 300_000
        + b"\nCo-authored-by: "
        + b"y" * 5_000
    )
    raw = (head + committer).encode() + body
    commit = story.git("hash-object", "-t", "commit", "-w", "--stdin", given=raw)
    story.git("update-ref", "refs/heads/main", commit)
    story.put(1, "staging")
    story.commit("Go on")
    first, second = transitions(story)
    assert first.commit.subject == "::set-output name=x::\x1b[2J\x01\x02"
    assert first.reason == "\ufffd::stop-commands::"
    assert first.authors[0] == "\x1b[31m::error::\u202e <x@example.com>"
    assert len(first.authors[1]) == 5_000
    assert len(first.commit.body) > 300_000
    assert second.commit.subject == "Go on"


@pytest.mark.parametrize("seconds", ["99999999999999", "0", "253402300800", "18446744073709551615"])
def test_an_impossible_date_is_a_date(story, seconds):
    story.put(1)
    story.git("add", "-A")
    tree = story.git("write-tree")
    raw = f"tree {tree}\nauthor A <a@b> {seconds} +0000\ncommitter A <a@b> {seconds} +0000\n\nx\n".encode()
    story.git(
        "update-ref",
        "refs/heads/main",
        story.git("hash-object", "--literally", "-t", "commit", "-w", "--stdin", given=raw),
    )
    (found,) = transitions(story)
    assert 1970 <= found.commit.time.year <= 9999


def test_a_message_in_another_encoding_is_read(story):
    story.put(1)
    story.git("config", "i18n.commitEncoding", "ISO-8859-1")
    story.commit("Zlu\xe7".encode("latin-1"))
    assert transitions(story)[0].commit.subject == "Zluç"
