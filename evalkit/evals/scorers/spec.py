"""From what a suite writes under `scorers` to scorers that are ready to judge.

A scorer is written `name`, `{name: value}`, where the value is its main argument, or `{name: {argument: value}}`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, cast

from evalkit.evals.scorers.arguments import (
    COMMON,
    ArgumentProblem,
    Arguments,
    InvalidScorer,
    did_you_mean,
    validated,
)
from evalkit.evals.scorers.base import Score, Scorer, ScorerConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evalkit.evals.case import Answer, Case

__all__ = ["SCORERS", "ScorerSpec", "parse_scorer", "parse_scorers", "scorer_json_schema"]

_HERE = "evalkit.evals.scorers"

SCORERS: Mapping[str, str] = MappingProxyType(
    {
        "exact_match": f"{_HERE}.text:ExactMatch",
        "contains": f"{_HERE}.text:Contains",
        "regex": f"{_HERE}.patterns:Regex",
        "regex_extract": f"{_HERE}.patterns:RegexExtract",
        "json_valid": f"{_HERE}.structured:JsonValid",
        "json_schema": f"{_HERE}.structured:JsonSchema",
        "json_path": f"{_HERE}.structured:JsonPath",
        "numeric": f"{_HERE}.number:Numeric",
        "multiple_choice": f"{_HERE}.choice:MultipleChoice",
        "tool_call": f"{_HERE}.calls:ToolCallScorer",
        "similarity": f"{_HERE}.similarity:Similarity",
        "latency_max_ms": f"{_HERE}.limits:LatencyMaxMs",
        "cost_max_usd": f"{_HERE}.limits:CostMaxUsd",
        "python": f"{_HERE}.custom:CustomFunction",
    }
)
"""Every scorer by name; its module is imported when a suite first uses it."""

_FORMS = "write `name`, `{name: value}` or `{name: {argument: value}}`"


_OF_THE_REPORT = {"label", "weight", "negate"}
"""What no scorer looks at: wrong ones leave open whether the rest is right."""


class _ScorerClass(Protocol):
    Arguments: type[Arguments]

    def __call__(self, *args: Any) -> Scorer: ...


@dataclass(frozen=True, slots=True)
class ScorerSpec:
    """One scorer of a suite, validated and built."""

    name: str
    label: str
    """Its name in the report, unique in the suite."""
    weight: float
    negate: bool
    args: Mapping[str, Any]
    """Its own arguments that differ from their defaults, as JSON values."""
    scorer: Scorer
    """Ready to use: `expected` and `negate` of the suite are already applied to what it returns."""
    expected: Any = None
    """What the suite gives in place of the cases' `expected`; None when it gives nothing."""
    has_own_label: bool = False
    """The suite chose the label."""

    def canonical(self) -> dict[str, Any]:
        """What decides the score, as JSON, for the measurement digest: spelling out a default changes nothing.

        The label is left out: it changes no score.
        """
        return {
            "name": self.name,
            "version": self.scorer.version,
            "args": dict(self.args),
            "weight": self.weight,
            "negate": self.negate,
            "expected": self.expected,
        }


class _Adjusted:
    """A scorer with the suite's `expected` and `negate`."""

    def __init__(self, inner: Scorer, expected: Any, negate: bool) -> None:
        self.version = inner.version
        self._inner = inner
        self._expected = expected
        self._negate = negate

    def _case(self, case: Case) -> Case:
        return case if self._expected is None else replace(case, expected=self._expected)

    def check(self, case: Case) -> str | None:
        return self._inner.check(self._case(case))

    def score(self, case: Case, answer: Answer) -> Score:
        score = self._inner.score(self._case(case), answer)
        if not self._negate or not score.extracted:
            return score
        reason = None
        if score.value >= 1:
            reason = "holds, and the suite negates it"
        elif score.value > 0:
            reason = f"{score.value:.3f} before `negate`"
        return Score(1.0 - score.value, reason, score.got)


