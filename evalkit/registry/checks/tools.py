"""Tools and response formats: JSON Schemas that are valid, names that providers take."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from evalkit.registry.schema.base import dotted, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import jsonschema_rs

    from evalkit.registry.checks.file import Checked
    from evalkit.registry.schema import Tools

__all__ = ["check_response_format", "check_tools"]

Loc = tuple[str | int, ...]

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DRAFTS = ("https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#")
_TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
_FORMATS = ("text", "json_object", "json_schema")
_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_NO_SCHEMAS = ("required", "enum", "const", "default", "examples")
_FORMAT_KEYS = {"name", "schema", "strict", "description"}


def check_tools(file: Checked[Tools]) -> None:
    """Check every tool and every response format of a file."""
    tools = file.raw.get("tools")
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        loc: Loc = ("tools", index)
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
            loc, tool = (*loc, "function"), tool["function"]  # noqa: PLW2901 - the other shape of the same thing
        if isinstance(tool, dict):
            _check_tool(file, tool, loc)
    for name, response_format in file.mapping("response_formats").items():
        if isinstance(response_format, dict):
            check_response_format(file, response_format, ("response_formats", name))


def _check_tool(file: Checked[Tools], tool: Mapping[str, Any], loc: Loc) -> None:
    name = tool.get("name")
    if isinstance(name, str) and not _TOOL_NAME.fullmatch(name):
        message = f"{shown(name)} is no name of a tool"
        file.report("EK308", message, (*loc, "name"), "1 to 64 letters, digits, '_' and '-'")
    parameters = tool.get("parameters")
    if isinstance(parameters, dict):
        at = (*loc, "parameters")
        if parameters and parameters.get("type") != "object" and not _refers(parameters):
            message = "the parameters of a tool are an object"
            where = (*at, "type") if "type" in parameters else at
            file.report("EK307", message, where, "write type: object, and the parameters under properties")
        _check_schema(file, parameters, at)


def _refers(schema: Mapping[str, Any]) -> bool:
    return any(key in schema for key in ("$ref", "anyOf", "oneOf", "allOf"))


def check_response_format(file: Checked[Any], value: Mapping[str, Any], loc: Loc) -> None:
    """Check a response format in the shape of chat completions."""
    kind = value.get("type")
    if kind not in _FORMATS:
        message = f"a response format has one of the types {', '.join(_FORMATS)}"
        message += f", found {shown(kind)}" if "type" in value else ""
        file.report("EK310", message, (*loc, "type") if "type" in value else loc)
        return
    if kind != "json_schema":
        return
    inner = value.get("json_schema")
    at = (*loc, "json_schema")
    if not isinstance(inner, dict):
        message = "a response format of type json_schema has a key json_schema: {name, schema}"
        file.report("EK310", message, at if "json_schema" in value else loc)
        return
    for key in inner:
        if key not in _FORMAT_KEYS:
            file.report("EK310", f"unknown key '{key}' in json_schema", (*at, key), key=True)
    name = inner.get("name")
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        message = "json_schema needs a name" if name is None else f"{shown(name)} is no name of a schema"
        file.report("EK310", message, (*at, "name"), "1 to 64 letters, digits, '_' and '-'")
    schema = inner.get("schema")
    if isinstance(schema, dict):
        _check_schema(file, schema, (*at, "schema"))
    elif "schema" in inner:
        file.report("EK310", f"schema is a JSON Schema, found {shown(schema)}", (*at, "schema"))
    else:
        file.report("EK310", "json_schema needs a schema", at)


def _check_schema(file: Checked[Any], schema: Mapping[str, Any], loc: Loc) -> None:
    """Against the meta-schema, each finding at its key; then references and regular expressions."""
    declared = schema.get("$schema")
    draft = declared if declared in _DRAFTS else _DRAFTS[0]
    seen: set[Loc] = set()
    for error in _meta_validator(draft).iter_errors(schema):
        path = tuple(error.instance_path)
        if path in seen:
            continue
        seen.add(path)
        lead, message, hint = f"{dotted(path)}: " if path else "", error.message, None
        if path[-1:] == ("type",) and isinstance(error.instance, str):
            message, hint = f"there is no type {shown(error.instance)}", f"types: {', '.join(_TYPES)}"
        file.report("EK307", f"not a valid JSON Schema: {lead}{message}", (*loc, *path), hint)
    inner = list(_subschemas(schema))
    patterns = list(_check_patterns(file, inner, loc, seen))
    references = list(_check_references(file, schema, inner, loc))
    if not (seen or patterns or references):
        _check_buildable(file, schema, loc)
    for at, part in inner:
        _check_required(file, part, (*loc, *at))


def _subschemas(schema: Any, at: Loc = ()) -> Iterator[tuple[Loc, Mapping[str, Any]]]:
    """A schema and every one inside it, each with its place."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _subschemas(item, (*at, index))
    if not isinstance(schema, dict):
        return
    yield at, schema
    for key, value in schema.items():
        if key in _BY_NAME and isinstance(value, dict):
            for name, item in value.items():
                yield from _subschemas(item, (*at, key, name))
        elif key not in _NO_SCHEMAS:
            yield from _subschemas(value, (*at, key))


