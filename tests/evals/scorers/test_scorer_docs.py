"""Every page about scorers is executed, and its tables are those of the code."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from evalkit.evals.case import Answer, Case, ToolCall
from evalkit.evals.scorers.arguments import Arguments, ComparingArguments
from evalkit.evals.scorers.expected_calls import parse_expected
from evalkit.evals.scorers.spec import SCORERS, _load, parse_scorer, parse_scorers
from evalkit.evals.scorers.unmeasurable import Unmeasurable

PAGES = Path(__file__).resolve().parents[3] / "docs" / "scorers"
FENCE = re.compile(r"^(`{3,})(\w+)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


def blocks(name, language):
    return [
        body for _, kind, body in FENCE.findall((PAGES / f"{name}.md").read_text("utf-8")) if kind == language
    ]


def yaml_blocks(name):
    return [yaml.safe_load(body) for body in blocks(name, "yaml")]


def examples(name):
    return [block for block in yaml_blocks(name) if "scorer" in block]


EXAMPLES = [
    pytest.param(name, example, id=f"{name}-{number}")
    for name in ["index", *SCORERS]
    for number, example in enumerate(examples(name), 1)
]


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    """The project of the page about `python`: its registered functions and its root."""
    root = tmp_path_factory.mktemp("project")
    (code,) = blocks("python", "python")
    path = root / code.splitlines()[0].removeprefix("# ")
    path.parent.mkdir()
    path.write_text(code)
    before = list(sys.path)
    (custom,) = (block["scorers"] for block in yaml_blocks("python") if "scorers" in block)
    yield custom, root
    sys.path[:] = before
    for module in ("checks.polite", "checks"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_gives_the_score_it_shows(name, example, registered):
    custom, root = registered
    spec = parse_scorer(example.pop("scorer"), custom=custom, root=root)
    assert name in ("index", spec.name)
    case = Case("example", 0, **{"vars": {}, **example.pop("case")})
    calls = tuple(ToolCall(**call) for call in example.pop("tool_calls", ()))
    measured = {key: example.pop(key) for key in ("latency_ms", "cost_usd") if key in example}
    answer = Answer(example.pop("output", None), calls, **measured)
    assert spec.scorer.check(case) is None
    if (unscored := example.pop("unscored", None)) is not None:
        with pytest.raises(Unmeasurable) as caught:
            spec.scorer.score(case, answer)
        assert caught.value.reason == unscored
    else:
        score = spec.scorer.score(case, answer)
        assert score.value == pytest.approx(example.pop("score"), abs=5e-5)
        assert score.reason == example.pop("reason", None)
        assert score.extracted == example.pop("extracted", True)
    assert not example, "keys that no test reads"


@pytest.mark.parametrize("name", SCORERS)
def test_every_scorer_has_a_page_with_a_passing_and_a_failing_example(name):
    scores = [example["score"] for example in examples(name) if "score" in example]
    assert 1 in scores
    assert 0 in scores


def argument_table(model):
    rows = []
    for key, field in model.model_fields.items():
        if key in ComparingArguments.model_fields:
            continue
        default = (
            "required"
            if field.is_required()
            else ""
            if field.default is None
            else f"`{json.dumps(field.default)}`"
        )
        rows.append(f"| `{field.alias or key}` | {default} | {' '.join(field.description.split())} |")
    if not rows:
        return "No arguments of its own."
    return "\n".join(["| argument | default | meaning |", "|---|---|---|", *rows])


@pytest.mark.parametrize("name", SCORERS)
def test_the_table_of_arguments_is_that_of_the_code(name):
    assert argument_table(_load(name).Arguments) in (PAGES / f"{name}.md").read_text("utf-8")


def test_the_index_lists_every_scorer_and_every_common_argument():
    text = (PAGES / "index.md").read_text("utf-8")
    assert re.findall(r"^\| \[(\w+)\]\(\1\.md\)", text, re.MULTILINE) == list(SCORERS)
    for key in {*Arguments.model_fields, *ComparingArguments.model_fields}:
        assert f"| `{key}` |" in text
    comparing = [name for name in SCORERS if issubclass(_load(name).Arguments, ComparingArguments)]
    refusing = ", ".join(f"`{name}`" for name in SCORERS if name not in comparing)
    assert f"({refusing}) do not take it" in text
    (written,) = (block["scorers"] for block in yaml_blocks("index") if "scorers" in block)
    parse_scorers(written, custom={})
    assert sorted(path.stem for path in PAGES.glob("*.md")) == sorted(["index", *SCORERS])


def test_the_forms_of_expected_calls_are_read():
    forms = [block["expected"] for block in yaml_blocks("tool_call") if "expected" in block]
    assert len(forms) == 2
    for form in forms:
        parse_expected(form)
