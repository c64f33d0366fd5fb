"""The arguments of scorers: their schemas, and what is said about wrong ones."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from evalkit.evals.scorers.base import ScorerConfigError
from evalkit.evals.scorers.reading import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

__all__ = [
    "ArgumentProblem",
    "Arguments",
    "ComparingArguments",
    "InvalidScorer",
    "Text",
    "TextList",
    "did_you_mean",
    "validated",
]

Path = tuple[str | int, ...]


class Arguments(BaseModel):
    """What every scorer takes. A scorer's own arguments are fields of a subclass."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    main: ClassVar[str | None] = None
    """The argument that `{scorer: value}` binds."""

    label: str | None = Field(None, min_length=1)
    """The scorer's name in the report; by default the name of the scorer."""
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    """The weight in the mean over the suite's scorers."""
    negate: bool = False
    """Score 1 - value. An answer that nothing could be read from still scores 0."""


class ComparingArguments(Arguments):
    """What every scorer takes that compares with an expected value."""

    expected: Any = None
    """Compare with this instead of the case's `expected`."""


COMMON = frozenset(ComparingArguments.model_fields)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1)]
TextList = Annotated[
    list[Text],
    BeforeValidator(_listed),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
            ]
        }
    ),
]
"""One text or a list of them; none of them empty, because every text contains the empty text."""


@dataclass(frozen=True, slots=True)
class ArgumentProblem:
    """One thing that is wrong in a scorer as the suite writes it."""

    path: Path
    """Keys and indexes from the scorer (or from the list of scorers) down to what is wrong."""
    message: str
    hint: str | None = None
    at_key: bool = False
    """The key at the end of `path` is wrong, not its value."""


class InvalidScorer(ScorerConfigError):
    """Everything that is wrong in one or several scorers of a suite."""

    def __init__(self, problems: Iterable[ArgumentProblem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        names = [part for part in first.path if isinstance(part, str)]
        super().__init__(names[-1] if names else None, first.message, first.hint)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """`did you mean 'x'?`, or None when nothing known is close."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else None


A = TypeVar("A", bound=Arguments)


def validated(scorer: str, model: type[A], raw: Mapping[Any, Any], path: Path, bound: str | None) -> A:
    """The arguments of a scorer, or `InvalidScorer` with every problem.

    Args:
        scorer: The scorer's name, for messages.
        model: Its arguments.
        raw: What the suite says.
        path: Where `raw` is in the scorer.
        bound: The argument that the suite gave as a bare value, which is then itself at `path`.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InvalidScorer(
            _problem(scorer, model, detail, path, bound)
            for detail in error.errors(include_url=False, include_context=True)
        ) from None


def _problem(
    scorer: str, model: type[Arguments], detail: ErrorDetails, path: Path, bound: str | None
) -> ArgumentProblem:
    keys: Path = tuple(detail["loc"])
    kind, value = detail["type"], detail["input"]
    known = sorted(field.alias or name for name, field in model.model_fields.items())
    last = keys[-1] if keys else None
    if kind == "missing":
        return ArgumentProblem(path, f"`{scorer}` needs `{last}`", at_key=True)
    if kind in ("extra_forbidden", "invalid_key"):
        hint = did_you_mean(str(last), known)
        if last == "expected":
            hint = f"`{scorer}` compares with nothing: remove it"
        return ArgumentProblem(
            (*path, *keys),
            f"`{scorer}` has no argument `{last}`",
            hint or f"its arguments are {', '.join(known)}",
            at_key=True,
        )
    where = path + (keys[1:] if bound is not None and keys[:1] == (bound,) else keys)
    name = _dotted(keys)
    message = f"`{name}` {_requirement(detail)}" if name else detail["msg"].removeprefix("Value error, ")
    hint = None
    if kind == "literal_error" and isinstance(value, str):
        hint = did_you_mean(value, _choices(detail))
    elif kind == "string_type" and isinstance(value, (bool, int, float)):
        hint = f'put it in quotes: "{value}"'
    return ArgumentProblem(where, message, hint)


_REQUIREMENTS = {
    "string_type": "must be text, not {got}",
    "float_type": "must be a number, not {got}",
    "int_type": "must be a whole number, not {got}",
    "bool_type": "must be true or false, not {got}",
    "list_type": "must be a list, not {got}",
    "dict_type": "must be a mapping, not {got}",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt:g}, not {got}",
    "greater_than_equal": "must be {ge:g} or more, not {got}",
    "less_than_equal": "must be {le:g} or less, not {got}",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "regular_expression": "is no valid regular expression: {reason}",
}


def _requirement(detail: ErrorDetails) -> str:
    if detail["type"] == "literal_error":
        return f"must be one of {', '.join(_choices(detail))}, not {shown(detail['input'])}"
    template = _REQUIREMENTS.get(detail["type"])
    if template is None:
        return f"is not valid: {detail['msg'].removeprefix('Value error, ')}"
    return template.format(got=shown(detail["input"]), **detail.get("ctx", {}))


def _choices(detail: ErrorDetails) -> list[str]:
    return [word.strip("'") for word in str(detail["ctx"]["expected"]).replace(" or ", ", ").split(", ")]


def _dotted(keys: Path) -> str:
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text
