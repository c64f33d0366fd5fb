"""Recorded answers of published evaluations give the published scores."""

from __future__ import annotations

import copy
import json
from itertools import product

import pytest

from evalkit.evals.case import Answer, Case, ToolCall
from evalkit.evals.scorers.spec import parse_scorer

pytestmark = pytest.mark.shared_data


def rows(path):
    with path.open(encoding="utf-8") as lines:
        return {row["id"]: row for row in map(json.loads, lines)}


def total(raw, cases, outputs):
    scorer = parse_scorer(raw, custom={}).scorer
    value = 0.0
    for index, (key, case) in enumerate(cases.items()):
        question = Case(key, index, {}, case["expected"])
        assert scorer.check(question) is None
        value += scorer.score(question, Answer(outputs[key]["output"])).value
    return value


@pytest.mark.parametrize(("model", "right"), [("finetuning", 286), ("verification", 515)])
@pytest.mark.parametrize(
    "raw",
    [
        {"regex_extract": "A: (.*)"},
        {"regex_extract": {"pattern": "A: (.*)", "numeric": True}},
        {"regex_extract": {"pattern": r"A: ([-\d.,]+)", "numeric": True, "match": "last"}},
    ],
    ids=["text", "numeric", "digits"],
)
def test_gsm8k(shared_data, model, right, raw):
    cases = rows(shared_data / "gsm8k/cases.jsonl")
    assert len(cases) == 1319
    assert total(raw, cases, rows(shared_data / f"gsm8k/outputs-6b-{model}.jsonl")) == right


@pytest.mark.parametrize("task", ["date_understanding", "navigate", "word_sorting"])
def test_bbh_with_and_without_chain_of_thought(shared_data, task):
    published = json.loads((shared_data / "bbh-cot/published.json").read_text())
    cases = rows(shared_data / f"bbh-cot/{task}.jsonl")
    reasoned = total({"regex_extract": "the answer is (.*)"}, cases, cases)
    direct = total("exact_match", cases, rows(shared_data / f"bbh-cot/{task}.direct.jsonl"))
    assert 100 * reasoned / len(cases) == pytest.approx(published[task], abs=1e-9)
    assert 100 * direct / len(cases) == pytest.approx(published[f"{task}.direct"], abs=1e-9)


@pytest.mark.parametrize(
    ("task", "choices"), [("date_understanding", list("ABCDEF")), ("navigate", ["Yes", "No"])]
)
def test_multiple_choice_reads_the_same_answers_as_the_published_pattern(shared_data, task, choices):
    published = json.loads((shared_data / "bbh-cot/published.json").read_text())
    cases = rows(shared_data / f"bbh-cot/{task}.jsonl")
    right = total({"multiple_choice": choices}, cases, cases)
    assert 100 * right / len(cases) == pytest.approx(published[task], abs=1e-9)


def plain_values(accepted):
    """The values that a model would write for one accepted value: objects there list accepted values for each key."""
    if isinstance(accepted, dict):
        per_key = [
            [(key, value) for option in options for value in plain_values(option) if option != ""]
            + ([(key, None)] if "" in options else [])
            for key, options in accepted.items()
        ]
        return [{key: value for key, value in pairs if value is not None} for pairs in product(*per_key)]
    if isinstance(accepted, list):
        return [list(items) for items in product(*map(plain_values, accepted))]
    return [accepted]


class Bfcl:
    """The accepted answers of one file, and how they are judged."""

    def __init__(self, path):
        self.cases = [Case(key, 0, {}, row["ground_truth"]) for key, row in rows(path).items()]
        self.scorer = parse_scorer("tool_call", custom={}).scorer

    def each(self):
        """Every question with the function, its accepted values, and the arguments of the first accepted answer."""
        for case in self.cases:
            ((name, accepted),) = case.expected[0].items()
            first = {key: plain_values(values[0])[0] for key, values in accepted.items() if values[0] != ""}
            yield case, name, accepted, first

    def score(self, case, name, arguments):
        return self.scorer.score(case, Answer(None, (ToolCall(name, arguments),))).value


@pytest.fixture(params=["simple_python", "multiple"])
def bfcl(request, shared_data):
    return Bfcl(shared_data / f"bfcl/answers-{request.param}.jsonl")


def test_every_accepted_answer_of_bfcl_scores_1(bfcl):
    for case, name, accepted, first in bfcl.each():
        assert bfcl.scorer.check(case) is None
        assert bfcl.score(case, name, first) == 1
        assert bfcl.score(case, name, json.dumps(first)) == 1
        for key, options in accepted.items():
            for option in options:
                for value in [option, *plain_values(option)]:  # as the file writes it, and as a model does
                    assert bfcl.score(case, name, first | {key: value}) == 1
            if "" in options:
                assert bfcl.score(case, name, {k: v for k, v in first.items() if k != key}) == 1


def test_an_integer_for_a_float_is_accepted_and_a_boolean_for_a_number_is_not(bfcl):
    for case, name, accepted, first in bfcl.each():
        for key, value in first.items():
            if isinstance(value, int) and not isinstance(value, bool):
                assert bfcl.score(case, name, first | {key: float(value)}) == 1
                if not any(isinstance(option, bool) for option in accepted[key]):
                    assert bfcl.score(case, name, first | {key: bool(value)}) == 0


def test_a_changed_name_or_another_number_of_calls_scores_0(bfcl):
    for case, name, _, first in bfcl.each():
        for changed in (name + "_", name.upper() if name != name.upper() else name.lower(), name[1:], ""):
            assert bfcl.score(case, changed, first) == 0
        call = ToolCall(name, first)
        assert bfcl.scorer.score(case, Answer(None, (call, call))).value == 0
        assert bfcl.scorer.score(case, Answer(None, ())).value == 0


def test_a_missing_or_an_extra_argument_scores_0(bfcl):
    for case, name, accepted, first in bfcl.each():
        assert bfcl.score(case, name, first | {"not_an_argument": 1}) == 0
        for key, options in accepted.items():
            if "" not in options:
                assert bfcl.score(case, name, {k: v for k, v in first.items() if k != key}) == 0


def changed(value):
    """Values that differ from one value in one place."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        return [value + 1, str(value)]
    if isinstance(value, str):
        return [value + "x", value[:-1] + "\u2020"]
    if isinstance(value, list):
        places = [
            [*value[:i], other, *value[i + 1 :]] for i, item in enumerate(value) for other in changed(item)
        ]
        return [*places, [*value, "x"], value[:-1]] if value else [["x"]]
    places = [value | {key: other} for key, item in value.items() for other in changed(item)]
    return [
        *places,
        value | {"not_a_key": 1},
        *({k: v for k, v in value.items() if k != key} for key in value),
    ]


def test_a_wrong_value_anywhere_in_an_argument_scores_0(bfcl):
    tried = 0
    for case, name, accepted, first in bfcl.each():
        for key, value in first.items():
            right = [form for option in accepted[key] for form in plain_values(option)]
            for wrong in changed(copy.deepcopy(value)):
                if any(
                    wrong == other and isinstance(wrong, bool) == isinstance(other, bool) for other in right
                ):
                    continue  # another accepted value
                tried += 1
                assert bfcl.score(case, name, first | {key: wrong}) == 0, (case.id, key, wrong)
    assert tried > 1000
