"""The parts of one run as the run: the same figures, verdict and evidence as if it had been made in one piece.

Sums do not depend on the order in which answers come (`Aggregate`), so nothing is lost by asking in several places. What
could make the whole another one is refused (`evalkit.evals.parts`). Samples are read once and copied as they are read;
memory holds columns of numbers, as in a run.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

from evalkit.errors import Problem, UsageError
from evalkit.evals.aggregate import Aggregate
from evalkit.evals.conclude import Conclusion, RunResult
from evalkit.evals.options import RunOptions
from evalkit.evals.parts import broken, read_parts, samples_of
from evalkit.evals.redact import redacted
from evalkit.evals.saved import save_record
from evalkit.evals.subject import Subject
from evalkit.evals.write_back import save_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalkit.evals.parts import Part
    from evalkit.evals.record import RunRecord

__all__ = ["merge"]

_STOPPED = ("interrupted", "unreachable", "budget")


def merge(directories: Sequence[Path], output: Path, *, outputs: bool = True) -> RunResult:
    """Make one run of its parts, in `output`: `run.json`, `samples.jsonl`, `evidence.json`, and `baseline/` if they have it.

    The run's id and time are made from those of the parts: merging the same parts again gives the same run.

    Args:
        directories: what `evalkit run --shard I/N --output DIR` left, one for each I, in any order.
        output: a directory; what an earlier merge left there is written over.
        outputs: whether the samples keep their texts; those of redacted parts have none.

    Raises:
        UsageError: EK905, a directory holds no run; EK511, the parts are not of one run; EK512, one is missing or
            given twice; EK513, one is not whole. Every problem of every part.
    """
    if output.resolve() in {directory.resolve() for directory in directories}:
        message = f"--output {output} is one of the parts; it would be written over"
        raise UsageError(Problem("EK511", message, hint="name a new directory"))
    parts = read_parts(directories)
    with_baseline = [part for part in parts if (part.baseline / "run.json").is_file()]
    if with_baseline and len(with_baseline) < len(parts):
        lacking = [part for part in parts if part not in with_baseline]
        raise UsageError(
            Problem(
                "EK511",
                f"{part.directory} was not compared with a baseline, and {with_baseline[0].directory} was",
                hint="run all parts with the same command but for --shard",
            )
            for part in lacking
        )
    baseline = None
    if with_baseline:
        beside = output / "baseline"
        baseline = _merged(
            read_parts([part.baseline for part in parts]), beside, outputs=outputs, compared=True
        )
        save_record(baseline.record, beside)
    result = _merged(parts, output, outputs=outputs, compared=baseline is not None, baseline=baseline)
    save_record(result.record, output)
    save_evidence(result, output)
    return result


def _merged(
    parts: Sequence[Part],
    output: Path,
    *,
    outputs: bool,
    compared: bool,
    baseline: RunResult | None = None,
) -> RunResult:
    first = parts[0].record
    try:
        subject = Subject.of_record(first)
        total = Aggregate(subject.rules, keep_scores=compared, hashed_labels=not first.outputs)
    except ValueError as error:
        raise broken(parts[0].directory / "run.json", 0, error) from None
    output.mkdir(parents=True, exist_ok=True)
    unfinished = output / "samples.jsonl.part"
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            for part in parts:
                for sample in samples_of(part):
                    total.add(sample)
                    is_kept = outputs or not first.outputs
                    kept = sample if is_kept else redacted(sample, labels=total.needs_labels)
                    file.write(kept.to_json() + "\n")
        unfinished.replace(output / "samples.jsonl")
    finally:
        unfinished.unlink(missing_ok=True)
    records = [part.record for part in parts]
    options = RunOptions(
        run_id=_run_id(records),
        started_at=min(record.started_at for record in records),
        output_dir=output,
        source=first.source,
        outputs=outputs and first.outputs,
    )
    conclusion = Conclusion(
        subject,
        options,
        total,
        asked=sum(record.cases for record in records),
        stopped=next((why for why in _STOPPED if any(record.stopped == why for record in records)), None),
        duration_s=max(record.duration_s for record in records),
        baseline=baseline,
        baseline_missing=first.baseline_missing,
        recorded_digest=first.recorded_digest,
    )
    return RunResult(conclusion.record(), total)


def _run_id(records: Sequence[RunRecord]) -> str:
    """Made from the parts': the same parts are the same run, however often they are merged."""
    first = records[0]
    began = re.sub(r"[^0-9TZ]", "", min(record.started_at for record in records))
    mark = sha256("\n".join(sorted(record.run_id for record in records)).encode()).hexdigest()[:6]
    return f"{began}-{first.entry}@v{first.version}-{first.suite}-{mark}"
