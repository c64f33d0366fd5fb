"""`suites/<name>/v<version>/suite.yaml`: cases, scorers and the gate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from evalkit.errors import ConfigError, Problem, UnresolvedReference
from evalkit.evals.gate import GateRules
from evalkit.evals.metrics import parse_metric
from evalkit.evals.scorers.arguments import InvalidScorer
from evalkit.evals.scorers.spec import ScorerSpec, parse_scorers
from evalkit.registry.schema import ProjectConfig
from evalkit.registry.schema.base import CrossChecked, Finding, Name, Strict, Version, close_match, validate
from evalkit.runtime.refs import Ref, is_name
from evalkit.runtime.yaml_source import Source, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalkit.errors import Location
    from evalkit.registry.project import Project

__all__ = ["Columns", "InlineCase", "LoadedSuite", "Suite", "load_suite", "read_suite", "suite_names"]

MAX_SUITE_BYTES = 16 * 1024 * 1024
MAX_REPEATS = 1000
CASE_KEYS = ("id", "vars", "expected", "tags", "cluster", "must_pass")
CASE_FORMATS = (".jsonl", ".csv", ".yaml", ".yml", ".parquet")


class Columns(Strict):
    """How the columns of flat rows become cases."""

    id: str | None = None
    """The column `id` if left out; the row number where there is none."""
    vars: list[str] | dict[str, str] | None = None
    """Columns that the prompt takes, or `{variable: column}`. Every other column if left out."""
    expected: str | None = None
    tags: list[str] = Field(default_factory=list)
    """Columns whose values are tags."""
    cluster: str | None = None
    must_pass: str | None = None


def _identity(value: str | int) -> str | int:
    if not 1 <= len(str(value)) <= 500:
        raise ValueError("the id of a case has 1 to 500 characters")
    return value


def _tag(value: str) -> str:
    if not value:
        raise ValueError("a tag is not empty")
    return value


class InlineCase(Strict):
    """A case written in the suite itself."""

    id: Annotated[str | int, AfterValidator(_identity)]
    vars: dict[str, Any] = Field(default_factory=dict)
    expected: Any = None
    tags: list[Annotated[str, AfterValidator(_tag)]] = Field(default_factory=list)
    cluster: str | int | None = None
    must_pass: bool = False


class Suite(CrossChecked):
    """A versioned set of cases, the scorers that judge the answers, and the gate that turns scores into a verdict."""

    name: Name
    """The same as the directory's."""
    version: Version
    """The same as the version directory's: `v4`."""
    description: str | None = None
    cases: str | list[InlineCase]
    """A JSONL, CSV, YAML or Parquet file beside this one, or the cases themselves."""
    columns: Columns | None = None
    """For flat rows: which columns are variables, the expected answer, tags."""
    scorers: Annotated[list[Any], Field(min_length=1)]
    """Each `name`, `{name: argument}` or `{name: {key: value}}`."""
    metrics: list[str] = Field(default_factory=list)
    """Reported beside the primary one."""
    primary: str = "mean"
    """The metric that becomes the score."""
    repeats: Annotated[int, Field(ge=1, le=MAX_REPEATS)] = 1
    """How often each case is asked."""
    gate: GateRules

    @classmethod
    def findings(cls, raw: Mapping[str, Any]) -> Iterator[Finding]:
        """What is wrong between the keys."""
        cases = raw.get("cases")
        if isinstance(cases, list) and not cases:
            yield Finding(
                "a suite without cases decides nothing", ("cases",), "EK403", "add at least one case"
            )
        if isinstance(cases, str):
            plain = "/" not in cases and "\\" not in cases and not cases.startswith(".")
            if not plain:
                hint = "name a file beside suite.yaml, without a path"
                yield Finding("cases must be a file in the suite's own directory", ("cases",), hint=hint)
            elif not cases.endswith(CASE_FORMATS):
                yield Finding(
                    f"'{cases}' has no known format", ("cases",), hint=f"one of {', '.join(CASE_FORMATS)}"
                )
        elif raw.get("columns") and isinstance(cases, list):
            yield Finding(
                "inline cases have no columns", ("columns",), hint="write vars, expected and tags out"
            )
        gate = raw.get("gate")
        if isinstance(gate, dict) and not any(gate.get(key) for key in ("min_score", "slices", "metrics")):
            hint = "set min_score, for example 0.9"
            yield Finding("the gate asserts nothing about the answers", ("gate",), "EK404", hint)
        if isinstance(gate, dict) and gate.get("shadow") == {}:
            hint = "write a rule that is to be shown and not to bind, or remove it"
            yield Finding("the shadow has no rule", ("gate", "shadow"), "EK404", hint)
        if raw.get("scorers") == []:
            hint = "add a scorer, for example exact_match"
            yield Finding("a suite without scorers asserts nothing", ("scorers",), "EK404", hint)
        repeats = raw.get("repeats", 1)
        if type(repeats) is not int or repeats < 1:
            repeats = MAX_REPEATS  # wrong itself: no metric asks for more than it may have meant
        for at, name in _named_metrics(raw):
            message = _metric_problem(name, repeats)
            if message:
                yield Finding(message, at, "EK410")


