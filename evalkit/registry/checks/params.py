"""Params that providers agree on have the types that they agree on; `data/params.json` says which. The rest passes."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from evalkit.registry.schema.base import dotted, shown

if TYPE_CHECKING:
    import jsonschema_rs

    from evalkit.registry.checks.file import Checked

__all__ = ["check_params", "known_params"]


def check_params(file: Checked[Any], params: dict[str, Any], loc: tuple[str | int, ...]) -> None:
    """Report each known param of a wrong type or beyond its range. A null is the same as leaving it out."""
    given = {key: value for key, value in params.items() if value is not None}
    validator = _validator()
    if not given or validator.is_valid(given):
        return
    for error in validator.iter_errors(given):
        path = tuple(error.instance_path)
        value = error.instance
        hint = f"write {value} without quotes" if isinstance(value, str) and _is_number(value) else None
        file.report("EK218", f"{dotted((*loc, *path))}: {_in_words(error)}", (*loc, *path), hint)


def _in_words(error: jsonschema_rs.ValidationError) -> str:
    rules = known_params()["properties"].get(str(error.instance_path[0]), {})
    keyword = str(error.schema_path[-1])
    limit = rules.get(keyword)
    if len(error.instance_path) > 1 or keyword == "maxItems":
        return str(error.message)
    if keyword == "type":
        kinds: list[str] = limit if isinstance(limit, list) else [str(limit)]
        return f"must be {' or '.join(_ARTICLES[k] for k in kinds if k != 'null')}, found {shown(error.instance)}"
    bound = {"minimum": "at least", "maximum": "at most", "const": "left out or"}.get(keyword, keyword)
    return f"must be {bound} {json.dumps(limit)}, found {shown(error.instance)}"


_ARTICLES = {
    "number": "a number",
    "integer": "a whole number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@cache
def known_params() -> dict[str, Any]:
    """The JSON Schema of the known params."""
    text = files("evalkit.registry").joinpath("data", "params.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(known_params())
