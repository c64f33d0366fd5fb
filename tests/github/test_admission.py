from __future__ import annotations

import io
import struct
import zipfile
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_material import SUITE, World, file_of

from evalkit.errors import UsageError
from evalkit.evals.evidence import Evidence
from evalkit.github.admission import RETENTION, Admitted, Refused, evidence_artifact, unadmitted
from evalkit.github.archive import MAX_MEMBER_BYTES, ArchiveError, member
from evalkit.github.forge import ForgeError
from evalkit.promote.base.change import Change
from evalkit.promote.base.evidence import added_runs
from evalkit.promote.history import Repository

PATH = f"registry/evidence/first/v1/{SUITE}.json"


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def found(world, run, admission=None):
    admission = admission or world.admission()
    return admission, admission.find(run.generation_digest, run.measurement_digest)


def only_reason(world, run):
    admission, runs = found(world, run)
    assert runs == []
    assert len(admission.refused) == 1
    return admission.refused[0].reason


# What is found


def test_a_run_of_the_default_branch_is_found_with_where_its_artifact_is(world):
    run = world.run("first")
    artifact = world.upload(run)
    admission, runs = found(world, run)
    assert [one.run_id for one in runs] == [run.run_id]
    assert runs[0].same_measurement(run)
    said = runs[0].attestation
    assert said is not None
    assert (said.workflow_run, said.commit, said.artifact_digest) == (
        artifact.run_id,
        world.head(),
        artifact.digest,
    )
    assert admission.refused == ()


def test_runs_are_found_oldest_first_each_once(world):
    first, second = world.run("first"), world.run("first")
    for run in (second, first, second):
        world.upload(run)
    assert [one.run_id for one in found(world, first)[1]] == [first.run_id, second.run_id]


def test_each_list_artifact_and_workflow_run_is_asked_for_once(world):
    run = world.measured("first")
    admission, runs = found(world, run)
    for method in ("artifacts", "download", "run"):
        world.forge.fail_next(method)
    assert found(world, run, admission)[1] == runs
    assert isinstance(admission.admit(runs[0], PATH), Admitted)


@pytest.mark.parametrize(
    ("workflow", "reason"),
    [
        ({"event": "pull_request"}, "started by pull_request"),
        ({"event": "pull_request_target"}, "started by pull_request_target"),
        ({"path": ".github/workflows/other.yml"}, "uploaded by .github/workflows/other.yml"),
        ({"head_repository": "mallory/llm"}, "is of mallory/llm"),
    ],
)
def test_runs_that_are_not_trusted_do_not_count(world, workflow, reason):
    run = world.run("first")
    world.upload(run, **workflow)
    assert reason in only_reason(world, run)


def test_a_run_on_another_branch_does_not_count(world):
    world.push("topic", {"README.md": "Bye.\n"})
    run = world.run("first")
    world.upload(run, head_branch="topic")
    assert "made on topic" in only_reason(world, run)


def test_a_run_at_a_commit_that_was_not_merged_does_not_count_whatever_branch_it_names(world):
    stranger = world.push("topic", {"README.md": "Bye.\n"})
    run = world.run("first")
    world.upload(run, head_sha=stranger)
    assert "is not on main" in only_reason(world, run)


def test_an_older_commit_of_the_default_branch_counts(world):
    run = world.run("first")
    world.upload(run)
    world.push("main", {"README.md": "Bye.\n"})
    assert len(found(world, run)[1]) == 1


def test_a_shallow_clone_refuses_nothing_for_what_it_cannot_know(world):
    run = world.run("first")
    world.upload(run)
    world.push("main", {"README.md": "Bye.\n"})
    root = world.top / "shallow"
    world.git(world.top, "clone", "-q", "--depth", "1", f"file://{world.top / 'acme.git'}", str(root))
    with pytest.raises(UsageError, match="EK803"):
        found(world, run, world.admission(Repository.of(root)))


