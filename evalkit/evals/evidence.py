"""The evidence file of one (entry, suite): the committed record of its runs.

`registry/evidence/support-triage/v14/triage-eval@v4.json` holds no model output: per case only a hash of its id, how
often it was scored and the sum of the scores. Runs are added, never replaced.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from evalkit.errors import Location, Problem, SchemaError
from evalkit.registry.schema.base import Name, RefText, Strict, Version
from evalkit.runtime.digest import digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from evalkit.runtime.refs import Ref

__all__ = [
    "MAX_BYTES",
    "Attestation",
    "Evidence",
    "EvidenceRun",
    "evidence_path",
    "hashed_id",
    "read_evidence",
    "with_run",
]

MAX_BYTES = 256 * 1024
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1, strict=False)]


class Attestation(Strict):
    """Where the forge keeps the same run: what was admitted, once, when it was held against its artifact."""

    workflow_run: Annotated[int, Field(ge=1)]
    """Its id on the forge."""
    attempt: Annotated[int, Field(ge=1)]
    workflow: Annotated[str, Field(pattern=r"^\.github/workflows/[A-Za-z0-9._-]+\.ya?ml$")]
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """Of the default branch: whose code, suites and policy measured."""
    artifact: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
    """Its name."""
    artifact_digest: Digest
    """Of the archive, as the forge computed it."""


class EvidenceRun(Strict):
    """One run, as far as a verdict on several of them needs it."""

    run_id: str
    created: str
    """UTC, ISO 8601."""
    source: Literal["ci", "local", "replay"]
    """Only `ci` promotes."""
    generation_digest: Digest
    suite_digest: Digest
    measurement_digest: Digest
    baseline_digest: Digest | None = None
    verdict: Literal["pass", "fail", "inconclusive"]
    score: Share | None = None
    ci95: Annotated[list[Share], Field(min_length=2, max_length=2)] | None = None
    primary: str
    cases: Annotated[int, Field(ge=0)]
    scored: Annotated[int, Field(ge=0)]
    errors: Annotated[int, Field(ge=0)]
    cached: Annotated[int, Field(ge=0)]
    repeats: Annotated[int, Field(ge=1)]
    metrics: dict[str, float | None] = Field(default_factory=dict)
    slices: dict[str, Any] = Field(default_factory=dict)
    latency_ms: dict[str, float | None] = Field(default_factory=dict)
    tokens: dict[str, int | None] = Field(default_factory=dict)
    cost_usd: float | None = None
    served_models: list[str] = Field(default_factory=list)
    evalkit_version: str
    scores: dict[str, tuple[int, float]] | None = None
    """By hashed case id: how many repeats were scored, and the sum. None where it would not fit."""
    attestation: Attestation | None = None
    """None for a run that was never admitted: of a machine, a replay, or before it is recorded."""

    @field_validator("scores")
    @classmethod
    def _possible(cls, scores: dict[str, tuple[int, float]] | None) -> dict[str, tuple[int, float]] | None:
        """Verdicts are computed from these: what no run can have measured is refused, NaN too."""
        for key, (count, total) in (scores or {}).items():
            if count < 1 or not 0 <= total <= count:
                raise ValueError(f"{count} scores from 0 to 1 cannot add up to {total} (case {key})")
        return scores

    def fingerprint(self) -> str:
        """What was measured, without when: two runs that share it and asked nothing new are one run."""
        kept = (
            "source",
            "generation_digest",
            "measurement_digest",
            "score",
            "cases",
            "scored",
            "errors",
            "scores",
        )
        return digest(
            {key: getattr(self, key) for key in kept if key != "scores"} | {"scores": self._scores()}
        )

    def _scores(self) -> dict[str, list[float]] | None:
        return {key: list(value) for key, value in self.scores.items()} if self.scores is not None else None

    def same_measurement(self, other: EvidenceRun) -> bool:
        """Whether the two say the same in everything but the attestation. What a file leaves out is nothing."""
        return self._said() == other._said()

    def _said(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True, exclude={"attestation"})

    def to_bytes(self) -> bytes:
        """The run by itself, as JSON that is the same for the same run: `evidence.json` beside `run.json`."""
        return f"{_block(self.model_dump(mode='json', exclude_none=True), indent=0)}\n".encode()

    @classmethod
    def from_bytes(cls, raw: bytes, display: str) -> EvidenceRun:
        """The inverse of `to_bytes`.

        Raises:
            SchemaError: EK208, it is not the evidence of a run.
        """
        try:
            return cls.model_validate_json(raw, strict=False)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            message = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
            hint = "it is written by evalkit run and evalkit merge; make it anew"
            raise SchemaError(Problem("EK208", message, Location(display, 1, 1), hint)) from None

    @property
    def asked_nothing(self) -> bool:
        """Every answer came from the cache or a recording: no new evidence."""
        return self.source == "replay" or self.cached >= self.scored * self.repeats


class Evidence(Strict):
    """The runs of one entry against one suite, oldest first."""

    schema_version: Literal[1] = 1
    entry: Name
    version: Version
    suite: RefText
    runs: list[EvidenceRun] = Field(default_factory=list)

    def to_bytes(self) -> bytes:
        """Stable, readable JSON: a line a run and a line a field, so that a diff shows what was added."""
        data = self.model_dump(mode="json", exclude_none=True)
        runs = [_block(run, indent=2) for run in data.pop("runs")]
        head = _block(data, indent=0).removesuffix("\n}")
        listed = ",\n".join(runs)
        return f'{head},\n "runs": [\n{listed}\n ]\n}}\n'.encode()

    @property
    def digest(self) -> str:
        """What the entry's `eval.evidence` says."""
        return digest(self.model_dump(mode="json", exclude_none=True))

    def pool(self, run: EvidenceRun) -> list[EvidenceRun]:
        """The runs that count together with this one: same config, same measurement, same source, oldest first."""
        return [one for one in self.runs if _same(one, run) and one.source == run.source]

    def pooled_score(self, run: EvidenceRun) -> float | None:
        """The score over the pool of a run: per case first, then over cases.

        None where a run's per-case scores are not kept, or the primary metric is no mean.
        """
        runs = self.pool(run)
        if run.primary != "mean" or any(r.scores is None for r in runs):
            return None
        counts: dict[str, tuple[int, float]] = {}
        for one in runs:
            for key, (count, total) in (one.scores or {}).items():
                before = counts.get(key, (0, 0.0))
                counts[key] = (before[0] + count, before[1] + total)
        means = [total / count for count, total in counts.values() if count]
        return sum(means) / len(means) if means else None


