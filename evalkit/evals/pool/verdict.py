"""The verdict on everything that was ever measured of a config, not on its luckiest run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from evalkit.evals.gate import judge, worst
from evalkit.evals.pool.baseline import against, serving_ref
from evalkit.evals.pool.evidences import Evidences
from evalkit.evals.pool.pooled import pooled
from evalkit.evals.pool.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalkit.evals.evidence import EvidenceRun
    from evalkit.evals.gate import GateRules
    from evalkit.evals.pool.baseline import Against
    from evalkit.evals.pool.facts import SuiteFacts
    from evalkit.evals.pool.pooled import Pool
    from evalkit.evals.pool.reading import Reading
    from evalkit.evals.record import Verdict
    from evalkit.registry.project import Project
    from evalkit.runtime.refs import Ref

__all__ = ["PoolVerdict", "verdict_of"]


@dataclass(frozen=True, slots=True)
class PoolVerdict:
    """What all runs of an entry's config on a suite say together."""

    entry: Ref
    suite: Ref
    verdict: Literal["pass", "fail", "inconclusive", "none"]
    """`none`: there is no run that counts."""
    score: float | None
    """The primary metric over the pool. Where scores of single cases were not kept, the least that it can be."""
    lower: float | None
    upper: float | None
    """Its 95 % interval, as a run's `ci95`; None where it cannot be known."""
    runs: int
    """Runs in the pool."""
    by_source: Mapping[str, int]
    """Every recorded run of the entry or its config with this suite, also those that do not count."""
    cases: int
    """Cases of the suite, not multiplied by runs or repeats."""
    scored: int
    """Cases to which some run of the pool gave a score."""
    errors: int
    """Cases to which none did."""
    cached: int
    """Answers in the pool that came from the cache."""
    reasons: tuple[str, ...]
    """In plain words, the deciding one first. Never empty."""
    stale: tuple[str, ...]
    """Why recorded runs do not count."""
    baseline_digest: str | None
    """The config that it was compared with; None where the gate asks for no comparison, or nothing serves."""
    needs_baseline: bool
    """Whether the gate has `max_regression` or `non_inferior`."""
    shadow: tuple[str, ...] = ()
    """What the gate's shadow rules would say of the pool at its worst. No part of the verdict."""


def verdict_of(
    project: Project,
    entry: Ref,
    suite: Ref,
    *,
    sources: Sequence[str] = ("ci",),
    baseline_digest: str | None = None,
    evidences: Evidences | None = None,
) -> PoolVerdict:
    """Judge an entry as it is now by the suite as it is now, on all runs that are of both.

    A single run is judged as it was when it ran, unless gate or baseline have changed since.

    Args:
        project: where evidence, entry and suite lie.
        entry: whose config. Runs of other entries count where their config is the same.
        suite: whose cases, scorers and gate. Runs of other versions count where cases and scorers are the same.
        sources: which runs count; only those of `ci` promote.
        baseline_digest: the generation digest to compare with where a rule of the gate asks for it; left out, that of
            the entry which serves the name in production.
        evidences: shared among the verdicts of many entries, it spares reading everything for each.

    Raises:
        UnknownEntry, UnresolvedReference: there is no such entry, or suite.
        ConfigError: with every problem of the entry, the suite or its cases.
        SchemaError: EK208, an evidence file is broken.
    """
    evidences = evidences or Evidences(project)
    facts, generation = evidences.suite(suite), evidences.generation(entry)
    same = [run for run in evidences.of_config(generation) if run.measurement_digest == facts.measurement]
    recorded = {(run.run_id, run.source): run for run in (*evidences.of_entry(entry, suite.name), *same)}
    pool = pooled([run for run in same if run.source in sources])
    stale = tuple(_stale(recorded.values(), generation, facts, pool, sources))
    needs_baseline = facts.suite.gate.needs_baseline
    unclear: str | None = None
    if not needs_baseline:
        baseline_digest = None
    elif baseline_digest is None:
        baseline_digest, unclear = _serving_digest(evidences, entry)
    judged: _Judged | None = None
    estimate, scored = None, 0
    shadow: list[str] = []
    if pool.runs:
        compared = against(evidences, pool, facts, baseline_digest, sources)
        missing = unclear or compared.missing
        reading = read(pool, facts, comparison=compared.comparison, baseline_missing=missing)
        estimate, scored = reading.worst.estimate, reading.worst.scored
        judged = _judged(compared.rules, reading, pool, facts, compared.said)
        shadow = _shadow(facts.suite.gate, reading, compared)
        if unclear is None:
            judged = _as_it_ran(judged, reading, pool, facts, baseline_digest)
    return PoolVerdict(
        entry=entry,
        suite=suite,
        verdict=judged.verdict if judged else "none",
        score=estimate.mean if estimate else None,
        lower=estimate.low if estimate else None,
        upper=estimate.high if estimate else None,
        runs=len(pool.runs),
        by_source=dict(sorted(Counter(run.source for run in recorded.values()).items())),
        cases=facts.count,
        scored=scored,
        errors=facts.count - scored if pool.runs else 0,
        cached=sum(run.cached for run in pool.runs),
        reasons=judged.reasons if judged else (_nothing(suite, sources),),
        stale=stale,
        baseline_digest=baseline_digest,
        needs_baseline=needs_baseline,
        shadow=tuple(shadow),
    )


