"""What `check` says nothing about: everything that is right."""

from __future__ import annotations

from datetime import date

import pytest
from planting import case, cases, entry, plant, prompt, suite, tools

from evalkit.evals.checks.everything import check_project
from evalkit.registry.project import Project
from evalkit.registry.resolve import resolve_config

MODEL = "gpt-4o-2024-11-20"
EVERYTHING = """\
description: everything that an author may write
owner: search-team
tools_ref: base-tools@v1
response_format: { type: json_schema, json_schema: { name: a, strict: true, schema: { type: object, properties: {} } } }
rollout: { percent: 5, unit: key }
traffic: 30
control: true
pin_exception: { reason: kept for the audit, expires: 2999-01-01 }
"""


def check(root, files: dict[str, str]) -> list[str]:
    plant(root, [])
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return [str(problem) for problem in check_project(Project(root), date(2026, 6, 1)).problems]


PROMPTS = {
    "loops": (
        "{% for x in items %}{{ loop.index }}. {{ x.name|upper }}{% endfor %}",
        "{items: {type: array}}",
    ),
    "sets": ("{% set a = text %}{{ a }}{% if a is string %}!{% endif %}", "{text: {}}"),
    "macros": ("{% macro m(q) %}{{ q }}{% endmacro %}{{ m(text) }}", "{text: {}}"),
    "raw": ("{% raw %}{{ not a variable }}{% endraw %}{{ text }}{# and {{ this }} #}", "{text: {}}"),
    "globals": ("{% for i in range(3) %}{{ i }}{{ text }}{% endfor %}{{ dict(a=1).a }}", "{text: {}}"),
    "default": ("{{ text }}{{ mood }}", "{text: {}, mood: {type: integer, required: false, default: 3}}"),
    "conditional": ("{% if vip %}yes{% endif %}{{ text }}", "{text: {}, vip: {type: boolean}}"),
    "braces": ('{"queue": "{{ text }}"} and { } and %}', "{text: {}}"),
    "no-variables": ("Say hello.", "{}"),
    "folded-in-quotes": ("{{ text }}", "{text: {}}"),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_may_use_what_templates_are_for(tmp_path, name):
    content, variables = PROMPTS[name]
    assert check(tmp_path, {f"registry/prompts/{name}/v1.yaml": prompt(name, content, variables)}) == []


TOOLS = {
    "plain": tools(
        "plain", "  - name: a_b-C1\n    description: d\n    strict: true\n    parameters: {type: object}\n"
    ),
    "no-parameters": tools("no-parameters", "  - name: now\n"),
    "wrapped": tools(
        "wrapped",
        "  - type: function\n    function: {name: f, parameters: {type: object, properties: {a: {type: [string, 'null']}}}}\n",
    ),
    "referring": tools(
        "referring",
        "  - name: f\n    parameters:\n      type: object\n      $defs: {x: {type: string, enum: [a, b]}}\n"
        "      properties: {a: {$ref: '#/$defs/x'}, b: {anyOf: [{type: integer}, {type: 'null'}]}}\n      required: [a, b]\n",
    ),
    "properties-called-like-keywords": tools(
        "properties-called-like-keywords",
        "  - name: f\n    parameters: {type: object, properties: {required: {type: boolean}, type: {type: string}}, required: [type]}\n",
    ),
    "formats": tools("formats", formats="  t: {type: json_object}\n  u: {type: text}\n"),
}


@pytest.mark.parametrize("name", TOOLS)
def test_tools_may_be_written_in_every_form(tmp_path, name):
    assert check(tmp_path, {f"registry/tools/{name}/v1.yaml": TOOLS[name]}) == []


def test_an_entry_may_say_everything(tmp_path):
    assert check(tmp_path, {"registry/entries/full/v3.yaml": entry("full", 3, EVERYTHING, model=MODEL)}) == []


PARAMS = [
    "{}",
    "{ temperature: 0, top_p: 1, max_tokens: 1 }",
    "{ temperature: 0.7, stop: END, seed: -1, temperature2: hot }",
    "{ stop: [a, b], tool_choice: auto, reasoning_effort: low, extra_body: { anything: [1, {}] } }",
    "{ temperature: null }",
    "{ logit_bias: { '50256': -100 }, tool_choice: { type: function, function: { name: f } } }",
]


@pytest.mark.parametrize("params", PARAMS)
def test_params_pass_when_they_are_right_or_unknown(tmp_path, params):
    assert check(tmp_path, {"registry/entries/e/v1.yaml": entry("e", params=params)}) == []


def test_a_class_an_artifact_and_a_format_by_name_are_fine(tmp_path):
    artifact = (
        f"artifact: {{ uri: s3://b/w, digest: 'sha256:{'a' * 64}' }}\nlineage: {{ base_model: llama }}\n"
    )
    files = {
        "registry/tools/f/v1.yaml": tools("f", formats="  triage: {type: json_object}\n"),
        "registry/entries/a/v1.yaml": entry("a", model=None, class_ref="base-class@v1"),
        "registry/entries/b/v1.yaml": entry("b", model=None, provider="local", extra=artifact),
        "registry/entries/c/v1.yaml": entry("c", tools_ref="f@v1", response_format="triage"),
    }
    assert check(tmp_path, files) == []


def test_retired_entries_may_name_models_that_are_gone(tmp_path):
    files = {"registry/entries/old/v1.yaml": entry("old", model="gpt-3.5-turbo", status="retired")}
    assert check(tmp_path, files) == []


def test_a_hold_on_a_digest_that_an_entry_has_is_fine(tmp_path):
    plant(tmp_path, [])
    project = Project(tmp_path)
    digest = resolve_config(project, project.target("base")).digest
    hold = f'digest: "{digest}"\nreason: r\nby: b\nuntil: 2999-01-01\n'
    assert check(tmp_path, {"registry/holds/base.yaml": hold}) == []


def test_notes_and_hidden_files_are_left_alone(tmp_path):
    files = {
        "registry/README.md": "# notes\n",
        "registry/entries/base/README.md": "# notes\n",
        "registry/entries/.gitkeep": "",
        "registry/schemas/entry.schema.json": "{}",
        "suites/base-eval/v1/README.md": "",
    }
    assert check(tmp_path, files) == []


def test_older_production_entries_need_not_fit_the_suites_of_today(tmp_path):
    """They passed the suites of their time: a new suite may ask with other variables."""
    files = {
        "evalkit.yaml": "default_provider: openai\nproviders: {openai: {kind: openai}}\npolicy:\n  entries: {shop: {suites: [shop-eval@v1]}}\n",
        "suites/shop-eval/v1/suite.yaml": suite("shop-eval"),
        "suites/shop-eval/v1/cases.jsonl": cases(*(case(n, vars={"text": "x"}) for n in range(40)), count=0),
        "registry/prompts/new/v1.yaml": prompt("new", "{{ text }}", "{text: {}}"),
        "registry/entries/shop/v1.yaml": entry("shop", 1, status="production", model=MODEL),
        "registry/entries/shop/v2.yaml": entry("shop", 2, prompt_ref="new@v1", status="draft", model=MODEL),
    }
    found = check(tmp_path, files)
    assert [text for text in found if "EK408" in text] == []
    files["registry/entries/shop/v3.yaml"] = entry("shop", 3, status="draft", model=MODEL)
    assert any("EK408" in text for text in check(tmp_path, files))


def test_a_module_is_looked_for_and_never_imported(tmp_path):
    files = {
        "evalkit.yaml": "scorers: {a: 'scorers.inner:f', b: 'json:dumps'}\nproviders: {openai: {kind: openai}}\n",
        "scorers/__init__.py": "raise SystemExit('imported')\n",
        "scorers/inner.py": "raise SystemExit('imported')\n",
    }
    assert check(tmp_path, files) == []


def test_ten_times_the_entries_take_about_ten_times_the_reading_and_no_more(tmp_path):
    """Counted, not timed: each file is opened once, however many entries refer to it."""
    import builtins
    import io
    from unittest import mock

    plant(tmp_path, [])
    for number in range(60):
        path = tmp_path / f"registry/entries/e{number}/v1.yaml"
        path.parent.mkdir()
        path.write_text(entry(f"e{number}"))
    opened: list[str] = []
    real = io.open

    def counting(file, *args, **kwargs):
        opened.append(str(file))
        return real(file, *args, **kwargs)

    with mock.patch.object(io, "open", counting), mock.patch.object(builtins, "open", counting):
        check_project(Project(tmp_path), date(2026, 6, 1))
    ours = [name for name in opened if name.startswith(str(tmp_path / "registry"))]
    assert len(ours) == len(set(ours)) == 64
