"""The whole registry in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalkit.registry.checks.entries import EntryFacts, check_entry
from evalkit.registry.checks.file import read
from evalkit.registry.checks.holds import check_holds
from evalkit.registry.checks.overrides import check_overrides
from evalkit.registry.checks.project_file import check_project_file
from evalkit.registry.checks.serving import check_serving
from evalkit.registry.schema import Entry
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.errors import Problem
    from evalkit.registry.checks.catalog import Catalog

__all__ = ["RegistryReport", "check_registry"]


@dataclass(slots=True)
class RegistryReport:
    """What was found, and what later checks build on."""

    problems: list[Problem] = field(default_factory=list)
    entries: list[EntryFacts] = field(default_factory=list)
    files: int = 0
    """How many files were looked at."""


def check_registry(
    catalog: Catalog, wanted: Callable[[str], bool], needed: Callable[[str], bool]
) -> RegistryReport:
    """Check `evalkit.yaml` and every file of `registry/` except evidence.

    Args:
        catalog: what there is.
        wanted: whether the file at a displayed path is to be checked. What it refers to is read in any case.
        needed: whether later checks need the facts of a name's entries, though none of them is to be checked.
    """
    report = RegistryReport()
    if catalog.has_config and wanted("evalkit.yaml"):
        check_project_file(catalog)
        report.files += 1
        report.problems += catalog.config_file.problems
    report.problems += [p for p in catalog.tree.problems if p.location and wanted(p.location.path)]
    for kind in ("prompts", "tools", "classes"):
        for ref, found in catalog.tree.found[kind].items():
            if not wanted(found.display):
                continue
            report.files += 1
            component = catalog.component(kind, ref)
            report.problems += component.problems if component else ()
    _check_entries(catalog, wanted, needed, report)
    for found in catalog.tree.found["holds"].values():
        if wanted(found.display):
            report.files += 1
            report.problems += check_holds(found, catalog).problems
    for found in catalog.tree.found["overrides"].values():
        if wanted(found.display):
            report.files += 1
            report.problems += check_overrides(found, catalog).problems
    return report


def _check_entries(
    catalog: Catalog, wanted: Callable[[str], bool], needed: Callable[[str], bool], report: RegistryReport
) -> None:
    found = catalog.tree.found["entries"]
    for name, versions in catalog.tree.versions("entries").items():
        refs = [Ref(name, version) for version in versions]
        if not (any(wanted(found[ref].display) for ref in refs) or needed(name)):
            continue
        facts: list[EntryFacts] = []
        for ref in refs:
            file = read(found[ref], Entry)
            facts.append(check_entry(file, ref, catalog))
            if wanted(found[ref].display):
                report.files += 1
                report.problems += file.problems
        report.entries += facts
        report.problems += [p for p in check_serving(facts) if p.location and wanted(p.location.path)]
