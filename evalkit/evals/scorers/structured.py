"""`json_valid`, `json_schema` and `json_path`: answers that are JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from pydantic import Field, model_validator

from evalkit.evals.scorers.arguments import Arguments, ComparingArguments, Text
from evalkit.evals.scorers.base import Score, ScorerConfigError
from evalkit.evals.scorers.documents import NotJson, json_equal, parse_json
from evalkit.evals.scorers.number import Tolerance, as_decimal
from evalkit.evals.scorers.reading import (
    NO_EXPECTED,
    NO_TEXT,
    as_label,
    excerpt,
    mismatch,
    shown,
    text_of,
    unread,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.evals.case import Answer, Case

__all__ = [
    "JsonPath",
    "JsonPathArguments",
    "JsonSchema",
    "JsonSchemaArguments",
    "JsonValid",
    "JsonValidArguments",
]


class JsonValidArguments(Arguments):
    """Arguments of `json_valid`."""

    fenced: bool = False
    """Accept JSON inside a Markdown code block: the last block is read, text around it is ignored."""


class JsonValid:
    """The text is one JSON document."""

    version = "1"
    Arguments = JsonValidArguments

    def __init__(self, args: JsonValidArguments) -> None:
        self._fenced = args.fenced

    def check(self, case: Case) -> str | None:  # noqa: ARG002  # the protocol's signature
        """Every case can be scored."""
        return None

    def score(self, case: Case, answer: Answer) -> Score:  # noqa: ARG002  # the protocol's signature
        """1 when it is JSON."""
        text = text_of(answer)
        if text is None:
            return unread(NO_TEXT)
        try:
            parse_json(text, fenced=self._fenced)
        except NotJson as error:
            return Score(0.0, f"not JSON: {error}")
        return Score(1.0)


class JsonSchemaArguments(Arguments):
    """Arguments of `json_schema`."""

    schema_: dict[str, Any] = Field(alias="schema")
    """The JSON Schema; `$schema` names its draft, by default 2020-12."""
    formats: bool = False
    """Check `format` too (`date`, `email`, `uri`, ...), which JSON Schema leaves open."""
    fenced: bool = False
    """Accept JSON inside a Markdown code block: the last block is read, text around it is ignored."""

    @model_validator(mode="before")
    @classmethod
    def _schema_is_under_its_key(cls, raw: Any) -> Any:
        if (
            isinstance(raw, dict)
            and "schema" not in raw
            and raw.keys() & {"$schema", "type", "properties", "anyOf"}
        ):
            raise ValueError(
                "a JSON Schema goes under `schema`: `json_schema: {schema: {type: object, ...}}`"
            )
        return raw


def _fetch_nothing(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is outside the schema, and nothing is fetched")


class JsonSchema:
    """The text is JSON that a JSON Schema accepts."""

    version = "1"
    Arguments = JsonSchemaArguments

    def __init__(self, args: JsonSchemaArguments) -> None:
        import jsonschema_rs

        self._fenced = args.fenced
        try:
            self._validator = jsonschema_rs.validator_for(
                args.schema_, validate_formats=args.formats, retriever=_fetch_nothing
            )
        except jsonschema_rs.ValidationError as error:
            raise ScorerConfigError(
                "schema", f"`schema` is no valid JSON Schema: {_place(error.instance_path)}: {error.message}"
            ) from None
        except (ValueError, RecursionError) as error:
            raise ScorerConfigError("schema", f"`schema` is no valid JSON Schema: {error}") from None

    def check(self, case: Case) -> str | None:  # noqa: ARG002  # the protocol's signature
        """Every case can be scored."""
        return None

    def score(self, case: Case, answer: Answer) -> Score:  # noqa: ARG002  # the protocol's signature
        """1 when the schema accepts it; the reason is its first objection."""
        text = text_of(answer)
        if text is None:
            return unread(NO_TEXT)
        try:
            document = parse_json(text, fenced=self._fenced)
        except NotJson as error:
            return unread(f"not JSON: {error}")
        try:
            objection = next(iter(self._validator.iter_errors(document)), None)
        except (ValueError, RecursionError) as refused:  # deeper than the validator follows
            return Score(0.0, f"cannot be validated: {excerpt(str(refused), 200)}")
        if objection is None:
            return Score(1.0)
        return Score(0.0, f"{_place(objection.instance_path)}: {excerpt(objection.message, 200)}")


_PLAIN_KEY = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def _place(keys: list[str | int]) -> str:
    """A place in a document as a JSONPath."""
    steps = (
        f".{key}" if isinstance(key, str) and _PLAIN_KEY.fullmatch(key) else f"[{key!r}]" for key in keys
    )
    return "$" + "".join(steps)


class JsonPathArguments(ComparingArguments):
    """Arguments of `json_path`."""

    main: ClassVar[str | None] = "path"

    path: Text
    """A JSONPath (RFC 9535) that selects what to compare: `$.queue`."""
    nodes: Literal["one", "any", "all", "list"] = "one"
    """What to do with what is selected: it must be one value; any of the values or all of them must equal
    `expected`; or the list of them must."""
    ignore_case: bool = False
    """Ignore the difference between upper and lower case in text values."""
    numeric: bool = False
    """Compare as numbers: "3" and 3.0 equal 3."""
    abs_tol: float = Field(0.0, ge=0, allow_inf_nan=False)
    """With `numeric`: the largest allowed difference."""
    rel_tol: float = Field(0.0, ge=0, allow_inf_nan=False)
    """With `numeric`: the largest allowed difference as a share of `expected`."""
    fenced: bool = False
    """Accept JSON inside a Markdown code block: the last block is read, text around it is ignored."""


class JsonPath:
    """A value inside the JSON answer equals `expected`."""

    version = "1"
    Arguments = JsonPathArguments

    def __init__(self, args: JsonPathArguments) -> None:
        self._args = args
        self._select = _selector(args.path)
        for name in ("abs_tol", "rel_tol"):
            if getattr(args, name) and not args.numeric:
                raise ScorerConfigError(name, f"`{name}` needs `numeric: true`")
        if args.numeric and args.nodes == "list":
            raise ScorerConfigError(
                "numeric", "`numeric` compares single values, and `nodes: list` is a list of them"
            )
        self._tolerance = Tolerance(args.abs_tol, args.rel_tol)

    def check(self, case: Case) -> str | None:
        """There is an `expected`; a number with `numeric`, a list with `nodes: list`."""
        expected = case.expected
        if expected is None:
            return NO_EXPECTED
        if self._args.numeric and as_decimal(expected) is None:
            return f"has an `expected` that is not a number: {shown(expected)}"
        if self._args.nodes == "list" and not isinstance(expected, list):
            return f"has an `expected` that is not a list: {shown(expected)}"
        return None

    def score(self, case: Case, answer: Answer) -> Score:
        """1 when what the path selects equals `expected`."""
        text = text_of(answer)
        if text is None:
            return unread(NO_TEXT)
        try:
            values = self._select(parse_json(text, fenced=self._args.fenced))
        except NotJson as error:
            return unread(f"not JSON: {error}")
        expected, nodes = case.expected, self._args.nodes
        if nodes == "list":
            if json_equal(values, expected, ignore_case=self._args.ignore_case):
                return Score(1.0, None, values)
            return Score(0.0, mismatch(values, expected), values)
        if not values:
            return unread(f"`{self._args.path}` selects nothing")
        if len(values) == 1:
            return self._score_one(values[0], expected)
        if nodes == "one":
            return Score(0.0, f"`{self._args.path}` selects {len(values)} values, not one", values)
        right = any if nodes == "any" else all
        if right(self._equal(value, expected) for value in values):
            return Score(1.0, None, values)
        wrong = "none of them is" if nodes == "any" else "not all of them are"
        return Score(0.0, f"got {shown(values)}: {wrong} {shown(expected)}", values)

    def _score_one(self, value: Any, expected: Any) -> Score:
        if self._equal(value, expected):
            return Score(1.0, None, value, _class_of(expected))
        return Score(0.0, mismatch(value, expected), value, _class_of(value))

    def _equal(self, value: Any, expected: Any) -> bool:
        if not self._args.numeric:
            return json_equal(value, expected, ignore_case=self._args.ignore_case)
        got, wanted = as_decimal(value), as_decimal(expected)
        return got is not None and wanted is not None and self._tolerance.accepts(got, wanted)


def _class_of(value: Any) -> str | None:
    return None if isinstance(value, (list, dict)) else as_label(value)


_DOTTED = re.compile(r"\$(?:\.[A-Za-z_]\w*)*", re.ASCII)


def _selector(path: str) -> Callable[[Any], list[Any]]:
    """A function from a document to the values that the path selects.

    Paths of plain keys (`$.a.b`), which most are, need no JSONPath library: importing it takes longer than scoring
    ten thousand answers.
    """
    if _DOTTED.fullmatch(path):
        return _key_selector(path.split(".")[1:])

    from jsonpath_rfc9535 import JSONPathError, compile  # noqa: A004  # its name there

    try:
        query = compile(path)
    except JSONPathError as error:
        token = error.token
        where = "" if token is None else f" at character {token.index + 1}"
        raise ScorerConfigError("path", f"`path` is no valid JSONPath: {error.args[0]}{where}") from None

    def select(document: Any) -> list[Any]:
        try:
            return [node.value for node in query.find(document)]
        except (JSONPathError, RecursionError):
            raise NotJson("it is nested too deeply for this path") from None

    return select


def _key_selector(keys: list[str]) -> Callable[[Any], list[Any]]:
    def select(document: Any) -> list[Any]:
        for key in keys:
            if not isinstance(document, dict) or key not in document:
                return []
            document = document[key]
        return [document]

    return select