def _same(one: EvidenceRun, other: EvidenceRun) -> bool:
    return (one.generation_digest, one.measurement_digest) == (
        other.generation_digest,
        other.measurement_digest,
    )


def hashed_id(case_id: str) -> str:
    """16 hex digits: enough to tell the cases of a suite apart, and no text of anybody."""
    return hashlib.sha256(case_id.encode()).hexdigest()[:16]


def evidence_path(root: Path, entry: Ref, suite: Ref) -> Path:
    """Where the evidence of an entry and a suite is kept."""
    return root / "registry" / "evidence" / entry.name / f"v{entry.version}" / f"{suite}.json"


def read_evidence(path: Path, display: str) -> Evidence | None:
    """The file, or None where there is none.

    Raises:
        SchemaError: EK208, not an evidence file that evalkit wrote.
    """
    hint = "evidence is written by evalkit run --write-back; restore the file from git"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(raw) > MAX_BYTES:
        message = f"the file has {len(raw):,} bytes; evidence has at most {MAX_BYTES:,}"
        raise SchemaError(Problem("EK208", message, Location(display, 1, 1), hint))
    try:
        return Evidence.model_validate_json(raw, strict=False)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            try:
                json.loads(raw)
            except ValueError as broken:
                place = Location(display, getattr(broken, "lineno", 1), getattr(broken, "colno", 1))
                raise SchemaError(Problem("EK208", f"not valid JSON: {broken}", place, hint)) from None
        where = ".".join(map(str, first["loc"]))
        problem = Problem("EK208", f"{where}: {first['msg']}", Location(display, 1, 1), hint)
        raise SchemaError(problem) from None


def with_run(evidence: Evidence, run: EvidenceRun) -> Evidence:
    """The evidence and one more run; unchanged when the run is there, or asked nothing new and measured the same."""
    if any(r.run_id == run.run_id for r in evidence.runs) or _adds_nothing(run, evidence.runs):
        return evidence
    return _fitting(evidence, run)


def _adds_nothing(run: EvidenceRun, runs: list[EvidenceRun]) -> bool:
    if not run.asked_nothing:
        return False
    print_of = run.fingerprint()
    # A cached run repeats what a fresh one measured: the source and the count of cached answers differ, no more.
    return any(_same(r, run) and r.source == run.source and r.fingerprint() == print_of for r in runs)


def _fitting(evidence: Evidence, run: EvidenceRun) -> Evidence:
    """The evidence with the run; where that is over the limit, per-case scores go, the oldest run's first."""
    runs = [*evidence.runs, run]
    grown = evidence.model_copy(update={"runs": runs})
    for index, old in enumerate(runs):
        if len(grown.to_bytes()) <= MAX_BYTES:
            break
        runs[index] = old.model_copy(update={"scores": None})
        grown = evidence.model_copy(update={"runs": list(runs)})
    return grown


def _block(data: Mapping[str, Any], indent: int) -> str:
    """A JSON object with a line a key; values are compact, so that per-case scores take one line."""
    pad = " " * indent
    lines = (
        f"{pad} {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in data.items()
    )
    return f"{pad}{{\n" + ",\n".join(lines) + f"\n{pad}}}"


def per_case(totals: Mapping[str, tuple[int, float]]) -> dict[str, tuple[int, float]]:
    """Per-case counts and sums by hashed id, in a stable order."""
    return {key: totals[key] for key in sorted(totals)}