def test_an_archive_whose_digest_is_not_the_forges_does_not_count(world):
    run = world.run("first")
    world.upload(run, digest=f"sha256:{'0' * 64}")
    assert "another digest" in only_reason(world, run)


def test_a_run_of_something_else_under_the_name_does_not_count(world):
    run = world.run("first")
    other = run.model_copy(update={"generation_digest": f"sha256:{run.generation_digest[7:23]}{'0' * 48}"})
    world.upload(other)
    assert "another config or measurement" in only_reason(world, run)


@pytest.mark.parametrize("source", ["local", "replay"])
def test_what_was_not_made_in_ci_does_not_count(world, source):
    run = world.run("first", source=source)
    world.upload(run)
    assert f"source {source}" in only_reason(world, run)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"run_id": "x"}', b"\xff\xfe", b"[" * 100_000])
def test_a_broken_file_is_told_and_not_raised(world, content):
    run = world.run("first")
    made = world.forge.add_run()
    name = evidence_artifact(run.generation_digest, run.measurement_digest)
    world.forge.add_artifact(name, {"evidence.json": content}, run_id=made.id)
    assert only_reason(world, run)


def test_expired_artifacts_give_nothing_and_are_no_fault(world):
    run = world.run("first")
    world.forge.expire(world.upload(run))
    admission, runs = found(world, run)
    assert (runs, admission.refused) == ([], ())


def test_a_forge_that_does_not_answer_refuses_nothing(world):
    run = world.measured("first")
    world.forge.fail_next("artifacts")
    with pytest.raises(ForgeError):
        found(world, run)


# What is admitted


def attested(world, run=None):
    run = run or world.measured("first")
    return found(world, run)[1][0]


def test_a_recorded_run_is_admitted_by_its_artifact(world):
    assert world.admission().admit(attested(world), PATH) == Admitted(attested(world))


def test_a_run_without_its_per_case_scores_is_admitted(world):
    assert isinstance(
        world.admission().admit(attested(world).model_copy(update={"scores": None}), PATH), Admitted
    )


@pytest.mark.parametrize(
    "change",
    [
        {"score": 0.99},
        {"scored": 61},
        {"cases": 59},
        {"verdict": "fail"},
        {"created": "2026-03-02T10:00:00Z"},
        {"run_id": "another"},
        {"scores": {"0" * 16: (1, 1.0)}},
        {"served_models": ["a-better-one"]},
        {"cost_usd": 0.5},
    ],
)
def test_a_run_that_says_anything_else_than_its_artifact_is_refused(world, change):
    run = attested(world, world.measured("first", passed=50))
    verdict = world.admission().admit(run.model_copy(update=change), PATH)
    assert isinstance(verdict, Refused)
    assert next(iter(change)) in verdict.reason


@pytest.mark.parametrize(
    "change",
    [
        {"workflow_run": 999},
        {"artifact_digest": f"sha256:{'1' * 64}"},
        {"artifact": "evalkit-evidence-of-something-else"},
        {"commit": "1" * 40},
        {"attempt": 7},
        {"workflow": ".github/workflows/other.yml"},
    ],
)
def test_an_attestation_that_does_not_fit_its_artifact_is_refused(world, change):
    run = attested(world)
    forged = run.model_copy(update={"attestation": run.attestation.model_copy(update=change)})
    assert isinstance(world.admission().admit(forged, PATH), Refused)


def test_a_run_of_ci_without_an_attestation_is_refused(world):
    verdict = world.admission().admit(world.run("first"), PATH)
    assert isinstance(verdict, Refused)
    assert verdict.code == "EK883"


def recorded_then_expired(world, *, after_days: float):
    """A run that lies on the default branch, and whose artifact expires some days after it was made."""
    run = world.run("first")
    artifact = world.upload(run)
    known = attested(world, run)
    world.forge.now = artifact.created + timedelta(days=after_days)
    world.push("main", file_of("first", known))
    world.forge.expire(artifact)
    return known


