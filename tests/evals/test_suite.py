from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.errors import ConfigError, UnresolvedReference
from evalkit.evals.suite import load_suite, suite_names
from evalkit.registry.project import Project

GOOD = """\
name: s
version: 1
cases:
  - { id: a, vars: { ticket: x }, expected: y }
scorers:
  - exact_match
gate: { min_score: 0.9 }
"""


def project(root: Path, text: str = GOOD, version: int = 1, config: str = "{}\n") -> Project:
    folder = root / "suites" / "s" / f"v{version}"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "evalkit.yaml").write_text(config)
    (folder / "suite.yaml").write_text(text)
    return Project(root)


def problems(root: Path, text: str, **more) -> list[tuple[str, int]]:
    with pytest.raises(ConfigError) as caught:
        load_suite(project(root, text, **more), "s@v1")
    return [(p.code, p.location.line) for p in caught.value.problems]


def test_a_suite_is_found_by_reference_alias_name_and_path(tmp_path):
    project(tmp_path, GOOD.replace("version: 1", "version: 10"), 10)
    found = project(tmp_path)
    for wanted, version in (
        ("s@v1", 1),
        ("s-v1", 1),
        ("s", 10),
        (str(tmp_path / "suites/s/v1/suite.yaml"), 1),
    ):
        assert load_suite(found, wanted).ref.version == version
    assert suite_names(found) == ["s"]


@pytest.mark.parametrize(("wanted", "hint"), [("s@v3", "versions of s: v1"), ("z@v1", "suites: s")])
def test_a_suite_that_is_not_there_says_what_is(tmp_path, wanted, hint):
    with pytest.raises(UnresolvedReference) as caught:
        load_suite(project(tmp_path), wanted)
    assert caught.value.problems[0].hint == hint


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("scorers:\n  - exact_match\n", "scorers: []\n", {("EK404", 5)}),
        ("gate: { min_score: 0.9 }", "gate: { min_cases: 5 }", {("EK404", 7)}),
        ("gate: { min_score: 0.9 }", "gate: { min_score: 0.9, polite: true }", {("EK104", 7)}),
        ("gate: { min_score: 0.9 }\n", "", {("EK105", 1)}),
        ("  - exact_match", "  - exact_mach", {("EK405", 6)}),
        ("  - exact_match", "  - exact_match: { casse: true }", {("EK406", 6)}),
        ("  - exact_match", "  - python: nobody", {("EK406", 6)}),
        ("name: s\n", "name: s\nprimary: f1\n", {("EK410", 2)}),
        ("name: s\n", "name: s\nprimary: pass@3\n", {("EK410", 2)}),
        ("name: s\n", "name: s\nmetrics: [accuracy, bleu]\n", {("EK410", 2)}),
        ("name: s\n", "name: s\nrepeats: 0\n", {("EK106", 2)}),
        ("name: s\n", "name: s\nasserts: []\n", {("EK104", 2)}),
        ("  - { id: a, vars: { ticket: x }, expected: y }", "  []", {("EK403", 4)}),
        ("cases:\n  - { id: a, vars: { ticket: x }, expected: y }", "cases: ../../x.jsonl", {("EK106", 3)}),
        ("cases:\n  - { id: a, vars: { ticket: x }, expected: y }", "cases: x.xlsx", {("EK106", 3)}),
        ("name: s\n", "name: s\ncolumns: {vars: [a]}\n", {("EK106", 2)}),
    ],
)
def test_a_wrong_key_is_refused_at_its_line(tmp_path, old, new, expected):
    assert old in GOOD
    assert expected <= set(problems(tmp_path, GOOD.replace(old, new)))


def test_all_problems_of_a_suite_are_collected(tmp_path):
    text = GOOD.replace("exact_match", "exact_mach").replace("min_score", "min_scroe") + "repeat: 3\n"
    assert {code for code, _ in problems(tmp_path, text)} == {"EK104", "EK404", "EK405"}


def test_a_mistake_in_an_inline_case_is_not_blamed_on_the_list(tmp_path):
    assert problems(tmp_path, GOOD.replace("vars:", "var:")) == [("EK104", 4)]


def test_the_first_suite_of_the_design_is_valid(tmp_path):
    text = """\
name: s
version: 1
cases: cases.jsonl
scorers:
  - json_path: { path: "$.queue" }
primary: mean
repeats: 1
gate: { min_score: 0.90, min_cases: 100, max_error_rate: 0.02, max_regression: 0.02, slices: { hard: 0.8 } }
"""
    loaded = load_suite(project(tmp_path, text), "s@v1")
    assert loaded.suite.gate.slices == {"hard": 0.8}
    assert [spec.name for spec in loaded.scorers] == ["json_path"]


def test_a_broken_evalkit_yaml_does_not_make_its_scorers_unknown(tmp_path):
    (tmp_path / "polite.py").write_text("def polite(output, expected, case_vars):\n    return 1.0\n")
    config = "scorers: {polite: 'polite:polite'}\nnonsense: 1\n"
    found = project(tmp_path, GOOD.replace("- exact_match", "- python: polite"), config=config)
    assert [spec.name for spec in load_suite(found, "s@v1").scorers] == ["python"]
