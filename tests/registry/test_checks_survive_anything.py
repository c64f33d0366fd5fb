"""Whatever a file holds, check reports it: it never fails itself."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planting import BASE, config, entry, plant, tools

from evalkit.evals.checks.everything import check_project
from evalkit.registry.project import Project
from evalkit.runtime.yaml_source import parse_yaml

FILES = {path: text for path, text in BASE.items() if path.endswith(".yaml")} | {
    "evalkit.yaml": config([]) + "scorers: {a: 'json:dumps'}\n",
    "registry/entries/base/v1.yaml": entry(
        "base",
        tools_ref="base-tools@v1",
        response_format="{type: json_schema, json_schema: {name: a, schema: {type: object, required: [b]}}}",
        pin_exception="{reason: r, expires: 2999-01-01}",
        rollout="{percent: 5}",
        eval="{suite: base-eval@v1, score: 0.9, run: r}",
        status="staging",
    ),
    "registry/tools/base-tools/v1.yaml": tools(
        "base-tools", "  - {name: t, parameters: {type: object}}\n", "  f: {type: json_object}\n"
    ),
    "registry/holds/base.yaml": "holds: [{all: true, reason: r, by: b, until: 2999-01-01}]\n",
}

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)
    | st.sampled_from(
        ["draft", "production", "base@v1", "{{ x", "sha256:" + "0" * 64, "2020-01-01", "../..", "@v1"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc$_.", max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(value, loc=()):
    yield loc
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*loc, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*loc, index))


def replaced(value, loc, new):
    if not loc:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[loc[0]] = replaced(value[loc[0]], loc[1:], new)
    return copy


@pytest.mark.parametrize("path", FILES)
@settings(max_examples=40)
@given(data=st.data())
def test_any_value_anywhere_is_reported_or_fine(tmp_path_factory, path, data):
    root = tmp_path_factory.mktemp("project")
    plant(root, [])
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    source, _ = parse_yaml(FILES[path], path)
    loc = data.draw(st.sampled_from(list(places(source.data))))
    changed = replaced(source.data, loc, data.draw(anything))
    (root / path).write_text(json.dumps(changed, indent=1, ensure_ascii=False), encoding="utf-8")
    for problem in check_project(Project(root), date(2026, 6, 1)).problems:
        assert problem.location is not None
        assert problem.message


@given(st.binary(max_size=200) | st.text().map(str.encode))
@settings(max_examples=60)
def test_any_bytes_are_reported_or_fine(tmp_path_factory, content):
    root = tmp_path_factory.mktemp("project")
    plant(root, [])
    for path in ("evalkit.yaml", "registry/prompts/base-prompt/v1.yaml", "suites/base-eval/v1/cases.jsonl"):
        (root / path).write_bytes(content)
    assert check_project(Project(root), date(2026, 6, 1)).files
