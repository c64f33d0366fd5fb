"""What will be evaluated, validated whole before the first request: entry, prompt, suite, cases, provider, price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.errors import ConfigError, EvalkitError, Problem, UsageError
from evalkit.evals.checks.examine import examine_cases
from evalkit.evals.suite import load_suite
from evalkit.registry.resolve import provider_of, resolve_config
from evalkit.registry.schema import ProviderConfig
from evalkit.runtime.digest import digest
from evalkit.runtime.prices import price
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.errors import Location
    from evalkit.evals.checks.examine import CaseSummary
    from evalkit.evals.suite import LoadedSuite
    from evalkit.registry.project import Loaded, Project
    from evalkit.registry.schema import Entry
    from evalkit.runtime.config import GenerationConfig
    from evalkit.runtime.cost import Price

__all__ = ["Plan", "measurement_digest", "plan_run", "suite_digest", "suites_of"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One entry against one suite, with nothing left that could be wrong in a file."""

    loaded: Loaded[Entry]
    config: GenerationConfig
    suite: LoadedSuite
    cases: CaseSummary
    cases_display: str
    provider_name: str
    provider: ProviderConfig
    price: Price | None
    suite_digest: str
    measurement_digest: str

    @property
    def entry(self) -> Ref:
        """`support-triage@v14`."""
        return Ref(self.loaded.model.name, self.loaded.model.version)


def suites_of(project: Project, loaded: Loaded[Entry], chosen: Sequence[str]) -> list[LoadedSuite]:
    """The suites that were asked for, else every one that policy requires of the entry.

    Raises:
        ConfigError: a suite is missing or broken; every problem of every one.
        UsageError: EK901, policy requires none and none was named.
    """
    wanted: list[tuple[str, Location | None]] = [(name, None) for name in chosen]
    if not wanted:
        wanted = [(str(ref), None) for ref in project.policy_for(loaded.model.name).suites]
    if not wanted:
        name = loaded.model.name
        hint = f"name one with --suite, or require it in evalkit.yaml: policy.entries.{name}.suites"
        raise UsageError(Problem("EK901", f"policy requires no suite of {name}", hint=hint))
    suites: list[LoadedSuite] = []
    problems: list[Problem] = []
    for name, at in wanted:
        try:
            suites.append(load_suite(project, name, at))
        except EvalkitError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    return suites


def plan_run(
    project: Project, loaded: Loaded[Entry], suite: LoadedSuite, registry: Project | None = None
) -> Plan:
    """Validate everything that one run needs.

    Args:
        project: whose suites, providers and prices.
        loaded: the entry.
        suite: a suite of the project.
        registry: where the entry and what it refers to lie, if that is not the project itself.

    Raises:
        ConfigError: with every problem of the entry, what it refers to, and the cases.
    """
    problems: list[Problem] = []
    config: GenerationConfig | None = None
    try:
        config = resolve_config(registry or project, loaded)
    except ConfigError as error:
        problems.extend(error.problems)
    display = cases_display(project, suite)
    cases = examine_cases(suite, [config] if config else [], display)
    problems.extend(cases.problems)
    if problems or config is None:
        raise ConfigError(problems)
    name = provider_of(project.config, loaded.model) or config.provider_kind
    provider = project.config.providers.get(name) or ProviderConfig.model_validate({"kind": name})
    measurement = measurement_digest(suite, cases)
    return Plan(
        loaded=loaded,
        config=config,
        suite=suite,
        cases=cases,
        cases_display=display,
        provider_name=name,
        provider=provider,
        price=price(config.model or "", project.config.prices, provider=config.provider_kind),
        suite_digest=suite_digest(suite, measurement),
        measurement_digest=measurement,
    )


def cases_display(project: Project, suite: LoadedSuite) -> str:
    """The file of the cases, as messages show it."""
    name = suite.suite.cases
    return project.display(suite.path.parent / name) if isinstance(name, str) else suite.source.path


def measurement_digest(suite: LoadedSuite, cases: CaseSummary) -> str:
    """What measures: cases, scorers with their versions, repeats. Pools are formed by it (docs/digests.md)."""
    scorers: list[Any] = [spec.canonical() for spec in suite.scorers]
    return digest({"v": 1, "cases": cases.digest, "scorers": scorers, "repeats": suite.suite.repeats})


def suite_digest(suite: LoadedSuite, measurement: str) -> str:
    """What measures and what judges: the measurement, the gate and the primary metric (docs/digests.md)."""
    # Defaults too: they judge as well. Shadow rules decide nothing, so that trying one makes no evidence stale.
    gate = suite.suite.gate.model_dump(mode="json", exclude_none=True, exclude={"shadow"})
    return digest({"v": 1, "measurement": measurement, "gate": gate, "primary": suite.suite.primary})
