from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest
from mistakes import MISTAKES

from evalkit.cli.commands.schema import KINDS, schema_of
from evalkit.registry.json_schema import file_name, to_text
from evalkit.runtime.yaml_source import parse_yaml

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "registry" / "schemas"
HEADER = "# yaml-language-server: $schema="


def own_files() -> list[Path]:
    patterns = ("evalkit.yaml", "registry/[!s]*/*/*.yaml", "suites/*/*/suite.yaml")
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


@pytest.mark.parametrize("kind", KINDS)
def test_the_committed_schema_is_current(kind):
    text = (SCHEMAS / file_name(kind)).read_text(encoding="utf-8")
    assert text == to_text(schema_of(kind)), "run: evalkit schema --write registry/schemas"


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_a_valid_one_of_2020_12(kind):
    schema = schema_of(kind)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(schema)


def test_every_file_here_names_a_schema_that_accepts_it():
    files = own_files()
    assert files
    for path in files:
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith(HEADER), path
        schema = json.loads((path.parent / first.removeprefix(HEADER)).resolve().read_text(encoding="utf-8"))
        source, problems = parse_yaml(path.read_text(encoding="utf-8"), str(path))
        assert not problems
        jsonschema_rs.validate(schema, source.data)


@pytest.mark.parametrize(
    "name",
    ["unknown-key", "missing-model", "version-text", "status-unknown", "param-text", "model-and-class", "suite-key",
     "gate-key", "scorer-name", "scorer-argument", "role", "variable-type", "cases-inline"],
)  # fmt: skip
def test_an_editor_sees_the_mistake_too(name):
    (mistake,) = (m for m in MISTAKES if m.name == name)
    kinds = {"entries": "entry", "prompts": "prompt", "tools": "tools", "holds": "hold"}
    path = mistake.expected[0][0]
    kind = "suite" if path.startswith("suites/") else kinds[path.split("/")[1]]
    source, _ = parse_yaml(mistake.files[path], path)
    assert not jsonschema_rs.validator_for(schema_of(kind)).is_valid(source.data)


def test_one_schema_is_printed_and_the_kinds_are_listed(evalkit):
    assert json.loads(evalkit("schema", "entry").out)["title"] == "evalkit: entry"
    assert evalkit("schema").out.split() == list(KINDS)


def test_writing_twice_changes_nothing_the_second_time(evalkit, tmp_path):
    folder = str(tmp_path / "schemas")
    assert len(evalkit("schema", "--write", folder).out.splitlines()) == len(KINDS)
    assert evalkit("schema", "--write", folder).out == ""
    assert evalkit("schema", "--check", "--write", folder).code == 0


def test_a_stale_or_missing_schema_fails_the_check_and_is_named(evalkit, tmp_path):
    evalkit("schema", "--write", str(tmp_path))
    (tmp_path / "entry.schema.json").write_text("{}\n")
    (tmp_path / "hold.schema.json").unlink()
    result = evalkit("schema", "--check", "--write", str(tmp_path))
    assert result.code == 1
    assert "entry.schema.json is not current" in result.out
    assert "hold.schema.json is missing" in result.out
    assert (tmp_path / "entry.schema.json").read_text() == "{}\n"


def test_a_check_needs_a_folder(evalkit):
    assert evalkit("schema", "--check").code == 2
