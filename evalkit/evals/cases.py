"""Cases, streamed from wherever the suite keeps them: inline, JSONL, CSV, YAML or Parquet.

Rows are read one at a time, so a suite of a million cases needs no more memory than one of ten.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from evalkit.errors import ConfigError, Location, Problem, UsageError
from evalkit.evals.case import Case
from evalkit.evals.suite import CASE_KEYS, Columns
from evalkit.registry.schema.base import close_match, shown
from evalkit.runtime.install import install_hint
from evalkit.runtime.yaml_source import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from evalkit.evals.suite import LoadedSuite

__all__ = ["Row", "iter_cases", "iter_rows", "iter_valid_cases", "read_case"]

MAX_YAML_CASES_BYTES = 64 * 1024 * 1024
MAX_FIELD = 16 * 1024 * 1024
_TAG_SEPARATORS = re.compile(r"[;,]")


@dataclass(slots=True)
class Row:
    """One row, as far as it can be read: what is wrong in it hides nothing else."""

    case: Case | None
    """What could be read, its id empty where the row has none; None where nothing could be read. Whole only without
    problems."""
    problems: list[Problem] = field(default_factory=list)
    knows_tags: bool = True
    knows_vars: bool = True
    knows_expected: bool = True
    """False where a mistake leaves open what the author gave."""


def iter_cases(suite: LoadedSuite, display: str) -> Iterator[tuple[Case | None, list[Problem]]]:
    """Every case in the order of the suite, or None, each with what is wrong with it.

    `display` is how messages show the file of the cases. Reading goes on after a bad row.

    Raises:
        ConfigError: the file cannot be read at all.
    """
    for row in iter_rows(suite, display):
        yield (None if row.problems else row.case), row.problems


def iter_valid_cases(suite: LoadedSuite, display: str) -> Iterator[Case]:
    """The cases of a suite that `iter_cases` found nothing wrong with, read again as fast as can be.

    Raises:
        ConfigError: EK401, the file has changed since.
    """
    cases = suite.suite.cases
    if suite.suite.columns is not None or not isinstance(cases, str) or not cases.endswith(".jsonl"):
        for case, problems in iter_cases(suite, display):
            if case is None:
                raise ConfigError(problems)
            yield case
        return
    with (suite.path.parent / cases).open(encoding="utf-8-sig", newline="\n") as lines:
        index = 0
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield _case(json.loads(line), index, Location(display, number, 1))
            except (ValueError, KeyError, TypeError, AttributeError):
                message = "the case has changed since it was checked"
                raise ConfigError(Problem("EK401", message, Location(display, number, 1))) from None
            index += 1


def iter_rows(suite: LoadedSuite, display: str) -> Iterator[Row]:
    """`iter_cases`, with what can be read of the rows that are wrong."""
    cases, columns = suite.suite.cases, suite.suite.columns
    is_table = isinstance(cases, str) and cases.endswith((".csv", ".parquet"))
    for index, (location, raw) in enumerate(_rows(suite, display)):
        if isinstance(raw, Problem):
            yield Row(None, [raw], knows_tags=False)
            continue
        if is_table:  # its first row tells, for all rows have the same columns
            is_table = False
            if columns is None and not isinstance(raw.get("vars"), dict):
                columns = Columns()
            elif missing := _missing_columns(suite, raw):
                raise ConfigError(missing)
        yield _read_row(raw, index, location, columns)


def _missing_columns(suite: LoadedSuite, row: Mapping[str, Any]) -> list[Problem]:
    """A table has the same columns in every row: a missing one is a mistake of the suite, said once."""
    columns = suite.suite.columns
    if columns is None:
        return []
    variables = columns.vars
    named: list[tuple[tuple[str | int, ...], str | None]] = [
        ((key,), getattr(columns, key)) for key in ("id", "expected", "cluster", "must_pass")
    ]
    named += [(("tags", index), column) for index, column in enumerate(columns.tags)]
    pairs = variables.items() if isinstance(variables, dict) else enumerate(variables or ())
    named += [(("vars", step), column) for step, column in pairs]
    return [
        _no_column(column, row, suite.source.locate(("columns", *loc)))
        for loc, column in named
        if column is not None and column not in row
    ]


def _no_column(column: str, row: Mapping[str, Any], location: Location) -> Problem:
    guess = close_match(column, row)
    hint = f"did you mean '{guess}'?" if guess else f"columns: {', '.join(map(str, row))}"
    return Problem("EK401", f"there is no column '{column}'", location, hint)


def read_case(
    raw: Any, index: int, location: Location, *, columns: Columns | None
) -> tuple[Case | None, list[Problem]]:
    """One row as a case. With `columns`, the row is flat."""
    row = _read_row(raw, index, location, columns)
    return (None if row.problems else row.case), row.problems


def _read_row(raw: Any, index: int, location: Location, columns: Columns | None) -> Row:
    if not isinstance(raw, dict):
        message = f"a case is a mapping, found {shown(raw)}"
        return Row(None, [Problem("EK401", message, location)], knows_tags=False)
    if columns is not None:
        raw, problems = _from_flat(raw, index, location, columns)
        if problems:
            row = _as_far_as_valid(raw, index, location, problems)
            row.knows_tags = row.knows_vars = row.knows_expected = False
            return row
    problems = list(_row_problems(raw, location))
    if problems:
        return _as_far_as_valid(raw, index, location, problems)
    return Row(_case(raw, index, location))


def _case(raw: Mapping[str, Any], index: int, location: Location) -> Case:
    """A row in which nothing is wrong."""
    cluster = raw.get("cluster")
    return Case(
        id=str(raw["id"]),
        index=index,
        vars=raw.get("vars") or {},
        expected=raw.get("expected"),
        tags=tuple(raw.get("tags") or ()),
        cluster=None if cluster is None else str(cluster),
        must_pass=raw.get("must_pass") or False,
        location=location,
    )


def _as_far_as_valid(raw: Mapping[str, Any], index: int, location: Location, problems: list[Problem]) -> Row:
    identity, variables = raw.get("id"), raw.get("vars") or {}
    has_id = isinstance(identity, str | int) and not isinstance(identity, bool)
    # An unknown key may be the misspelt one of those that are missing.
    whole = all(key in CASE_KEYS for key in raw)
    meant = [value for key, value in raw.items() if _meant_by(key) == "tags"]
    tags = [tag for value in meant for tag in (value if isinstance(value, list) else [value])]
    case = Case(
        id=str(identity) if has_id else "",
        index=index,
        vars=variables if isinstance(variables, dict) else {},
        expected=raw.get("expected"),
        tags=tuple(tag for tag in tags if isinstance(tag, str)),
        location=location,
    )
    return Row(
        case,
        problems,
        knows_tags=bool(meant) or whole,
        knows_vars=isinstance(variables, dict) and ("vars" in raw or whole),
        knows_expected="expected" in raw or whole,
    )


def _meant_by(key: Any) -> str | None:
    return key if key in CASE_KEYS else close_match(str(key), CASE_KEYS)


def _row_problems(raw: Mapping[str, Any], location: Location) -> Iterator[Problem]:
    for key in raw:
        if key not in CASE_KEYS:
            guess = _meant_by(key)
            hint = (
                f"did you mean '{guess}'?"
                if guess
                else "flat rows need `columns: {vars: [...]}` in the suite"
            )
            yield Problem("EK104", f"unknown key '{key}' in a case", location, hint)
    identity = raw.get("id")
    if identity is None or identity == "":
        yield Problem("EK105", "the case has no 'id'", location)
    elif isinstance(identity, bool) or not isinstance(identity, str | int):
        yield Problem("EK401", f"the id of a case is text, found {shown(identity)}", location, "quote it")
    elif len(str(identity)) > 500:
        yield Problem("EK401", "the id of a case has at most 500 characters", location)
    if not isinstance(raw.get("vars") or {}, dict):
        yield Problem("EK401", f"vars is a mapping, found {shown(raw['vars'])}", location)
    tags = raw.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        yield Problem("EK401", f"tags is a list of texts, found {shown(tags)}", location)
    if not isinstance(raw.get("must_pass") or False, bool):
        yield Problem("EK401", f"must_pass is true or false, found {shown(raw['must_pass'])}", location)
    if not isinstance(raw.get("cluster"), str | int | None):
        yield Problem("EK401", f"cluster is text, found {shown(raw['cluster'])}", location)


def _from_flat(
    row: dict[str, Any], index: int, location: Location, columns: Columns
) -> tuple[dict[str, Any], list[Problem]]:
    problems: list[Problem] = []

    def value(column: str) -> Any:
        if column not in row:
            problems.append(_no_column(column, row, location))
            return None
        return row[column]

    used = {columns.id or "id", columns.expected or "expected", columns.cluster or "cluster"}
    used |= {columns.must_pass or "must_pass", *(columns.tags or ["tags"])}
    if isinstance(columns.vars, dict):
        variables = {name: value(column) for name, column in columns.vars.items()}
    elif columns.vars is not None:
        variables = {column: value(column) for column in columns.vars}
    else:
        variables = {column: item for column, item in row.items() if column not in used}
    case: dict[str, Any] = {
        "id": value(columns.id) if columns.id else row.get("id", f"row-{index + 1}"),
        "vars": variables,
        "expected": value(columns.expected) if columns.expected else row.get("expected"),
        "cluster": value(columns.cluster) if columns.cluster else row.get("cluster"),
        "must_pass": _truth(value(columns.must_pass) if columns.must_pass else row.get("must_pass")),
    }
    tags: list[Any] = []
    for column in columns.tags or (["tags"] if "tags" in row else []):
        found = value(column)
        if isinstance(found, str):
            tags += [tag.strip() for tag in _TAG_SEPARATORS.split(found) if tag.strip()]
        elif isinstance(found, list):
            tags += found
        elif found is not None:
            tags.append(str(found))
    case["tags"] = tags
    return case, problems


def _truth(value: Any) -> Any:
    if isinstance(value, str):
        return {"true": True, "1": True, "yes": True, "": False, "false": False, "0": False, "no": False}.get(
            value.strip().lower(), value
        )
    return bool(value) if isinstance(value, int) else value


def _rows(suite: LoadedSuite, display: str) -> Iterator[tuple[Location, Any]]:
    cases = suite.suite.cases
    if isinstance(cases, list):
        for index, raw in enumerate(suite.source.data["cases"]):
            yield suite.source.locate(("cases", index)), raw
        return
    path = suite.path.parent / cases
    if path.is_symlink() and path.resolve().parent != suite.path.parent.resolve():
        raise ConfigError(
            Problem("EK108", "leads out of the suite through a symbolic link", Location(display))
        )
    if not path.is_file():
        hint = f"put it beside {suite.source.path}"
        raise ConfigError(
            Problem("EK401", f"there is no file {cases}", suite.source.locate(("cases",)), hint)
        )
    if path.suffix == ".csv":
        yield from _csv(path, display, partial(_missing_columns, suite))
    else:
        yield from {".jsonl": _jsonl, ".parquet": _parquet}.get(path.suffix, _yaml)(path, display)


def _jsonl(path: Path, display: str) -> Iterator[tuple[Location, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901 - a byte order mark is not data
            if not line.strip():
                continue
            location = Location(display, number, 1)
            try:
                yield location, _decode(line.decode("utf-8"))
            except json.JSONDecodeError as error:
                place = Location(display, number, error.colno)
                yield place, Problem("EK401", f"not valid JSON: {error.msg}", place)
            except UnicodeDecodeError:
                yield location, Problem("EK107", "not UTF-8", location, "save the file with UTF-8 encoding")
            except (ValueError, RecursionError) as error:
                yield location, Problem("EK401", f"not valid JSON: {error}", location)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"duplicate key '{twice}'")
    return data


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a finite number")


_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant).decode


def _csv(
    path: Path, display: str, missing_columns: Callable[[Mapping[str, Any]], list[Problem]]
) -> Iterator[tuple[Location, Any]]:
    csv.field_size_limit(MAX_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = next(reader, None)
            if not header:
                raise ConfigError(Problem("EK403", "the file is empty", Location(display, 1, 1)))
            top = Location(display, 1, 1)
            doubled = [
                Problem("EK102", f"duplicate column '{name}'", top)
                for name in sorted({name for name in header if header.count(name) > 1})
            ]
            if doubled:
                raise ConfigError([*doubled, *missing_columns(dict.fromkeys(header))])
            start = reader.line_num + 1
            for row in reader:
                location, start = Location(display, start, 1), reader.line_num + 1
                if not row:
                    continue
                if len(row) != len(header):
                    message = f"{len(row)} values, the header has {len(header)} columns"
                    yield location, Problem("EK401", message, location, "quote values that contain commas")
                    continue
                # A checkout on another platform changes the line ends inside quoted fields.
                values = (value.replace("\r\n", "\n") for value in row)
                yield location, dict(zip(header, values, strict=True))
    except UnicodeDecodeError:
        hint = "save the file with UTF-8 encoding"
        raise ConfigError(Problem("EK107", "not UTF-8", _first_bad_byte(path, display), hint)) from None
    except csv.Error as error:
        raise ConfigError(
            Problem("EK401", f"not valid CSV: {error}", Location(display, reader.line_num, 1))
        ) from None


def _first_bad_byte(path: Path, display: str) -> Location:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return Location(display, number, error.start + 1)
    return Location(display)


def _yaml(path: Path, display: str) -> Iterator[tuple[Location, Any]]:
    source, problems = read_yaml(path, display, max_bytes=MAX_YAML_CASES_BYTES)
    if problems:
        raise ConfigError(problems)
    prefix: tuple[str, ...] = ()
    rows = source.data
    if isinstance(rows, dict) and list(rows) == ["cases"]:
        prefix, rows = ("cases",), rows["cases"]
    if not isinstance(rows, list):
        raise ConfigError(Problem("EK401", f"expected a list of cases, found {shown(rows)}", source.locate()))
    for index, row in enumerate(rows):
        yield source.locate((*prefix, index)), row


def _parquet(path: Path, display: str) -> Iterator[tuple[Location, Any]]:
    try:
        import pyarrow.parquet as pq
    except ImportError:
        hint = install_hint("parquet")
        raise UsageError(Problem("EK904", "reading Parquet needs pyarrow", Location(display), hint)) from None
    try:
        file = pq.ParquetFile(path)
        number = 0
        for batch in file.iter_batches(batch_size=512):
            for row in batch.to_pylist():
                number += 1
                nested = isinstance(row.get("vars"), dict)
                yield Location(f"{display} row {number}"), _without_absent(row) if nested else row
    except (OSError, ValueError) as error:  # pyarrow's own errors derive from these
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            Problem("EK401", f"not a readable Parquet file: {message}", Location(display))
        ) from None


def _without_absent(row: dict[str, Any]) -> dict[str, Any]:
    """Parquet has a column in every row: an empty optional one is absent, as in the other formats."""
    optional = {"expected", "tags", "cluster", "must_pass"}
    cleaned = {key: value for key, value in row.items() if value is not None or key not in optional}
    if isinstance(cleaned.get("vars"), dict):
        cleaned["vars"] = {key: value for key, value in cleaned["vars"].items() if value is not None}
    return cleaned
