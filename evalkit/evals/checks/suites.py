"""Suites in one pass: the file, its place, its cases against every prompt that they will be asked with, its gate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evalkit.errors import Location, Problem
from evalkit.evals.checks.examine import examine_cases
from evalkit.evals.checks.salvage import salvage
from evalkit.evals.gate.non_inferiority import USEFUL_FROM_N
from evalkit.evals.stats import smallest_passing_n
from evalkit.evals.stats.estimate import MIN_CLUSTERS
from evalkit.evals.suite import read_suite
from evalkit.registry.checks.file import Checked, check_place
from evalkit.registry.schema import Prompt
from evalkit.runtime.config import GenerationConfig, Message, Variable
from evalkit.runtime.yaml_source import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from evalkit.evals.checks.examine import CaseSummary
    from evalkit.evals.suite import LoadedSuite
    from evalkit.registry.checks import Catalog, EntryFacts, Found
    from evalkit.runtime.refs import Ref

__all__ = ["SuitesReport", "check_suites", "is_wanted", "prompts_by_suite"]


@dataclass(slots=True)
class SuitesReport:
    """What was found."""

    problems: list[Problem] = field(default_factory=list)
    files: int = 0
    """Suite files and files of cases."""


def check_suites(
    catalog: Catalog, prompts: Mapping[Ref, Iterable[Ref]], wanted: Callable[[str], bool]
) -> SuitesReport:
    """Check every suite that is wanted.

    Args:
        catalog: what there is.
        prompts: for each suite, the prompts that its cases must fill (`prompts_by_suite`).
        wanted: whether the file at a displayed path is to be checked.
    """
    report = SuitesReport()
    for ref, found in catalog.tree.found["suites"].items():
        if not is_wanted(catalog, ref, wanted):
            continue
        report.files += 1
        beside = catalog.tree.beside_suites.get(ref, [])
        configs = [c for prompt in prompts.get(ref, ()) if (c := _config(catalog, prompt)) is not None]
        problems, has_file = _check_suite(catalog, found, beside, configs)
        report.files += has_file
        # A row of a Parquet file has no line: its place is written "cases.parquet row 7".
        report.problems += [
            p for p in problems if p.location is None or wanted(p.location.path.partition(" row ")[0])
        ]
    return report


def is_wanted(catalog: Catalog, ref: Ref, wanted: Callable[[str], bool]) -> bool:
    """Whether a suite's file, or one beside it, is to be checked."""
    folder = catalog.tree.found["suites"][ref].display.rpartition("/")[0]
    return any(
        wanted(f"{folder}/{name}") for name in ("suite.yaml", *catalog.tree.beside_suites.get(ref, ()))
    )


def prompts_by_suite(catalog: Catalog, entries: Iterable[EntryFacts]) -> dict[Ref, list[Ref]]:
    """The prompts that each suite's cases will be asked with: those of the entries that policy assigns to it.

    Of each name these are the drafts, the staging entries and the newest entry; older ones have passed the suites of
    their time.
    """
    newest: dict[str, EntryFacts] = {}
    kept: list[EntryFacts] = []
    for facts in entries:
        if facts.status in {"draft", "staging"}:
            kept.append(facts)
        if facts.status != "retired" and facts.ref >= newest.get(facts.ref.name, facts).ref:
            newest[facts.ref.name] = facts
    prompts: dict[Ref, dict[Ref, None]] = {}  # sets that keep their order
    for facts in (*kept, *newest.values()):
        for suite in catalog.policy_for(facts.ref.name).suites:
            assigned = prompts.setdefault(suite, {})
            if facts.prompt is not None:
                assigned[facts.prompt] = None
    return {suite: list(refs) for suite, refs in prompts.items()}


def _config(catalog: Catalog, ref: Ref) -> GenerationConfig | None:
    """A config with this prompt, to check cases against; None for a prompt that is not valid on its own."""
    component = catalog.component("prompts", ref)
    if component is None or not isinstance(component.model, Prompt):
        return None
    prompt = component.model
    # A template that is wrong itself would fail in every case.
    messages = () if component.is_broken else prompt.messages
    return GenerationConfig(
        provider_kind="none",
        model=None,
        members=None,
        prompt_name=str(ref),
        messages=tuple(Message(m.role, m.content) for m in messages),
        variables={n: Variable(v.type, v.required, v.default) for n, v in prompt.variables.items()},
    )


