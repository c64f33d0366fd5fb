"""Overrides: what excuses a violation, and what the list of them must look like.

A rule of the lifecycle may be broken by a change that adds a record of it to `registry/overrides/<name>.yaml`, in the
same change. Records are never edited or removed: the list is the history of exceptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError
from evalkit.registry.checks.file import Checked
from evalkit.registry.lifecycle import NEVER_OVERRIDDEN
from evalkit.registry.resolve import resolve_config
from evalkit.registry.schema.base import validate
from evalkit.registry.schema.override import Override, OverrideFile
from evalkit.runtime.refs import Ref
from evalkit.runtime.yaml_source import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalkit.registry.checks.catalog import Catalog
    from evalkit.registry.checks.tree import Found
    from evalkit.registry.lifecycle import Violation

__all__ = ["added", "check_overrides", "unexcused"]


def added(before: Sequence[Override], after: Sequence[Override]) -> list[Override] | None:
    """The records that a change adds at the end of the list; None if it edits, moves or removes one."""
    kept = list(after[: len(before)])
    return list(after[len(before) :]) if kept == list(before) else None


def unexcused(violations: Iterable[Violation], records: Iterable[Override]) -> list[Violation]:
    """The violations for which the same change adds no record of that version and kind."""
    excused = {(record.version, record.change) for record in records}
    return [
        one for one in violations if one.kind in NEVER_OVERRIDDEN or (one.version, one.kind) not in excused
    ]


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
