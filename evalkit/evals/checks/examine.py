"""One pass over a suite's cases: what is wrong with them, and what they are. Memory does not grow with their number."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from evalkit.errors import ConfigError, Location, Problem, RenderError
from evalkit.evals.cases import iter_rows
from evalkit.evals.checks.duplicates import IdRegister
from evalkit.runtime.digest import canonical_bytes
from evalkit.runtime.template import compile_template, render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from evalkit.evals.case import Case
    from evalkit.evals.suite import LoadedSuite
    from evalkit.runtime.config import GenerationConfig

__all__ = ["MAX_CASE_PROBLEMS", "CaseSummary", "examine_cases"]

MAX_CASE_PROBLEMS = 1000
"""Of one suite. A mistake repeated in a million cases is listed this often, then counted."""

_INSERTED = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}", re.ASCII)
_SIMPLE = re.compile(rf"(?:[^{{]|{_INSERTED.pattern}|\{{(?![{{%#]))*", re.ASCII)
"""A template of text and insertions, nothing else."""


@dataclass(slots=True)
class CaseSummary:
    """What the cases of a suite are, once they were all read."""

    count: int = 0
    """Rows, valid or not."""
    digest: str = ""
    """`sha256:…` over id, vars, expected, tags, cluster and must_pass of each valid case, in order (docs/digests.md)."""
    tags: Counter[str] = field(default_factory=Counter)
    """How many cases carry each tag."""
    must_pass: int = 0
    clusters: Counter[str] = field(default_factory=Counter)
    """How many cases each named cluster has."""
    problems: list[Problem] = field(default_factory=list)
    """Reasons not to send a single request."""
    warnings: list[Problem] = field(default_factory=list)


def examine_cases(
    suite: LoadedSuite,
    configs: Sequence[GenerationConfig],
    display: str,
    *,
    has_reported_rows: bool = False,
) -> CaseSummary:
    """Read every case once and check it against the scorers and the prompts.

    Args:
        suite: the suite, valid itself.
        configs: what the cases will be asked with. Each case must fill the variables of every one of them, and render.
        display: how messages show the file of the cases.
        has_reported_rows: what is wrong within single rows was said already, by the schema of inline cases.
    """
    summary = CaseSummary()
    knows_tags = True
    collected = _Collected(summary.problems)
    prompts = _distinct(configs)
    ids = IdRegister()
    hasher = sha256()
    try:
        for row in iter_rows(suite, display):
            case = row.case
            summary.count += 1
            knows_tags = knows_tags and row.knows_tags
            if not has_reported_rows:
                collected.add(row.problems)
            if case is None:
                continue
            if case.id:
                ids.add(case.id)
            _count(case, summary)
            try:
                hasher.update(canonical_bytes(case_content(case)))
                hasher.update(b"\n")
            except (TypeError, ValueError) as error:
                collected.add([Problem("EK401", f"{_named(case)}: {error}", case.location)])
            for spec in suite.scorers if row.knows_expected else ():
                reason = spec.scorer.check(case)
                if reason is not None:
                    message = f"{_named(case)}: {spec.label}: {reason}"
                    hint = "correct the case, or give the scorer its own `expected` in the suite"
                    collected.add([Problem("EK407", message, case.location, hint)])
            for prompt in prompts if row.knows_vars else ():
                collected.add(prompt.problems(case))
    except ConfigError as error:
        summary.problems.extend(error.problems)
        collected.close(display)
        return summary
    summary.digest = f"sha256:{hasher.hexdigest()}"
    if ids.may_repeat():
        again = (row.case for row in iter_rows(suite, display) if row.case is not None and row.case.id)
        collected.add(ids.repeated(again), each=True)
    collected.close(display)
    if not summary.count:
        place = suite.source.locate(("cases",))
        summary.problems.append(Problem("EK403", "the suite has no cases", place, "add at least one case"))
    elif knows_tags:
        summary.problems.extend(_empty_slices(suite, summary))
    return summary


def case_content(case: Case) -> dict[str, Any]:
    """What of a case decides the measurement; a key left out, a null and an empty one are the same."""
    content: dict[str, Any] = {"id": case.id}
    if case.vars:
        content["vars"] = dict(case.vars)
    if case.expected is not None:
        content["expected"] = case.expected
    if case.tags:
        content["tags"] = list(case.tags)
    if case.cluster is not None:
        content["cluster"] = case.cluster
    if case.must_pass:
        content["must_pass"] = True
    return content


def _named(case: Case) -> str:
    return f"case '{case.id}'" if case.id else "the case"


def _count(case: Case, summary: CaseSummary) -> None:
    for tag in set(case.tags):
        summary.tags[tag] += 1
    summary.must_pass += case.must_pass
    if case.cluster is not None:
        summary.clusters[case.cluster] += 1


def _empty_slices(suite: LoadedSuite, summary: CaseSummary) -> Iterator[Problem]:
    # As written: a floor that is wrong itself hides no other one.
    gate = suite.source.data.get("gate")
    shadow = gate.get("shadow") if isinstance(gate, dict) else None
    floors = [((*at, "slices"), block.get("slices")) for at, block in _blocks(gate, shadow)]
    for at, tag in ((at, tag) for at, slices in floors if isinstance(slices, dict) for tag in slices):
        if tag not in summary.tags:
            known = ", ".join(sorted(summary.tags)[:10]) or "none"
            place = suite.source.locate((*at, tag), key=True)
            message = f"the gate has a floor for '{tag}', and no case has that tag"
            yield Problem("EK409", message, place, f"tags of the cases: {known}")


def _blocks(gate: Any, shadow: Any) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The gate and its shadow, with the way to each."""
    for at, block in ((("gate",), gate), (("gate", "shadow"), shadow)):
        if isinstance(block, dict):
            yield at, block


