"""The verdict on all runs of a config: the same as a single run's, and no way to run again until green."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.errors import SchemaError
from evalkit.evals.evaluate import evaluate
from evalkit.evals.evidence import Evidence, EvidenceRun, evidence_path, hashed_id, with_run
from evalkit.evals.options import RunOptions
from evalkit.evals.plan import plan_run
from evalkit.evals.pool import Evidences, pooled, verdict_of
from evalkit.evals.providers.replay import Recording
from evalkit.evals.suite import load_suite
from evalkit.evals.write_back import evidence_of
from evalkit.registry.project import Project
from evalkit.runtime.refs import Ref

ENTRY, SUITE = Ref("base", 1), Ref("base-eval", 1)
MODEL = "gpt-5-mini-2025-08-07"
SIMILARITY = {"similarity": {"method": "levenshtein"}}


class Silent:
    def start(self, total, title): ...
    def update(self, done, **_): ...
    def finish(self): ...


def write(root: Path, path: str, text: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def entry(root: Path, version: int, *, status: str = "draft", params: str = "{ max_tokens: 300 }") -> Ref:
    text = f"name: base\nversion: {version}\nmodel: {MODEL}\nprovider: openai\nprompt_ref: base@v1\n"
    write(root, f"registry/entries/base/v{version}.yaml", f"{text}params: {params}\nstatus: {status}\n")
    return Ref("base", version)


def suite(root: Path, cases: list[dict], gate: dict, *, version: int = 1, **keys) -> Ref:
    raw = {
        "name": "base-eval",
        "version": version,
        "cases": "cases.jsonl",
        "scorers": [SIMILARITY],
        "gate": gate,
        **keys,
    }
    write(root, f"suites/base-eval/v{version}/suite.yaml", json.dumps(raw))
    rows = "".join(json.dumps({"vars": {"ticket": "help"}, "expected": "aaaa"} | c) + "\n" for c in cases)
    write(root, f"suites/base-eval/v{version}/cases.jsonl", rows)
    return Ref("base-eval", version)


def project(root: Path, cases: list[dict], gate: dict, **keys) -> Path:
    write(root, "evalkit.yaml", "default_provider: openai\nproviders:\n  openai: {kind: openai}\n")
    prompt = "name: base\nversion: 1\nvariables: {ticket: {type: string}}\n"
    write(
        root,
        "registry/prompts/base/v1.yaml",
        prompt + 'messages:\n  - {role: user, content: "{{ ticket }}"}\n',
    )
    entry(root, 1)
    suite(root, cases, gate, **keys)
    return root


def plain(count: int) -> list[dict]:
    return [{"id": f"c{i}"} for i in range(count)]


def answered(root: Path, answers: dict[str, list[str | None]], name: str, *, ref: Ref = ENTRY, baseline=None):
    """A run through the real path: a recording, scored, judged. Its source is set to ci; `None` is a missing answer."""
    home = Project(root)
    plan = plan_run(home, home.entry(ref), load_suite(home, str(SUITE)))
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "answers.jsonl"
        lines = [
            json.dumps({"id": key, "output": text})
            for key, texts in answers.items()
            for text in texts
            if text is not None
        ]
        lines.append(json.dumps({"id": "never asked", "output": "aaaa"}))  # an empty recording is refused
        recording.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        replayed = Recording(recording)
        options = RunOptions(
            run_id=name, started_at="2026-05-01T00:00:00Z", output_dir=Path(folder) / "out", source="ci"
        )
        result = asyncio.run(
            evaluate(
                plan,
                options,
                provider=None,
                recording=replayed,
                cache=None,
                progress=Silent(),
                stop=asyncio.Event(),
                baseline=baseline,
                keep_scores=True,
            )
        )
        replayed.close()
    return result


def record(root: Path, *runs: EvidenceRun, ref: Ref = ENTRY, on: Ref = SUITE) -> None:
    path = evidence_path(root, ref, on)
    evidence = Evidence(entry=ref.name, version=ref.version, suite=str(on))
    if path.exists():
        evidence = Evidence.model_validate_json(path.read_bytes(), strict=False)
    for run in runs:
        evidence = with_run(evidence, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(evidence.to_bytes())


def made(root: Path, name: str, scores: dict[str, tuple[int, float]] | None, **changes) -> EvidenceRun:
    """A ci run of entry and suite as they are now, with these scores by case id."""
    evidences = Evidences(Project(root))
    facts = evidences.suite(changes.pop("on", SUITE))
    means = [total / count for count, total in (scores or {}).values()]
    values = {
        "run_id": name,
        "created": "2026-05-01T00:00:00Z",
        "source": "ci",
        "generation_digest": evidences.generation(changes.pop("ref", ENTRY)),
        "suite_digest": facts.digest,
        "measurement_digest": facts.measurement,
        "verdict": "pass",
        "score": sum(means) / len(means) if means else None,
        "ci95": None,
        "primary": facts.suite.primary,
        "cases": facts.count,
        "scored": len(means),
        "errors": facts.count - len(means),
        "cached": 0,
        "repeats": facts.suite.repeats,
        "evalkit_version": "0.1.0",
        "scores": {hashed_id(key): value for key, value in scores.items()} if scores is not None else None,
        **changes,
    }
    return EvidenceRun.model_validate(values)


def share(right: int, of: int) -> dict[str, tuple[int, float]]:
    return {f"c{i}": (1, float(i < right)) for i in range(of)}


def judged(root: Path, ref: Ref = ENTRY, on: Ref = SUITE, **options):
    return verdict_of(Project(root), ref, on, **options)


# One run


any_cases = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["aaaa", "aaaa", "aaaa", "aabb", "bbbb", None]), min_size=2, max_size=2),
        st.sampled_from([[], ["hard"], ["hard", "long"]]),
        st.sampled_from([None, None, "k1", "k2", "k3", "k4", "k5", "k6"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)
any_gate = st.fixed_dictionaries(
    {"min_score": st.sampled_from([0.2, 0.6, 0.8, 0.9])},
    optional={
        "slices": st.just({"hard": 0.7}),
        "slice_min_cases": st.sampled_from([1, 20]),
        "max_error_rate": st.sampled_from([0.02, 0.5]),
        "strict": st.booleans(),
        "min_cases": st.sampled_from([1, 30]),
        "metrics": st.sampled_from([{"accuracy": 0.5}, {"pass^2": 0.3}]),
        "max_latency_p95_ms": st.just(100),
    },
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    any_cases,
    any_gate,
    st.sampled_from([1, 2]),
    st.sampled_from(["mean", "accuracy", "pass@1"]),
    st.sampled_from([SIMILARITY, "exact_match"]),
    st.integers(0, 9),
)
def test_the_verdict_on_one_run_is_the_runs_own(cases, gate, repeats, primary, scorer, must_pass):
    if repeats == 1:
        gate = {key: value for key, value in gate.items() if key != "metrics"}
    rows = [
        {"id": f"c{i}", "tags": tags, "cluster": cluster, "must_pass": flag and must_pass == 0}
        for i, (_, tags, cluster, flag) in enumerate(cases)
    ]
    if "slices" in gate and not any(tags for _, tags, _, _ in cases):
        rows[0]["tags"] = ["hard"]
    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder), rows, gate, repeats=repeats, primary=primary, scorers=[scorer])
        answers = {f"c{i}": texts[:repeats] for i, (texts, _, _, _) in enumerate(cases)}
        result = answered(root, answers, "r1")
        record(root, evidence_of(result))
        pool = judged(root)
    own = result.record
    assert pool.verdict == own.verdict
    assert pool.score == (None if own.score is None else pytest.approx(own.score))
    assert (pool.cases, pool.scored, pool.errors) == (own.cases, own.scored, own.errors)
    assert (pool.lower, pool.upper) == (pytest.approx(own.ci95) if own.ci95 else (None, None))
    if primary == "mean" and "metrics" not in gate:
        assert pool.reasons == tuple(own.reasons)


def test_a_run_that_was_worse_than_the_baseline_fails_alone_too(tmp_path):
    root = project(tmp_path, plain(60), {"min_score": 0.5, "max_regression": 0.02})
    serves = entry(root, 2, status="production", params="{ max_tokens: 200 }")
    baseline = answered(root, {f"c{i}": ["aaaa"] for i in range(60)}, "b1", ref=serves)
    texts = {f"c{i}": ["bbbb" if i < 20 else "aaaa"] for i in range(60)}
    result = answered(root, texts, "r1", baseline=baseline)
    record(root, evidence_of(result))
    pool = judged(root)
    assert (result.record.verdict, pool.verdict) == ("fail", "fail")
    assert pool.needs_baseline
    assert pool.baseline_digest == baseline.record.generation_digest


def test_a_run_whose_recorded_verdict_is_better_than_its_scores_does_not_pass(tmp_path):
    root = project(tmp_path, plain(40), {"min_score": 0.9})
    record(root, made(root, "r1", share(20, 40), verdict="pass"))
    assert judged(root).verdict == "fail"


def test_a_run_that_was_stopped_early_decides_nothing(tmp_path):
    root = project(tmp_path, plain(100), {"min_score": 0.9})
    record(root, made(root, "r1", share(99, 99), verdict="inconclusive"))
    pool = judged(root)
    assert pool.verdict == "inconclusive"
    assert "ended before" in pool.reasons[0]


def test_a_gate_that_changed_since_judges_an_old_run_afresh(tmp_path):
    root = project(tmp_path, plain(100), {"min_score": 0.8})
    record(root, made(root, "r1", share(85, 100)))
    suite(root, plain(100), {"min_score": 0.9})
    pool = judged(root)
    assert (pool.verdict, pool.stale) == ("fail", ())


def test_a_run_that_scored_nothing_is_read_back_and_decides_nothing(tmp_path):
    root = project(tmp_path, plain(40), {"min_score": 0.9})
    record(root, made(root, "r1", {}, verdict="inconclusive"))
    pool = judged(root)
    assert (pool.verdict, pool.runs, pool.score, pool.errors) == ("inconclusive", 1, None, 40)


# Several runs


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ci", "local"]),
            st.integers(0, 4),
            st.dictionaries(st.sampled_from("abc"), st.sampled_from([0.0, 0.5, 1.0])),
        ),
        max_size=8,
    ),
    st.randoms(),
)
def test_a_pool_does_not_depend_on_order_and_every_fresh_answer_counts_once(runs, shuffler):
    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder), plain(3), {"min_score": 0.5})
        template = made(root, "r", {})
    listed = [
        template.model_copy(
            update={
                "run_id": f"r{i}",
                "source": source,
                "cached": cached,
                "scored": len(scores),
                "scores": {key: (1, value) for key, value in scores.items()},
            }
        )
        for i, (source, cached, scores) in enumerate(runs)
    ]
    pool = pooled([*listed, *listed])
    shuffler.shuffle(listed)
    assert pooled(listed).scores == pool.scores
    fresh = [run for run in listed if not run.asked_nothing]
    assert sum(run in pool.runs for run in fresh) == len(fresh)
    assert sum(case.count for case in pool.scores.values()) == sum(len(run.scores) for run in pool.runs)
    assert all(any(run.scores == one.scores for one in pool.runs) for run in pool.repeated)


def test_runs_of_several_configs_have_no_pool(tmp_path):
    root = project(tmp_path, plain(3), {"min_score": 0.5})
    one = made(root, "r1", share(3, 3))
    with pytest.raises(ValueError, match="several configs"):
        pooled([one, one.model_copy(update={"generation_digest": "sha256:" + "0" * 64})])


def test_repeated_pass_or_fail_cases_are_graded_data(tmp_path):
    root = project(tmp_path, plain(100), {"min_score": 0.9})
    record(root, made(root, "r1", share(92, 100)), made(root, "r2", share(88, 100)))
    pool = judged(root)
    assert (pool.runs, pool.score, pool.verdict) == (2, pytest.approx(0.9), "pass")
    assert 0.83 < pool.lower < 0.85
    assert "100 cases" in pool.reasons[0]


def test_a_lucky_run_after_bad_ones_does_not_pass(tmp_path):
    root = project(tmp_path, plain(100), {"min_score": 0.9})
    record(root, *(made(root, f"r{i}", share(85 - i, 100), verdict="fail") for i in range(3)))
    record(root, made(root, "r9", share(93, 100)))
    assert judged(root).verdict == "fail"


def test_cases_that_one_run_could_not_measure_are_measured_by_another(tmp_path):
    root = project(tmp_path, plain(100), {"min_score": 0.9})
    half = {key: value for key, value in share(100, 100).items() if int(key[1:]) < 50}
    record(root, made(root, "r1", half, verdict="inconclusive"))
    assert judged(root).verdict == "inconclusive"
    record(root, made(root, "r2", share(95, 100)))
    pool = judged(root)
    assert (pool.verdict, pool.scored, pool.errors) == ("pass", 100, 0)


def test_a_case_that_must_pass_and_failed_once_fails_the_pool(tmp_path):
    rows = [{**row, "must_pass": row["id"] == "c99"} for row in plain(100)]
    root = project(tmp_path, rows, {"min_score": 0.9})
    record(root, made(root, "r1", share(99, 100), verdict="fail"))
    record(root, *(made(root, f"r{i}", share(100, 100)) for i in range(2, 6)))
    pool = judged(root)
    assert pool.verdict == "fail"
    assert "c99" in pool.reasons[0]


def test_slices_are_judged_on_the_pool(tmp_path):
    rows = [{**row, "tags": ["hard"] if int(row["id"][1:]) >= 70 else []} for row in plain(100)]
    root = project(tmp_path, rows, {"min_score": 0.8, "slices": {"hard": 0.8}})
    record(root, made(root, "r1", share(95, 100)), made(root, "r2", share(92, 100)))
    pool = judged(root)
    assert pool.verdict == "fail"
    assert "'hard': 0.78" in pool.reasons[0]


# Which runs count


def test_only_ci_runs_count_and_the_others_are_counted_out_loud(tmp_path):
    root = project(tmp_path, plain(40), {"min_score": 0.9})
    record(root, made(root, "r1", share(40, 40), source="local"), made(root, "r2", {}, source="replay"))
    pool = judged(root)
    assert (pool.verdict, pool.runs, pool.score) == ("none", 0, None)
    assert pool.by_source == {"local": 1, "replay": 1}
    assert pool.stale == (
        "1 run was of source local: only ci runs count.",
        "1 run was of source replay: only ci runs count.",
    )
    assert judged(root, sources=("ci", "local")).verdict == "pass"


def test_evidence_of_an_earlier_config_or_other_cases_does_not_count(tmp_path):
    root = project(tmp_path, plain(40), {"min_score": 0.9})
    record(root, made(root, "r1", share(40, 40)))
    suite(root, plain(41), {"min_score": 0.9})
    assert [judged(root).verdict, *judged(root).stale] == [
        "none",
        "1 run was made with other cases or scorers than base-eval@v1 has now.",
    ]
    entry(root, 1, params="{ max_tokens: 5 }")
    assert judged(root).stale == (
        "1 run was made with another config: the entry, or what it refers to, changed since.",
    )


def test_the_same_config_in_another_entry_counts_too(tmp_path):
    root = project(tmp_path, plain(100), {"min_score": 0.9})
    record(root, made(root, "r1", share(80, 100), verdict="fail"))
    twin = entry(root, 2)
    record(root, made(root, "r2", share(95, 100), ref=twin), ref=twin)
    assert [(judged(root, ref).runs, judged(root, ref).verdict) for ref in (ENTRY, twin)] == [(2, "fail")] * 2


def test_a_suite_version_with_the_same_cases_and_scorers_shares_the_pool(tmp_path):
    root = project(tmp_path, plain(100), {"min_score": 0.8})
    record(root, made(root, "r1", share(85, 100)))
    stricter = suite(root, plain(100), {"min_score": 0.9}, version=2)
    assert (judged(root).verdict, judged(root, on=stricter).verdict) == ("pass", "fail")


def test_a_run_that_asked_nothing_new_is_not_counted_twice(tmp_path):
    root = project(tmp_path, plain(100), {"min_score": 0.9})
    twin = entry(root, 2)
    record(root, made(root, "r1", share(95, 100)))
    record(root, made(root, "r2", share(95, 100), cached=100, ref=twin), ref=twin)
    pool = judged(root, twin)
    assert (pool.runs, pool.cached, pool.verdict) == (1, 0, "pass")
    assert pool.stale == ("1 run asked nothing new: the answers count already.",)


def test_broken_evidence_is_an_error_not_an_absence(tmp_path):
    root = project(tmp_path, plain(40), {"min_score": 0.9})
    run = made(root, "r1", share(40, 40))
    record(root, run)
    path = evidence_path(root, ENTRY, SUITE)
    path.write_text(path.read_text().replace("[1, 1.0]", "[1, 7.0]"))
    with pytest.raises(SchemaError) as caught:
        judged(root)
    assert caught.value.problems[0].code == "EK208"
    assert "cannot add up to 7.0" in caught.value.problems[0].message


# Where single cases were not kept


def summary(root: Path, name: str, score: float, *, half: float = 0.05, **changes) -> EvidenceRun:
    """A run of which only the sufficient statistics are left."""
    count = Evidences(Project(root)).suite(SUITE).count
    low, high = max(0.0, score - half), min(1.0, score + half)
    return made(root, name, None, score=score, ci95=[low, high], **{"scored": count, "errors": 0, **changes})


def test_one_run_without_single_cases_is_judged_as_it_was(tmp_path):
    root = project(tmp_path, plain(100), {"min_score": 0.9})
    for verdict in ("fail", "inconclusive", "pass"):
        evidence_path(root, ENTRY, SUITE).unlink(missing_ok=True)
        record(root, summary(root, "r1", 0.93, verdict=verdict))
        assert judged(root).verdict == verdict


@pytest.mark.parametrize(
    ("scores", "scored", "half", "verdict"),
    [
        ((0.95, 0.93), 200, 0.05, "pass"),
        ((0.96, 0.82), 200, 0.05, "fail"),
        ((0.92, 0.90), 200, 0.07, "inconclusive"),  # the interval is too wide
        ((0.92, 0.90), 196, 0.05, "inconclusive"),  # which cases were missed could decide
    ],
)
def test_means_are_pooled_from_their_sums(tmp_path, scores, scored, half, verdict):
    root = project(tmp_path, plain(200), {"min_score": 0.9})
    record(root, *(summary(root, f"r{i}", score, scored=scored, half=half) for i, score in enumerate(scores)))
    pool = judged(root)
    assert pool.verdict == verdict
    if scored == 200:
        assert pool.score == pytest.approx(sum(scores) / 2)


@given(
    st.lists(
        st.lists(st.none() | st.sampled_from([0.0, 0.5, 1.0]), min_size=6, max_size=6),
        min_size=2,
        max_size=4,
    )
)
def test_what_is_read_from_sums_encloses_what_single_cases_say(rows):
    from evalkit.evals.pool.reading import read

    runs = [{f"c{i}": (1, v) for i, v in enumerate(row) if v is not None} for row in rows]
    if not all(runs):
        return
    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder), plain(6), {"min_score": 0.9})
        facts = Evidences(Project(root)).suite(SUITE)
        kept = [made(root, f"r{i}", scores) for i, scores in enumerate(runs)]
        whole, sums = (
            read(pooled(some), facts, comparison=None, baseline_missing=None)
            for some in (kept, [run.model_copy(update={"scores": None}) for run in kept])
        )
    truth = whole.worst.estimate.mean
    assert whole.worst.estimate == whole.best.estimate
    assert sums.worst.estimate.mean - 1e-9 <= truth <= sums.best.estimate.mean + 1e-9


def test_a_metric_that_is_no_mean_passes_only_where_every_run_would(tmp_path):
    rows = [{**row, "expected": "a"} for row in plain(40)]
    keys = {"primary": "f1_macro", "scorers": ["exact_match"]}
    root = project(tmp_path, rows, {"min_score": 0.85}, **keys)
    record(root, summary(root, "r1", 0.95, scored=40), summary(root, "r2", 0.97, scored=40))
    assert judged(root).verdict == "pass"
    record(root, summary(root, "r3", 0.7, scored=40, verdict="fail"))
    pool = judged(root)
    assert pool.verdict == "inconclusive"
    assert "At its worst: Score (f1_macro) 0.70 is below" in pool.reasons[0]


def test_a_failed_case_that_must_pass_is_not_forgotten_with_its_score(tmp_path):
    rows = [{**row, "must_pass": row["id"] == "c0"} for row in plain(100)]
    root = project(tmp_path, rows, {"min_score": 0.8})
    record(root, summary(root, "r1", 0.95, verdict="fail"), summary(root, "r2", 0.95))
    pool = judged(root)
    assert pool.verdict == "inconclusive"
    assert "must pass may have failed" in pool.reasons[0]


def test_latency_and_cost_are_judged_as_far_as_they_are_recorded(tmp_path):
    limits = {"max_latency_p95_ms": 100, "max_cost_usd_per_case": 0.01}
    root = project(tmp_path, plain(100), {"min_score": 0.9, **limits})

    def verdict(*runs: tuple[float | None, float | None]) -> str:
        evidence_path(root, ENTRY, SUITE).unlink(missing_ok=True)
        record(
            root,
            *(
                made(root, f"r{i}", share(97 - i, 100), latency_ms={"p95": p95}, cost_usd=cost)
                for i, (p95, cost) in enumerate(runs)
            ),
        )
        return judged(root).verdict

    assert verdict((90, 0.5), (99, 1.4)) == "pass"
    assert verdict((90, 0.5), (110, 0.5)) == "inconclusive"
    assert verdict((120, 0.5), (110, 0.5)) == "fail"
    assert verdict((90, 0.5), (90, 1.6)) == "fail"
    assert verdict((90, 0.5), (90, None)) == "inconclusive"
    assert verdict((None, 0.5), (None, 0.5)) == "inconclusive"


# The baseline


def compared(root: Path, baseline_right: int | None) -> Ref:
    serves = entry(root, 2, status="production", params="{ max_tokens: 200 }")
    if baseline_right is not None:
        record(root, made(root, "b1", share(baseline_right, 100), ref=serves), ref=serves)
    record(root, made(root, "r1", share(85, 100)), made(root, "r2", share(85, 100)))
    return serves


@pytest.mark.parametrize(("right", "verdict"), [(86, "pass"), (99, "fail"), (None, "inconclusive")])
def test_the_pool_is_compared_with_the_pool_of_what_serves(tmp_path, right, verdict):
    root = project(tmp_path, plain(100), {"min_score": 0.8, "max_regression": 0.02})
    serves = compared(root, right)
    pool = judged(root)
    assert pool.verdict == verdict
    assert pool.baseline_digest == Evidences(Project(root)).generation(serves)
    if right is None:
        assert "There is no ci run" in pool.reasons[0] or "there is no ci run" in pool.reasons[0]


def test_without_a_baselines_cases_the_newest_runs_own_comparison_stands(tmp_path):
    root = project(tmp_path, plain(100), {"min_score": 0.8, "max_regression": 0.02})
    serves = compared(root, None)
    digest = Evidences(Project(root)).generation(serves)
    record(root, made(root, "r3", share(84, 100), baseline_digest=digest, created="2026-05-02T00:00:00Z"))
    pool = judged(root)
    assert pool.verdict == "pass"
    assert "r3" in pool.reasons[-1]
    assert judged(root, baseline_digest="sha256:" + "0" * 64).verdict == "inconclusive"


def test_where_nothing_serves_there_is_nothing_to_compare_with(tmp_path):
    root = project(tmp_path, plain(100), {"min_score": 0.8, "max_regression": 0.02})
    record(root, made(root, "r1", share(85, 100)), made(root, "r2", share(86, 100)))
    pool = judged(root)
    assert (pool.verdict, pool.needs_baseline, pool.baseline_digest) == ("pass", True, None)


# Running again until green


def at_most(looks: int, n: int = 100, true: float = 0.87, need: int = 90, first: int = 91) -> float:
    """The chance that a pool of k runs ever has 90 % right, k = 1 to `looks`: exact, for independent answers.

    The first run needs 91 of 100 (Wilson's lower bound then reaches 0.85). Later pools are graded, and may need more
    than 90 % of their answers: the true chance is at most this.
    """
    from scipy.stats import binom

    step = binom.pmf(range(n + 1), n, true)
    alive, passed = {0: 1.0}, 0.0
    for look in range(1, looks + 1):
        reached: dict[int, float] = {}
        for total, weight in alive.items():
            for right, chance in enumerate(step):
                reached[total + right] = reached.get(total + right, 0.0) + weight * chance
        limit = first if look == 1 else need * look
        passed += sum(weight for total, weight in reached.items() if total >= limit)
        alive = {total: weight for total, weight in reached.items() if total < limit}
    return passed


def test_running_again_until_green_buys_little(tmp_path):
    """True 0.87, threshold 0.90 with slack 0.05, 100 cases, up to five runs, a look after each.

    One run passes 14.8 % of the time. Judged run by run, one of five passes 55 % of the time. On the pool at most
    22.3 % pass at any of five looks (14.8, 20.1, 21.5, 22.0, 22.3 % within one to five), and only 2.4 % at the fifth:
    looking again buys ever less. Without pool and slack it would be 23 % and 74 %.
    """
    one, bound = at_most(1), at_most(5)
    alone = 1 - (1 - one) ** 5
    assert (round(one, 3), round(alone, 2), round(bound, 3)) == (0.148, 0.55, 0.223)
    root = project(tmp_path, plain(100), {"min_score": 0.9})
    template, rng, trials = made(root, "r", {}), random.Random(7), 150
    evidences = Evidences(Project(root))
    passed_pool = passed_alone = 0
    for trial in range(trials):
        runs = []
        outcomes = []
        for look in range(5):
            scores = {hashed_id(f"c{i}"): (1, float(rng.random() < 0.87)) for i in range(100)}
            runs.append(
                template.model_copy(
                    update={"run_id": f"{trial}-{look}", "scored": 100, "errors": 0, "scores": scores}
                )
            )
            outcomes.append((fresh_verdict(evidences, runs[-1:]), fresh_verdict(evidences, runs)))
        passed_alone += any(single == "pass" for single, _ in outcomes)
        passed_pool += any(pool == "pass" for _, pool in outcomes)
    sampling = 3 * (bound * (1 - bound) / trials) ** 0.5
    assert passed_pool / trials <= bound + sampling
    assert passed_pool < passed_alone / 1.5


def fresh_verdict(evidences: Evidences, runs: list[EvidenceRun]) -> str:
    from evalkit.evals.gate import judge
    from evalkit.evals.pool.reading import read

    facts = evidences.suite(SUITE)
    reading = read(pooled(runs), facts, comparison=None, baseline_missing=None)
    return judge(facts.suite.gate, reading.worst).verdict


def test_many_entries_share_one_index(tmp_path, monkeypatch):
    count = 60
    root = project(tmp_path, plain(20), {"min_score": 0.5})
    template = made(root, "r", share(20, 20))
    for version in range(1, count + 1):
        entry(root, version, params=f"{{ max_tokens: {version} }}")
        other = template.model_copy(update={"generation_digest": f"sha256:{version:064x}"})
        record(root, other, ref=Ref("base", version))
    reads: list[Path] = []
    read_bytes = Path.read_bytes

    def counted(path: Path) -> bytes:
        reads.append(path)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    home = Project(root)
    evidences = Evidences(home)
    for version in range(1, count + 1):
        assert verdict_of(home, Ref("base", version), SUITE, evidences=evidences).verdict == "none"
    of_evidence = [path for path in reads if path.suffix == ".json"]
    assert len(of_evidence) == 2 * count  # scanned once, parsed once


def test_runs_that_left_cases_out_decide_nothing(tmp_path):
    root = project(tmp_path, plain(100), {"min_score": 0.9})
    record(root, *(made(root, f"r{i}", share(99, 99), cases=99, errors=0) for i in range(2)))
    pool = judged(root)
    assert pool.verdict == "inconclusive"
    assert pool.reasons[0] == "No run asked all 100 cases: a part decides nothing."


def test_an_unclear_baseline_is_no_pass(tmp_path):
    root = project(tmp_path, plain(100), {"min_score": 0.8, "max_regression": 0.02})
    record(root, made(root, "r1", share(95, 100)))
    for version in (2, 3):
        path = f"registry/entries/base/v{version}.yaml"
        entry(root, version, status="production", params=f"{{ max_tokens: {version} }}")
        write(root, path, (root / path).read_text() + "traffic: 0.5\ncontrol: true\n")
    pool = judged(root)
    assert pool.verdict == "inconclusive"
    assert "who serves base is not clear" in pool.reasons[0]
