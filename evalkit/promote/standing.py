"""Who served at a moment, for one name or for all, with what each version asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from evalkit.promote.asof import history_until
from evalkit.promote.audit import current_roles, shares
from evalkit.promote.history.objects import blobs
from evalkit.promote.history.states import parsed, read_state, simple
from evalkit.runtime.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalkit.promote.asof import AsOf
    from evalkit.promote.audit import Share, Tenure
    from evalkit.promote.history import NameHistory, Repository
    from evalkit.promote.history.states import VersionState

    _Files: TypeAlias = Mapping[tuple[str, int], bytes]

__all__ = ["Standing", "entry_path", "read_entry", "standing_of_all", "standing_of_name"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One version that served one environment; or that nobody did."""

    name: str
    env: str
    served: Share | None
    """None: nobody served, or the entries contradicted each other."""
    tenure: Tenure | None = None
    """Since when in this role; None where it was not looked up."""
    model: str | None = None
    """The model, or the class or the artifact in its place."""
    prompt_ref: str | None = None
    conflict: str | None = None
    """Why it is not clear who served."""


def standing_of_name(repository: Repository, name: str, asked: AsOf, envs: Sequence[str]) -> list[Standing]:
    """Who served a name, and since when; empty if the name had no entries then.

    Raises:
        UsageError: as `Repository.history`.
    """
    return _of_histories(repository, [history_until(repository, name, asked)], envs)


def standing_of_all(
    repository: Repository, asked: AsOf, envs: Sequence[str], *, since: bool
) -> list[Standing]:
    """Who served each name that had entries, sorted by name.

    Args:
        repository: to read.
        asked: with a commit.
        envs: the environments.
        since: whether to look up since when, for which every change of every name is read.

    Raises:
        UsageError: as `Repository.histories`.
    """
    if asked.commit is None:
        return []
    if since:
        return _of_histories(repository, list(repository.histories(asked.commit.id).values()), envs)
    files = repository.entries(asked.commit.id)
    found: list[Standing] = []
    for name, versions in sorted(_states(files).items()):
        states = [state for state in versions.values() if state is not None]
        if len(states) < len(versions):  # what cannot be read keeps its last state, which history knows
            found += standing_of_name(repository, name, asked, envs)
            continue
        for env in envs:
            found += _rows(name, env, states, files)
    return found


def _of_histories(
    repository: Repository, histories: Sequence[NameHistory], envs: Sequence[str]
) -> list[Standing]:
    """Who serves at the end of each history, with what was in the files that decided it."""
    alive = [history for history in histories if history.moments and history.moments[-1].versions]
    rows = [(history, row) for history in alive for env in envs for row in _of_history(history, env)]
    blob = {
        id(row): history.moments[-1].versions[row.served.version].digest_key
        for history, row in rows
        if row.served
    }
    contents = blobs(repository.git, blob.values())
    return [_with_entry(row, contents[blob[id(row)]]) if row.served else row for _, row in rows]


def _of_history(history: NameHistory, env: str) -> list[Standing]:
    try:
        found = [Standing(history.name, env, share, tenure) for share, tenure in current_roles(history, env)]
    except ValueError as error:
        return [Standing(history.name, env, None, conflict=str(error))]
    return found or [Standing(history.name, env, None)]


def _with_entry(row: Standing, raw: bytes) -> Standing:
    entry = read_entry(raw, row.name)
    return replace(row, model=_model(entry), prompt_ref=_text(entry.get("prompt_ref")))


def _rows(name: str, env: str, states: Sequence[VersionState], files: _Files) -> Iterator[Standing]:
    try:
        live = serving((state.state for state in states), env)
    except ValueError as error:
        yield Standing(name, env, None, conflict=str(error))
        return
    for share in shares(live):
        yield _with_entry(Standing(name, env, share), files[name, share.version])
    if live is None:
        yield Standing(name, env, None)


def _states(files: _Files) -> dict[str, dict[int, VersionState | None]]:
    """What each entry file says, by name and version; None where it cannot be read."""
    found: dict[str, dict[int, VersionState | None]] = {}
    for (name, version), raw in files.items():
        found.setdefault(name, {})[version] = read_state(raw, version, "", entry_path(name, version))
    return found


def entry_path(name: str, version: int) -> str:
    """Where an entry lies in its project."""
    return f"registry/entries/{name}/v{version}.yaml"


def read_entry(raw: bytes, path: str) -> dict[str, Any]:
    """The keys of an entry file; none if it cannot be read."""
    if (plain := simple(raw)) is not None:  # most are, and a registry has thousands
        return plain
    data = parsed(raw, path)
    return data if isinstance(data, dict) else {}


def _model(entry: Mapping[str, Any]) -> str | None:
    artifact = entry.get("artifact")
    inside = artifact.get("digest") if isinstance(artifact, dict) else None
    return next(
        (text for text in map(_text, (entry.get("model"), entry.get("class_ref"), inside)) if text), None
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
