"""References that are no registry files: providers and suites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.registry.schema.base import shown
from evalkit.runtime.assemble import BUILT_IN_PROVIDERS
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from evalkit.registry.checks.catalog import Catalog
    from evalkit.registry.checks.file import Checked

__all__ = ["check_provider", "check_suite"]

Loc = tuple[str | int, ...]


def check_provider(file: Checked[Any], name: str, loc: Loc, catalog: Catalog) -> None:
    """The provider that a file names can be used."""
    if catalog.is_provider(name):
        return
    known = {*(catalog.providers() or {}), *BUILT_IN_PROVIDERS}
    guess = catalog.guess(name, dict.fromkeys(known))
    hint = f"did you mean '{guess}'?" if guess else f"providers: {', '.join(sorted(known))}"
    file.report("EK201", f"no provider is called {shown(name)}", loc, hint)


def check_suite(file: Checked[Any], text: str, loc: Loc, catalog: Catalog) -> None:
    """The suite that a file names exists."""
    ref = Ref.parse(text)
    if ref is not None and not catalog.tree.exists("suites", ref):
        file.report("EK201", f"no suite {ref}", loc, catalog.hint("suites", ref))
