"""Read the facts of a name from a project: the edge between the tree, git, the evidence, and the pure planners."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

from evalkit.errors import EvalkitError
from evalkit.promote.facts import HoldFacts, ModelFacts, NameFacts, SuiteVerdict, VersionFacts
from evalkit.promote.records import records_in
from evalkit.registry.pins import shutdown_date, verdict
from evalkit.registry.project import state_of
from evalkit.registry.resolve import provider_kind, provider_of, resolve_config
from evalkit.runtime.hosts import hosts
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from evalkit.promote.facts import SpanLike
    from evalkit.registry.project import Loaded, Project
    from evalkit.registry.schema import Entry
    from evalkit.runtime.config import GenerationConfig

    Judge: TypeAlias = Callable[[Ref, Ref], SuiteVerdict]
    """The verdict on the evidence of an (entry, suite)."""

__all__ = ["gather", "pooled_judge", "production_spans"]


def gather(
    project: Project,
    name: str,
    *,
    spans: Sequence[SpanLike] | None = None,
    judge: Judge | None = None,
    only: Collection[int] | None = None,
) -> NameFacts:
    """The facts of one name.

    Args:
        project: the tree, as it is now.
        name: of the entry.
        spans: who served production when (`production_spans`); None where that is not known.
        judge: the verdict on the evidence of an (entry, suite), asked for what may move and resolves; None leaves it out.
        only: judge these versions, whatever their status.

    Raises:
        UnknownEntry: EK202, there is no such name.
        SchemaError: a file of this name is not valid.
    """
    loaded = {entry.model.version: entry for entry in project.entries(name)}
    files: dict[str, bytes | None] = {
        project.display(entry.path): entry.path.read_bytes() for entry in loaded.values()
    }
    policy = project.policy_for(name)
    bare = NameFacts(name, {v: VersionFacts(state_of(entry.model)) for v, entry in loaded.items()})
    if bare.contradictions:
        judged: set[int] = set()
    else:
        judged = set(bare.candidates) if only is None else set(only) & loaded.keys()
    versions: dict[int, VersionFacts] = {}
    for version, entry in loaded.items():
        is_needed = version in judged or entry.model.status in {"staging", "production"}
        versions[version] = _version(project, entry, is_needed=is_needed, files=files)
        if version in judged and judge is not None and versions[version].config is not None:
            ref = Ref(name, version)
            evidence = tuple(judge(ref, suite) for suite in policy.suites)
            versions[version] = replace(versions[version], evidence=evidence)
            for suite in policy.suites:
                _read(project, f"registry/evidence/{name}/v{version}/{suite}.json", files)
    for path in ("evalkit.yaml", bare.holds_path, bare.overrides_path):
        _read(project, path, files)
    return NameFacts(
        name=name,
        versions=versions,
        suites=tuple(map(str, policy.suites)),
        production_gate=policy.production_gate,
        approvals=policy.approvals,
        standby=project.config.policy.standby,
        holds=_holds(files[bare.holds_path], bare.holds_path),
        spans=spans,
        files=files,
    )


def production_spans(root: Path, name: str) -> Sequence[SpanLike] | None:
    """Who served production when, from git; None where there is no git, or no history to read."""
    from evalkit.promote.history import Repository  # git is asked only where history decides

    try:
        return Repository.of(root).history(name).spans("production")
    except EvalkitError:
        return None


def pooled_judge(project: Project) -> Judge:
    """Judges by the evidence in the tree, on the runs of CI alone. What it reads is shared among its verdicts."""
    from evalkit.evals.pool import (
        Evidences,
        verdict_of,
    )  # the statistics load only where a verdict is asked for

    evidences = Evidences(project)

    def judge(ref: Ref, suite: Ref) -> SuiteVerdict:
        try:
            pool = verdict_of(project, ref, suite, sources=("ci",), evidences=evidences)
        except EvalkitError as error:
            said = "; ".join(problem.message for problem in error.problems)
            return SuiteVerdict(str(suite), "inconclusive", reasons=(f"It cannot be judged: {said}.",))
        return SuiteVerdict(
            suite=str(suite),
            verdict=pool.verdict,
            score=pool.score,
            lower=pool.lower,
            upper=pool.upper,
            runs=pool.runs,
            reasons=tuple(pool.reasons),
            stale=tuple(pool.stale),
        )

    return judge


def _version(
    project: Project, loaded: Loaded[Entry], *, is_needed: bool, files: dict[str, bytes | None]
) -> VersionFacts:
    """With digest, config and models where somebody needs them: what is retired is left alone."""
    entry = loaded.model
    raw = loaded.source.data
    config: GenerationConfig | None = None
    broken: tuple[str, ...] = ()
    if is_needed:
        try:
            config = resolve_config(project, loaded)
        except EvalkitError as error:
            broken = tuple(problem.message for problem in error.problems)
        for key, kind in (("prompt_ref", "prompts"), ("tools_ref", "tools"), ("class_ref", "classes")):
            if (ref := Ref.parse(str(raw.get(key, "")))) is not None:
                _read(project, project.display(project.path_of(kind, ref)), files)
    exception = entry.pin_exception
    return VersionFacts(
        state=state_of(entry),
        digest=config.digest if config else None,
        broken=broken,
        models=_models(project, entry, config) if is_needed else (),
        has_exception=exception is not None,
        exception_expires=exception.expires if exception else None,
        rollout=raw.get("rollout"),
        canary=entry.canary.verdict if entry.canary else None,
        canary_run=entry.canary.run if entry.canary else None,
        config=config,
    )


def _models(project: Project, entry: Entry, config: GenerationConfig | None) -> tuple[ModelFacts, ...]:
    own = [(entry.model, provider_of(project.config, entry))] if entry.model else []
    members = [(str(m["model"]), m.get("provider")) for m in (config.members if config else None) or ()]
    return tuple(_model(project, model, provider) for model, provider in [*own, *members])


def _model(project: Project, model: str, provider: str | None) -> ModelFacts:
    host = _host(project, provider)
    pin = verdict(model, host)
    return ModelFacts(model, pin.verdict, pin.reason, pin.hint, shutdown_date(model, host))


def _host(project: Project, provider: str | None) -> str | None:
    """What pin rules know a provider by: its name where that is a vendor's, else its kind."""
    known = {known for host in hosts() for known in host.names}
    if provider is None or provider.lower() in known:
        return provider
    return provider_kind(project.config.providers, provider) or provider


def _holds(text: bytes | None, path: str) -> tuple[HoldFacts, ...]:
    return tuple(
        HoldFacts(
            record=record,
            digest=record.get("digest"),
            reason=str(record.get("reason", "")),
            by=str(record.get("by", "")),
            until=_day(record.get("until")),
        )
        for record in records_in(text, "holds", path)
    )


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _read(project: Project, path: str, files: dict[str, bytes | None]) -> None:
    try:
        files[path] = (project.root / path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        files[path] = None
