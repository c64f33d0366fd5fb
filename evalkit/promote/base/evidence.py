"""Rule: evidence only grows. Runs are added at the end; none is removed, changed or moved, and no file goes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING

from pydantic import ValidationError

from evalkit.errors import Location, Problem
from evalkit.evals.evidence import MAX_BYTES, Evidence
from evalkit.promote.base.change import locate
from evalkit.promote.base.content import differences
from evalkit.promote.base.snapshot import entry_path
from evalkit.runtime.refs import Ref
from evalkit.runtime.yaml_source import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.evals.evidence import EvidenceRun
    from evalkit.promote.base.change import Change

__all__ = [
    "EVIDENCE",
    "AddedRun",
    "added_runs",
    "evidence_only_grows",
    "grows",
    "place_in",
    "read",
    "unlikely",
]

EVIDENCE = re.compile(r"registry/evidence/([^/]+)/v([1-9][0-9]{0,8})/([^/]+)\.json")
_RESTORE = "restore the file from the base; evalkit run --write-back adds runs, and nothing else writes here"
_TOLERANCE = 1e-4


def evidence_only_grows(change: Change) -> Iterator[Problem]:
    """Every evidence file that lost or changed something (EK841, EK842), or gained what no run writes (EK843)."""
    for path, file in change.files.items():
        if EVIDENCE.fullmatch(path) is None:
            continue
        if file.after is None:
            message = "evidence is deleted; it is kept for ever, also that of a retired entry"
            name = path.split("/")[2]
            hint = f'restore the file from the base; to take a promotion back: evalkit rollback {name} --reason "…"'
            yield Problem("EK841", message, Location(path), hint)
            continue
        before, after = read(file.before), read(file.after)
        if after is None:
            continue  # reported with the file
        kept = before.runs if before else []
        for index, message in grows(kept, after):
            yield Problem("EK842", message, place_in(path, index, file.after), _RESTORE)
        for index in range(len(kept), len(after.runs)):
            for key, message in unlikely(after.runs, index):
                place = place_in(path, index, file.after, key)
                yield Problem("EK843", message, place, _RESTORE)
    yield from _blocks_without_evidence(change)


@dataclass(frozen=True, slots=True)
class AddedRun:
    """A run that a change adds to an evidence file, or alters in it."""

    path: str
    run: EvidenceRun
    place: Location


def added_runs(change: Change) -> list[AddedRun]:
    """Every run that a change brings: those that its base does not have in the same file, word for word."""
    found: list[AddedRun] = []
    for path, file in change.files.items():
        after = read(file.after) if EVIDENCE.fullmatch(path) else None
        if after is None or file.after is None:
            continue
        before = read(file.before)
        known = before.runs if before else []
        for index, run in enumerate(after.runs):
            if not any(_keeps(run, old) for old in known):
                found.append(AddedRun(path, run, place_in(path, index, file.after)))
    return found


def _keeps(run: EvidenceRun, old: EvidenceRun) -> bool:
    """Whether a run is one that was there, perhaps without the scores of its cases."""
    return run == old or (run.scores is None and run == old.model_copy(update={"scores": None}))


def read(raw: bytes | None) -> Evidence | None:
    """An evidence file; None where there is none, or it is none that evalkit wrote."""
    if raw is None or len(raw) > MAX_BYTES:
        return None
    try:
        return Evidence.model_validate_json(raw, strict=False)
    except ValidationError:
        return None


def grows(before: Sequence[EvidenceRun], after: Evidence) -> Iterator[tuple[int, str]]:
    """What keeps the file from being the one before and more runs behind it, each with the place of the run.

    Where a file would be too large, evalkit drops the scores of single cases, those of the oldest run first: that is no
    edit, if all of them would not fit.
    """
    now = {run.run_id: index for index, run in reversed([*enumerate(after.runs)])}
    kept = [run for run in before if run.run_id in now]
    dropped: EvidenceRun | None = None
    for old in before:
        new = after.runs[now[old.run_id]] if old.run_id in now else None
        if new is None:
            place = min(sum(run.run_id in now for run in before[: before.index(old)]), len(after.runs) - 1)
            yield place, f"the run {old.run_id} was removed"
        elif new == old:
            continue
        elif old.scores is not None and new == old.model_copy(update={"scores": None}):
            dropped = old
        else:
            keys = differences(old.model_dump(mode="json"), new.model_dump(mode="json"))
            named = ", ".join(dict.fromkeys(str(loc[0]) for loc in keys if loc))
            yield now[old.run_id], f"the run {old.run_id} was changed: {named}"
    for place, (run, old) in enumerate(zip(after.runs, kept, strict=False)):
        if run.run_id != old.run_id:
            yield place, f"the run {run.run_id} stands before {old.run_id}; runs stand in the order they came"
            break
    if dropped is not None and not _had_to_drop(dropped, after, now[dropped.run_id]):
        message = f"the run {dropped.run_id} lost the scores of its cases, for which there was room"
        yield now[dropped.run_id], message


def _had_to_drop(last: EvidenceRun, after: Evidence, place: int) -> bool:
    """Whether the file is too large with the scores that were dropped last, and all older ones went before them."""
    if any(run.scores is not None for run in after.runs[: place + 1]):
        return False
    runs = [*after.runs[:place], last, *after.runs[place + 1 :]]
    return len(after.model_copy(update={"runs": runs}).to_bytes()) > MAX_BYTES


def unlikely(runs: Sequence[EvidenceRun], index: int) -> Iterator[tuple[str, str]]:
    """What no run that evalkit wrote would say, with the key that says it.

    Args:
        runs: of a file, in its order.
        index: of the run.
    """
    run = runs[index]
    if any(one.run_id == run.run_id for one in runs[:index]):
        yield "run_id", f"the run {run.run_id} is in the file already"
    if run.scored + run.errors > run.cases:
        yield "scored", f"{run.scored} scored and {run.errors} unscored are more than the {run.cases} cases"
    if run.scores is not None and len(run.scores) != run.scored:
        yield "scores", f"the scores are of {len(run.scores)} cases, and {run.scored} were scored"
    elif run.scores and run.primary == "mean" and run.score is not None:
        mean = fsum(total / count for count, total in run.scores.values()) / len(run.scores)
        if abs(mean - run.score) > _TOLERANCE:
            yield (
                "score",
                f"the score is {run.score:g}, and the scores of its cases have a mean of {mean:.6g}",
            )


def _blocks_without_evidence(change: Change) -> Iterator[Problem]:
    """An `eval` block that changed, of an entry past draft, with no evidence to hold it against."""
    for name in change.names:
        states = change.states_before(name)
        for version in states.keys() & change.states_after(name).keys():
            path = entry_path(name, version)
            if path not in change.files or states[version].state.status == "draft":
                continue
            old, new = (
                change.data(side, name, version).get("eval") for side in (change.before, change.after)
            )
            suite = Ref.parse(str(new.get("suite"))) if isinstance(new, dict) else None
            if old == new or suite is None:
                continue
            evidence = f"registry/evidence/{name}/v{version}/{suite}.json"
            if evidence not in change.after:
                message = f"the evaluation of {name}@v{version} changed, and there is no evidence of it"
                hint = f"restore it; evalkit run {name}@v{version} --write-back writes both"
                place = locate(change.after.parsed(path), path, ("eval",))
                yield Problem("EK844", message, place, hint)


def place_in(path: str, index: int, raw: bytes, key: str = "run_id") -> Location:
    """Where a run, or a key of it, stands in its file.

    JSON is read as the YAML that it is, only to find the line.
    """
    if index < 0:
        return Location(path)
    source, problems = parse_bytes(raw, path)
    if problems:
        return Location(path)
    try:
        listed = json.loads(raw)["runs"][index]
    except (ValueError, KeyError, IndexError, TypeError):
        return Location(path)
    return source.locate(("runs", index, key) if key in listed else ("runs", index), key=True)