def _named_metrics(raw: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every metric that a suite names, and where."""
    yield ("primary",), raw.get("primary")
    listed, gate = raw.get("metrics"), raw.get("gate")
    shadow = gate.get("shadow") if isinstance(gate, dict) else None
    for index, name in enumerate(listed if isinstance(listed, list) else ()):
        yield ("metrics", index), name
    floors = gate.get("metrics") if isinstance(gate, dict) else None
    for name in floors if isinstance(floors, dict) else ():
        yield ("gate", "metrics", name), name
    floors = shadow.get("metrics") if isinstance(shadow, dict) else None
    for name in floors if isinstance(floors, dict) else ():
        yield ("gate", "shadow", "metrics", name), name


def _metric_problem(name: Any, repeats: int) -> str | None:
    if not isinstance(name, str):
        return None
    try:
        parse_metric(name, repeats)
    except ValueError as error:
        return str(error)
    return None


@dataclass(frozen=True, slots=True)
class LoadedSuite:
    """A valid suite with its scorers built."""

    suite: Suite
    source: Source
    path: Path
    scorers: tuple[ScorerSpec, ...]

    @property
    def ref(self) -> Ref:
        """`triage-eval@v4`."""
        return Ref(self.suite.name, self.suite.version)


def suite_path(project: Project, ref: Ref) -> Path:
    """Where a suite lives."""
    return project.root / "suites" / ref.name / f"v{ref.version}" / "suite.yaml"


def suite_names(project: Project) -> list[str]:
    """The names of all suites, sorted."""
    folder = project.root / "suites"
    return (
        sorted(p.name for p in folder.iterdir() if p.is_dir() and is_name(p.name)) if folder.is_dir() else []
    )


def load_suite(project: Project, wanted: str, at: Location | None = None) -> LoadedSuite:
    """The suite that a reference, a bare name (its newest version) or a path names.

    Raises:
        UnresolvedReference: EK201, with what exists.
        ConfigError: with every problem of the suite file. Its cases are read by `evalkit.evals.cases`.
    """
    loaded, problems = read_suite(project, _find(project, wanted, at))
    if loaded is None:
        raise ConfigError(problems)
    return loaded


def _find(project: Project, wanted: str, at: Location | None) -> Path:
    if wanted.endswith((".yaml", ".yml")):
        path = Path(wanted).absolute()
        if path.is_file():
            return path
        raise UnresolvedReference(Problem("EK201", f"there is no file {wanted}", at))
    ref = Ref.parse(wanted)
    if ref is not None:
        path = suite_path(project, ref)
        if path.is_file():
            return path
    name = ref.name if ref else wanted
    versions = _versions(project, name) if is_name(name) else []
    if versions and ref is None:
        return suite_path(project, Ref(name, versions[-1]))
    if versions:
        hint = f"versions of {name}: {', '.join(f'v{v}' for v in versions[-5:])}"
    else:
        known = suite_names(project)
        guess = close_match(name, known)
        hint = f"did you mean '{guess}'?" if guess else f"suites: {', '.join(known[:10]) or 'none yet'}"
    raise UnresolvedReference(Problem("EK201", f"no suite {ref or wanted}", at, hint))


def _versions(project: Project, name: str) -> list[int]:
    folder = project.root / "suites" / name
    if not folder.is_dir():
        return []
    texts = [p.name[1:] for p in folder.iterdir() if p.name.startswith("v") and (p / "suite.yaml").is_file()]
    return sorted(int(text) for text in texts if text.isdigit())


def read_suite(project: Project, path: Path) -> tuple[LoadedSuite | None, list[Problem]]:
    """Read one suite file; every problem of it is returned."""
    display = project.display(path)
    source, problems = read_yaml(path, display, max_bytes=MAX_SUITE_BYTES)
    if source.node is None:
        return None, problems
    suite, more = validate(Suite, source)
    problems += more
    raw = source.data.get("scorers") if isinstance(source.data, dict) else None
    custom = _custom_scorers(project)
    scorers = _build_scorers(raw, source, custom, project.root, problems)
    if suite is None or problems:
        return None, problems
    return LoadedSuite(suite, source, path, scorers), []


def _custom_scorers(project: Project) -> dict[str, str]:
    try:
        return dict(project.config.scorers)
    except ConfigError:
        # evalkit.yaml has problems of its own, reported where it is read. They make no scorer unknown.
        _, source, _ = project.read(project.root / "evalkit.yaml", ProjectConfig)
        listed = source.data.get("scorers") if isinstance(source.data, dict) else None
        named = listed.items() if isinstance(listed, dict) else ()
        return {name: target for name, target in named if isinstance(target, str)}


def _build_scorers(
    raw: Any, source: Source, custom: dict[str, str], root: Path, problems: list[Problem]
) -> tuple[ScorerSpec, ...]:
    if not isinstance(raw, list) or not raw:
        return ()  # said by the schema
    try:
        return parse_scorers(raw, custom=custom, root=root)
    except InvalidScorer as error:
        for found in error.problems:
            code = "EK405" if found.message.startswith("there is no scorer `") else "EK406"
            place = source.locate(("scorers", *found.path), key=found.at_key)
            problems.append(Problem(code, found.message, place, found.hint))
        return ()
