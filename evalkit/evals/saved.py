"""A finished run, read back from its directory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import Location, Problem, UsageError
from evalkit.evals.record import RunRecord, iter_samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from evalkit.evals.record import Sample

__all__ = ["SavedRun", "load_run", "save_record"]


@dataclass(frozen=True, slots=True)
class SavedRun:
    """One run: its record, and its samples on disk."""

    record: RunRecord
    directory: Path

    def samples(self) -> Iterator[Sample]:
        """Every sample, streamed in the order in which the answers came."""
        return iter_samples(self.directory / "samples.jsonl")

    def to_frame(self) -> pd.DataFrame:
        """A row a case and repeat, in the order of the suite.

        Columns: `id, repeat, input, expected, output, score, error, latency_ms, input_tokens, output_tokens, cost_usd,
        cached, served_model, tags, got, extracted, must_pass, cluster`, and `score.<label>` for each scorer. An
        unscored case has no score (NA), never 0.
        """
        import pandas as pd

        rows = [_row(sample) for sample in self.samples()]
        frame = pd.DataFrame(rows)
        if rows:
            frame = frame.sort_values(["index", "repeat"], kind="stable").reset_index(drop=True)
        return frame.drop(columns="index", errors="ignore")


def _row(sample: Sample) -> dict[str, Any]:
    tokens = sample.tokens or {}
    row: dict[str, Any] = {
        "id": sample.id,
        "index": sample.index,
        "repeat": sample.repeat,
        "input": sample.input,
        "expected": sample.expected,
        "output": sample.output,
        "score": sample.score,
        "error": sample.error.type if sample.error else None,
        "latency_ms": sample.latency_ms,
        "input_tokens": tokens.get("in"),
        "output_tokens": tokens.get("out"),
        "cost_usd": sample.cost_usd,
        "cached": sample.cached,
        "served_model": sample.served_model,
        "tags": sample.tags,
        "got": sample.got,
        "extracted": sample.extracted,
        "must_pass": sample.must_pass,
        "cluster": sample.cluster,
    }
    row.update({f"score.{label}": value for label, value in sample.scores.items()})
    return row


def load_run(directory: str | Path) -> SavedRun:
    """Read a run's directory.

    Raises:
        UsageError: EK905, it holds no run.
    """
    folder = Path(directory)
    path = folder / "run.json"
    try:
        record = RunRecord.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        hint = "name the output directory of evalkit run, such as .evalkit/runs/<run id>"
        raise UsageError(Problem("EK905", f"there is no run in {folder}", hint=hint)) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(Problem("EK905", f"not the record of a run: {error}", Location(str(path)))) from None
    return SavedRun(record, folder)


def save_record(record: RunRecord, directory: Path) -> None:
    """Write `run.json`."""
    text = json.dumps(record.to_dict(), indent=2, ensure_ascii=False)
    (directory / "run.json").write_text(text + "\n", encoding="utf-8")
