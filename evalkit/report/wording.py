"""What a run says in words: one set of sentences for the terminal, Markdown and HTML.

The texts may hold foreign parts (names, reasons, model ids): each report neutralises them for its own sink.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.report import figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.evals.record import RunRecord

__all__ = ["facts", "headline", "next_steps", "phrases", "scoring", "threshold", "verdict_word"]

_SOURCES = {
    "ci": "run in CI",
    "local": "run on this machine: not promotable evidence",
    "replay": "replay of recorded answers: no model was called",
}

_MAX_METRICS = 8


def threshold(record: RunRecord) -> float | None:
    """The gate's minimum score, if it sets one."""
    value = record.gate.get("min_score")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def verdict_word(record: RunRecord) -> str:
    """`PASS`, `FAIL`, `INCONCLUSIVE`; or `PART 2/5`, which is never judged."""
    return f"PART {record.shard}" if record.shard else record.verdict.upper()


def headline(record: RunRecord) -> str:
    """The verdict as a sentence without its full stop. Names are between backticks."""
    entry, suite = f"`{record.entry}@v{record.version}`", f"`{record.suite}`"
    if record.shard:
        return f"part {record.shard} of {entry} on {suite}, not judged before the parts are merged"
    if record.verdict == "pass":
        return f"{entry} passes {suite}"
    if record.verdict == "fail":
        return f"{entry} fails {suite}"
    return f"{entry} on {suite} is inconclusive"


def phrases(sentence: str) -> list[tuple[str, bool]]:
    """A sentence of this module in pieces: text, and whether it stands between backticks (a name, a command)."""
    return [(piece, odd % 2 == 1) for odd, piece in enumerate(sentence.split("`")) if piece]


def scoring(record: RunRecord) -> str:
    """The score, its interval, and what the gate asks for."""
    least = threshold(record)
    parts = [f"score {figures.score(record.score, least)}"]
    if record.primary != "mean":
        parts[0] += f" ({record.primary})"
    if record.ci95 is not None:
        parts.append(f"95 % interval {figures.interval(record.ci95)}")
    if least is not None:
        parts.append(f"needs {least:g}")
    return ", ".join(parts)


def facts(record: RunRecord) -> list[tuple[str, str]]:
    """Label and text of what else there is to know; what did not happen is not mentioned."""
    cases = f"{figures.count(record.scored)} of {figures.count(record.cases)} scored"
    if record.repeats > 1:
        cases += f", {record.repeats} repeats each"
    if record.errors:
        cases += f", {figures.count(record.errors)} could not be measured"
    rows = [("cases", cases)]
    if record.candidate_failures:
        rows.append(
            ("failures", _times(record.candidate_failures, "was", "the candidate's own failure, scored 0"))
        )
    if record.not_extracted:
        rows.append(("unread", _times(record.not_extracted, "held", "nothing to extract, scored 0")))
    if record.baseline:
        rows.append(("baseline", _compared(record.baseline)))
    others = [
        f"{name} {figures.score(value)}" for name, value in record.metrics.items() if name != record.primary
    ]
    if others:
        more = f" and {len(others) - _MAX_METRICS} more" if len(others) > _MAX_METRICS else ""
        rows.append(("metrics", ", ".join(others[:_MAX_METRICS]) + more))
    p50, p95 = record.latency_ms.get("p50"), record.latency_ms.get("p95")
    measured = f"p50 {figures.latency(p50)}, p95 {figures.latency(p95)}"
    rows.append(("latency", figures.MISSING if p50 is None and p95 is None else measured))
    tokens_in, tokens_out = record.tokens.get("in"), record.tokens.get("out")
    counted = f"{figures.count(tokens_in)} in, {figures.count(tokens_out)} out"
    rows.append(("tokens", figures.MISSING if tokens_in is None and tokens_out is None else counted))
    rows.append(("cost", figures.usd(record.cost_usd)))
    if record.cached:
        rows.append(("cached", _times(record.cached, "came", "from the cache")))
    served = ", ".join(record.served_models)
    if served and served != record.model:
        rows.append(("served by", served))
    rows.append(("source", f"{_SOURCES[record.source]}, {figures.duration(record.duration_s)}"))
    return rows


def _compared(baseline: Mapping[str, Any]) -> str:
    """`order-extract@v1 scored 0.592, difference +0.120 (+0.051 to +0.189), better on 20 cases, worse on 3`."""
    parts = [
        f"{baseline.get('entry')}@v{baseline.get('version')} scored {figures.score(baseline.get('score'))}"
    ]
    difference, low, high = (baseline.get(name) for name in ("difference", "low", "high"))
    if difference is not None:
        around = "" if low is None or high is None else f" ({low:+.3f} to {high:+.3f})"
        parts.append(f"difference {difference:+.3f}{around}")
    better, worse = (len(baseline.get(name) or ()) for name in ("better", "worse"))
    return ", ".join([*parts, f"better on {figures.count(better)} cases, worse on {figures.count(worse)}"])


def _times(number: int, verb: str, rest: str) -> str:
    plural = {"was": "were"}.get(verb, verb)
    return f"1 answer {verb} {rest}" if number == 1 else f"{figures.count(number)} answers {plural} {rest}"


def next_steps(record: RunRecord) -> list[str]:
    """What a person would do next, by verdict. Commands are between backticks."""
    entry = f"{record.entry}@v{record.version}"
    if record.shard:
        return ["Merge the parts with `evalkit merge`: only the whole run is judged."]
    if record.verdict == "pass":
        if record.source == "replay":
            return [f"Run `evalkit run {entry}` against the model: a replay is no evidence for a promotion."]
        return [f"Record the score with `evalkit run {entry} --write-back` and open a pull request."]
    if record.verdict == "fail":
        return [
            "Read the worst cases: they are where the points were lost.",
            f"Change the prompt, the parameters or the model, then run `evalkit run {entry}` again.",
        ]
    steps = []
    if record.errors:
        steps.append(
            f"Run `evalkit run {entry}` again: answers are kept, and only the cases without one are asked."
        )
    steps.append(
        "If the run was complete, the evidence is too thin for this threshold: add cases to the suite. "
        "Running the same cases again settles nothing."
    )
    return steps
