"""Strict models, and pydantic's findings as located problems with a way out."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from evalkit.errors import Problem
from evalkit.runtime.refs import NAME_PATTERN, Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from evalkit.runtime.yaml_source import Source

__all__ = [
    "CrossChecked",
    "Finding",
    "ModelId",
    "Name",
    "RefText",
    "SaidText",
    "Strict",
    "Version",
    "close_match",
    "shown",
    "validate",
]


class Strict(BaseModel):
    """Unknown keys are refused, types are not converted, values do not change after reading.

    A model is built when it is first used, and the text under each field is read only where JSON Schemas are made
    (`evalkit.registry.json_schema`): both would cost every command a good part of its start.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong between the keys of one mapping. `at` leads from that mapping to the value it is about."""

    message: str
    at: tuple[str | int, ...] = ()
    code: str = "EK106"
    hint: str | None = None


class CrossChecked(Strict):
    """A model with rules between its keys. They are checked beside the keys' own rules, so both are reported at once."""

    @classmethod
    def findings(cls, raw: Mapping[str, Any]) -> Iterator[Finding]:
        """What is wrong between the keys. `raw` may hold anything: rules pass over what is wrong on its own."""
        del raw
        return iter(())

    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, raw: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        found = [_details(finding, raw) for finding in cls.findings(raw)] if isinstance(raw, dict) else []
        try:
            model = handler(raw)
        except ValidationError as error:
            found = [*map(_again, error.errors(include_url=False)), *found]
        if found:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return model


def _details(finding: Finding, raw: Any) -> InitErrorDetails:
    custom = PydanticCustomError("finding", "{message}", {"message": finding.message, "finding": finding})
    return InitErrorDetails(type=custom, loc=finding.at, input=raw)


def _again(item: Any) -> InitErrorDetails:
    """An error that pydantic has reported, in the form in which it takes errors."""
    ctx = item.get("ctx", {})
    kind = PydanticCustomError("finding", "{message}", ctx) if item["type"] == "finding" else item["type"]
    return InitErrorDetails(type=kind, loc=item["loc"], input=item["input"], ctx=ctx)


def _model_id(text: str) -> str:
    if text != text.strip():
        raise ValueError("a model id has no space before or after it")
    return text


def _not_blank(text: str) -> str:
    if text and not text.strip():
        raise ValueError("must not be blank")
    return text


def _reference(text: str) -> str:
    if Ref.parse(text) is None:
        raise ValueError("a reference is written name@v3")
    return text


Name = Annotated[str, StringConstraints(pattern=rf"^{NAME_PATTERN}$", max_length=100)]
RefText = Annotated[
    str, AfterValidator(_reference), Field(json_schema_extra={"examples": ["triage-prompt@v9"]})
]
ModelId = Annotated[str, Field(min_length=1), AfterValidator(_model_id)]
"""As it is sent: providers do not trim it."""
SaidText = Annotated[str, Field(min_length=1), AfterValidator(_not_blank)]
"""Text that says something: not only spaces."""
Version = Annotated[int, Field(ge=1, le=999_999_999)]

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], source: Source) -> tuple[M | None, list[Problem]]:
    """The model, or None and every problem of the file, each at its line."""
    if not isinstance(source.data, dict):
        what = shown(source.data)
        hint = f"a file of this kind begins with keys such as {', '.join(list(model.model_fields)[:3])}"
        return None, [Problem("EK106", f"expected a mapping, found {what}", source.locate(), hint)]
    try:
        return model.model_validate(source.data), []
    except ValidationError as error:
        return None, problems_of(error, source, model)


def problems_of(
    error: ValidationError, source: Source, model: type[BaseModel], prefix: Sequence[str | int] = ()
) -> list[Problem]:
    """One problem for each finding of pydantic, at its place, in our words."""
    found: dict[tuple[Any, ...], Problem] = {}
    items = error.errors(include_url=False)
    misspelt = {loc for item in items if (loc := _meant(item, model)) is not None}
    inner_locs = [tuple(step for step in item["loc"] if not _is_union_tag(step)) for item in items]
    for item, inner in zip(items, inner_locs, strict=True):
        if item["type"] == "missing" and item["loc"] in misspelt:
            continue  # said once, where the misspelt key stands
        if inner != item["loc"] and any(
            len(at) > len(inner) and at[: len(inner)] == inner for at in inner_locs
        ):
            continue  # not this alternative of a union: another one fits but for something inside
        problem = _problem(item, (*prefix, *inner), source, _keys_at(model, inner[:-1]))
        # A union reports each alternative that did not fit: the place is wrong once.
        found.setdefault((problem.location, problem.code, problem.message), problem)
    return list(found.values())


