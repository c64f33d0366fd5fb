"""JSON Schemas of the project's files, for editors: what completion, hover texts and red lines are made of.

They are generated from the models that `check` uses, so they cannot drift from it. References, digests and what holds
between files is `check`'s alone.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import textwrap
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from evalkit.registry.checks.params import known_params
from evalkit.registry.schema import (
    Entry,
    Hold,
    HoldFile,
    ModelClass,
    OverrideFile,
    ProjectConfig,
    Prompt,
    Tools,
)

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

__all__ = ["MODELS", "file_name", "json_schema", "to_text"]

MODELS: dict[str, type[BaseModel]] = {
    "entry": Entry,
    "prompt": Prompt,
    "tools": Tools,
    "class": ModelClass,
    "hold": HoldFile,
    "override": OverrideFile,
    "evalkit": ProjectConfig,
}
"""By kind; suites are the evaluation side's (`evalkit.cli.commands.schema`)."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def file_name(kind: str) -> str:
    """The name of a kind's schema in `registry/schemas/`."""
    return f"{kind}.schema.json"


def json_schema(kind: str, model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one kind of file."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_WithFieldTexts)
    if model is Entry:
        params = schema["properties"]["params"]
        params["properties"] = known_params()["properties"]
        schema["anyOf"] = [{"required": [key]} for key in ("model", "class_ref", "artifact")]
        schema["not"] = {"required": ["model", "class_ref"]}
    elif model is HoldFile:
        definitions = schema.pop("$defs")
        listed = {key: schema.pop(key) for key in ("properties", "required", "type", "additionalProperties")}
        definitions["HoldFile"] = listed
        schema |= {"anyOf": [{"$ref": "#/$defs/HoldFile"}, {"$ref": f"#/$defs/{Hold.__name__}"}]}
        schema["$defs"] = definitions
    return {"$schema": DIALECT, **schema, "title": f"evalkit: {kind}"}


class _WithFieldTexts(GenerateJsonSchema):
    """Takes the text under a field as its description."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        texts = _field_texts(schema["cls"])
        for name, described in made.get("properties", {}).items():
            if name in texts:
                described.setdefault("description", texts[name])
        return made


def _field_texts(model: type[BaseModel]) -> dict[str, str]:
    """The string below each field in the source of a model."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    texts: dict[str, str] = {}
    for field, below in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            value = below.value if isinstance(below, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                texts[field.target.id] = inspect.cleandoc(value.value)
    return texts


def to_text(schema: dict[str, Any]) -> str:
    """The schema as it is committed: the same on every platform."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