def _check_suite(
    catalog: Catalog, found: Found, beside: list[str], configs: list[GenerationConfig]
) -> tuple[list[Problem], bool]:
    project = catalog.project
    loaded, problems = read_suite(project, found.path)
    usable = loaded or salvage(found.path, found.display, custom=catalog.config.scorers, root=project.root)
    source = usable.source if usable else read_yaml(found.path, found.display)[0]
    file: Checked[Any] = Checked(source, None, problems)
    check_place(file, found.ref)
    if usable is None:
        return file.problems, False
    cases = usable.suite.cases
    folder = found.display.rpartition("/")[0]
    display = f"{folder}/{cases}" if isinstance(cases, str) else found.display
    # The schema of a broken suite has said what is wrong within inline cases.
    has_reported_rows = loaded is None and not isinstance(cases, str)
    summary = examine_cases(usable, configs, display, has_reported_rows=has_reported_rows)
    file.problems += [*summary.problems, *summary.warnings]
    if summary.count:
        file.problems += _too_few_cases(usable, summary)
    if loaded is not None and summary.count:
        file.problems += _gate_problems(loaded, summary)
    for name in beside:
        if name != cases and not name.lower().endswith(".md"):
            place = Location(f"{folder}/{name}")
            hint = "name it under cases, or remove it"
            file.problems.append(
                Problem("EK413", "the suite does not read this file", place, hint, "warning")
            )
    return _once(file.problems), isinstance(cases, str)


def _too_few_cases(usable: LoadedSuite, summary: CaseSummary) -> Iterator[Problem]:
    gate, source = usable.suite.gate, usable.source
    if gate.min_cases is not None and gate.min_cases > summary.count:
        message = f"the gate needs {gate.min_cases} cases, and the suite has {summary.count}: no run can pass"
        hint = "add cases, or lower min_cases"
        yield Problem("EK411", message, source.locate(("gate", "min_cases")), hint)


def _gate_problems(loaded: LoadedSuite, summary: CaseSummary) -> Iterator[Problem]:
    """What the rest of the gate asks for and these cases can never give."""
    gate, source = loaded.suite.gate, loaded.source
    how_many = f"evalkit power {loaded.ref} says how many cases would do"
    if (gate.min_cases or 0) <= summary.count:
        yield from _too_small(loaded, summary, how_many)
    margin = gate.non_inferior
    if margin is not None and summary.count < USEFUL_FROM_N:
        message = (
            f"non_inferior is seldom met with {summary.count} cases, even by a candidate that is exactly as good: it "
            f"is of use from {USEFUL_FROM_N} on"
        )
        hint = f"add cases, or ask for max_regression alone; {how_many}"
        yield Problem("EK412", message, source.locate(("gate", "non_inferior")), hint, "warning")
    for tag in gate.slices:
        count = summary.tags.get(tag, 0)
        if 0 < count < gate.slice_min_cases:
            message = f"the slice '{tag}' has {count} cases and is judged from {gate.slice_min_cases} on"
            hint = "add cases with this tag, or set slice_min_cases"
            yield Problem("EK412", message, source.locate(("gate", "slices", tag), key=True), hint, "warning")


def _too_small(loaded: LoadedSuite, summary: CaseSummary, how_many: str) -> Iterator[Problem]:
    """A gate that not even a perfect score can pass with these cases. Cases of a cluster count as one."""
    gate, place = loaded.suite.gate, loaded.source.locate(("gate", "min_score"))
    if gate.min_score is None:
        return
    enough = smallest_passing_n(gate.min_score, gate.slack, strict=gate.strict)
    units = summary.count - summary.clusters.total() + len(summary.clusters)
    if enough is None:
        hint = "remove strict, or lower min_score"
        message = "no number of cases is enough for this gate: not even a perfect score can pass"
        yield Problem("EK412", message, place, hint, "warning")
    elif units == summary.count < enough:
        message = f"even a perfect score cannot pass with {summary.count} cases: the gate needs {enough}"
        hint = f"add cases, or lower min_score or raise slack; {how_many}"
        yield Problem("EK412", message, place, hint, "warning")
    elif units < summary.count and units < (enough := max(enough, MIN_CLUSTERS)):
        message = (
            f"even a perfect score cannot pass with {summary.count} cases in {units} clusters: cases of a cluster count "
            f"as one, and the gate needs {enough}"
        )
        hint = f"add cases in other clusters, or lower min_score or raise slack; {how_many}"
        yield Problem("EK412", message, place, hint, "warning")


def _once(problems: Iterable[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
