"""What past commits did to files that were not to change: configs past draft, cited files, evidence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.promote.base.cases import rows_of
from evalkit.promote.base.content import component_content, differences, words
from evalkit.promote.base.evidence import EVIDENCE, grows, read
from evalkit.promote.base.immutable import changed_config
from evalkit.promote.base.snapshot import keys_of, ref_of
from evalkit.promote.history.objects import blobs, blobs_at
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.promote.base.past import Past
    from evalkit.promote.history.line import Change

__all__ = ["broken_components", "broken_evidence", "broken_suites", "edited_entries"]

_AT_HAND = 128
_END = b"\n ]\n}\n"
"""How an evidence file ends; a new run stands before it."""
_CITING = {"prompts": "prompt_ref", "tools": "tools_ref", "classes": "class_ref"}
_SUITE = re.compile(r"suites/([^/]+)/v([1-9][0-9]{0,8})/([^/]+)")


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that was not to change, and the commit's place on the line that changed it."""

    place: int
    code: str
    path: str
    message: str
    entry: Ref
    """The entry that the file speaks for: a record among its overrides settles it."""


def edited_entries(past: Past, place: int) -> Iterator[tuple[str, Ref, str]]:
    """The entries past draft whose config a commit edited, with the path and what was edited."""
    for ref, change in past.changes[place]:
        if change.before is None or change.after is None:
            continue
        before = past.said(change.before, ref, change.path)
        after = past.said(change.after, ref, change.path)
        if before.state is None or before.state.status == "draft":
            continue
        if before.config is not None and before.config == after.config:
            continue
        old, new = (keys_of(past.contents[blob], change.path) for blob in (change.before, change.after))
        if old is None or new is None:
            continue
        edits = [
            f"{words(loc)} was {was} and became {became}" for loc, was, became in changed_config(old, new)
        ]
        if edits and not _only_provider(edits):
            yield change.path, ref, "; ".join(edits)


def _only_provider(edits: list[str]) -> bool:
    """Naming the default provider changes nothing; what the default was then is not looked up."""
    return all(
        edit.startswith("provider was nothing") or edit.endswith("became nothing") for edit in edits
    ) and all(edit.startswith("provider ") for edit in edits)


def broken_evidence(past: Past) -> Iterator[Broken]:
    """Evidence that a commit deleted, or from which it took or changed runs."""
    found = [
        (place, Ref(match[1], int(match[2])), change)
        for place, change in past.others("registry/evidence")
        if (match := EVIDENCE.fullmatch(change.path))
    ]
    for start in range(0, len(found), _AT_HAND):  # evidence is large: not all of it is kept
        part = found[start : start + _AT_HAND]
        contents = _contents(past, [change for *_, change in part])
        for place, entry, change in part:
            if change.after is None:
                yield Broken(place, "EK841", change.path, "evidence was deleted", entry)
                continue
            old, new = contents[change.before or ""], contents[change.after]
            if new.startswith(old.removesuffix(_END)):
                continue  # as evalkit adds a run
            before, after = read(old), read(new)
            if before is not None and after is not None:
                for _, message in grows(before.runs, after):
                    yield Broken(place, "EK842", change.path, message, entry)


def broken_components(past: Past) -> Iterator[Broken]:
    """Cited prompts, tools and classes that a commit changed or deleted."""
    for kind in _CITING:
        named = [
            (place, ref, change)
            for place, change in past.others(f"registry/{kind}")
            if (ref := ref_of(change.path, f"registry/{kind}")) is not None
        ]
        contents = _contents(past, [change for *_, change in named])
        for place, ref, change in named:
            what = _what_changed(kind, change, contents)
            if what and (citing := _cited_by(past, place, kind, ref)):
                code = "EK833" if change.after else "EK835"
                message = f"{ref}, which {citing[0]} cites, {what}"
                yield Broken(place, code, change.path, message, citing[1])


def broken_suites(past: Past) -> Iterator[Broken]:
    """Cited suites, and the files of their cases, that a commit changed or deleted."""
    for place, change in past.others("suites"):
        match = _SUITE.fullmatch(change.path)
        ref = Ref.parse(f"{match[1]}@v{match[2]}") if match else None
        if match is None or ref is None or (citing := _cited_by(past, place, "suites", ref)) is None:
            continue
        contents = _contents(past, [change])
        if match[3] == "suite.yaml":
            what = _what_changed("suites", change, contents)
        else:
            what = _what_cases(past, place, change, contents)
        if what:
            code = "EK834" if change.after else "EK835"
            message = f"{ref}, which {citing[0]} cites, {what}"
            yield Broken(place, code, change.path, message, citing[1])


def _contents(past: Past, changes: list[Change]) -> dict[str, bytes]:
    return blobs(past.git, sorted({b for change in changes for b in (change.before, change.after) if b}))


def _what_changed(kind: str, change: Change, contents: dict[str, bytes]) -> str | None:
    if change.after is None:
        return "was deleted"
    before = keys_of(contents[change.before or ""], change.path)
    after = keys_of(contents[change.after], change.path)
    if before is None or after is None:
        return None
    loc = next(differences(component_content(kind, before), component_content(kind, after)), None)
    return None if loc is None else f"was edited: {words(loc)}"


def _what_cases(past: Past, place: int, change: Change, contents: dict[str, bytes]) -> str | None:
    """Whether the file was that of the suite's cases, and has other rows now."""
    folder, _, file = change.path.rpartition("/")
    if not place:
        return None
    parent = past.line.ids[place - 1]
    suite = keys_of(blobs_at(past.git, [parent], f"{folder}/suite.yaml")[parent], folder)
    if suite is None or suite.get("cases") != file:
        return None
    if change.after is None:
        return "lost its cases"
    old, new = (rows_of(file, contents[blob or ""])[0] for blob in (change.before, change.after))
    return "had its cases edited" if next(differences(old, new), None) is not None else None


def _cited_by(past: Past, place: int, kind: str, ref: Ref) -> tuple[str, Ref] | None:
    """An entry past draft, or evidence of one, that named the file before a commit; None if nothing did."""
    if kind == "suites" and str(ref) in past.evidence_since:
        since, of = past.evidence_since[str(ref)]
        if since < place:
            return f"the evidence of {of}", of
    for entry, raw in past.mentioning(ref.name, place):
        data = keys_of(raw, str(entry)) or {}
        if data.get("status") == "draft":
            continue
        block = data.get("eval") if kind == "suites" else data
        text = block.get(_CITING.get(kind, "suite")) if isinstance(block, dict) else None
        if isinstance(text, str) and Ref.parse(text) == ref:
            return str(entry), entry
    return None