class _Collected:
    """Problems of cases, up to a number. What is word for word the same in many rows is said once and counted."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._said: dict[tuple[str, str, Location | None], int] = {}
        self._again: Counter[int] = Counter()
        self._beyond = 0

    def add(self, problems: Iterable[Problem], *, each: bool = False) -> None:
        """With `each`, rows that say the same are listed all the same."""
        for problem in problems:
            key = (problem.code, problem.message, problem.location if each else None)
            if key in self._said:
                self._again[self._said[key]] += 1
            elif len(self._said) == MAX_CASE_PROBLEMS:
                self._beyond += 1
            else:
                self._said[key] = len(self._problems)
                self._problems.append(problem)

    def close(self, display: str) -> None:
        for index, times in self._again.items():
            problem = self._problems[index]
            message = f"{problem.message} (and in {times:,} more rows)"
            self._problems[index] = problem.replace(message=message)
        if self._beyond:
            message = f"{self._beyond:,} more problems of cases are not listed"
            hint = "correct those that are listed, then check again"
            self._problems.append(Problem("EK401", message, Location(display), hint))


@dataclass(frozen=True, slots=True)
class _PromptCheck:
    """One prompt, and whether cases fit it."""

    config: GenerationConfig
    renderers: tuple[Callable[[Mapping[str, Any]], str], ...]

    def problems(self, case: Case) -> list[Problem]:
        try:
            bound = self.config.bind(case.vars)
        except RenderError as error:
            return [_of_case(problem, case) for problem in error.problems]
        try:
            for render_to_text in self.renderers:
                render_to_text(bound)
        except Exception:  # noqa: BLE001 - a template can raise anything; the slow path says what
            return self._rendered(case, bound)
        return []

    def _rendered(self, case: Case, bound: Mapping[str, Any]) -> list[Problem]:
        for number, message in enumerate(self.config.messages, 1):
            try:
                render(message.content, bound, where=f"{self.config.prompt_name} message {number}")
            except RenderError as error:
                return [_of_case(problem, case) for problem in error.problems]
        return []


def _of_case(problem: Problem, case: Case) -> Problem:
    return problem.replace(code="EK408", message=f"{_named(case)}: {problem.message}", location=case.location)


def _distinct(configs: Sequence[GenerationConfig]) -> list[_PromptCheck]:
    """One check for each prompt: entries that share it are checked together."""
    seen: dict[Any, _PromptCheck] = {}
    for config in configs:
        key = (config.messages, tuple(sorted((n, repr(v)) for n, v in config.variables.items())))
        if key not in seen:
            seen[key] = _PromptCheck(config, tuple(_renderers(config)))
    return list(seen.values())


def _renderers(config: GenerationConfig) -> Iterator[Callable[[Mapping[str, Any]], str]]:
    for message in config.messages:
        try:
            if not _cannot_fail(message.content, config.variables):
                yield compile_template(message.content).render
        except Exception:  # noqa: BLE001 - said where the prompt is checked, and by the slow path
            yield _fail


def _cannot_fail(content: str, declared: Mapping[str, Any]) -> bool:
    """Whether a template only inserts declared variables: most do, and a case that fills them will render."""
    return _SIMPLE.fullmatch(content) is not None and declared.keys() >= set(_INSERTED.findall(content))


def _fail(_: Mapping[str, Any]) -> str:
    raise ValueError
