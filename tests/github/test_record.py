from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace

import pytest
from record_material import RULES, SUITE, World, encoded, file_of, new_entry

from evalkit.errors import EvalkitError
from evalkit.evals.evidence import Evidence
from evalkit.github.check_status import carry_check, judged_commit
from evalkit.github.record import ATTEMPTS, Recorder, RecordError
from evalkit.github.record_report import evaluations_body, tell, tell_fork
from evalkit.github.records import no_record, records_only
from evalkit.promote.history import place


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def recorder(world, wait=lambda _: None) -> Recorder:
    repository = world.clone()
    return Recorder(world.forge, repository, fetch=world.fetcher(repository), wait=wait)


def candidate(world, name="triage", branch="topic", *, by="casey"):
    """A pull request with one new entry."""
    world.push(branch, new_entry(name), by=by)
    return world.propose(branch, by=by)


# What is recorded


def test_evidence_and_score_are_one_commit_on_the_branch(world):
    pull = candidate(world)
    before = world.text("registry/entries/triage/v1.yaml", "topic")
    run = world.measured("triage", branch="topic", passed=54)
    plan, commit = recorder(world).push(pull.number)
    assert commit == world.head("topic")
    assert world.forge.writes == ["open_pull", "commit"]
    evidence = world.evidence("triage", branch="topic")
    assert [one.run_id for one in evidence.runs] == [run.run_id]
    assert evidence.runs[0].attestation is not None
    after = world.text("registry/entries/triage/v1.yaml", "topic")
    block = f"eval: {{ suite: {SUITE}, score: 0.9, run: {run.run_id}, evidence: '{evidence.digest}' }}\n"
    assert (
        after.replace(block, "").replace(block.replace("'", ""), "").replace(block.replace("'", '"'), "")
        == before
    )
    assert plan.rows[0].verdict.verdict == "pass"


def test_the_commit_names_the_workflow_run(world):
    pull = candidate(world)
    world.measured("triage", branch="topic")
    plan, commit = recorder(world).push(pull.number)
    message = world.git(world.top / "acme.git", "show", "-s", "--format=%B", commit)
    assert message.startswith(
        "Record evaluations of triage@v1\n\ntriage@v1 on common-eval@v1: pass, score 1, 1 run\n"
    )
    made = world.forge.run(plan.rows[0].runs[0].attestation.workflow_run)
    assert message.endswith(f"\n\nEvalkit-Run: {made.url}")
    assert plan.message.strip() == message


def test_a_plan_changes_nothing(world):
    pull = candidate(world)
    world.measured("triage", branch="topic")
    head = world.head("topic")
    assert len(recorder(world).plan(pull.number).files) == 2
    assert world.head("topic") == head


def test_recording_twice_changes_nothing_more(world):
    pull = candidate(world)
    world.measured("triage", branch="topic")
    recorder(world).push(pull.number)
    head = world.head("topic")
    plan, commit = recorder(world).push(pull.number)
    assert (plan.files, commit, world.head("topic")) == ({}, None, head)


def test_a_second_run_is_added_behind_the_first_and_the_score_is_of_both(world):
    pull = candidate(world)
    first = world.measured("triage", branch="topic", passed=60)
    recorder(world).push(pull.number)
    second = world.measured("triage", branch="topic", passed=30)
    recorder(world).push(pull.number)
    evidence = world.evidence("triage", branch="topic")
    assert [one.run_id for one in evidence.runs] == [first.run_id, second.run_id]
    assert "score: 0.75" in world.text("registry/entries/triage/v1.yaml", "topic")


def test_a_failed_gate_is_recorded_like_any_other(world):
    pull = candidate(world)
    world.measured("triage", branch="topic", passed=10)
    plan, commit = recorder(world).push(pull.number)
    assert commit is not None
    assert plan.problems == []
    assert plan.rows[0].verdict.verdict == "fail"


