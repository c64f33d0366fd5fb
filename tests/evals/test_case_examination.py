from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.evals.checks.duplicates import _FEW
from evalkit.evals.checks.examine import MAX_CASE_PROBLEMS, examine_cases
from evalkit.evals.suite import LoadedSuite, load_suite
from evalkit.registry.project import Project
from evalkit.runtime.config import GenerationConfig, Message, Variable
from evalkit.runtime.digest import _tag_numbers, canonical_bytes, canonical_json


def suite(root: Path, rows, *, scorers: str = "[exact_match]", gate: str = "{min_score: 0.9}") -> LoadedSuite:
    folder = root / "suites" / "s" / "v1"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "evalkit.yaml").write_text("{}\n")
    text = f"name: s\nversion: 1\ncases: cases.jsonl\nscorers: {scorers}\ngate: {gate}\n"
    (folder / "suite.yaml").write_text(text)
    with (folder / "cases.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return load_suite(Project(root), "s@v1")


def config(content: str = "{{ ticket }}", **variables: Variable) -> GenerationConfig:
    return GenerationConfig(
        provider_kind="openai",
        model="m",
        members=None,
        prompt_name="p@v1",
        messages=(Message("user", content),),
        variables=variables or {"ticket": Variable()},
    )


def row(number: int, **more) -> dict:
    return {"id": f"c{number}", "vars": {"ticket": "help"}, "expected": "y"} | more


def examine(root: Path, rows, *configs: GenerationConfig, **more):
    return examine_cases(suite(root, rows, **more), configs, "cases.jsonl")


def places(summary) -> list[tuple[str, int]]:
    return [(p.code, p.location.line) for p in summary.problems]


def test_the_summary_counts_cases_tags_clusters_and_must_pass(tmp_path):
    rows = [
        row(1, tags=["easy", "easy"]),
        row(2, tags=["hard"], cluster="d1"),
        row(3, tags=["hard"], must_pass=True),
    ]
    summary = examine(tmp_path, rows, config())
    assert summary.problems == []
    assert (summary.count, summary.must_pass, summary.clusters) == (3, 1, {"d1": 1})
    assert summary.tags == {"easy": 1, "hard": 2}


def test_the_digest_is_the_documented_one(tmp_path):
    rows = [
        row(1, tags=["easy"]),
        row(2, vars={"n": 1.0, "m": 2**60}, expected={"b": 1, "a": None}, must_pass=True),
    ]
    expected = sha256()
    for content in rows:
        expected.update(canonical_json(_tag_numbers(content)) + b"\n")
    assert examine(tmp_path, rows).digest == f"sha256:{expected.hexdigest()}"


def test_keys_left_out_and_empty_ones_are_the_same_measurement(tmp_path):
    bare = examine(tmp_path, [{"id": "a", "expected": "y"}]).digest
    full = {"id": "a", "expected": "y", "vars": {}, "tags": [], "cluster": None, "must_pass": False}
    assert examine(tmp_path, [full]).digest == bare


@pytest.mark.parametrize(
    "changed",
    [row(1, expected="z"), row(1, vars={"ticket": "x"}), row(1, tags=["t"]), row(1, cluster="c"), row(9),
     row(1, must_pass=True), row(1, expected=False)],
)  # fmt: skip
def test_what_decides_the_measurement_changes_the_digest(tmp_path, changed):
    more = {"scorers": "[{contains: {any: [y]}}]"}
    assert examine(tmp_path, [row(1)], **more).digest != examine(tmp_path, [changed], **more).digest


def test_the_order_of_keys_does_not_change_the_digest_and_the_order_of_cases_does(tmp_path):
    rows = [row(1), row(2)]
    digest = examine(tmp_path, rows).digest
    assert examine(tmp_path, [dict(reversed(r.items())) for r in rows]).digest == digest
    assert examine(tmp_path, rows[::-1]).digest != digest


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["$float", "$int", "$$int", "\uffff", "\U00010000"]),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(json_values)
def test_the_fast_encoding_is_the_exact_one(value):
    assert canonical_bytes(value) == canonical_json(_tag_numbers(value))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "variable 'ticket' of p@v1 is missing"),
        ({"ticket": 5}, "variable 'ticket' is integer, p@v1 declares string"),
        ({"ticket": "x", "mood": "y"}, "p@v1 declares no variable 'mood'"),
    ],
)
def test_a_case_that_does_not_fit_the_prompt_is_reported_at_its_line(tmp_path, variables, message):
    summary = examine(tmp_path, [row(1), row(2, vars=variables)], config())
    assert places(summary) == [("EK408", 2)]
    assert summary.problems[0].message == f"case 'c2': {message}"


def test_every_prompt_is_checked_and_entries_that_share_one_once(tmp_path):
    other = config("{{ text }}", text=Variable())
    assert len(examine(tmp_path, [row(1)], config(), config(), other).problems) == 2


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("{{ order.id }}", {}),
        ("{% for x in order %}{{ x.y }}{% endfor %}", [{}]),
        ("{{ order + 1 }}", "text"),
        ("{{{ order }}", "x"),
        ("{{ order", "x"),
        ("{{ undeclared }}", "x"),
        ("{% include 'x' %}", "x"),
    ],
)
def test_a_template_that_fails_on_a_case_is_found_before_any_request(tmp_path, content, value):
    summary = examine(tmp_path, [row(1, vars={"order": value})], config(content, order=Variable("any")))
    assert places(summary) == [("EK408", 1)]


