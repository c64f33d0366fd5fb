"""Which commits count, when each took effect, and what it changed: every way to bring a change to the main line."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from git_story import ANN, BOB, hour

from evalkit.promote.history import Repository
from evalkit.promote.history.command import Git
from evalkit.promote.history.compared import touches


def history(story, name="triage", ref=None):
    return Repository.of(story.root).history(name, ref)


def told(found):
    return [(t.version, t.kind, t.before, t.after) for t in found.transitions()]


def test_a_name_that_never_was_has_no_moments(story):
    story.commit("Begin")
    found = history(story)
    assert found.moments == ()
    assert found.transitions() == ()
    assert found.spans("production") == ()
    assert found.at(hour(9)) is None


def test_the_life_of_a_version_is_told_in_order(story):
    story.put(1)
    story.commit("Add v1")
    story.put(1, "draft", "eval: { suite: triage-eval@v4, score: 0.93 }")
    story.commit("Evaluate")
    story.put(1, "staging", "eval: { suite: triage-eval@v4, score: 0.93 }", "rollout: { percent: 10 }")
    story.commit("Stage")
    story.put(1, "staging", "eval: { suite: triage-eval@v4, score: 0.93 }", "rollout: { percent: 25 }")
    story.commit("More")
    story.put(1, "production", "eval: { suite: triage-eval@v4, score: 0.93 }", "approved_by: bob")
    story.commit("Serve")
    story.put(1, "production", "eval: { suite: triage-eval@v4, score: 0.93 }", "approved_by: cy", "owner: us")
    story.commit("Stamp")
    story.put(
        1, "production", "eval: { suite: triage-eval@v4, score: 0.93 }", "approved_by: cy", "owner: them"
    )
    story.commit("Owner")
    story.write("registry/entries/triage/v1.yaml", None)
    story.commit("Delete")
    found = history(story)
    assert told(found) == [
        (1, "created", None, "draft"),
        (1, "evaluated", None, "0.93"),
        (1, "status", "draft", "staging"),
        (1, "exposure", None, "10 %"),
        (1, "exposure", "10 %", "25 %"),
        (1, "status", "staging", "production"),
        (1, "exposure", "25 %", None),
        (1, "approved", "bob", "cy"),
        (1, "edited", None, None),
        (1, "deleted", "production", None),
    ]
    assert [t.score for t in found.transitions()] == [None] + [0.93] * 9
    served = [(t.serving_before, t.serving_after) for t in found.transitions()]
    assert served == [(None, None)] * 5 + [(None, 1)] * 2 + [(1, 1)] * 2 + [(1, None)]
    assert [m.commit.time for m in found.moments] == [hour(n) for n in range(1, 9)]


def test_spans_say_who_was_primary_from_when_until_when(story):
    story.put(1, "production")
    one = story.commit("v1 serves")
    story.put(2, "production")
    two = story.commit("v2 serves")
    story.put(2, "retired")
    three = story.commit("Roll back")
    story.put(1, "retired")
    four = story.commit("Stop")
    story.put(3, "production")
    story.commit("v3 serves")
    spans = history(story).spans("production")
    ends = [(s.version, s.since, s.until) for s in spans]
    assert ends == [
        (1, hour(1), hour(2)),
        (2, hour(2), hour(3)),
        (1, hour(3), hour(4)),
        (3, hour(5), None),
    ]
    assert [s.commit_since.id for s in spans[:3]] == [one, two, three]
    assert spans[2].commit_until.id == four
    assert spans[3].commit_until is None
    with pytest.raises(ValueError, match="unknown environment"):
        history(story).spans("qa")


def test_entries_that_contradict_each_other_end_a_span(story):
    story.put(1, "production")
    story.commit("v1 serves")
    story.put(2, "staging", "rollout: { percent: 5 }")
    story.put(3, "staging", "rollout: { percent: 5 }")
    story.commit("Two canaries")
    found = history(story)
    with pytest.raises(ValueError, match="more than one"):
        found.moments[1].serving("production")
    assert [(s.version, s.until) for s in found.spans("production")] == [(1, hour(2))]
    assert {t.serving_after for t in found.transitions()[1:]} == {None}


def test_a_merge_takes_effect_when_it_is_merged_and_names_who_wrote_it(story):
    story.put(1, "production")
    story.commit("v1", by=BOB)
    story.branch("change")
    story.put(2)
    story.commit("v2", by=ANN)
    story.put(2, "production")
    story.commit("Serve v2\n\nCo-authored-by: Cy <cy@example.com>", by="Dee <dee@example.com>")
    story.write("README.md", "x")
    story.commit("Not the registry", by="Eve <eve@example.com>")
    story.go("main")
    merge = story.merge("change", message="Merge pull request #12 from example/change", at=20)
    (created,) = history(story).transitions()[1:]
    assert (created.commit.id, created.commit.time) == (merge, hour(20))
    assert created.authors == (ANN, "Dee <dee@example.com>", "Cy <cy@example.com>")
    assert (created.kind, created.after, created.pr) == ("created", "production", 12)


def test_a_squash_names_its_author_and_the_co_authors(story):
    story.put(1)
    text = "Add triage (#7)\n\n* one\n\nCo-authored-by: Ann <ANN@example.com>\n\n* two\n\nCo-Authored-By: Bob <bob@example.com>\n"
    story.commit(text, by=ANN)
    (created,) = history(story).transitions()
    assert created.authors == (ANN, BOB)
    assert created.pr == 7


def test_each_commit_of_a_rebase_or_a_fast_forward_has_its_own_time(story):
    story.commit("Begin")
    story.branch("change")
    story.put(1)
    story.commit("Add", at=5)
    story.put(1, "staging")
    story.commit("Stage", at=6)
    story.go("main")
    story.write("README.md", "x")
    story.commit("Beside", at=7)
    story.go("change")
    story.git("rebase", "-q", "main", GIT_COMMITTER_DATE=f"@{int(hour(9).timestamp())} +0000")
    story.go("main")
    story.git("merge", "-q", "--ff-only", "change")
    assert [m.commit.time for m in history(story).moments] == [hour(9), hour(9)]
    story.put(1, "production")
    story.commit("Serve", at=10)
    story.put(1, "retired")
    story.commit("Stop", at=11)
    assert [m.commit.time for m in history(story).moments] == [hour(9), hour(9), hour(10), hour(11)]


def test_several_changes_within_one_merge_are_one_transition(story):
    story.put(1)
    story.commit("v1")
    story.branch("change")
    story.put(1, "staging")
    story.commit("Stage")
    story.put(1)
    story.commit("No")
    story.put(1, "staging", "owner: us")
    story.commit("Yes")
    story.go("main")
    story.merge("change", message="Merge")
    assert told(history(story))[1:] == [(1, "status", "draft", "staging")]


def test_main_merged_into_a_feature_brings_nothing_of_main_to_it(story):
    story.put(1)
    story.commit("v1")
    story.branch("change")
    story.put(2)
    story.commit("v2", by=ANN)
    story.go("main")
    story.put(1, "staging")
    story.commit("Stage v1", by=BOB, at=4)
    story.go("change")
    story.merge("main", message="Merge main", by="Cy <cy@example.com>", at=5)
    story.go("main")
    story.merge("change", message="Merge change", at=6)
    found = history(story).transitions()
    assert told(history(story))[1:] == [(1, "status", "draft", "staging"), (2, "created", None, "draft")]
    assert found[-1].authors == (ANN,)
    assert found[-1].commit.time == hour(6)


def test_who_settles_a_conflict_within_a_merged_merge_is_an_author(story):
    story.put(1, "draft", "owner: a")
    story.commit("v1")
    story.branch("change")
    story.put(1, "draft", "owner: b")
    story.commit("b", by=ANN)
    story.go("main")
    story.put(1, "draft", "owner: c")
    story.commit("c", by=BOB)
    story.go("change")
    story.git("merge", "-q", "-s", "ours", "--no-commit", "main")
    story.put(1, "draft", "owner: d")
    story.commit("Settle", by="Cy <cy@example.com>")
    story.go("main")
    story.merge("change", message="Merge")
    assert history(story).transitions()[-1].authors == (ANN, "Cy <cy@example.com>")


def test_an_octopus_brings_all_its_branches_at_once(story):
    story.commit("Begin")
    for number, who in ((1, ANN), (2, BOB)):
        story.git("checkout", "-q", "-b", f"b{number}", "main")
        story.put(number, name="triage")
        story.commit(f"v{number}", by=who)
    story.go("main")
    story.merge("b1", "b2", message="All")
    (moment,) = history(story).moments
    assert list(moment.versions) == [1, 2]
    assert {t.authors for t in history(story).transitions()} == {(ANN, BOB)}


def test_a_branch_that_is_merged_twice_names_only_what_is_new(story):
    story.commit("Begin")
    story.branch("long")
    story.put(1)
    story.commit("v1", by=ANN)
    story.go("main")
    story.merge("long", message="First")
    story.go("long")
    story.put(2)
    story.commit("v2", by="Cy <cy@example.com>")
    story.go("main")
    story.merge("long", message="Second")
    assert [t.authors for t in history(story).transitions()] == [(ANN,), ("Cy <cy@example.com>",)]


def test_a_revert_is_a_transition_with_the_revert_as_its_subject(story):
    story.put(1, "production")
    story.commit("v1")
    story.put(2, "production")
    promoted = story.commit("Promote v2 (#4)")
    story.git("revert", "--no-edit", promoted, GIT_COMMITTER_DATE=f"@{int(hour(9).timestamp())} +0000")
    last = history(story).transitions()[-1]
    assert (last.kind, last.version, last.serving_before, last.serving_after) == ("deleted", 2, 2, 1)
    assert last.commit.subject == 'Revert "Promote v2 (#4)"'
    assert last.pr is None
    assert last.commit.time == hour(9)


def test_there_and_back_again_is_two_moments(story):
    story.put(1)
    story.commit("v1")
    story.put(1, "staging")
    story.commit("Stage")
    story.put(1)
    story.commit("Back")
    assert [m.versions[1].state.status for m in history(story).moments] == ["draft", "staging", "draft"]


def test_a_clock_that_goes_backwards_never_puts_a_change_before_its_predecessor(story):
    story.put(1)
    story.commit("v1", at=10)
    story.write("README.md", "x")
    story.commit("Beside the registry, with a clock ahead", at=20)
    story.put(1, "staging")
    early = story.commit("Stage", at=4)
    story.put(1, "production")
    story.commit("Serve", at=21)
    repository = Repository.of(story.root)
    found = repository.history("triage")
    assert [m.commit.time for m in found.moments] == [hour(10), hour(20), hour(21)]
    assert found.moments[1].commit.committed == hour(4)
    assert found.at(hour(19)).commit.id == found.moments[0].commit.id
    assert found.at(hour(20)).commit.id == early
    assert repository.commit_at(hour(20)) == found.moments[1].commit
    assert repository.commit_at(hour(4)) is None
    assert repository.commit_at(hour(20.5)).id == early


def test_a_moment_needs_a_time_zone(story):
    story.commit("Begin")
    repository = Repository.of(story.root)
    for ask in (repository.commit_at, repository.history("triage").at):
        with pytest.raises(ValueError, match="time zone"):
            ask(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_a_moment_is_the_last_that_had_taken_effect(story):
    story.put(1)
    story.commit("v1", at=1)
    story.put(1, "staging")
    story.commit("Stage", at=2)
    found = history(story)
    assert found.at(hour(1) - timedelta(microseconds=1)) is None
    assert found.at(hour(1)).versions[1].state.status == "draft"
    assert found.at(hour(2) - timedelta(microseconds=1)).versions[1].state.status == "draft"
    assert found.at(hour(2)).versions[1].state.status == "staging"


def test_another_line_than_main_can_be_asked_for(story):
    story.put(1)
    story.commit("v1")
    story.branch("change")
    story.put(1, "staging")
    story.commit("Stage")
    repository = Repository.of(story.root)
    assert len(repository.history("triage").moments) == 1
    assert len(repository.history("triage", "change").moments) == 2


def test_the_histories_of_all_names_are_those_of_each(story):
    for number, name in enumerate(("alpha", "beta", "alpha", "gamma-2", "beta"), 1):
        story.put(number, "production", name=name)
        story.commit(f"{number}")
    repository = Repository.of(story.root)
    found = repository.histories(people=True)
    assert list(found) == ["alpha", "beta", "gamma-2"]
    assert found == {name: repository.history(name) for name in found}
    assert [len(h.moments) for h in repository.histories().values()] == [2, 2, 1]


def test_what_is_no_entry_file_is_no_part_of_a_history(story):
    story.put(1)
    story.write("registry/entries/triage/v01.yaml", "x")
    story.write("registry/entries/triage/v2.yml", "x")
    story.write("registry/entries/triage/deep/v3.yaml", "x")
    story.write("registry/entries/Not A Name/v1.yaml", "x")
    story.write("registry/entries/žluť/v1.yaml", "x")
    story.commit("All kinds")
    repository = Repository.of(story.root)
    assert list(repository.history("triage").moments[0].versions) == [1]
    assert repository.names() == ["triage"]
    assert repository.history("žluť").moments == ()
    assert repository.history("../triage").moments == ()


@pytest.mark.parametrize(
    "times", [range(1, 13), [1, 2, 3, 9, 4, 5, 6, 7, 8, 10, 11, 12], [12, *range(1, 12)], [3] * 12]
)
@pytest.mark.parametrize("graph", [False, True])
def test_a_line_read_in_two_parts_is_the_line(story, times, graph):
    for number, at in enumerate(times, 1):
        if number % 3:
            story.put(1, "draft", f"owner: o{number % 5}")
        story.commit(f"{number}", at=at)
    if graph:
        story.git("commit-graph", "write", "--reachable", "--changed-paths")
    git = Git(story.root)
    whole = touches(git, story.head(), ["registry/entries"])
    assert touches(git, story.head(), ["registry/entries"], few=2) == whole
    assert len(whole[1]) > 6