def test_records_deleted_from_a_branch_come_back(world):
    pull = candidate(world)
    failed = world.measured("triage", branch="topic", passed=10)
    recorder(world).push(pull.number)
    world.push("topic", {f"registry/evidence/triage/v1/{SUITE}.json": None})
    world.measured("triage", branch="topic", passed=60)
    recorder(world).push(pull.number)
    runs = world.evidence("triage", branch="topic").runs
    assert len(runs) == 2
    assert runs[0].run_id == failed.run_id


def test_without_an_evaluation_there_is_nothing_to_record_and_that_is_said(world):
    pull = candidate(world)
    plan, commit = recorder(world).push(pull.number)
    assert commit is None
    assert [(one.code, one.severity) for one in plan.problems] == [("EK888", "warning")]


def test_evidence_is_of_what_was_evaluated_and_not_of_what_the_branch_has_now(world):
    pull = candidate(world)
    world.measured("triage", branch="topic")
    world.push("topic", new_entry("triage", params="{ max_tokens: 301 }"))
    plan, commit = recorder(world).push(pull.number)
    assert commit is None
    assert "CI measured nothing of triage@v1" in plan.problems[0].message


def test_a_pull_request_that_changes_a_prompt_records_every_entry_that_has_it(world):
    pull = candidate(world)
    world.forge.merge(pull.number)
    world.push(
        "prompt",
        {
            "registry/prompts/triage-prompt/v1.yaml": world.text(
                "registry/prompts/triage-prompt/v1.yaml"
            ).replace("Sort", "Route")
        },
    )
    second = world.propose("prompt")
    world.measured("triage", branch="prompt")
    plan, commit = recorder(world).push(second.number)
    assert commit is not None
    assert [str(row.candidate.entry) for row in plan.rows] == ["triage@v1"]


def test_the_rules_are_the_default_branches_and_not_the_branchs(world):
    pull = candidate(world)
    run = world.measured("triage", branch="topic", passed=40)  # 0.67, and the suite wants 0.8
    easy = world.text("suites/common-eval/v1/suite.yaml").replace("0.8", "0.1")
    world.push(
        "topic",
        {"suites/common-eval/v1/suite.yaml": easy, "evalkit.yaml": RULES.replace("[common-eval@v1]", "[]")},
    )
    plan, _ = recorder(world).push(pull.number)
    assert plan.rows[0].verdict.verdict == "fail"
    assert plan.rows[0].runs[0].run_id == run.run_id


def test_nothing_of_the_branch_is_run(world, tmp_path):
    mark = tmp_path / "was-run"
    scorer = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\ndef score(case, output): return 1.0\n"
    pull = candidate(world)
    world.measured("triage", branch="topic")
    world.push(
        "topic",
        {
            "scorers/mine.py": scorer,
            "sitecustomize.py": scorer,
            "conftest.py": scorer,
            "evalkit.yaml": RULES + "scorers: { mine: 'scorers.mine:score' }\n",
            "suites/common-eval/v1/suite.yaml": world.text("suites/common-eval/v1/suite.yaml").replace(
                "exact_match", "mine"
            ),
        },
    )
    _, commit = recorder(world).push(pull.number)
    assert commit is not None
    assert not mark.exists()


@pytest.mark.parametrize(
    "hostile",
    [
        "{{ cycler.__init__.__globals__ }}",
        "::set-output name=x::y\n##[command]",
        "<script>alert(1)</script> @everyone",
        "\x1b[2J",
    ],
)
def test_hostile_texts_in_the_branch_end_in_an_answer_or_an_error_of_ours(world, hostile):
    pull = candidate(world)
    world.push(
        "topic",
        {"registry/entries/triage/v1.yaml": f"name: triage\nversion: 1\nstatus: draft\nmodel: {hostile!r}\n"},
    )
    plan, commit = recorder(world).push(pull.number)
    assert commit is None
    assert plan.problems


