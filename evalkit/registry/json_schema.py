"""JSON Schemas of the project's files, for editors: what completion, hover texts and red lines are made of.

They are generated from the models that `check` uses, so they cannot drift from it. References, digests and what holds
between files is `check`'s alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from evalkit.registry.checks.params import known_params
from evalkit.registry.schema import Entry, Hold, HoldFile, ModelClass, ProjectConfig, Prompt, Tools

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["MODELS", "file_name", "json_schema", "to_text"]

MODELS: dict[str, type[BaseModel]] = {
    "entry": Entry,
    "prompt": Prompt,
    "tools": Tools,
    "class": ModelClass,
    "hold": HoldFile,
    "evalkit": ProjectConfig,
}
"""By kind; suites are the evaluation side's (`evalkit.cli.commands.schema`)."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def file_name(kind: str) -> str:
    """The name of a kind's schema in `registry/schemas/`."""
    return f"{kind}.schema.json"


def json_schema(kind: str, model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one kind of file."""
    schema = model.model_json_schema(by_alias=True)
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


def to_text(schema: dict[str, Any]) -> str:
    """The schema as it is committed: the same on every platform."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
