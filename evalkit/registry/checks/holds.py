"""Holds: what they hold exists, and they have not run out."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evalkit.errors import EvalkitError
from evalkit.registry.checks.file import Checked
from evalkit.registry.resolve import resolve_config
from evalkit.registry.schema import HoldFile
from evalkit.registry.schema.base import problems_of, shown
from evalkit.runtime.refs import Ref
from evalkit.runtime.yaml_source import read_yaml

if TYPE_CHECKING:
    from evalkit.registry.checks.catalog import Catalog
    from evalkit.registry.checks.tree import Found

__all__ = ["check_holds"]


def check_holds(found: Found, catalog: Catalog) -> Checked[HoldFile]:
    """Check one file of holds."""
    source, problems = read_yaml(found.path, found.display)
    file: Checked[HoldFile] = Checked(source, None, list(problems))
    if source.node is None:
        return file
    single = isinstance(source.data, dict) and "holds" not in source.data
    holds, prefix = ([source.data], ()) if single else (file.raw.get("holds"), ("holds",))
    if not isinstance(source.data, dict):
        file.report(
            "EK106", f"expected a mapping, found {shown(source.data)}", (), "holds: [{all: true, reason, by}]"
        )
        return file
    _validate(file, single=single)
    if found.ref.name not in catalog.tree.versions("entries"):
        names = catalog.tree.versions("entries")
        guess = catalog.guess(found.ref.name, names)
        hint = f"did you mean '{guess}'? rename the file" if guess else "remove the file"
        file.report("EK213", f"there is no entry {found.ref.name} to hold", (), hint)
        return file
    digests: dict[str, Ref] | None = None
    for index, hold in enumerate(holds if isinstance(holds, list) else ()):
        if not isinstance(hold, dict):
            continue
        loc: tuple[Any, ...] = prefix if single else (*prefix, index)
        _check_until(file, hold, loc, catalog.today)
        digest = hold.get("digest")
        if isinstance(digest, str) and digest.startswith("sha256:") and len(digest) == 71:
            digests = _digests(catalog, found.ref.name) if digests is None else digests
            if digest not in digests:
                hint = "evalkit show prints an entry's digest"
                message = f"no version of {found.ref.name} has this digest"
                file.report("EK213", message, (*loc, "digest"), hint)
    return file


def _validate(file: Checked[HoldFile], *, single: bool) -> None:
    """A file may be one hold, or a list of them."""
    try:
        data = {"holds": [file.source.data]} if single else file.source.data
        file.model = HoldFile.model_validate(data)
    except ValidationError as error:
        problems = problems_of(error, file.source, HoldFile)
        file.problems += problems


def _check_until(file: Checked[HoldFile], hold: dict[str, Any], loc: tuple[Any, ...], today: date) -> None:
    until = hold.get("until")
    try:
        day = date.fromisoformat(until) if isinstance(until, str) else None
    except ValueError:
        return
    if day is not None and day < today:
        hint = "remove the hold, or set a later day"
        file.warn("EK214", f"this hold ran out on {day}", (*loc, "until"), hint)


def _digests(catalog: Catalog, name: str) -> dict[str, Ref]:
    """The generation digest of every version that can be resolved."""
    found: dict[str, Ref] = {}
    for version in catalog.tree.versions("entries").get(name, ()):
        ref = Ref(name, version)
        try:
            found[resolve_config(catalog.project, catalog.project.entry(ref)).digest] = ref
        except EvalkitError:
            continue  # its own problems say why
    return found