def test_a_forged_run_on_the_branch_stops_its_entry_and_no_other(world):
    world.push("topic", new_entry("other"))
    pull = candidate(world)
    run = world.run("triage", branch="topic", passed=10)
    world.upload(run)
    admission = world.admission()
    real = admission.find(run.generation_digest, run.measurement_digest)[0]
    forged = real.model_copy(
        update={"score": 1.0, "verdict": "pass", "scores": dict.fromkeys(real.scores, (1, 1.0))}
    )
    world.push("topic", file_of("triage", forged))
    world.measured("other", branch="topic")
    plan, _ = recorder(world).push(pull.number)
    codes = {str(row.candidate.entry): row.problem and row.problem.code for row in plan.rows}
    assert codes == {"other@v1": None, "triage@v1": "EK881"}
    assert world.evidence("triage", branch="topic").runs == [forged]
    assert world.evidence("other", branch="topic").runs


def test_a_file_that_is_no_evidence_is_left_alone(world):
    pull = candidate(world)
    world.measured("triage", branch="topic")
    world.push("topic", {f"registry/evidence/triage/v1/{SUITE}.json": "not json"})
    plan, commit = recorder(world).push(pull.number)
    assert commit is None
    assert [one.code for one in plan.problems] == ["EK208"]


def test_an_entry_that_says_it_is_another_is_refused(world):
    pull = candidate(world)
    text = world.text("registry/entries/triage/v1.yaml", "topic").replace("name: triage\n", "name: first\n")
    world.push("topic", {"registry/entries/triage/v1.yaml": text})
    plan, commit = recorder(world).push(pull.number)
    assert commit is None
    assert "says that it is first@v1" in plan.problems[0].message


def test_a_project_in_a_folder_of_its_repository_is_recorded_there(tmp_path):
    world = World(tmp_path)
    pull = candidate(world)
    world.measured("triage", branch="topic")
    moved = {
        f"ai/{path}": world.text(path, "topic")
        for path in world.git(world.top / "acme.git", "ls-tree", "-r", "--name-only", "topic").split()
    }
    base = {
        f"ai/{path}": world.text(path)
        for path in world.git(world.top / "acme.git", "ls-tree", "-r", "--name-only", "main").split()
    }
    world.push("main", base)
    world.push("topic", moved)
    repository = world.clone()
    from evalkit.promote.history import Repository

    found = Recorder(world.forge, Repository.of(repository.root / "ai"), fetch=world.fetcher(repository))
    plan = found.plan(pull.number)
    assert sorted(plan.files) == [
        "ai/registry/entries/triage/v1.yaml",
        f"ai/registry/evidence/triage/v1/{SUITE}.json",
    ]


# Where nothing is recorded


def code_of(world, number):
    with pytest.raises(RecordError) as caught:
        recorder(world).push(number)
    return caught.value.problems[0].code


def test_closed_and_missing_pull_requests_are_refused(world):
    pull = candidate(world)
    world.forge.close_pull(pull.number)
    assert code_of(world, pull.number) == "EK885"
    assert code_of(world, 999) == "EK885"


def test_a_fork_is_refused_and_told_who_can_help(world):
    pull = candidate(world)
    world.measured("triage", branch="topic")
    world.forge._pulls[pull.number] = replace(pull, head_repository="mallory/llm")
    assert code_of(world, pull.number) == "EK886"
    assert tell_fork(world.forge, pull.number) == "added"
    assert tell_fork(world.forge, pull.number) == "unchanged"


def test_a_pull_request_from_the_default_branch_is_refused(world):
    pull = candidate(world)
    world.forge._pulls[pull.number] = replace(pull, head="main")
    assert code_of(world, pull.number) == "EK885"


# Races


def test_a_human_commit_in_between_is_kept(world):
    pull = candidate(world)
    world.measured("triage", branch="topic")
    found = recorder(world)
    commit = world.forge.commit
    pushed: list[str] = []

    def late(*args, **keys):
        if not pushed:
            pushed.append(world.push("topic", {"notes.md": "mine\n"}, by="robin"))
        return commit(*args, **keys)

    world.forge.commit = late
    _, new = found.push(pull.number)
    assert world.text("notes.md", "topic") == "mine\n"
    assert world.git(world.top / "acme.git", "rev-parse", f"{new}^") == pushed[0]


