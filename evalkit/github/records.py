"""What a record commit may change: runs added to evidence, and the `eval` block of entries. Nothing else, ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.errors import EvalkitError, Location, Problem
from evalkit.evals.evidence import MAX_BYTES
from evalkit.evals.write_back import SCORE_DIGITS
from evalkit.promote.base.evidence import EVIDENCE, grows, read, unlikely
from evalkit.promote.base.snapshot import keys_of, ref_of
from evalkit.promote.history.objects import blobs
from evalkit.registry.writeback import edit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.evals.evidence import Evidence, EvidenceRun
    from evalkit.promote.history.place import Place
    from evalkit.runtime.refs import Ref

__all__ = ["Recorded", "eval_block", "no_record", "recorded", "records_only"]

_PLAIN = "100644"
_NONE = "000000"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What lies between two commits."""

    problem: Problem | None
    """EK887: the first thing that is no record; None if everything is one."""
    runs: tuple[tuple[str, EvidenceRun], ...]
    """The runs that were added, each with the path of its file in the project."""


def records_only(where: Place, before: str, after: str) -> Problem | None:
    """Whether two commits differ in records alone: None, or what else differs (EK887).

    Compared are the whole trees, with modes, whatever the commits between them did. A run that was added says that it
    was made in CI, and by which workflow run; whether that is true is `Admission`'s to say.
    """
    return recorded(where, before, after).problem


def recorded(where: Place, before: str, after: str) -> Recorded:
    """The records that were added between two commits, if they are all that differs.

    Raises:
        UsageError: EK805, one of the commits is not here.
    """
    listed = list(_differences(where, before, after))
    plain = [one for one in listed if _wrong_mode(one) is None]  # a submodule's id is no blob
    contents = blobs(where.git, [blob for one in plain for blob in (one.old, one.new) if blob.strip("0")])
    runs: list[tuple[str, EvidenceRun]] = []
    for one in listed:
        old, new = contents.get(one.old), contents.get(one.new)
        message = _wrong_mode(one) or no_record(one.path, old, new)
        if message is not None or new is None:
            message = f"more than records of evaluations was changed: {message or 'this is deleted'}"
            hint = "evalkit records results in commits of their own; push other changes yourself, and have them checked"
            return Recorded(Problem("EK887", message, Location(one.path), hint), ())
        if EVIDENCE.fullmatch(one.path):
            runs += [(one.path, run) for run in _added(old, new)]
    return Recorded(None, tuple(runs))


@dataclass(frozen=True, slots=True)
class _Difference:
    path: str
    """In the project; what lies outside of it keeps its path in the repository, behind a slash."""
    modes: tuple[str, str]
    old: str
    new: str


def _differences(where: Place, before: str, after: str) -> Iterator[_Difference]:
    args = ("diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-relative")
    fields = where.git.run(*args, before, after).split(b"\0")
    for meta, path in zip(fields[::2], fields[1::2], strict=False):
        old_mode, new_mode, old, new, _ = meta.decode().removeprefix(":").split(" ")
        inside = path.startswith(where.prefix)
        shown = (path.removeprefix(where.prefix) if inside else b"/" + path).decode("utf-8", "replace")
        yield _Difference(shown, (old_mode, new_mode), old, new)


def _wrong_mode(one: _Difference) -> str | None:
    """Links, submodules and programs are no records, whatever their bytes are."""
    if one.modes[1] != _PLAIN or one.modes[0] not in {_PLAIN, _NONE}:
        return "this is deleted, or is no plain file before or after"
    return None


def no_record(path: str, old: bytes | None, new: bytes | None) -> str | None:
    """Why the change of one file is no record, as a clause; None if it is one.

    Args:
        path: in the project.
        old: None where there was no file.
        new: None where there is none any more.
    """
    match, ref = EVIDENCE.fullmatch(path), ref_of(path, "registry/entries")
    if match is None and ref is None:
        return "this is neither evidence nor an entry"
    if new is None:
        return "this is deleted"
    if match is not None:
        return _refused_evidence((match[1], int(match[2]), match[3]), old, new)
    return None if old is not None and _only_block(path, old, new) else "more than its eval block differs"


def _refused_evidence(place: tuple[str, int, str], old: bytes | None, new: bytes) -> str | None:
    before, after = read(old), read(new)
    if len(new) > MAX_BYTES:
        return f"it has {len(new):,} bytes; evidence has at most {MAX_BYTES:,}"
    if after is None or (before is None and old is not None):
        return "it is no evidence that evalkit wrote"
    if place != (after.entry, after.version, after.suite):
        return f"it is evidence of {after.entry}@v{after.version} with {after.suite}, and lies elsewhere"
    kept = before.runs if before else []
    for _, message in grows(kept, after):
        return message
    for index in range(len(kept), len(after.runs)):
        run = after.runs[index]
        if run.source != "ci" or run.attestation is None:
            return f"the run {run.run_id} does not say which workflow run it was made by"
        for _, message in unlikely(after.runs, index):
            return message
    return None


def _only_block(path: str, old: bytes, new: bytes) -> bool:
    """Whether the new file is the old one with another `eval` block, as evalkit writes it, to the byte."""
    block: Any = (keys_of(new, path) or {}).get("eval")
    if not isinstance(block, dict) or not block.keys() <= {"suite", "score", "run", "evidence"}:
        return False
    try:
        return edit(old, {"eval": block}, path=path) == new
    except (EvalkitError, TypeError, ValueError):
        return False


def _added(old: bytes | None, new: bytes) -> list[EvidenceRun]:
    before, after = read(old), read(new)
    return after.runs[len(before.runs) if before else 0 :] if after else []


def eval_block(
    suite: Ref, file: Evidence, counting: Evidence, generation: str, measurement: str
) -> dict[str, str | int | float | bool] | None:
    """The entry's `eval` block: the score over the runs of CI that count, and the evidence that says so.

    Args:
        suite: the first that policy requires.
        file: the evidence as it is committed; its digest goes into the block.
        counting: the same without the runs that do not count.
        generation: the digest of the config that the entry has.
        measurement: that of the suite's cases and scorers.

    Returns:
        None where nothing was scored.
    """
    runs = [
        run
        for run in counting.runs
        if (run.source, run.generation_digest, run.measurement_digest) == ("ci", generation, measurement)
    ]
    if not runs:
        return None
    score = counting.pooled_score(runs[-1])
    score = runs[-1].score if score is None else score
    if score is None:
        return None
    block: dict[str, str | int | float | bool] = {"suite": str(suite), "score": round(score, SCORE_DIGITS)}
    return block | {"run": runs[-1].run_id, "evidence": file.digest}
