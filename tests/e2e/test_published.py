"""Replays of published model outputs give exactly the published figures."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.shared_data

PROMPT = """\
name: triage
version: 1
variables: { question: { type: string } }
messages: [{ role: user, content: "{{ question }}" }]
"""


def replay(project, data, cases, outputs, scorer):
    project.write("registry/prompts/triage/v1.yaml", PROMPT)
    project.write(
        "suites/triage-eval/v1/suite.yaml",
        "name: triage-eval\nversion: 1\ncases: cases.jsonl\n"
        "columns: { vars: [question], expected: expected }\n"
        f"scorers:\n  - {scorer}\ngate: {{ min_score: 0.01 }}\n",
    )
    rows = [json.loads(line) for line in (data / cases).read_text(encoding="utf-8").splitlines()]
    kept = [{key: row[key] for key in ("id", "question", "expected")} for row in rows]
    project.write("suites/triage-eval/v1/cases.jsonl", "".join(json.dumps(row) + "\n" for row in kept))
    ran = project.evalkit("run", "triage@v1", "--replay", str(data / outputs), "--format", "json")
    assert ran.code == 0, ran.err
    return ran.json


@pytest.mark.parametrize(("outputs", "correct"), [("finetuning", 286), ("verification", 515)])
def test_gsm8k(project, shared_data, outputs, correct):
    scorer = "regex_extract: { pattern: 'A: (.*)', numeric: true }"
    record = replay(project, shared_data, "gsm8k/cases.jsonl", f"gsm8k/outputs-6b-{outputs}.jsonl", scorer)
    assert record["cases"] == record["scored"] == 1319
    assert round(record["score"] * 1319, 6) == correct


@pytest.mark.parametrize("task", ["date_understanding", "navigate", "word_sorting"])
@pytest.mark.parametrize("style", ["", ".direct"])
def test_big_bench_hard(project, shared_data, task, style):
    published = json.loads((shared_data / "bbh-cot" / "published.json").read_text())
    scorer = "exact_match" if style else "regex_extract: 'the answer is (.*)'"
    cases, outputs = f"bbh-cot/{task}.jsonl", f"bbh-cot/{task}{style}.jsonl"
    record = replay(project, shared_data, cases, outputs, scorer)
    assert record["score"] * 100 == pytest.approx(published[task + style], abs=1e-9)


def _accepted(ground_truth):
    """The first accepted value of each argument; an argument that may be left out is left out."""
    return [
        {
            "name": name,
            "arguments": {key: _first(values) for key, values in arguments.items() if "" not in values},
        }
        for call in ground_truth
        for name, arguments in call.items()
    ]


def _first(values):
    return _resolved(values[0])


def _resolved(value):
    if isinstance(value, dict) and value and all(isinstance(item, list) for item in value.values()):
        return {key: _first(item) for key, item in value.items() if "" not in item}
    if isinstance(value, list):
        return [_resolved(item) for item in value]
    return value


@pytest.mark.parametrize("part", ["simple_python", "multiple"])
@pytest.mark.parametrize("as_text", [False, True])
def test_berkeley_function_calling(project, shared_data, part, as_text):
    answers = [
        json.loads(line) for line in (shared_data / f"bfcl/answers-{part}.jsonl").read_text().splitlines()
    ]
    cases = [{"id": a["id"], "vars": {"ticket": a["id"]}, "expected": a["ground_truth"]} for a in answers]
    project.suite(cases, scorers="[tool_call]", gate="{ min_score: 0.01 }")

    def recorded(mutate):
        lines = []
        for answer in answers:
            calls = [mutate(call) for call in _accepted(answer["ground_truth"])]
            if as_text:
                calls = [{**call, "arguments": json.dumps(call["arguments"])} for call in calls]
            lines.append(json.dumps({"id": answer["id"], "tool_calls": calls}) + "\n")
        project.write("answers.jsonl", "".join(lines))
        return project.evalkit("run", "triage@v1", "--replay", "answers.jsonl", "--format", "json").json[
            "score"
        ]

    assert recorded(lambda call: call) == 1.0
    assert recorded(lambda call: {**call, "name": call["name"] + "_x"}) == 0.0
    assert recorded(lambda call: {**call, "arguments": {**call["arguments"], "never_heard_of": 1}}) == 0.0