def test_what_a_human_changes_in_between_is_not_given_old_evidence(world):
    pull = candidate(world)
    world.measured("triage", branch="topic")
    found = recorder(world)
    commit = world.forge.commit

    def late(*args, **keys):
        world.push("topic", new_entry("triage", params="{ max_tokens: 301 }"), by="robin")
        return commit(*args, **keys)

    world.forge.commit = late
    plan, new = found.push(pull.number)
    assert new is None
    assert "was changed while this was recorded" in plan.problems[0].message
    assert world.evidence("triage", branch="topic") is None


def test_a_branch_that_never_stands_still_is_given_up_on(world):
    pull = candidate(world)
    world.measured("triage", branch="topic")
    waits: list[float] = []
    found = recorder(world, waits.append)
    commit = world.forge.commit

    def late(*args, **keys):
        world.push("topic", {"notes.md": f"{len(waits)}\n"}, by="robin")
        return commit(*args, **keys)

    world.forge.commit = late
    with pytest.raises(RecordError) as caught:
        found.push(pull.number)
    assert caught.value.problems[0].code == "EK889"
    assert len(waits) == ATTEMPTS
    assert all(0 <= seconds <= 20 for seconds in waits)


def test_twenty_records_at_once_each_land_exactly_once_and_people_lose_nothing(world):
    names = [f"entry-{n:02d}" for n in range(20)]
    world.push("topic", {path: text for name in names for path, text in new_entry(name).items()})
    pull = world.propose("topic")
    runs = {}
    for name in names:
        runs[name] = world.run(name, branch="topic", run_id=f"run-{name.replace('-', '')}-1-1")
    start, failures = threading.Barrier(len(names) + 1), []

    def record(name: str) -> None:
        found = recorder(world, lambda _: None)
        start.wait()
        world.upload(runs[name])
        try:
            for _ in range(10):  # as a job that is run again where it gave up
                with suppress(RecordError):
                    found.push(pull.number)
                    return
        except Exception as error:  # noqa: BLE001 - a thread tells of it at the end
            failures.append(error)

    threads = [threading.Thread(target=record, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    start.wait()
    for number in range(5):
        for _ in range(50):
            head = world.head("topic")
            try:
                with world.forge.acting("robin"):
                    new = world.forge.git.write(
                        f"Note {number}",
                        encoded({f"note-{number}.md": "mine\n"}),
                        parents=[head],
                        author="robin",
                        when=world.forge.now,
                    )
                if world.forge.git.move("topic", new, head):
                    break
            except EvalkitError:
                continue
    for thread in threads:
        thread.join()
    assert failures == []
    commits = world.forge.git.between(world.head(), world.head("topic"))
    assert len(commits) <= 1 + len(names) + 5
    for name in names:
        assert [run.run_id for run in world.evidence(name, branch="topic").runs] == [runs[name].run_id]
        assert f"run: {runs[name].run_id}" in world.text(f"registry/entries/{name}/v1.yaml", "topic")
    assert [world.text(f"note-{number}.md", "topic") for number in range(5)] == ["mine\n"] * 5


# What a record is


def difference(world, files, before="topic"):
    old = world.head(before)
    new = world.push(before, files)
    repository = world.clone()
    return records_only(place.find(repository.root), old, new)


def test_a_record_commit_is_records_only(world):
    pull = candidate(world)
    world.measured("triage", branch="topic")
    old = world.head("topic")
    _, new = recorder(world).push(pull.number)
    assert records_only(place.find(world.clone().root), old, new) is None
    assert records_only(place.find(world.clone().root), new, old) is not None


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "evalkit.yaml",
        ".github/workflows/check.yml",
        "registry/prompts/triage-prompt/v1.yaml",
        "registry/entries/triage/v2.yaml",
        "registry/evidence/triage/v1/x.txt",
        "registry/evidence/../../x.json",
        "suites/common-eval/v1/cases.jsonl",
        "ai/registry/entries/triage/v1.yaml",
    ],
)
def test_any_other_file_is_no_record(world, path):
    candidate(world)
    if ".." in path:
        assert no_record(path, None, b"{}") is not None
        return
    problem = difference(world, {path: "changed\n"})
    assert problem is not None
    assert problem.code == "EK887"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("status: draft", "status: staging"),
        lambda text: text.replace("max_tokens: 300", "max_tokens: 301"),
        lambda text: f"# a comment\n{text}",
        lambda text: f"{text}approved_by: casey\n",
        lambda text: (
            f"{text}eval: {{ suite: {SUITE}, score: 1.0 }}\n"
        ),  # below the status, where evalkit does not write
        lambda text: f"eval: {{ suite: {SUITE}, score: 1.0, extra: 1 }}\n{text}",
        lambda text: None,
    ],
)
def test_more_than_the_eval_block_of_an_entry_is_no_record(world, change):
    candidate(world)
    path = "registry/entries/triage/v1.yaml"
    problem = difference(world, {path: change(world.text(path, "topic"))})
    assert problem is not None