def test_a_run_that_was_recorded_while_its_artifact_was_there_counts_for_ever(world):
    known = recorded_then_expired(world, after_days=1)
    assert world.admission().admit(known, PATH) == Admitted(known, by_age=True)


def test_a_run_that_was_recorded_after_its_artifact_had_expired_does_not_count(world):
    known = recorded_then_expired(world, after_days=RETENTION.days + 1)
    verdict = world.admission().admit(known, PATH)
    assert isinstance(verdict, Refused)
    assert "had expired" in verdict.reason


def test_a_run_that_only_a_branch_has_does_not_count_once_its_artifact_expired(world):
    run = world.run("first")
    artifact = world.upload(run)
    known = attested(world, run)
    world.push("topic", file_of("first", known))
    world.forge.expire(artifact)
    assert isinstance(world.admission().admit(known, PATH), Refused)


def test_a_run_that_was_altered_on_the_default_branch_counts_no_more(world):
    known = recorded_then_expired(world, after_days=1)
    better = known.model_copy(update={"score": 1.0, "verdict": "pass", "cost_usd": 0.0})
    world.forge.now += RETENTION
    world.push("main", file_of("first", better))
    assert isinstance(world.admission().admit(better, PATH), Refused)


def forgotten(world, *, days: float):
    """A recorded run of whose artifact the forge does not know any more, so many days later."""
    known = recorded_then_expired(world, after_days=1)
    world.forge._artifacts.clear()
    world.forge._runs.clear()
    admission = world.admission()
    admission.now = world.forge.now + timedelta(days=days)
    return admission.admit(known, PATH)


def test_a_run_whose_artifact_is_forgotten_counts_if_it_is_old_enough(world):
    assert isinstance(forgotten(world, days=RETENTION.days + 1), Admitted)


def test_a_run_whose_artifact_is_gone_too_soon_does_not_count(world):
    assert isinstance(forgotten(world, days=RETENTION.days - 2), Refused)


# Files


def test_a_file_gains_what_was_found_behind_what_it_has(world):
    known, news = attested(world), world.measured("first")
    file = Evidence(entry="first", version=1, suite=SUITE, runs=[known])
    admission = world.admission()
    pooled = admission.pooled(file, admission.find(news.generation_digest, news.measurement_digest), PATH)
    assert [run.run_id for run in pooled.evidence.runs] == [known.run_id, news.run_id]
    assert pooled.counting == pooled.evidence
    assert pooled.refused == ()
    again = admission.pooled(
        pooled.evidence, admission.find(news.generation_digest, news.measurement_digest), PATH
    )
    assert again.evidence == pooled.evidence


def test_a_forged_run_stays_in_its_file_and_does_not_count(world):
    known = attested(world, world.measured("first", passed=40))
    forged = known.model_copy(update={"run_id": "forged", "score": 1.0})
    file = Evidence(entry="first", version=1, suite=SUITE, runs=[forged])
    pooled = world.admission().pooled(file, [known], PATH)
    assert [run.run_id for run in pooled.evidence.runs] == ["forged", known.run_id]
    assert [run.run_id for run in pooled.counting.runs] == [known.run_id]
    assert [one.what for one in pooled.refused] == ["forged"]


def test_a_forged_run_does_not_keep_the_real_one_of_its_id_from_counting(world):
    known = attested(world, world.measured("first", passed=40))
    file = Evidence(entry="first", version=1, suite=SUITE, runs=[known.model_copy(update={"score": 1.0})])
    pooled = world.admission().pooled(file, [known], PATH)
    assert pooled.counting.runs == [known]


def test_deleting_the_record_of_a_failed_run_does_not_make_it_forgotten(world):
    failed, passed = world.measured("first", passed=30), world.measured("first", passed=60)
    empty = Evidence(entry="first", version=1, suite=SUITE)
    admission = world.admission()
    pooled = admission.pooled(
        empty, admission.find(failed.generation_digest, failed.measurement_digest), PATH
    )
    assert [run.run_id for run in pooled.evidence.runs] == [failed.run_id, passed.run_id]


