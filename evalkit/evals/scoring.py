"""From an outcome to a sample: run the scorers, weigh them, keep what a reader needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.evals.record import Sample, SampleError
from evalkit.evals.scorers.unmeasurable import Unmeasurable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.evals.case import Answer, Case
    from evalkit.evals.scorers.spec import ScorerSpec

__all__ = ["failed_sample", "score_answer", "unscored_sample"]

MAX_KEPT = 256 * 1024
"""Characters of one output in `samples.jsonl`."""


def score_answer(case: Case, repeat: int, answer: Answer, scorers: Sequence[ScorerSpec]) -> Sample:
    """Judge one answer. A scorer that cannot judge it leaves the case unscored: that is never a 0."""
    sample = _sample(case, repeat)
    if sample.expected is None:
        sample.expected = next((spec.expected for spec in scorers if spec.expected is not None), None)
    _describe(sample, answer)
    total = weights = 0.0
    for position, spec in enumerate(scorers):
        try:
            score = spec.scorer.score(case, answer)
        except Unmeasurable as reason:
            sample.error = SampleError("unscored", "unmeasurable", f"{spec.label}: {reason}")
            sample.scores, sample.score = {}, None
            return sample
        sample.scores[spec.label] = score.value
        if score.reason and score.value < 1:
            sample.reasons[spec.label] = score.reason
        if position == 0:
            sample.got = score.got
        if not score.extracted:
            sample.extracted = False
        if sample.label is None:
            sample.label = score.label
        total += score.value * spec.weight
        weights += spec.weight
    sample.score = min(1.0, total / weights)
    return sample


def failed_sample(case: Case, repeat: int, kind: str, message: str, scorers: Sequence[ScorerSpec]) -> Sample:
    """The candidate itself failed (a refused request, a context overflow): it scores 0."""
    sample = _sample(case, repeat)
    sample.error = SampleError("candidate", kind, message)
    sample.score = 0.0
    sample.scores = {spec.label: 0.0 for spec in scorers}
    return sample


def unscored_sample(case: Case, repeat: int, kind: str, message: str) -> Sample:
    """The case could not be measured."""
    sample = _sample(case, repeat)
    sample.error = SampleError("unscored", kind, message)
    return sample


def _sample(case: Case, repeat: int) -> Sample:
    location = case.location
    return Sample(
        id=case.id,
        index=case.index,
        repeat=repeat,
        input=dict(case.vars),
        expected=case.expected,
        output=None,
        tool_calls=None,
        score=None,
        scores={},
        reasons={},
        tags=list(case.tags),
        cluster=case.cluster,
        must_pass=case.must_pass,
        location=f"{location.path}:{location.line}" if location and location.line else str(location or ""),
    )


def _describe(sample: Sample, answer: Answer) -> None:
    output = answer.output
    if output is not None and len(output) > MAX_KEPT:
        output = f"{output[:MAX_KEPT]}… ({len(output):,} characters)"
    sample.output = output
    calls: list[dict[str, Any]] = [
        {"name": call.name, "arguments": call.arguments} for call in answer.tool_calls
    ]
    sample.tool_calls = calls or None
    sample.latency_ms = None if answer.latency_ms is None else round(answer.latency_ms, 3)
    if answer.input_tokens is not None or answer.output_tokens is not None:
        sample.tokens = {"in": answer.input_tokens, "out": answer.output_tokens}
    sample.cost_usd = answer.cost_usd
    sample.cached = answer.cached
    sample.served_model = answer.served_model
    sample.finish_reason = answer.finish_reason
