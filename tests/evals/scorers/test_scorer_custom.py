from __future__ import annotations

import sys

import pytest

from evalkit.evals.case import Answer, Case
from evalkit.evals.scorers.spec import parse_scorer
from evalkit.evals.scorers.unmeasurable import Unmeasurable

MODULE = """
def share(output, expected, case_vars, *, of="words"):
    return len(set(output.split()) & set(expected.split())) / case_vars[of]

def verdict(output, expected, case_vars):
    return output == expected, "not the same"

def scalar(output, expected, case_vars):
    import numpy
    return numpy.float32(0.5), numpy.str_("why")

def breaks(output, expected, case_vars):
    raise KeyError("no such thing")

def returns(output, expected, case_vars, *, value):
    return value

def spoils(output, expected, case_vars):
    case_vars.clear()
    return 1

async def later(output, expected, case_vars):
    return 1

def versioned(output, expected, case_vars):
    return 1
versioned.version = 3

number = 7
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a module of its own, imported afresh."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "own_checks.py").write_text(MODULE)
    (tmp_path / "own_broken.py").write_text("import nothing_like_this\n")
    yield tmp_path
    for name in ("own_checks", "own_broken"):
        sys.modules.pop(name, None)


CUSTOM = {
    name: f"own_checks:{name}"
    for name in ("share", "verdict", "scalar", "breaks", "returns", "spoils", "later", "versioned")
}


def spec(project, raw):
    return parse_scorer({"python": raw}, custom=CUSTOM, root=project)


def score(project, raw, output="a b", expected="a c", **variables):
    return spec(project, raw).scorer.score(Case("case", 0, variables, expected), Answer(output))


def test_a_registered_function_judges_with_the_cases_vars_and_its_arguments(project):
    assert score(project, "share", words=2).value == 0.5
    assert score(project, {"name": "share", "args": {"of": "n"}}, n=4).value == 0.25


def test_a_function_may_give_a_boolean_and_a_reason(project):
    judged = score(project, "verdict")
    assert (judged.value, judged.reason) == (0.0, "not the same")


@pytest.mark.parametrize("value", [0, 1, 0.5, True, False, (1, None), (0.2, "why")])
def test_values_from_0_to_1_are_scores(project, value):
    assert 0 <= score(project, {"name": "returns", "args": {"value": value}}).value <= 1


def test_a_scalar_of_numpy_is_a_number(project):
    judged = score(project, "scalar")
    assert (judged.value, type(judged.value), type(judged.reason)) == (0.5, float, str)


@pytest.mark.parametrize("value", [None, "1", 1.1, -0.1, float("nan"), float("inf"), [], (1, 2, 3), 10**400])
def test_any_other_value_leaves_the_case_unscored(project, value):
    with pytest.raises(Unmeasurable, match="not a value between 0 and 1"):
        score(project, {"name": "returns", "args": {"value": value}})


def test_an_exception_leaves_the_case_unscored_with_its_message(project):
    with pytest.raises(Unmeasurable, match="`breaks` raised KeyError: 'no such thing'"):
        score(project, "breaks")


def test_a_function_cannot_change_the_case(project):
    case = Case("case", 0, {"a": 1}, "x")
    spec(project, "spoils").scorer.score(case, Answer("y"))
    assert case.vars == {"a": 1}


def test_the_declared_version_counts_and_otherwise_the_text_of_the_module(project):
    assert spec(project, "versioned").canonical()["version"] == "3"
    before = spec(project, "verdict").canonical()["version"]
    assert before.startswith("sha256:")
    assert spec(project, "verdict").canonical()["version"] == before
    sys.modules.pop("own_checks")
    (project / "own_checks.py").write_text(MODULE.replace("not the same", "differs"))
    assert spec(project, "verdict").canonical()["version"] != before


@pytest.mark.parametrize(
    ("raw", "custom", "path", "message"),
    [
        ("shar", CUSTOM, ("python",), "no function is registered as `shar`"),
        ("own_checks:share", CUSTOM, ("python",), "no function is registered as `own_checks:share`"),
        ({"name": "x"}, {"x": "own_checks.py"}, ("python", "name"), "`own_checks.py` is not of the form"),
        ({"name": "x"}, {"x": "../own:f"}, ("python", "name"), "`../own:f` is not of the form"),
        (
            {"name": "x"},
            {"x": "own_checks:shere"},
            ("python", "name"),
            "`own_checks` has no function `shere`",
        ),
        (
            {"name": "x"},
            {"x": "own_checks:number"},
            ("python", "name"),
            "`own_checks` has no function `number`",
        ),
        ({"name": "x"}, {"x": "own_broken:f"}, ("python", "name"), "`own_broken` cannot be imported: Module"),
        (
            {"name": "x"},
            {"x": "own_missing:f"},
            ("python", "name"),
            "`own_missing` cannot be imported: Module",
        ),
        ("later", CUSTOM, ("python",), "`own_checks:later` is a coroutine function"),
        (
            {"name": "share", "args": {"off": 1}},
            CUSTOM,
            ("python", "args"),
            "`share` cannot be called with these",
        ),
        ("returns", CUSTOM, ("python", "args"), "`returns` cannot be called with these arguments: missing"),
    ],
)
def test_a_function_that_cannot_be_used_is_found_before_the_run(
    problems, project, raw, custom, path, message
):
    ((at, said, _),) = problems({"python": raw}, custom, project)
    assert at == path
    assert said.startswith(message)


def test_a_wrong_name_is_told_the_nearest_one(problems, project):
    assert problems({"python": "verdct"}, CUSTOM, project)[0][2] == "did you mean `verdict`?"
    assert "add `scorers: {verdct:" in problems({"python": "verdct"}, {}, project)[0][2]


def test_a_file_of_the_project_never_replaces_an_installed_package(project):
    (project / "json.py").write_text("raise SystemExit('shadowed')")
    spec(project, "verdict")
    assert sys.path.index(str(project)) == len(sys.path) - 1
