"""Rule: what an entry that left draft, or evidence, cites stays as it is: prompts, tools, classes, suites and their cases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evalkit.errors import Location, Problem
from evalkit.promote.base.cases import cases_file, changed_cases
from evalkit.promote.base.change import locate
from evalkit.promote.base.content import component_content, differences, words
from evalkit.promote.base.snapshot import keys_of, ref_of
from evalkit.runtime.refs import Ref, is_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.promote.base.change import Change
    from evalkit.promote.base.snapshot import Snapshot

__all__ = ["CITING_KEYS", "cited_files", "is_changed_component", "suite_changed"]

CITING_KEYS = {"prompts": "prompt_ref", "tools": "tools_ref", "classes": "class_ref"}
_NOUNS = {"prompts": "prompt", "tools": "tools file", "classes": "class"}
_SUITE_FILE = re.compile(r"suites/([^/]+)/v([1-9][0-9]{0,8})/[^/]+")


def cited_files(change: Change) -> Iterator[Problem]:
    """Every cited file that the change edits or deletes (EK833, EK834, EK835)."""
    for path in change.files:
        for kind in CITING_KEYS:
            ref = ref_of(path, f"registry/{kind}")
            if ref is not None and path in change.before:
                yield from _component(change, kind, ref, path)
    suites = {
        Ref(match[1], int(match[2])): path.rpartition("/")[0]
        for path in change.files
        if (match := _SUITE_FILE.fullmatch(path)) and is_name(match[1])
    }
    for ref, folder in suites.items():
        if f"{folder}/suite.yaml" in change.before:
            yield from _suite(change, ref, folder)


def is_changed_component(before: Snapshot, after: Snapshot, kind: str, path: str) -> bool:
    """Whether a file that is there on both sides says something else; one that cannot be read says nothing."""
    old, new = before.parsed(path), after.parsed(path)
    if old is None or new is None:
        return False
    pair = component_content(kind, old.data), component_content(kind, new.data)
    return next(differences(*pair), None) is not None


def suite_changed(change: Change, ref: Ref) -> bool:
    """Whether a suite measures or judges in another way than in the base."""
    folder = f"suites/{ref.name}/v{ref.version}"
    if not any(path.startswith(f"{folder}/") for path in change.files):
        return False
    path = f"{folder}/suite.yaml"
    if change.before.parsed(path) is None or change.after.parsed(path) is None:
        return True
    return (
        is_changed_component(change.before, change.after, "suites", path)
        or changed_cases(change.before, change.after, folder) is not None
    )


def _component(change: Change, kind: str, ref: Ref, path: str) -> Iterator[Problem]:
    is_gone = path not in change.after
    if not is_gone and not is_changed_component(change.before, change.after, kind, path):
        return
    citing = _citing_entries(change, CITING_KEYS[kind], ref)
    if not citing:
        return
    if is_gone:
        yield _deleted(f"the {_NOUNS[kind]} {ref} is", path, _listed(citing))
        return
    source, before = change.after.parsed(path), change.before.parsed(path)
    if source is None or before is None:
        return
    loc = next(differences(component_content(kind, before.data), component_content(kind, source.data)))
    message = f"{ref} is cited by {_listed(citing)}, and never changes: {words(loc)} is different"
    hint = (
        f"restore it, and write the change to a new version, v{_next(change, f'registry/{kind}/{ref.name}')}"
    )
    yield Problem("EK833", message, locate(source, path, loc), hint)


def _suite(change: Change, ref: Ref, folder: str) -> Iterator[Problem]:
    path = f"{folder}/suite.yaml"
    is_gone = path not in change.after
    found = None if is_gone else changed_cases(change.before, change.after, folder)
    is_other = not is_gone and is_changed_component(change.before, change.after, "suites", path)
    if not (is_gone or found or is_other):
        return
    citing = _citing_suite(change, ref)
    if not citing:
        return
    said = _listed(citing)
    hint = f"restore it, and write the change to a new version, suites/{ref.name}/v{_next(change, f'suites/{ref.name}')}"
    if is_gone:
        yield _deleted(f"the suite {ref} is", path, said)
        old = change.before.parsed(path)
        file = cases_file(folder, old.data) if old else None
        if file and file in change.before and file not in change.after:
            yield _deleted(f"the cases of {ref} are", file, said)
    if is_other:
        source, before = change.after.parsed(path), change.before.parsed(path)
        if source and before:
            pair = component_content("suites", before.data), component_content("suites", source.data)
            loc = next(differences(*pair))
            message = f"{ref} is cited by {said}, and never changes: {words(loc)} is different"
            yield Problem("EK834", message, locate(source, path, loc), hint)
    if found:
        place, is_lost = found
        if is_lost:
            yield _deleted(f"the cases of {ref} are", place.path, said)
        else:
            message = f"{ref} is cited by {said}, and its cases never change"
            yield Problem("EK834", message, place, hint)


def _deleted(what: str, path: str, citing: str) -> Problem:
    hint = "restore it; what is cited is kept for as long as the entry or the evidence is there"
    return Problem("EK835", f"{what} deleted, and cited by {citing}", Location(path), hint)


def _citing_entries(change: Change, key: str, ref: Ref) -> list[str]:
    """Entries of the base that left draft and name the component."""
    found = []
    needle = ref.name.encode()
    for entry, raw in change.before.all_entries():
        if needle not in raw:
            continue
        data = keys_of(raw, f"registry/entries/{entry.name}/v{entry.version}.yaml")
        text = data.get(key) if data else None
        if data and data.get("status") != "draft" and isinstance(text, str) and Ref.parse(text) == ref:
            found.append(str(entry))
    return found


def _citing_suite(change: Change, ref: Ref) -> list[str]:
    """The evidence of the base that was measured with a suite, and entries past draft whose score is the suite's."""
    found = [
        f"the evidence of {path.split('/')[2]}@{path.split('/')[3]}"
        for path in change.before.below("registry/evidence")
        if path.count("/") == 4 and path.endswith(f"/{ref}.json")
    ]
    needle = ref.name.encode()
    for entry, raw in change.before.all_entries():
        if needle not in raw:
            continue
        data = keys_of(raw, f"registry/entries/{entry.name}/v{entry.version}.yaml") or {}
        block = data.get("eval")
        text = block.get("suite") if isinstance(block, dict) else None
        if data.get("status") != "draft" and isinstance(text, str) and Ref.parse(text) == ref:
            found.append(str(entry))
    return found


def _listed(citing: list[str]) -> str:
    more = f" and {len(citing) - 3:,} more" if len(citing) > 3 else ""
    return ", ".join(citing[:3]) + more


def _next(change: Change, folder: str) -> int:
    """A version number that neither side has."""
    numbers = [
        int(part[1:])
        for side in (change.before, change.after)
        for path in side.below(folder)
        if (part := path.removeprefix(f"{folder}/").partition("/")[0].removesuffix(".yaml"))[1:].isdigit()
    ]
    return max(numbers, default=0) + 1
