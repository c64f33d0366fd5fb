"""Parts of a run, merged: the run itself, to the last bit; and what is no run is refused."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import UsageError
from evalkit.evals import load_run
from evalkit.evals.evaluate import evaluate
from evalkit.evals.evidence import EvidenceRun
from evalkit.evals.merge import merge
from evalkit.evals.options import RunOptions, Shard
from evalkit.evals.plan import plan_run
from evalkit.evals.providers.replay import Recording
from evalkit.evals.saved import save_record
from evalkit.evals.suite import load_suite
from evalkit.evals.write_back import save_evidence
from evalkit.registry.project import Project
from evalkit.runtime.refs import Ref

ENTRY = """\
name: triage
version: {version}
model: mock-2026-01-01
provider: mock
prompt_ref: triage@v1
params: {{ max_tokens: {tokens} }}
status: draft
"""
PROMPT = """\
name: triage
version: 1
variables: { ticket: { type: string } }
messages: [{ role: user, content: "{{ ticket }}" }]
"""
GATE = "{ min_score: 0.4, min_cases: 1, slices: { hard: 0.3 }, slice_min_cases: 2, metrics: { 'f1[cat]': 0.1 }, max_regression: 0.02 }"
ANSWERS = ["cat", "dog", "cow", "I do not know", "SECRET", None]
DIFFERS = {"run_id", "started_at", "duration_s", "output_dir", "shard"}


class Silent:
    def start(self, total, title):
        pass

    def update(self, done, **totals):
        pass

    def finish(self):
        pass


class World:
    """A project and recordings of what two entries answer."""

    def __init__(self, root: Path, cases: list[dict], repeats: int = 1, primary: str = "mean") -> None:
        self.root = root
        self.write(
            "evalkit.yaml", "providers:\n  mock: { kind: openai, base_url: 'http://127.0.0.1:9/v1' }\n"
        )
        self.write("registry/prompts/triage/v1.yaml", PROMPT)
        for version in (1, 2):
            self.write(
                f"registry/entries/triage/v{version}.yaml", ENTRY.format(version=version, tokens=version)
            )
        self.write(
            "suites/pets/v1/suite.yaml",
            "name: pets\nversion: 1\ncases: cases.jsonl\nscorers: [exact_match, {contains: {any: [c], weight: 0.3}}]\n"
            f"primary: '{primary}'\nrepeats: {repeats}\nmetrics: [f1_macro, precision_micro, accuracy]\ngate: {GATE}\n",
        )
        self.write("suites/pets/v1/cases.jsonl", "".join(json.dumps(case) + "\n" for case in cases))
        self.project = Project(root)
        self.suite = load_suite(self.project, "pets@v1")

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def run(self, answers, out: Path, *, shard=None, outputs=True, baseline=None, version=2, limit=None):
        """Replay `answers`, a list a case, into `out`; with `baseline` answers, compare with those of v1."""
        out.mkdir(parents=True)
        compared = None
        if baseline is not None:
            compared = self.run(
                baseline, out / "baseline", shard=shard, outputs=outputs, version=1, limit=limit
            )
        recording = self.root / "answers.jsonl"
        lines = [
            {"id": f"c{index}", "output": text, "latency_ms": 1.3 * index + repeat, "cost_usd": 0.1 * index}
            for index, given in enumerate(answers)
            for repeat, text in enumerate(given)
            if text is not None
        ]
        lines.append({"id": "never asked", "output": "x"})
        recording.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        options = RunOptions(
            run_id=f"run-{out.parent.name}-{out.name}",
            started_at="2026-05-01T00:00:00Z",
            output_dir=out,
            source="ci",
            shard=shard,
            outputs=outputs,
            limit=limit,
        )
        plan = plan_run(self.project, self.project.entry(Ref("triage", version)), self.suite)
        with closing(Recording(recording)) as replayed:
            result = asyncio.run(
                evaluate(
                    plan,
                    options,
                    provider=None,
                    recording=replayed,
                    cache=None,
                    progress=Silent(),
                    stop=asyncio.Event(),
                    baseline=compared,
                    keep_scores=version == 1,
                )
            )
        save_record(result.record, out)
        save_evidence(result, out)
        return result

    def shards(self, answers, out: Path, count: int, **how) -> list[Path]:
        found = []
        for index in range(1, count + 1):
            found.append(out / f"shard-{index}")
            self.run(answers, found[-1], shard=Shard(index, count), **how)
        return found


def case(index: int, **keys) -> dict:
    return {"id": f"c{index}", "vars": {"ticket": f"private {index}"}, "expected": "cat"} | keys


def figures(directory: Path) -> dict:
    record = json.loads((directory / "run.json").read_text())
    return {key: value for key, value in record.items() if key not in DIFFERS}


def evidence(directory: Path) -> dict:
    run = EvidenceRun.from_bytes((directory / "evidence.json").read_bytes(), "evidence.json")
    return run.model_dump(exclude={"run_id", "created"})


def samples(directory: Path) -> list[dict]:
    lines = (directory / "samples.jsonl").read_text().splitlines()
    return sorted(map(json.loads, lines), key=lambda one: (one["index"], one["repeat"]))


@st.composite
def runs(draw):
    repeats = draw(st.integers(1, 2))
    count = draw(st.integers(1, 14))
    cases = [
        case(
            index,
            expected=draw(st.sampled_from(["cat", "dog", "cow"])),
            tags=draw(st.sampled_from([[], ["hard"], ["hard", "long"]])) if index else ["hard"],
            cluster=draw(st.sampled_from([None, None, "a", "b"])),
            must_pass=draw(st.integers(0, 9)) == 0,
        )
        for index in range(count)
    ]
    texts = st.lists(st.sampled_from(ANSWERS), min_size=repeats, max_size=repeats)
    # A recording holds the answers to a case in order: what is missing is at the end.
    answers = [sorted(draw(texts), key=lambda text: text is None) for _ in cases]
    baseline = draw(st.none() | st.just([sorted(draw(texts), key=lambda text: text is None) for _ in cases]))
    primary = draw(st.sampled_from(["mean", "f1_macro", "recall[cat]"]))
    return cases, answers, baseline, repeats, primary


@settings(max_examples=40)
@given(runs(), st.integers(1, 5), st.booleans(), st.randoms())
def test_any_sharding_gives_the_same_run(tmp_path_factory, made, count, outputs, shuffler):
    cases, answers, baseline, repeats, primary = made
    root = tmp_path_factory.mktemp("merge")
    world = World(root / "project", cases, repeats, primary)
    world.run(answers, root / "whole", outputs=outputs, baseline=baseline)
    parts = world.shards(answers, root / "parts", count, outputs=outputs, baseline=baseline)
    shuffler.shuffle(parts)
    merge(parts, root / "merged", outputs=outputs)
    assert figures(root / "merged") == figures(root / "whole")
    assert evidence(root / "merged") == evidence(root / "whole")
    assert samples(root / "merged") == samples(root / "whole")
    if baseline is not None:
        assert figures(root / "merged" / "baseline") == figures(root / "whole" / "baseline")
    shutil.rmtree(root)


@settings(max_examples=25)
@given(runs())
def test_leaving_the_texts_out_changes_no_figure(tmp_path_factory, made):
    cases, answers, baseline, repeats, primary = made
    root = tmp_path_factory.mktemp("merge")
    world = World(root / "project", cases, repeats, primary)
    whole = world.run(answers, root / "whole", baseline=baseline)
    redacted = world.run(answers, root / "redacted", outputs=False, baseline=baseline)
    left_out = {"outputs", "notes"}
    one, other = figures(root / "whole"), figures(root / "redacted")
    assert {k: v for k, v in one.items() if k not in left_out} == {
        k: v for k, v in other.items() if k not in left_out
    }
    assert whole.aggregate.evidence_scores == redacted.aggregate.evidence_scores
    shutil.rmtree(root)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "project", [case(index, tags=["hard"]) for index in range(10)])


RIGHT = [["cat"]] * 10


def problems(directories, output) -> list[str]:
    with pytest.raises(UsageError) as caught:
        merge(directories, output)
    assert not (output / "run.json").exists()
    return [f"{problem.code} {problem.location or ''}{problem.message}" for problem in caught.value.problems]


def test_redacted_samples_hold_no_text_of_a_case_or_a_model(world, tmp_path):
    answers = [["SECRET answer"], *RIGHT[1:5], [None], *RIGHT[6:]]
    parts = world.shards(answers, tmp_path / "parts", 2, outputs=False, baseline=RIGHT)
    merge(parts, tmp_path / "merged", outputs=False)
    for folder in (*parts, tmp_path / "merged"):
        for path in (p for p in folder.rglob("*") if p.is_file()):
            text = path.read_text()
            for private in ("private", "SECRET", '"cat"', "the recording has no answer"):
                assert private not in text, path
    first = samples(tmp_path / "merged")[0]
    assert (first["id"], first["score"], first["tags"]) == ("c0", 0.0, ["hard"])
    assert samples(tmp_path / "merged")[5]["error"] == {"kind": "unscored", "type": "missing", "message": ""}


def test_merging_may_leave_out_the_texts_that_the_parts_have(world, tmp_path):
    parts = world.shards([["SECRET answer"], *RIGHT[1:]], tmp_path / "parts", 2)
    merge(parts, tmp_path / "merged", outputs=False)
    for path in (tmp_path / "merged").iterdir():
        assert "SECRET" not in path.read_text()
    world.run([["SECRET answer"], *RIGHT[1:]], tmp_path / "whole", outputs=False)
    assert figures(tmp_path / "merged") == figures(tmp_path / "whole")


def test_merging_the_same_parts_again_gives_the_same_run(world, tmp_path):
    parts = world.shards(RIGHT, tmp_path / "parts", 3)
    first = merge(parts, tmp_path / "first")
    again = merge(parts[::-1], tmp_path / "again")
    assert first.record.run_id == again.record.run_id
    assert (tmp_path / "first/evidence.json").read_bytes() == (tmp_path / "again/evidence.json").read_bytes()


def test_a_missing_part_is_named(world, tmp_path):
    parts = world.shards(RIGHT, tmp_path / "parts", 3)
    (problem,) = problems([parts[0], parts[2]], tmp_path / "merged")
    assert problem.startswith("EK512")
    assert "these are missing: 2" in problem
    assert str(parts[0]) in problem


def test_a_part_given_twice_is_named(world, tmp_path):
    parts = world.shards(RIGHT, tmp_path / "parts", 2)
    copy = shutil.copytree(parts[0], tmp_path / "copy")
    (problem,) = problems([*parts, copy], tmp_path / "merged")
    assert problem.startswith("EK512 part 1/2 is given 2 times")
    assert str(copy) in problem


def test_a_part_without_all_its_answers_is_named(world, tmp_path):
    parts = world.shards(RIGHT, tmp_path / "parts", 2)
    path = parts[1] / "samples.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    (problem,) = problems(parts, tmp_path / "merged")
    assert problem.startswith(f"EK513 {parts[1]} has 4 of the 5 answers of part 2/2")
    path.unlink()
    (problem,) = problems(parts, tmp_path / "merged")
    assert "has 0 of the 5 answers" in problem


def test_a_half_written_line_is_found_at_its_place(world, tmp_path):
    parts = world.shards(RIGHT, tmp_path / "parts", 2)
    path = parts[0] / "samples.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    (problem,) = problems(parts, tmp_path / "merged")
    assert problem.startswith(f"EK513 {path}:5:1")


@pytest.mark.parametrize("line", [0, 1])
def test_a_case_that_stands_twice_or_is_of_another_part_is_refused(world, tmp_path, line):
    parts = world.shards(RIGHT, tmp_path / "parts", 2)
    path = parts[0] / "samples.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    other = (parts[1] / "samples.jsonl").read_text().splitlines(keepends=True)
    lines[-1] = (lines + other)[line * len(lines)]
    path.write_text("".join(lines))
    (problem,) = problems(parts, tmp_path / "merged")
    assert problem.startswith(f"EK513 {path}:5:1")
    assert ("stands twice" if line == 0 else "is no part of") in problem


def test_a_whole_run_is_no_part(world, tmp_path):
    world.run(RIGHT, tmp_path / "whole")
    (problem,) = problems([tmp_path / "whole"], tmp_path / "merged")
    assert problem == f"EK511 {tmp_path / 'whole'} holds a whole run, not a part of one"


def test_parts_of_different_runs_are_refused_with_what_differs(world, tmp_path):
    first = world.shards(RIGHT, tmp_path / "first", 2)
    world.write(
        "suites/pets/v1/cases.jsonl",
        "".join(json.dumps(case(i, expected="dog", tags=["hard"])) + "\n" for i in range(10)),
    )
    other = World.shards(world, RIGHT, tmp_path / "other", 2)
    found = problems([first[0], other[1]], tmp_path / "merged")
    assert all(problem.startswith(f"EK511 {other[1]} has another") for problem in found)
    assert any("cases or scorers" in problem for problem in found)


@pytest.mark.parametrize(
    "change", [{"cases": 10**15}, {"cases": "5"}, {"shard": "9/2"}, {"gate": {"x": 1}}, {"score": []}]
)
def test_a_record_that_lies_is_refused_without_a_traceback(world, tmp_path, change):
    parts = world.shards(RIGHT, tmp_path / "parts", 1)
    path = parts[0] / "run.json"
    record = json.loads(path.read_text()) | change
    path.write_text(json.dumps(record))
    found = problems(parts, tmp_path / "merged")
    assert found[0][:5] in {"EK511", "EK513"}


def test_a_part_that_was_compared_does_not_go_with_one_that_was_not(world, tmp_path):
    parts = world.shards(RIGHT, tmp_path / "parts", 2, baseline=RIGHT)
    shutil.rmtree(parts[1] / "baseline")
    (problem,) = problems(parts, tmp_path / "merged")
    assert problem.startswith(f"EK511 {parts[1]} was not compared with a baseline")


def test_parts_of_the_first_few_cases_decide_nothing_and_are_no_evidence(world, tmp_path):
    parts = world.shards(RIGHT, tmp_path / "parts", 2, limit=3)
    result = merge(parts, tmp_path / "merged")
    assert (result.record.verdict, result.record.cases, result.record.suite_cases) == ("inconclusive", 6, 10)
    assert not (tmp_path / "merged" / "evidence.json").exists()


def test_the_output_is_none_of_the_parts(world, tmp_path):
    parts = world.shards(RIGHT, tmp_path / "parts", 2)
    with pytest.raises(UsageError, match="EK511"):
        merge(parts, parts[0])
    assert load_run(parts[0]).record.shard == "1/2"


def test_a_part_whose_budget_was_spent_makes_the_whole_undecided_and_no_evidence(world, tmp_path):
    parts = world.shards(RIGHT, tmp_path / "parts", 2)
    record = json.loads((parts[1] / "run.json").read_text()) | {"stopped": "budget"}
    (parts[1] / "run.json").write_text(json.dumps(record))
    result = merge(parts, tmp_path / "merged")
    assert (result.record.verdict, result.record.stopped) == ("inconclusive", "budget")
    assert result.record.reasons[0].startswith("The budget of a part was reached")
    assert not (tmp_path / "merged" / "evidence.json").exists()
