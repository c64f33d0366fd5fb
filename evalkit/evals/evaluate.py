"""Run a plan: ask for every case, score what comes back, write each sample as it arrives, judge at the end."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Protocol

from evalkit.evals.aggregate import Aggregate
from evalkit.evals.cases import iter_valid_cases
from evalkit.evals.conclude import Conclusion, RunResult
from evalkit.evals.engine import Answered, EngineOptions, Failed, Job, Unscored, answer_all
from evalkit.evals.limits import SystemClock
from evalkit.evals.options import asked_cases
from evalkit.evals.providers.base import Request
from evalkit.evals.redact import redacted
from evalkit.evals.scoring import failed_sample, score_answer, unscored_sample
from evalkit.evals.subject import Subject
from evalkit.runtime.cost import cost_usd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from evalkit.evals.cache import AnswerCache
    from evalkit.evals.case import Answer, Case
    from evalkit.evals.engine import Outcome
    from evalkit.evals.options import RunOptions
    from evalkit.evals.plan import Plan
    from evalkit.evals.providers.base import Provider
    from evalkit.evals.providers.replay import Recording
    from evalkit.evals.record import Sample

__all__ = ["Progress", "RunResult", "evaluate"]


class Progress(Protocol):
    """What follows a run while it goes on."""

    def start(self, total: int | None, title: str) -> None:
        """A run begins; `total` answers are expected."""

    def update(
        self,
        done: int,
        *,
        cached: int = 0,
        score_sum: float = 0.0,
        scored: int = 0,
        errors: int = 0,
        spent_usd: float | None = None,
    ) -> None:
        """Totals since `start`."""

    def finish(self) -> None:
        """The run is over, however it ended."""


async def evaluate(
    plan: Plan,
    options: RunOptions,
    *,
    provider: Provider | None,
    recording: Recording | None,
    cache: AnswerCache | None,
    progress: Progress,
    stop: asyncio.Event,
    baseline: RunResult | None = None,
    baseline_missing: str | None = None,
    keep_scores: bool = False,
) -> RunResult:
    """One run of one plan. Samples are on disk as they arrive; the caller writes `run.json` and the reports.

    Args:
        plan: validated; nothing in a file can stop the run any more.
        options: where to, how fast, how much.
        provider: who is asked; None with a recording.
        recording: answers that were made before; None with a provider.
        cache: answers that were bought before, and where new ones are kept.
        progress: told now and then.
        stop: set it to end the run soon and keep what is done.
        baseline: a run of the baseline with `keep_scores`, to compare with case by case.
        baseline_missing: why there is no comparison although the gate asks for one.
        keep_scores: keep the score of each case by id, because the gate compares, or this run is the baseline.

    Raises:
        ProviderError: the provider could not be used at all.
        UsageError: it refused the key, or does not know the model.
    """
    run = _Run(plan, options, progress, keep_scores=keep_scores or baseline is not None)
    options.output_dir.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    began = clock.monotonic()
    title = f"{plan.entry} on {plan.suite.ref}"
    progress.start(run.asked * plan.suite.suite.repeats, title)
    try:
        with (options.output_dir / "samples.jsonl").open("w", encoding="utf-8") as file:
            run.file = file
            if recording is not None:
                run.answered_by = recording.generation_digest
                await run.replay(recording, stop)
            elif provider is not None:
                await run.ask(provider, cache, clock, stop)
    finally:
        progress.finish()
    conclusion = Conclusion(
        Subject.of_plan(plan),
        options,
        run.aggregate,
        asked=run.asked,
        stopped=run.stopped,
        duration_s=clock.monotonic() - began,
        baseline=baseline,
        baseline_missing=baseline_missing,
        recorded_digest=recording.generation_digest if recording is not None else None,
    )
    return RunResult(conclusion.record(), run.aggregate)


class _Run:
    """The state of one run between its first case and its record."""

    def __init__(self, plan: Plan, options: RunOptions, progress: Progress, *, keep_scores: bool) -> None:
        self.plan = plan
        self.options = options
        self.progress = progress
        self.aggregate = Aggregate(plan.suite.suite, keep_scores=keep_scores)
        self.asked = asked_cases(plan.cases.count, options)
        self.file: TextIO
        self.answered_by: str | None = plan.config.digest
        """The generation digest that goes with each answer: of a recording, what it says itself."""
        self.stopped: str | None = None
        self.done = 0
        self._score_sum = 0.0
        self._scored = 0
        self._errors = 0

    def cases(self) -> Iterator[Case]:
        """The cases of this run: the suite's, or a shard or the first few of them."""
        shard, taken = self.options.shard, 0
        for case in iter_valid_cases(self.plan.suite, self.plan.cases_display):
            if shard and case.index % shard.count != shard.index - 1:
                continue
            if self.options.limit is not None and taken >= self.options.limit:
                return
            taken += 1
            yield case

    def jobs(self) -> Iterator[Job]:
        """One job a case and repeat, made when a worker asks for it."""
        config, repeats = self.plan.config, self.plan.suite.suite.repeats
        for case in self.cases():
            request = Request(config.request(case.vars), case.vars, case.id)
            for repeat in range(repeats):
                yield Job(case, repeat, request)

    async def ask(
        self, provider: Provider, cache: AnswerCache | None, clock: SystemClock, stop: asyncio.Event
    ) -> None:
        declared = self.plan.provider
        stats = await answer_all(
            self.jobs(),
            provider,
            options=EngineOptions(
                concurrency=min(
                    self.options.concurrency, declared.concurrency or 1024, provider.slots or 1024
                ),
                max_attempts=declared.max_attempts,
                rpm=declared.requests_per_minute,
                tpm=declared.tokens_per_minute,
                max_cost_usd=self.options.max_cost_usd,
            ),
            cache=cache,
            cache_mode=self.options.cache_mode,  # type: ignore[arg-type]  # checked by the command line
            price=self._cost,
            on_result=self._take_outcome,
            stop=stop,
            clock=clock,
            rng=random.Random(),  # noqa: S311 - jitter of retries, no secret
        )
        self.stopped = stats.stopped

    async def replay(self, recording: Recording, stop: asyncio.Event) -> None:
        repeats = self.plan.suite.suite.repeats
        for case in self.cases():
            if stop.is_set():
                self.stopped = "interrupted"
                return
            for repeat in range(repeats):
                answer = recording.answer(case.id, repeat)
                if answer is None:
                    message = "the recording has no answer for this case"
                    if repeat:
                        message = (
                            f"the recording has {repeat} of the {repeats} answers that the suite asks for"
                        )
                    self._take(unscored_sample(case, repeat, "missing", message))
                else:
                    self._take(score_answer(case, repeat, answer, self.plan.suite.scorers))
            if case.index % 256 == 0:
                await asyncio.sleep(0)  # let Ctrl-C in

    def _cost(self, answer: Answer) -> float | None:
        if self.plan.price is None:
            return answer.cost_usd
        return cost_usd(self.plan.price, answer.input_tokens, answer.output_tokens)

    def _take_outcome(self, job: Job, outcome: Outcome) -> None:
        scorers = self.plan.suite.scorers
        match outcome:
            case Answered(answer):
                if answer.cost_usd is None:
                    answer.cost_usd = self._cost(answer)
                self._take(score_answer(job.case, job.repeat, answer, scorers))
            case Failed(kind, message):
                self._take(failed_sample(job.case, job.repeat, kind, message, scorers))
            case Unscored():
                self._take(unscored_sample(job.case, job.repeat, outcome.type, outcome.message))

    def _take(self, sample: Sample) -> None:
        sample.generation_digest = self.answered_by
        kept = sample if self.options.outputs else redacted(sample, labels=self.aggregate.needs_labels)
        self.file.write(kept.to_json() + "\n")
        self.aggregate.add(sample)
        self.done += 1
        if sample.score is None:
            self._errors += 1
        else:
            self._scored += 1
            self._score_sum += sample.score
        self.progress.update(
            self.done,
            cached=self.aggregate.cached,
            score_sum=self._score_sum,
            scored=self._scored,
            errors=self._errors,
            spent_usd=self.aggregate.spent_usd,
        )
