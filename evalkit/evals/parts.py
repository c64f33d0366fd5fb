"""The parts of a run, read with distrust: all of one run, none missing, each whole, each answer exactly once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from evalkit.errors import Location, Problem, UsageError
from evalkit.evals.options import Shard
from evalkit.evals.record import RunRecord, Sample
from evalkit.evals.saved import load_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["Part", "broken", "read_parts", "samples_of"]

_SHARD = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})")
_SAME = (
    ("entry", "entry"),
    ("version", "version"),
    ("suite", "suite"),
    ("generation_digest", "config"),
    ("suite_digest", "suite digest"),
    ("measurement_digest", "cases or scorers"),
    ("repeats", "number of repeats"),
    ("primary", "primary metric"),
    ("gate", "gate"),
    ("suite_cases", "number of cases in the suite"),
    ("source", "source"),
    ("model", "model"),
    ("provider", "provider"),
    ("recorded_digest", "recording"),
    ("baseline_missing", "baseline"),
    ("outputs", "rule about outputs"),
    ("evalkit_version", "version of evalkit"),
)
"""What the parts of one run share: the field of a record, and how a message calls it."""
_AGAIN = "run this part again"


@dataclass(frozen=True, slots=True)
class Part:
    """One directory, whose record was read."""

    directory: Path
    record: RunRecord
    shard: Shard

    @property
    def samples(self) -> Path:
        """The file of its samples."""
        return self.directory / "samples.jsonl"

    @property
    def baseline(self) -> Path:
        """Where the same part of the baseline's run lies, if there is one."""
        return self.directory / "baseline"


def read_parts(directories: Sequence[Path]) -> list[Part]:
    """The parts in the order of their numbers.

    Raises:
        UsageError: EK905, a directory holds no run; EK511, they are not parts of one; EK512, one is missing or given
            twice; EK513, a record cannot be true. Every problem of every part.
    """
    problems: list[Problem] = []
    parts: list[Part] = []
    for directory in directories:
        try:
            parts.append(_read(directory))
        except UsageError as error:
            problems.extend(error.problems)
    if problems:
        raise UsageError(problems)
    parts.sort(key=lambda part: part.shard.index)
    first = parts[0]
    for part in parts[1:]:
        problems.extend(_differences(first, part))
    if problems:
        raise UsageError(problems)
    wanted = range(1, first.shard.count + 1)
    by_index: dict[int, list[str]] = {}
    for part in parts:
        by_index.setdefault(part.shard.index, []).append(str(part.directory))
    for index, places in by_index.items():
        if len(places) > 1:
            message = f"part {index}/{first.shard.count} is given {len(places)} times: {', '.join(places)}"
            problems.append(Problem("EK512", message, hint="name each part once"))
    missing = [index for index in wanted if index not in by_index]
    if missing:
        listed = ", ".join(map(str, missing[:20])) + (
            f" and {len(missing) - 20} more" if len(missing) > 20 else ""
        )
        message = f"{first.directory} is one of {first.shard.count} parts, and these are missing: {listed}"
        problems.append(Problem("EK512", message, hint="run them, or name their directories as well"))
    if problems:
        raise UsageError(problems)
    return parts


def _read(directory: Path) -> Part:
    saved = load_run(directory)
    try:
        record = TypeAdapter(RunRecord).validate_python(saved.record.to_dict())
    except ValidationError as error:
        raise broken(directory / "run.json", 0, error) from None
    match = _SHARD.fullmatch(record.shard or "")
    if record.shard is None or match is None:
        message = f"{directory} holds a whole run, not a part of one"
        hint = "parts are made with evalkit run --shard I/N; a whole run is judged already: evalkit report"
        raise UsageError(Problem("EK511", message, hint=hint))
    shard = Shard(int(match[1]), int(match[2]))
    size = len(range(shard.index - 1, record.suite_cases, shard.count))
    if shard.index > shard.count or not 0 <= record.cases <= size or record.repeats < 1:
        message = f"{directory} says that it has {record.cases} cases of part {record.shard}, which cannot be"
        raise UsageError(Problem("EK513", message, hint="run this part again"))
    return Part(directory, record, shard)


def _differences(first: Part, part: Part) -> Iterator[Problem]:
    hint = "merge the parts of one run: the same entry, suite and options, all from one commit"
    if part.shard.count != first.shard.count:
        message = f"{part.directory} is part {part.shard}, and {first.directory} is part {first.shard}"
        yield Problem("EK511", message, hint=hint)
    for field, noun in _SAME:
        ours, theirs = getattr(first.record, field), getattr(part.record, field)
        if ours != theirs:
            message = f"{part.directory} has another {noun} than {first.directory}"
            if isinstance(ours, str | int) and isinstance(theirs, str | int):
                message += f": {theirs}, not {ours}"
            yield Problem("EK511", message, hint=hint)


def samples_of(part: Part) -> Iterator[Sample]:
    """The samples of a part, each case and repeat exactly once.

    Raises:
        UsageError: EK513, at the first line that is wrong, or at the end where some are missing.
    """
    record, shard, path = part.record, part.shard, part.samples
    expected = record.cases * record.repeats
    try:
        size = path.stat().st_size
    except OSError:
        size = -1
    if size < expected:  # before any memory is taken for what the record says
        raise _cut_off(part, 0 if size < 1 else None, expected)
    seen = bytearray(expected)
    count = 0
    check = TypeAdapter(Sample).validate_json
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            sample = _sample(check, line, path, number)
            place, left = divmod(sample.index, shard.count)
            if (
                left != shard.index - 1
                or not 0 <= place < record.cases
                or not 0 <= sample.repeat < record.repeats
            ):
                message = f"case {sample.index}, repeat {sample.repeat}, is no part of {shard} of this suite"
                raise UsageError(Problem("EK513", message, Location(str(path), number, 1), _AGAIN))
            slot = place * record.repeats + sample.repeat
            if seen[slot]:
                message = f"case {sample.index}, repeat {sample.repeat}, stands twice in part {shard}"
                raise UsageError(Problem("EK513", message, Location(str(path), number, 1), _AGAIN))
            seen[slot] = 1
            count += 1
            yield sample
    if count < expected:
        raise _cut_off(part, count, expected)


def _sample(check: Callable[[bytes], Sample], line: bytes, path: Path, number: int) -> Sample:
    try:
        sample = check(line)
    except ValidationError as error:
        raise broken(path, number, error) from None
    if sample.score is not None and not 0 <= sample.score <= 1:
        message = f"a score is from 0 to 1, not {sample.score}"
        raise UsageError(Problem("EK513", message, Location(str(path), number, 1), _AGAIN))
    return sample


def _cut_off(part: Part, count: int | None, expected: int) -> UsageError:
    has = "fewer" if count is None else f"{count:,}"
    message = f"{part.directory} has {has} of the {expected:,} answers of part {part.shard}: it was interrupted or cut off"
    hint = "run this part again; what is cached is not asked again"
    return UsageError(Problem("EK513", message, hint=hint))


def broken(path: Path, line: int, error: ValueError) -> UsageError:
    """EK513 for a file that no run has written; `line` is 0 for the file as a whole."""
    said = str(error)
    if isinstance(error, ValidationError):
        first: Any = error.errors(include_url=False)[0]
        said = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
    place = Location(str(path), line, 1 if line else 0)
    return UsageError(Problem("EK513", f"not what evalkit run writes: {said}", place, _AGAIN))