@pytest.mark.parametrize("mode", ["100755", "120000", "160000"])
def test_links_programs_and_submodules_are_no_records(world, mode):
    pull = candidate(world)
    world.measured("triage", branch="topic")
    old = world.head("topic")
    recorder(world).push(pull.number)
    repository = world.clone()
    root = repository.root
    world.git(root, "checkout", "-q", "topic")
    path = f"registry/evidence/triage/v1/{SUITE}.json"
    blob = old if mode == "160000" else world.git(root, "rev-parse", f"HEAD:{path}")
    world.git(root, "update-index", "--cacheinfo", f"{mode},{blob},{path}")
    world.git(root, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "mode")
    assert records_only(place.find(root), old, world.git(root, "rev-parse", "HEAD")) is not None


def test_evidence_that_is_altered_is_no_record(world):
    pull = candidate(world)
    world.measured("triage", branch="topic", passed=30)
    recorder(world).push(pull.number)
    known = world.evidence("triage", branch="topic")
    path = f"registry/evidence/triage/v1/{SUITE}.json"
    raw = known.to_bytes()
    better = Evidence(
        entry="triage", version=1, suite=SUITE, runs=[known.runs[0].model_copy(update={"score": 0.6})]
    )
    assert no_record(path, raw, better.to_bytes()) is not None
    assert no_record(path, raw, None) is not None
    assert no_record(path, raw, b"{}") is not None
    elsewhere = known.model_copy(update={"entry": "first"})
    assert no_record(path, None, elsewhere.to_bytes()) is not None
    unsaid = known.model_copy(update={"runs": [known.runs[0].model_copy(update={"attestation": None})]})
    assert no_record(path, None, unsaid.to_bytes()) is not None


# The status


def recorded_pull(world, *, state: str | None):
    pull = candidate(world)
    world.measured("triage", branch="topic")
    old = world.head("topic")
    if state is not None:
        world.forge.set_status(old, "check", state, "the check")
    found = recorder(world)
    _, new = found.push(pull.number)
    found.bring([new])
    return found, old, new


@pytest.mark.parametrize("state", ["success", "failure"])
def test_the_new_head_gets_the_status_of_the_old_one(world, state):
    found, old, new = recorded_pull(world, state=state)
    done = carry_check(world.forge, found.admission, new, "check")
    assert (done.state, done.origin) == (state, old)
    assert world.forge.status(new, "check") == state
    assert old[:12] in world.forge.statuses[-1].description
    writes = len(world.forge.writes)
    assert carry_check(world.forge, found.admission, new, "check").state is None
    assert len(world.forge.writes) == writes


def test_a_check_that_still_runs_is_waited_for(world):
    found, old, new = recorded_pull(world, state="pending")
    said: list[str] = []

    def wait(_):
        world.forge.set_status(old, "check", "success", "done")

    done = carry_check(world.forge, found.admission, new, "check", say=said.append, wait=wait)
    assert done.state == "success"
    assert said == [f"waiting for check of {old[:12]}, for 10 more minutes at most"]


