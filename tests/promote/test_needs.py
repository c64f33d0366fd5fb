"""Which evaluations are needed: nothing twice, nothing that is known, and never more jobs than a matrix has."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from evalkit.promote.needs import MAX_JOBS, Left, Question, Wanted, needs
from evalkit.report.needs import matrices, needs_data, needs_markdown, needs_text
from evalkit.runtime.refs import Ref


def digest(number: int) -> str:
    return f"sha256:{number:016x}{'0' * 48}"


def question(number: int = 1, *, suite: int = 1, cases: int = 100, repeats: int = 1, **changes) -> Question:
    values = {
        "entry": Ref("triage", number),
        "suite": Ref("triage-eval", suite),
        "generation_digest": digest(number),
        "measurement_digest": digest(1000 + suite),
        "cases": cases,
        "repeats": repeats,
        "provider": "openai",
        **changes,
    }
    return Question(**values)


def nobody(generation: str, measurement: str) -> bool:
    return False


def test_the_key_is_the_first_half_of_both_digests():
    one = question(generation_digest="sha256:" + "ab" * 32, measurement_digest="sha256:" + "cd" * 32)
    assert one.key == f"{'ab' * 8}-{'cd' * 8}"


def test_what_ci_has_measured_is_not_measured_again_unless_asked_for():
    wanted = Wanted([question(1), question(2)])
    asked = []

    def known(generation: str, measurement: str) -> bool:
        asked.append((generation, measurement))
        return generation == digest(1)

    found = needs(wanted, known)
    assert [str(one.question.entry) for one in found.evaluations] == ["triage@v2"]
    (left,) = found.left_out
    assert left == Left(
        "triage@v1",
        "triage-eval@v1",
        "CI has measured it; runs add up, and --again triage@v1 asks for one more",
    )
    assert asked == [(digest(1), digest(1001)), (digest(2), digest(1001))]
    assert len(needs(wanted, known, again=[Ref("triage", 1)]).evaluations) == 2


def test_the_same_config_under_two_names_is_measured_once():
    copy = question(1, entry=Ref("copy", 7))
    found = needs(Wanted([question(1), copy]), nobody)
    assert len(found.evaluations) == 1
    assert found.left_out[0].entry == "copy@v7"
    assert "are those of triage@v1" in found.left_out[0].reason


@given(
    st.lists(st.tuples(st.integers(1, 20_000), st.integers(1, 9)), max_size=300),
    st.integers(1, 2_000),
    st.integers(1, 300),
)
def test_there_are_never_more_jobs_than_allowed_and_parts_grow_no_more_than_they_must(sizes, size, jobs):
    asked = [question(n, cases=cases, repeats=repeats) for n, (cases, repeats) in enumerate(sizes)]
    found = needs(Wanted(asked), nobody, shard_size=size, jobs=jobs)
    assert found.jobs <= jobs
    assert len(found.evaluations) == min(len(asked), jobs)
    assert len(found.evaluations) + len(found.left_out) == len(asked)
    for one in found.evaluations:
        assert 1 <= one.shards <= one.question.cases
    assert found.shard_size >= size
    if found.shard_size > size:
        assert sum(one.question.parts(found.shard_size - 1) for one in found.evaluations) > jobs


@given(st.lists(st.integers(1, 5_000), max_size=20))
def test_the_matrices_name_each_part_once(sizes):
    found = needs(Wanted([question(n, cases=cases) for n, cases in enumerate(sizes)]), nobody)
    both = matrices(found)
    assert len(both["include"]) == found.jobs <= MAX_JOBS
    assert [one["key"] for one in both["merges"]] == [one.question.key for one in found.evaluations]
    for merge in both["merges"]:
        parts = [one["shard"] for one in both["include"] if one["key"] == merge["key"]]
        assert parts == list(range(1, merge["shards"] + 1))
    json.dumps(both)


FULL = Wanted(
    [
        question(1, cases=1200, estimated_cost_usd=1.234),
        question(1, suite=2, cases=40, repeats=3),
        question(3, cases=50, estimated_cost_usd=0.00042),
    ],
    after_merge=[
        Left(
            "triage@v4",
            "triage-eval@v1",
            "evaluated after the merge, because a change of .github/ comes in the same change",
        )
    ],
    left_out=[Left("broken", None, "it cannot be evaluated: no prompt x@v1\n::error::pwn @everyone")],
)


def test_the_table_reads_well_and_holds_no_command(matches_golden):
    found = needs(FULL, lambda generation, _: generation == digest(3))
    text = needs_text(found)
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    matches_golden("needs.txt", text)
    matches_golden("needs.md", needs_markdown(found))


def test_nothing_needed_is_said():
    found = needs(Wanted([]), nobody)
    assert needs_text(found) == "No evaluation is needed.\n"
    assert needs_data(found) == {
        "schema_version": 1,
        "evaluations": [],
        "after_merge": [],
        "left_out": [],
        "shard_size": 500,
        "include": [],
        "merges": [],
    }