def _shadow(rules: GateRules, reading: Reading, compared: Against) -> list[str]:
    """What the shadow rules say of the pool at its worst."""
    measured = reading.worst
    if compared.rules is not rules and measured.baseline_missing is None:
        missing = None if compared.shown else "it was made when the run was, and the cases were not kept"
        measured = replace(measured, comparison=compared.shown, baseline_missing=missing)
    return judge(rules, measured).shadow


@dataclass(frozen=True, slots=True)
class _Judged:
    verdict: Verdict
    reasons: tuple[str, ...]


def _serving_digest(evidences: Evidences, entry: Ref) -> tuple[str | None, str | None]:
    """The config that serves the entry's name now, or why that cannot be said."""
    try:
        serves = serving_ref(evidences.project, entry)
    except ValueError as error:
        return None, f"who serves {entry.name} is not clear: {error}"
    return (evidences.generation(serves) if serves is not None else None), None


def _judged(
    rules: GateRules, reading: Reading, pool: Pool, facts: SuiteFacts, said: tuple[str, ...]
) -> _Judged:
    """The gate on the pool at its worst, unless it is open how bad that is."""
    at_worst, at_best = judge(rules, reading.worst), judge(rules, reading.best)
    verdict: Verdict = at_worst.verdict
    reasons = [*at_worst.reasons, *said]
    if verdict == "fail" and at_best.verdict != "fail":
        verdict = "inconclusive"
        reasons = [
            f"What is recorded of {_runs(len(pool.runs))} leaves it open. At its worst: {at_worst.reasons[0]}",
            f"At its best: {at_best.reasons[0]}",
            *said,
        ]
    if reading.worst.must_pass_failed:
        return _Judged(verdict, tuple(reasons))  # fails, whatever else there is
    if reading.worst.scored < facts.count and all(run.cases < facts.count for run in pool.runs):
        reasons.insert(0, f"No run asked all {facts.count:,} cases: a part decides nothing.")
        verdict = "inconclusive"
    elif verdict != "fail" and facts.must_pass and any(map(_hides_a_failure, pool.runs)):
        reasons.insert(0, "A case that must pass may have failed: the scores of single cases were not kept.")
        verdict = "inconclusive"
    return _Judged(verdict, tuple(reasons))


def _hides_a_failure(run: EvidenceRun) -> bool:
    """A run that passed had no failed `must_pass` case."""
    return run.scores is None and run.verdict != "pass"


def _as_it_ran(
    fresh: _Judged, reading: Reading, pool: Pool, facts: SuiteFacts, baseline: str | None
) -> _Judged:
    """A single run knows more than its evidence: how it ended, the baseline's scores, every answer."""
    run = pool.runs[0]
    compared_alike = not facts.suite.gate.needs_baseline or run.baseline_digest == baseline
    if len(pool.runs) > 1 or run.suite_digest != facts.digest or not compared_alike:
        return fresh
    # Where scores alone decide, the recorded verdict is not taken for more than they say.
    verdict = worst(run.verdict, fresh.verdict) if reading.exact else run.verdict
    if verdict == fresh.verdict:
        return fresh
    if run.baseline_digest is not None:
        why = f"it was compared with {run.baseline_digest[:19]}… as well"
    elif reading.exact:
        why = "it ended before everything was asked"
    else:
        why = "more was known when it ran than evidence keeps"
    return _Judged(verdict, (f"The run's own verdict is {verdict}: {why}.", *fresh.reasons))


def _stale(
    recorded: Iterable[EvidenceRun], generation: str, facts: SuiteFacts, pool: Pool, sources: Sequence[str]
) -> Iterable[str]:
    counted = {(run.run_id, run.source) for run in pool.runs}
    left = [run for run in recorded if (run.run_id, run.source) not in counted]
    config = [run for run in left if run.generation_digest != generation]
    left = [run for run in left if run.generation_digest == generation]
    measured = [run for run in left if run.measurement_digest != facts.measurement]
    left = [run for run in left if run.measurement_digest == facts.measurement]
    if config:
        yield f"{_were(len(config))} made with another config: the entry, or what it refers to, changed since."
    if measured:
        yield f"{_were(len(measured))} made with other cases or scorers than {facts.loaded.ref} has now."
    for source in sorted({run.source for run in left if run.source not in sources}):
        count = sum(run.source == source for run in left)
        yield f"{_were(count)} of source {source}: only {' and '.join(sources)} runs count."
    if again := sum(run.source in sources for run in left):
        yield f"{_runs(again)} asked nothing new: the answers count already."


def _nothing(suite: Ref, sources: Sequence[str]) -> str:
    return f"There is no {' or '.join(sources)} run of this config on {suite}."


def _runs(count: int) -> str:
    return f"{count:,} run" if count == 1 else f"{count:,} runs"


def _were(count: int) -> str:
    return f"{_runs(count)} {'was' if count == 1 else 'were'}"
