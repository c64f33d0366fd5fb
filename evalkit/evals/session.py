"""One `evalkit run`: several targets and suites, all validated first, then run one after the other."""

from __future__ import annotations

import asyncio
import secrets
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evalkit.errors import ConfigError, EvalkitError, Problem, UsageError
from evalkit.evals.cache import AnswerCache
from evalkit.evals.evaluate import evaluate
from evalkit.evals.options import RunOptions
from evalkit.evals.plan import Plan, plan_run, suites_of
from evalkit.evals.providers import make_provider
from evalkit.evals.saved import save_record
from evalkit.evals.write_back import save_evidence
from evalkit.runtime.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from evalkit.evals.conclude import RunResult
    from evalkit.evals.evaluate import Progress
    from evalkit.evals.options import Shard
    from evalkit.evals.providers.replay import Recording
    from evalkit.evals.record import Source
    from evalkit.evals.suite import LoadedSuite
    from evalkit.registry.project import Loaded, Project
    from evalkit.registry.schema import Entry

__all__ = ["Finished", "Session", "SessionOptions"]


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What the command line says."""

    targets: Sequence[str]
    suites: Sequence[str] = ()
    baseline: str | None = None
    repeats: int | None = None
    shard: Shard | None = None
    limit: int | None = None
    concurrency: int = 16
    max_cost_usd: float | None = None
    cache_mode: str = "reuse"
    output_dir: Path | None = None
    source: Source = "local"
    outputs: bool = True
    """Whether samples keep their texts."""


@dataclass(frozen=True, slots=True)
class Finished:
    """One run that is over, and where it lies."""

    plan: Plan
    result: RunResult
    directory: Path


@dataclass
class Session:
    """Plans and runs. `environ` is where provider keys are looked up, and the only use of it."""

    project: Project
    options: SessionOptions
    environ: Mapping[str, str]
    recording: Recording | None = None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    candidates: Project | None = None
    """Where the targets lie, if that is not the project itself: all else, also the baseline, is the project's."""
    warnings: list[Problem] = field(default_factory=list)
    """What went wrong beside the runs: a cache that could not be used."""

    def plans(self) -> list[tuple[Plan, Plan | None, str | None]]:
        """Every plan with its baseline, or the reason why there is none.

        Raises:
            EvalkitError: with every problem of every target, before anything is asked.
        """
        planned: list[tuple[Plan, Plan | None, str | None]] = []
        problems: dict[str, Problem] = {}
        kinds: set[type[EvalkitError]] = set()
        for target in self.options.targets:
            try:
                loaded = (self.candidates or self.project).target(target)
                suites = suites_of(self.project, loaded, self.options.suites)
            except EvalkitError as error:
                problems.update((str(problem), problem) for problem in error.problems)
                kinds.add(type(error))
                continue
            for suite in suites:
                try:
                    planned.append(self._planned(loaded, self._with_repeats(suite)))
                except EvalkitError as error:
                    problems.update((str(problem), problem) for problem in error.problems)
                    kinds.add(type(error))
        if problems:
            raise (kinds.pop() if len(kinds) == 1 else ConfigError)(problems.values())
        return planned

    def _with_repeats(self, suite: LoadedSuite) -> LoadedSuite:
        if self.options.repeats is None:
            return suite
        from dataclasses import replace

        return replace(suite, suite=suite.suite.model_copy(update={"repeats": self.options.repeats}))

    def _planned(self, loaded: Loaded[Entry], suite: LoadedSuite) -> tuple[Plan, Plan | None, str | None]:
        plan = plan_run(self.project, loaded, suite, self.candidates)
        needs_cost = (
            plan.suite.suite.gate.max_cost_usd_per_case is not None or self.options.max_cost_usd is not None
        )
        if (
            needs_cost
            and plan.price is None
            and self.recording is None
            and plan.provider.kind not in {"http", "command"}
        ):
            hint = f'add it to evalkit.yaml: prices: {{"{plan.config.model}": {{input: 0.25, output: 2.0}}}}'
            raise UsageError(Problem("EK506", f"the price of {plan.config.model} is not known", hint=hint))
        if self.recording is not None:
            self.recording.refuse_more_than(suite.suite.repeats)
        else:
            self._provider(plan)  # a missing key is found before the first request
        baseline, missing = self._baseline(plan)
        return plan, baseline, missing

    def _baseline(self, plan: Plan) -> tuple[Plan | None, str | None]:
        wanted = self.options.baseline
        if wanted is None and plan.suite.suite.gate.max_regression is None:
            return None, None
        if wanted is not None:
            loaded = self.project.target(wanted)
        else:
            found = self._serving(plan)
            if found is None:
                return None, None
            loaded = found
        if (loaded.model.name, loaded.model.version) == (plan.entry.name, plan.entry.version):
            return None, None
        if self.recording is not None:
            name = f"{loaded.model.name}@v{loaded.model.version}"
            return None, f"the baseline {name} cannot be asked while a recording is replayed"
        baseline = plan_run(self.project, loaded, plan.suite)
        self._provider(baseline)
        return baseline, None

    def _serving(self, plan: Plan) -> Loaded[Entry] | None:
        name = plan.entry.name
        if not self.project.versions(name):
            return None
        try:
            serves = serving(self.project.states(name), "production")
        except ValueError as error:
            hint = "evalkit check shows where; or name the baseline with --baseline"
            raise ConfigError(
                Problem("EK210", f"who serves {name} is not clear: {error}", hint=hint)
            ) from None
        return None if serves is None else self.project.target(f"{name}@v{serves.primary}")

    def _provider(self, plan: Plan) -> object:
        return make_provider(plan.provider_name, plan.provider, model=plan.config.model, environ=self.environ)

    def run(
        self,
        planned: Sequence[tuple[Plan, Plan | None, str | None]],
        progress: Progress,
        on_finished: Callable[[Finished], None],
    ) -> list[Finished]:
        """Run every plan, in order. Stops after an interrupted one.

        Raises:
            ProviderError: a provider could not be used at all.
        """
        return asyncio.run(self._run(planned, progress, on_finished))

    async def _run(
        self,
        planned: Sequence[tuple[Plan, Plan | None, str | None]],
        progress: Progress,
        on_finished: Callable[[Finished], None],
    ) -> list[Finished]:
        stop = asyncio.Event()
        finished: list[Finished] = []
        with _interruptible(stop), self._cache() as cache:
            for plan, baseline, missing in planned:
                run_id = self._run_id(plan)
                directory = self._directory(plan, run_id, alone=len(planned) == 1)
                compared: RunResult | None = None
                if baseline is not None:
                    beside = directory / "baseline"
                    compared = await self._one(
                        baseline, self._run_id(baseline), beside, progress, stop, cache, keep_scores=True
                    )
                    save_record(compared.record, directory / "baseline")
                result = await self._one(
                    plan,
                    run_id,
                    directory,
                    progress,
                    stop,
                    cache,
                    baseline=compared,
                    baseline_missing=missing,
                )
                save_record(result.record, directory)
                save_evidence(result, directory)
                done = Finished(plan, result, directory)
                finished.append(done)
                on_finished(done)
                if stop.is_set():
                    break
        return finished

    async def _one(
        self,
        plan: Plan,
        run_id: str,
        directory: Path,
        progress: Progress,
        stop: asyncio.Event,
        cache: AnswerCache | None,
        *,
        baseline: RunResult | None = None,
        baseline_missing: str | None = None,
        keep_scores: bool = False,
    ) -> RunResult:
        provider = None
        if self.recording is None:
            provider = make_provider(
                plan.provider_name, plan.provider, model=plan.config.model, environ=self.environ
            )
        options = RunOptions(
            run_id=run_id,
            started_at=f"{self.now():%Y-%m-%dT%H:%M:%SZ}",
            output_dir=directory,
            source="replay" if self.recording is not None else self.options.source,
            concurrency=self.options.concurrency,
            cache_mode=self.options.cache_mode,
            max_cost_usd=self.options.max_cost_usd,
            limit=self.options.limit,
            shard=self.options.shard,
            outputs=self.options.outputs,
        )
        return await evaluate(
            plan,
            options,
            provider=provider,
            recording=self.recording,
            cache=cache,
            progress=progress,
            stop=stop,
            baseline=baseline,
            baseline_missing=baseline_missing,
            keep_scores=keep_scores,
        )

    def _directory(self, plan: Plan, run_id: str, *, alone: bool) -> Path:
        if self.options.output_dir is not None:
            return (
                self.options.output_dir
                if alone
                else self.options.output_dir / f"{plan.entry}-{plan.suite.ref}"
            )
        return self.project.state_dir() / "runs" / run_id

    def _run_id(self, plan: Plan) -> str:
        """Sorts by time, says what it is, and is like no other."""
        return f"{self.now():%Y%m%dT%H%M%SZ}-{plan.entry}-{plan.suite.ref}-{secrets.token_hex(3)}"

    @contextmanager
    def _cache(self) -> Iterator[AnswerCache | None]:
        if self.options.cache_mode == "off" or self.recording is not None:
            yield None
            return
        cache = AnswerCache(self.project.state_dir() / "cache.sqlite")
        try:
            yield cache
        finally:
            cache.close()
            self.warnings.extend(cache.problems)


@contextmanager
def _interruptible(stop: asyncio.Event) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) ends the run and keeps what is done; the second is a hard one."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def on_signal() -> None:
        stop.set()
        for one in signals:
            loop.remove_signal_handler(one)

    try:
        for one in signals:
            loop.add_signal_handler(one, on_signal)
    except (NotImplementedError, RuntimeError):  # Windows, or not in the main thread: Ctrl-C raises as usual
        yield
        return
    try:
        yield
    finally:
        for one in signals:
            loop.remove_signal_handler(one)