# What a change adds


def problems_of_change(world, run, *, asks: bool, is_required: bool = True):
    world.push("topic", file_of("first", run))
    repository = world.clone()
    world.git(repository.root, "checkout", "-q", "topic")
    added = added_runs(Change(repository.root, "origin/main"))
    return [
        (one.code, one.severity, one.location.line)
        for one in unadmitted(added, world.admission(repository) if asks else None, is_required=is_required)
    ]


def test_a_real_run_passes_the_check(world):
    assert problems_of_change(world, attested(world), asks=True) == []


def test_a_forged_run_fails_the_check_at_its_line(world):
    forged = attested(world, world.measured("first", passed=40)).model_copy(update={"score": 1.0})
    assert problems_of_change(world, forged, asks=True) == [("EK881", "error", 8)]


def test_without_a_forge_an_attested_run_is_a_warning(world):
    assert problems_of_change(world, attested(world), asks=False) == [("EK882", "warning", 8)]


@pytest.mark.parametrize("asks", [True, False])
def test_a_run_of_ci_without_an_attestation_fails_the_check_with_or_without_a_forge(world, asks):
    assert problems_of_change(world, world.run("first"), asks=asks) == [("EK883", "error", 8)]


def test_where_no_forge_is_set_up_nothing_has_to_be_attested(world):
    assert problems_of_change(world, world.run("first"), asks=False, is_required=False) == []


def test_local_runs_are_nobodys_business(world):
    assert problems_of_change(world, world.run("first", source="local"), asks=True) == []


# Archives


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def test_a_member_is_read_by_its_exact_name():
    archive = zipped(
        {"../evidence.json": b"1", "evidence.json": b"2", "/evidence.json": b"3", "a/evidence.json": b"4"}
    )
    assert member(archive, "evidence.json") == b"2"


def test_two_members_of_one_name_are_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("evidence.json", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("evidence.json", "2")
    with pytest.raises(ArchiveError, match="2 files"):
        member(buffer.getvalue(), "evidence.json")


def test_a_bomb_is_not_unpacked():
    archive = zipped({"evidence.json": b"0" * (64 * MAX_MEMBER_BYTES)})
    assert len(archive) < MAX_MEMBER_BYTES
    with pytest.raises(ArchiveError, match="more than"):
        member(archive, "evidence.json")


def test_a_member_may_be_as_large_as_the_limit():
    assert (
        len(member(zipped({"evidence.json": b"0" * MAX_MEMBER_BYTES}), "evidence.json")) == MAX_MEMBER_BYTES
    )


def test_a_size_in_the_header_that_lies_does_not_help():
    archive = bytearray(zipped({"evidence.json": b"0" * (2 * MAX_MEMBER_BYTES)}))
    at = archive.rfind(b"PK\x01\x02") + 24
    archive[at : at + 4] = struct.pack("<L", 10)
    with pytest.raises(ArchiveError):
        member(bytes(archive), "evidence.json")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_refused(method):
    with pytest.raises(ArchiveError, match="packed"):
        member(zipped({"evidence.json": b"{}"}, method), "evidence.json")


def test_a_list_of_members_without_end_is_not_read():
    archive = bytearray(zipped({"evidence.json": b"{}"}))
    archive[-10:-6] = struct.pack("<L", 2**31)
    with pytest.raises(ArchiveError):
        member(bytes(archive), "evidence.json")


GOOD = zipped({"evidence.json": b'{"a": 1}', "run.json": b"{}"})


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_archive(raw):
    with pytest.raises(ArchiveError):
        member(raw, "evidence.json")


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_archive_gives_the_content_or_an_error_of_ours(changes):
    raw = bytearray(GOOD)
    for at, value in changes:
        raw[at] = value
    with suppress(ArchiveError):
        assert member(bytes(raw), "evidence.json") == b'{"a": 1}'
