"""Everything that can be wrong in `registry/` and `evalkit.yaml`, found in one pass."""

from evalkit.registry.checks.catalog import Catalog
from evalkit.registry.checks.entries import EntryFacts
from evalkit.registry.checks.registry import RegistryReport, check_registry
from evalkit.registry.checks.tree import Found, Tree, walk

__all__ = ["Catalog", "EntryFacts", "Found", "RegistryReport", "Tree", "check_registry", "walk"]