def _check_patterns(
    file: Checked[Any], schemas: Iterable[tuple[Loc, Mapping[str, Any]]], loc: Loc, seen: set[Loc]
) -> Iterator[Loc]:
    """Regular expressions, which the meta-schema does not look into. Yields where they are wrong."""
    for at, schema in schemas:
        named = schema.get("patternProperties")
        written = [((*at, "pattern"), schema.get("pattern"))]
        written += [
            ((*at, "patternProperties", key), key) for key in (named if isinstance(named, dict) else ())
        ]
        for place, pattern in written:
            if isinstance(pattern, str) and place not in seen and not _is_pattern(pattern):
                message = f"{dotted(place)}: {shown(pattern)} is no valid regular expression"
                file.report("EK307", f"not a valid JSON Schema: {message}", (*loc, *place))
                yield place


def _is_pattern(pattern: str) -> bool:
    import jsonschema_rs

    try:
        jsonschema_rs.validator_for({"pattern": pattern}, offline=True)
    except (ValueError, jsonschema_rs.ValidationError):
        return False
    return True


def _check_references(
    file: Checked[Any], root: Mapping[str, Any], schemas: list[tuple[Loc, Mapping[str, Any]]], loc: Loc
) -> Iterator[Loc]:
    """References inside the schema, whatever else is wrong with it. Yields those that lead nowhere."""
    if any("$id" in schema for at, schema in schemas if at):
        return  # what a reference starts from then depends on where it stands: left to the validator
    anchors = {schema.get(key) for _, schema in schemas for key in ("$anchor", "$dynamicAnchor")}
    for at, schema in schemas:
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#"):
            continue
        target = unquote(reference[1:])
        leads_somewhere = _points_at_something(root, target) if target[:1] in ("", "/") else target in anchors
        if not leads_somewhere:
            message = f"not a usable JSON Schema: {shown(reference)} leads nowhere"
            file.report("EK307", message, (*loc, *at, "$ref"))
            yield at


def _points_at_something(root: Any, pointer: str) -> bool:
    current = root
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(current, dict) and key in current:
            current = current[key]
        elif isinstance(current, list) and key.isdecimal() and int(key) < len(current):
            current = current[int(key)]
        else:
            return False
    return True


def _check_buildable(file: Checked[Any], schema: Mapping[str, Any], loc: Loc) -> None:
    """What only building the validator tells. References stay inside the schema: nothing is fetched."""
    import jsonschema_rs

    try:
        jsonschema_rs.validator_for(dict(schema), offline=True)
    except jsonschema_rs.ValidationError as error:
        path = tuple(error.instance_path)
        if not path:  # of a reference it tells the text, not the place
            path = next((p for p, text in _references(schema) if text.strip("#") in error.message), ())
        file.report("EK307", f"not a usable JSON Schema: {error.message}", (*loc, *path))
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        file.report("EK307", f"not a usable JSON Schema: {str(error).splitlines()[0]}", loc)


def _references(schema: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    for at, part in _subschemas(schema):
        if isinstance(part.get("$ref"), str) and part["$ref"].strip("#"):
            yield (*at, "$ref"), part["$ref"]


def _check_required(file: Checked[Any], schema: Mapping[str, Any], loc: Loc) -> None:
    """A required property that is not described: a typing error, nearly always."""
    required, properties = schema.get("required"), schema.get("properties")
    if isinstance(required, list) and (isinstance(properties, dict) or schema.get("type") == "object"):
        known = properties if isinstance(properties, dict) else {}
        for index, name in enumerate(required):
            if isinstance(name, str) and name not in known and not schema.get("patternProperties"):
                message = f"'{name}' is required and not among the properties"
                hint = f"properties: {', '.join(map(str, known)) or 'none'}"
                file.warn("EK309", message, (*loc, "required", index), hint)


@cache
def _meta_validator(draft: str) -> jsonschema_rs.Draft202012Validator:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator({"$ref": draft})