def parse_scorer(raw: Any, *, custom: Mapping[str, str], root: Path | None = None) -> ScorerSpec:
    """One scorer of a suite.

    Args:
        raw: What the suite says, parsed from YAML.
        custom: The functions registered under `scorers` in evalkit.yaml: name to `package.module:function`.
        root: The project's root, from where they are imported; by default the working directory.

    Raises:
        InvalidScorer: With every problem, each with its path inside `raw`.
    """
    name, given, path = _split(raw)
    if name not in SCORERS:
        raise InvalidScorer(
            [
                ArgumentProblem(
                    path,
                    f"there is no scorer `{name}`",
                    did_you_mean(name, SCORERS) or f"the scorers are {', '.join(SCORERS)}",
                    at_key=bool(path),
                )
            ]
        )
    scorer_class = _load(name)
    model = scorer_class.Arguments
    bound = None
    if given is None:
        given = {}
    elif not isinstance(given, dict):
        bound = model.main
        if bound is None:
            raise InvalidScorer(
                [ArgumentProblem(path, f"`{name}` takes no bare value", _named_arguments(name, model))]
            )
        given = {bound: given}
    try:
        args = validated(name, model, given, path, bound)
    except InvalidScorer as error:
        wrong = {problem.path[len(path)] for problem in error.problems if len(problem.path) > len(path)}
        if (
            bound is None
            and wrong
            and wrong <= _OF_THE_REPORT
            and not any(p.path == path for p in error.problems)
        ):
            rest = {key: value for key, value in given.items() if key not in wrong}
            raise InvalidScorer([*error.problems, *_problems({name: rest}, custom, root)]) from None
        raise
    if given.get("expected", ...) is None:
        where = path if bound else (*path, "expected")
        raise InvalidScorer(
            [ArgumentProblem(where, "`expected` is empty", "leave it out to use the case's `expected`")]
        )
    expected = getattr(args, "expected", None)
    try:
        scorer = scorer_class(args, custom, root or Path.cwd()) if name == "python" else scorer_class(args)
    except ScorerConfigError as error:
        where = path if bound is not None and error.argument == bound else _extended(path, error.argument)
        raise InvalidScorer([ArgumentProblem(where, str(error), error.hint)]) from error
    if expected is not None or args.negate:
        scorer = _Adjusted(scorer, expected, args.negate)
    return ScorerSpec(
        name=name,
        label=args.label or name,
        weight=args.weight,
        negate=args.negate,
        args=args.model_dump(mode="json", by_alias=True, exclude=set(COMMON), exclude_defaults=True),
        scorer=scorer,
        expected=expected,
        has_own_label=args.label is not None,
    )


def _problems(raw: Any, custom: Mapping[str, str], root: Path | None) -> tuple[ArgumentProblem, ...]:
    try:
        parse_scorer(raw, custom=custom, root=root)
    except InvalidScorer as error:
        return error.problems
    return ()


def parse_scorers(
    raws: Iterable[Any], *, custom: Mapping[str, str], root: Path | None = None
) -> tuple[ScorerSpec, ...]:
    """All scorers of a suite, with unique labels: the second `regex` is `regex-2`.

    Raises:
        InvalidScorer: With every problem of every scorer; paths begin with the scorer's index. An empty list is one.
    """
    specs: list[ScorerSpec] = []
    problems: list[ArgumentProblem] = []
    own: set[str] = set()
    for index, raw in enumerate(raws):
        try:
            spec = parse_scorer(raw, custom=custom, root=root)
        except InvalidScorer as error:
            problems += [replace(problem, path=(index, *problem.path)) for problem in error.problems]
            continue
        if spec.has_own_label and spec.label in own:
            problems.append(
                ArgumentProblem((index, spec.name, "label"), f"the label `{spec.label}` is used twice")
            )
        own |= {spec.label} if spec.has_own_label else set()
        specs.append(spec)
    if not specs and not problems:
        problems.append(ArgumentProblem((), "there is no scorer: the suite asserts nothing", _FORMS))
    if problems:
        raise InvalidScorer(problems)
    return tuple(_with_unique_labels(specs, own))


def _with_unique_labels(specs: Iterable[ScorerSpec], taken: set[str]) -> Iterable[ScorerSpec]:
    taken = set(taken)
    for spec in specs:
        if spec.has_own_label:
            yield spec
            continue
        label, number = spec.label, 1
        while label in taken:
            number += 1
            label = f"{spec.label}-{number}"
        taken.add(label)
        yield replace(spec, label=label)


def scorer_json_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) for one item of `scorers`, for editors."""
    items: dict[str, Any] = {}
    bare: list[str] = []
    for name in SCORERS:
        model = _load(name).Arguments
        schema = model.model_json_schema(by_alias=True)
        forms = [schema]
        if model.main is not None:
            forms.insert(0, {"not": {"type": "object"}, **schema["properties"][model.main]})
        if not schema.get("required"):
            bare.append(name)
            forms.append({"type": "null"})
        items[name] = {"description": schema.pop("description", ""), "anyOf": forms}
    return {
        "anyOf": [
            {"type": "string", "enum": bare},
            {
                "type": "object",
                "properties": items,
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ]
    }


def _split(raw: Any) -> tuple[str, Any, tuple[str | int, ...]]:
    """The name, what is given with it, and where that is."""
    if isinstance(raw, str):
        return raw, None, ()
    if isinstance(raw, dict) and len(raw) == 1:
        ((name, given),) = raw.items()
        if isinstance(name, str):
            return name, given, (name,)
    hint = _FORMS
    if isinstance(raw, dict):
        known = [key for key in raw if key in SCORERS]
        if len(known) == 1:
            hint = f"put the other keys inside: `{known[0]}: {{...}}`"
        elif known:
            hint = "each scorer is an item of the list: begin each with `- `"
    raise InvalidScorer([ArgumentProblem((), "this is no scorer", hint)])


def _load(name: str) -> _ScorerClass:
    module, _, attribute = SCORERS[name].partition(":")
    return cast("_ScorerClass", getattr(importlib.import_module(module), attribute))


def _named_arguments(name: str, model: type[Arguments]) -> str:
    own = [field.alias or key for key, field in model.model_fields.items() if key not in COMMON]
    return f"name its argument: `{name}: {{{own[0]}: ...}}`"


def _extended(path: tuple[str | int, ...], argument: str | None) -> tuple[str | int, ...]:
    return path if argument is None else (*path, argument)