def test_a_check_that_does_not_end_leaves_the_status_pending_and_says_so(world):
    found, old, new = recorded_pull(world, state="pending")
    clock = [0.0]

    def wait(seconds):
        clock[0] += seconds

    done = carry_check(world.forge, found.admission, new, "check", wait=wait, now=lambda: clock[0])
    assert done.state == "pending"
    assert clock[0] == 600
    assert "has not ended" in world.forge.statuses[-1].description
    world.forge.set_status(old, "check", "success", "done")
    assert carry_check(world.forge, found.admission, new, "check").state == "success"


def test_two_record_commits_in_a_row_carry_the_check_of_the_commit_before_both(world):
    _, old, _ = recorded_pull(world, state="success")
    world.measured("triage", branch="topic", passed=50)
    second = recorder(world)
    number = next(world.forge.pulls()).number
    _, new = second.push(number)
    second.bring([new])
    assert judged_commit(second.admission, new) == old


def test_an_app_sets_no_status(tmp_path):
    world = World(tmp_path, is_app=True)
    found, _, new = recorded_pull(world, state="success")
    assert carry_check(world.forge, found.admission, new, "check").state is None
    assert world.forge.status(new, "check") is None


def test_a_head_that_a_person_pushed_gets_no_status(world):
    found, _, _ = recorded_pull(world, state="success")
    mine = world.push("topic", {"README.md": "mine\n"})
    found.bring([mine])
    assert carry_check(world.forge, found.admission, mine, "check").state is None
    assert world.forge.status(mine, "check") is None


def test_a_record_that_is_not_admitted_gets_no_status(world):
    candidate(world)
    run = world.run("triage", branch="topic", passed=10)
    world.upload(run)
    admission = world.admission()
    real = admission.find(run.generation_digest, run.measurement_digest)[0]
    old = world.head("topic")
    world.forge.set_status(old, "check", "success", "done")
    forged = real.model_copy(update={"score": 1.0, "scores": dict.fromkeys(real.scores, (1, 1.0))})
    new = world.push("topic", file_of("triage", forged))
    repository = world.clone()
    assert records_only(place.find(repository.root), old, new) is None
    assert judged_commit(world.admission(repository), new) == new


# The comment


def test_the_comment_is_kept_up_to_date_in_one_place(world):
    pull = candidate(world)
    world.measured("triage", branch="topic", passed=60)
    found = recorder(world)
    plan, _ = found.push(pull.number)
    assert tell(world.forge, plan, found.admission)[0] == "added"
    again = recorder(world)
    plan, _ = again.push(pull.number)
    assert tell(world.forge, plan, again.admission)[0] == "unchanged"
    world.measured("triage", branch="topic", passed=10)
    third = recorder(world)
    plan, _ = third.push(pull.number)
    assert tell(world.forge, plan, third.admission)[0] == "changed"
    assert len(list(world.forge.comments(pull.number))) == 1


def test_a_failed_gate_is_said_plainly(world):
    pull = candidate(world)
    world.measured("triage", branch="topic", passed=10)
    found = recorder(world)
    plan, _ = found.push(pull.number)
    body = evaluations_body(plan, found.admission)
    assert body.splitlines()[0].startswith("❌ **1 failed.**")
    assert "triage@v1" in body


def test_a_pull_request_without_entries_gets_no_comment(world):
    world.push("topic", {"README.md": "Bye.\n"})
    pull = world.propose("topic")
    found = recorder(world)
    assert tell(world.forge, found.plan(pull.number), found.admission)[0] == "unchanged"
    assert list(world.forge.comments(pull.number)) == []


def test_what_could_not_be_recorded_is_said_in_the_comment(world):
    pull = candidate(world)
    found = recorder(world)
    plan, _ = found.push(pull.number)
    assert "CI measured nothing of triage" in evaluations_body(plan, found.admission)
