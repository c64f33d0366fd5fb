"""`evalkit.yaml`: what policy names exists, and Python scorers can be found."""

from __future__ import annotations

import fnmatch
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

from evalkit.registry.checks.references import check_suite
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.registry.checks.catalog import Catalog
    from evalkit.registry.checks.file import Checked
    from evalkit.registry.schema import ProjectConfig

__all__ = ["check_project_file"]


def check_project_file(catalog: Catalog) -> None:
    """Add to the problems of `catalog.config_file` what its schema cannot tell."""
    file = catalog.config_file
    policy = file.mapping("policy")
    defaults, entries = policy.get("defaults"), policy.get("entries")
    if isinstance(defaults, dict):
        _check_suites(file, defaults.get("suites"), ("policy", "defaults", "suites"), catalog)
    names = catalog.tree.versions("entries")
    for pattern, rule in entries.items() if isinstance(entries, dict) else ():
        loc = ("policy", "entries", pattern)
        if pattern not in names and not fnmatch.filter(names, pattern):
            guess = catalog.guess(pattern, names)
            hint = f"did you mean '{guess}'?" if guess else "remove the rule, or add the entry"
            file.warn("EK215", f"no entry matches '{pattern}'", loc, hint, key=True)
        if isinstance(rule, dict):
            _check_suites(file, rule.get("suites"), (*loc, "suites"), catalog)
    for name, target in file.mapping("scorers").items():
        if isinstance(target, str) and ":" in target:
            module = target.partition(":")[0]
            if not _can_find(module, catalog.project.root):
                hint = f"it is looked for in {catalog.project.root} and among the installed packages"
                file.report("EK217", f"there is no Python module '{module}'", ("scorers", name), hint)


def _check_suites(
    file: Checked[ProjectConfig], suites: Any, loc: tuple[str | int, ...], catalog: Catalog
) -> None:
    seen: dict[Ref, int] = {}
    for index, text in enumerate(suites if isinstance(suites, list) else ()):
        if not isinstance(text, str):
            continue
        check_suite(file, text, (*loc, index), catalog)
        ref = Ref.parse(text)
        if ref is not None and ref in seen:
            file.report("EK220", f"{ref} is listed twice", (*loc, index), "remove one of them")
        elif ref is not None:
            seen[ref] = index


def _can_find(module: str, root: Path) -> bool:
    """Whether a module is there, without importing it or its packages: their code is not the checker's to run."""
    import sys

    path: list[str] | None = [*sys.path, str(root)]
    if module.partition(".")[0] in sys.builtin_module_names:
        return True
    for part in module.split("."):
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return False
        path = list(spec.submodule_search_locations) if spec.submodule_search_locations is not None else []
    return True
