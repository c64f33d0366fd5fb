"""What a run leaves behind: `run.json` (a `RunRecord`) and `samples.jsonl` (a line a case and repeat).

The field names are the contract of `evalkit run --format json`: see docs/reference/run-record.md.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["RunRecord", "Sample", "SampleError", "SliceRecord", "iter_samples"]

Verdict = Literal["pass", "fail", "inconclusive"]
Source = Literal["ci", "local", "replay"]

SCHEMA_VERSION = 1


@dataclass(slots=True)
class SampleError:
    """Why a case has no score (`unscored`), or why the candidate itself failed (`candidate`, which scores 0)."""

    kind: Literal["unscored", "candidate"]
    type: str
    """`rate_limited`, `server_error`, `network`, `timeout`, `missing`, `budget`, `interrupted`; or `bad_request`,
    `context_overflow`, `malformed`, `content_filter`, `process_failed`."""
    message: str


@dataclass(slots=True)
class Sample:
    """One case, one repeat. `score` is None when it could not be measured; it is never 0 for that reason."""

    id: str
    index: int
    repeat: int
    input: dict[str, Any]
    expected: Any
    output: str | None
    tool_calls: list[dict[str, Any]] | None
    score: float | None
    """The weighted mean of `scores`, in [0, 1]."""
    scores: dict[str, float]
    """By scorer label."""
    reasons: dict[str, str]
    """By scorer label: why it is below 1."""
    got: Any = None
    """What the first scorer read from the answer."""
    extracted: bool = True
    error: SampleError | None = None
    latency_ms: float | None = None
    tokens: dict[str, int | None] | None = None
    """`{"in": …, "out": …}`; None where the provider reports none."""
    cost_usd: float | None = None
    cached: bool = False
    served_model: str | None = None
    finish_reason: str | None = None
    tags: list[str] = field(default_factory=list)
    cluster: str | None = None
    must_pass: bool = False
    location: str | None = None
    """`path:line` of the case in the suite."""
    label: str | None = None
    """The predicted class, when a scorer predicts one."""
    generation_digest: str | None = None
    """Of the config that the answer is of; None where that is not known."""

    def to_json(self) -> str:
        """One line of `samples.jsonl`."""
        return _encode({name: getattr(self, name) for name in _SAMPLE_FIELDS})

    @classmethod
    def from_json(cls, line: str) -> Sample:
        """The inverse of `to_json`; unknown keys (of a newer minor version) are left out."""
        raw = json.loads(line)
        if raw.get("error"):
            raw["error"] = SampleError(**raw["error"])
        return cls(**{key: value for key, value in raw.items() if key in _SAMPLE_FIELDS})


_SAMPLE_FIELDS = tuple(f.name for f in fields(Sample))


def _plain(value: Any) -> Any:
    """Ten thousand samples a run: `asdict` would copy each of their values, and cost more than the scoring."""
    return asdict(value) if isinstance(value, SampleError) else str(value)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode


def iter_samples(path: Path) -> Iterator[Sample]:
    """Stream `samples.jsonl`. Blank and half-written last lines (a killed run) are passed over."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n") and line.strip():
                yield Sample.from_json(line)


@dataclass(slots=True)
class SliceRecord:
    """The score of the cases that carry one tag."""

    cases: int
    scored: int
    score: float | None
    ci95: tuple[float, float] | None
    floor: float | None = None
    """The gate's minimum for this slice, if it sets one."""
    verdict: Verdict | None = None
    """None when the gate sets no floor: shown, not judged."""


@dataclass(slots=True)
class RunRecord:
    """One evaluation of one entry against one suite."""

    run_id: str
    entry: str
    """The entry's name; with `version`, `support-triage@v14`."""
    version: int
    suite: str
    """`triage-eval@v4`."""
    generation_digest: str
    suite_digest: str
    measurement_digest: str
    score: float | None
    """The primary metric over the scored cases; None when nothing was scored."""
    ci95: tuple[float, float] | None
    cases: int
    """Cases of the suite that were asked for (not multiplied by repeats)."""
    scored: int
    errors: int
    """Cases that could not be measured."""
    verdict: Verdict
    reasons: list[str]
    """In plain words, the deciding one first."""
    metrics: dict[str, float | None]
    slices: dict[str, SliceRecord]
    baseline: dict[str, Any] | None
    latency_ms: dict[str, float | None]
    """`p50`, `p95` over measured answers, in milliseconds."""
    tokens: dict[str, int | None]
    """`in`, `out`: sums."""
    cost_usd: float | None
    cached: int
    """Answers that came from the cache."""
    served_models: list[str]
    source: Source
    output_dir: str | None
    model: str = ""
    provider: str = ""
    primary: str = "mean"
    repeats: int = 1
    gate: dict[str, Any] = field(default_factory=dict)
    """The rules as written in the suite."""
    candidate_failures: int = 0
    """Answers that were the candidate's own failure (refused request, context overflow): scored 0."""
    not_extracted: int = 0
    """Answers from which nothing could be read: scored 0."""
    notes: list[str] = field(default_factory=list)
    """What a reader should know and the gate does not judge: an answered model id that differs, a floating model."""
    started_at: str = ""
    duration_s: float = 0.0
    evalkit_version: str = ""
    shard: str | None = None
    """`2/5` for a part of a run; a part is merged, never gated."""
    suite_cases: int = 0
    """Cases of the whole suite; more than `cases` in a part, and with `--limit`."""
    stopped: str | None = None
    """`budget`, `interrupted`, `unreachable`; None when every case was asked."""
    recorded_digest: str | None = None
    """Of a replay: the generation digest that the recording was made with, if it says so."""
    baseline_missing: str | None = None
    """Why there is no comparison although the gate asks for one."""
    shadow: list[str] = field(default_factory=list)
    """What the gate's shadow rules would say, the worst first: `shadow: would fail because …`. No part of the verdict."""
    outputs: bool = True
    """Whether the samples have their texts: inputs, outputs, expectations, reasons, messages."""
    schema_version: int = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """Plain data, in field order."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> RunRecord:
        """The inverse of `to_dict`; unknown keys (of a newer minor version) are left out."""
        known = {key: value for key, value in raw.items() if key in _RUN_FIELDS}
        known["slices"] = {tag: SliceRecord(**value) for tag, value in known["slices"].items()}
        return cls(**known)


_RUN_FIELDS = frozenset(f.name for f in fields(RunRecord))
