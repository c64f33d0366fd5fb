"""Overrides: what their list must look like on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError
from evalkit.registry.checks.file import Checked
from evalkit.registry.resolve import resolve_config
from evalkit.registry.schema import OverrideFile
from evalkit.registry.schema.base import validate
from evalkit.runtime.refs import Ref
from evalkit.runtime.yaml_source import read_yaml

if TYPE_CHECKING:
    from evalkit.registry.checks.catalog import Catalog
    from evalkit.registry.checks.tree import Found

__all__ = ["check_overrides"]


def check_overrides(found: Found, catalog: Catalog) -> Checked[OverrideFile]:
    """Check one file of overrides on its own: its keys, that the name exists, that digests are those of the versions."""
    source, problems = read_yaml(found.path, found.display)
    file: Checked[OverrideFile] = Checked(source, None, list(problems))
    if source.node is None:
        return file
    model, more = validate(OverrideFile, source)
    file.problems += more
    file.model = None if file.problems else model
    name = found.ref.name
    versions = catalog.tree.versions("entries").get(name, ())
    if not versions:
        file.report(
            "EK822", f"there is no entry {name} that these overrides could be of", (), "restore the file"
        )
        return file
    for index, record in enumerate(file.model.overrides if file.model else ()):
        if record.version not in versions or record.digest is None:
            continue
        ref = Ref(name, record.version)
        try:
            digest = resolve_config(catalog.project, catalog.project.entry(ref)).digest
        except EvalkitError:
            continue  # its own problems say why
        if digest != record.digest:
            message = f"this override is of another content of {ref}: its digest is {digest}"
            hint = "restore the entry as it was when the rule was overridden; evalkit writes these records"
            file.report("EK822", message, ("overrides", index, "digest"), hint)
    return file