def _meant(item: Any, model: type[BaseModel]) -> tuple[Any, ...] | None:
    """The place of the key that an unknown key was meant to be."""
    if item["type"] != "extra_forbidden":
        return None
    loc = item["loc"]
    guess = close_match(str(loc[-1]), _keys_at(model, loc[:-1]))
    return (*loc[:-1], guess) if guess else None


def _is_union_tag(step: Any) -> bool:
    """Steps that pydantic adds for the alternatives of a union; they are not in the file."""
    return isinstance(step, str) and (
        step.startswith(("(", "dict[", "list[")) or step in {"str", "constrained-str"}
    )


def _problem(item: Any, loc: tuple[Any, ...], source: Source, known: Iterable[str]) -> Problem:
    kind, ctx, value = item["type"], item.get("ctx", {}), item["input"]
    where = dotted(loc)
    if kind == "extra_forbidden":
        known = sorted(known)
        guess = close_match(str(loc[-1]), known)
        hint = f"did you mean '{guess}'?" if guess else f"known keys: {', '.join(known)}" if known else None
        place = f" in {dotted(loc[:-1])}" if loc[:-1] else ""
        return Problem("EK104", f"unknown key '{loc[-1]}'{place}", source.locate(loc, key=True), hint)
    if kind == "missing":
        place = f" in {dotted(loc[:-1])}" if loc[:-1] else ""
        return Problem("EK105", f"the key '{loc[-1]}' is missing{place}", source.locate(loc[:-1]))
    if kind == "value_error":
        lead = f"{where}: " if where else ""
        return Problem("EK106", f"{lead}{ctx['error']}", source.locate(loc))
    if kind == "finding":
        finding: Finding = ctx["finding"]
        return Problem(finding.code, finding.message, source.locate(loc), finding.hint)
    found = "" if kind in {"too_short", "string_too_short"} else f", found {shown(value)}"
    return Problem(
        "EK106",
        f"{where or 'the file'} {_expectation(kind, ctx)}{found}",
        source.locate(loc),
        _hint(kind, value),
    )


_PATTERNS = {
    rf"^{NAME_PATTERN}$": "must be lower-case letters and digits joined by '-', '_' or '.'",
    r"^https?://": "must be an http(s) URL",
    r"^sha256:[0-9a-f]{64}$": "must be sha256: and 64 hex digits",
    r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$": "must be written package.module:function",
}

_EXPECTATIONS = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "none_required": "must be null",
    "date_type": "must be a date such as 2026-12-31",
    "date_from_datetime_parsing": "must be a date such as 2026-12-31",
    "date_parsing": "must be a date such as 2026-12-31",
    "finite_number": "must be a finite number",
}


def _expectation(kind: str, ctx: dict[str, Any]) -> str:
    if kind in _EXPECTATIONS:
        return _EXPECTATIONS[kind]
    if kind in {"literal_error", "enum"}:
        return f"must be {ctx['expected']}"
    if kind == "greater_than_equal":
        return f"must be at least {ctx['ge']:g}"
    if kind == "greater_than":
        return f"must be above {ctx['gt']:g}"
    if kind == "less_than_equal":
        return f"must be at most {ctx['le']:g}"
    if kind == "less_than":
        return f"must be below {ctx['lt']:g}"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(ctx["pattern"], f"must match {ctx['pattern']}")
    if kind in {"string_too_long", "too_long"}:
        return f"must not be longer than {ctx.get('max_length', 'allowed')}"
    return f"is not valid ({kind.replace('_', ' ')})"


def _hint(kind: str, value: Any) -> str | None:
    if kind == "string_type" and isinstance(value, int | float):
        return f'quote it if it is text: "{value}"'
    if kind in {"int_type", "float_type"} and isinstance(value, str) and value.replace(".", "", 1).isdigit():
        return f"write {value.lstrip('0') or '0'} without quotes or leading zeros"
    if kind == "bool_type" and str(value).lower() in {"yes", "no", "on", "off"}:
        return "write true or false"
    return None


def dotted(loc: Sequence[Any]) -> str:
    """`gate.slices.hard`, `messages[0].role`."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def shown(value: Any) -> str:
    """A value as a message shows it: short, and with its kind where that is what is wrong."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"
    return str(value)


def close_match(word: str, known: Iterable[str]) -> str | None:
    """The known word that the author may have meant."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def _keys_at(model: Any, loc: Sequence[Any]) -> list[str]:
    """The keys that are known at a place inside the model."""
    current = [model]
    for step in loc:
        following: list[Any] = []
        for candidate in current:
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                for name, info in candidate.model_fields.items():
                    if step in (name, info.alias):
                        following.extend(_models_in(info.annotation))
        current = following or current
    return [
        info.alias or name
        for candidate in current
        if isinstance(candidate, type) and issubclass(candidate, BaseModel)
        for name, info in candidate.model_fields.items()
    ]


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in getattr(annotation, "__args__", ()) for found in _models_in(argument)]
