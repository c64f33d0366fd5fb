"""What an artifact tells beside the evidence: the whole record of a run, and its cases, for people to read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError
from evalkit.evals.record import RunRecord, Sample
from evalkit.github.archive import member
from evalkit.report.cases import collect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.evals.evidence import EvidenceRun
    from evalkit.report.cases import CaseList

__all__ = ["RunDetails", "details_in"]

_MAX_SAMPLE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RunDetails:
    """For reports alone: no verdict is taken from it."""

    record: RunRecord
    cases: CaseList | None
    """None where the samples are not there, too large, or cannot be read."""


def details_in(archive: bytes, run: EvidenceRun) -> RunDetails | None:
    """The record and the cases of a run from its artifact's archive; None if they are not there, or of another run."""
    try:
        record = RunRecord.from_dict(json.loads(member(archive, "run.json")))
    except (EvalkitError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    if (record.run_id, record.generation_digest, record.measurement_digest) != (
        run.run_id,
        run.generation_digest,
        run.measurement_digest,
    ):
        return None
    try:
        cases = collect(_samples(member(archive, "samples.jsonl", _MAX_SAMPLE_BYTES)))
    except (EvalkitError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        cases = None
    return RunDetails(record, cases)


def _samples(raw: bytes) -> Iterator[Sample]:
    for line in raw.decode().split("\n"):
        if line.strip():
            yield Sample.from_json(line)