@given(st.text("{}% x\n-#"))
def test_a_template_taken_for_harmless_renders(content):
    from evalkit.evals.checks.examine import _cannot_fail
    from evalkit.runtime.template import compile_template

    if _cannot_fail(content, {"x": None}):
        compile_template(content).render(x="value")


def test_a_case_that_a_scorer_cannot_judge_is_reported(tmp_path):
    summary = examine(tmp_path, [row(1), {"id": "b", "vars": {"ticket": "x"}}])
    assert places(summary) == [("EK407", 2)]
    assert "exact_match" in summary.problems[0].message


def test_duplicate_ids_are_named_with_both_lines(tmp_path):
    summary = examine(tmp_path, [row(1), row(2), row(1), row(3), row(1)])
    assert places(summary) == [("EK402", 3), ("EK402", 5)]
    assert all("line 1 has it already" in p.hint for p in summary.problems)


def test_duplicates_among_very_many_cases_are_found(tmp_path):
    rows = ({"id": f"c{n % (_FEW + 5)}", "expected": "y"} for n in range(_FEW + 7))
    assert places(examine(tmp_path, rows)) == [("EK402", _FEW + 6), ("EK402", _FEW + 7)]


def test_a_repeated_mistake_is_listed_so_often_and_then_counted(tmp_path):
    rows = [row(n, vars={}) for n in range(MAX_CASE_PROBLEMS + 7)]
    summary = examine(tmp_path, rows, config())
    assert len(summary.problems) == MAX_CASE_PROBLEMS + 1
    assert summary.problems[-1].message == "7 more problems of cases are not listed"


def test_what_is_word_for_word_the_same_in_many_rows_is_said_once(tmp_path):
    summary = examine(tmp_path, [row(n, nonsense=1) for n in range(5)])
    (problem,) = summary.problems
    assert problem.message == "unknown key 'nonsense' in a case (and in 4 more rows)"


def test_a_floor_for_a_tag_that_no_case_has_is_an_error(tmp_path):
    summary = examine(
        tmp_path, [row(1, tags=["easy"])], gate="{min_score: 0.9, slices: {hard: 0.5, easy: 0.5}}"
    )
    assert [(p.code, p.location.path) for p in summary.problems] == [("EK409", "suites/s/v1/suite.yaml")]


def test_what_a_broken_row_does_say_counts(tmp_path):
    rows = [
        row(1, nonsense=1, tags=["hard"]),
        {"id": "c2", "vars": {"ticket": "x"}, "must_pass": 3},
        row(1, vars={"mood": "x"}, must_pass="maybe"),
        {"vars": {}, "expected": "y"},
    ]
    summary = examine(tmp_path, rows, config(), gate="{min_score: 0.9, slices: {hrad: 0.5, hard: 0.5}}")
    found = {(p.code, p.location.line) for p in summary.problems if p.location.path == "cases.jsonl"}
    assert found == {
        ("EK104", 1), ("EK401", 2), ("EK407", 2), ("EK401", 3), ("EK402", 3), ("EK408", 3), ("EK105", 4), ("EK408", 4),
    }  # fmt: skip
    assert [p.message for p in summary.problems if p.code == "EK409"] == [
        "the gate has a floor for 'hrad', and no case has that tag"
    ]


def test_a_misspelt_key_is_not_reported_as_a_missing_one_too(tmp_path):
    rows = [
        {"id": "a", "vars": {"ticket": "x"}, "expcted": "y"},
        {"id": "b", "var": {"ticket": "x"}, "expected": "y"},
        row(3, tgas=["hard"]),
    ]
    summary = examine(tmp_path, rows, config(), gate="{min_score: 0.9, slices: {hard: 0.5}}")
    assert places(summary) == [("EK104", 1), ("EK104", 2), ("EK104", 3)]


@pytest.mark.parametrize("line", ['{"id": "b", "tags": ["hard"', '["hard"]'])
def test_a_row_whose_tags_cannot_be_read_may_have_any_tag(tmp_path, line):
    loaded = suite(tmp_path, [row(1)], gate="{min_score: 0.9, slices: {hard: 0.5}}")
    with (loaded.path.parent / "cases.jsonl").open("a") as out:
        out.write(line + "\n")
    assert [p.code for p in examine_cases(loaded, [], "cases.jsonl").problems] == ["EK401"]


def test_no_cases_is_an_error(tmp_path):
    assert [p.code for p in examine(tmp_path, []).problems] == ["EK403"]


def test_a_value_that_json_has_no_word_for_is_a_problem_of_its_case(tmp_path):
    loaded = suite(tmp_path, [row(1)])
    (loaded.path.parent / "cases.jsonl").write_text(
        '{"id": "a", "vars": {"ticket": "\\ud800"}, "expected": "y"}\n'
    )
    assert places(examine_cases(loaded, [], "cases.jsonl")) == [("EK401", 1)]
