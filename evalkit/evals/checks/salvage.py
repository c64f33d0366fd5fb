"""The valid part of a broken suite, so that a mistake in its gate hides none in its cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evalkit.evals.scorers.arguments import InvalidScorer
from evalkit.evals.scorers.spec import ScorerSpec, parse_scorer
from evalkit.evals.suite import MAX_SUITE_BYTES, LoadedSuite, Suite
from evalkit.runtime.yaml_source import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["salvage"]

_STAND_IN: Mapping[str, Any] = {
    "name": "unnamed",
    "version": 1,
    "scorers": ["json_valid"],
    "gate": {"min_score": 0.5},
}


def salvage(path: Path, display: str, *, custom: Mapping[str, str], root: Path) -> LoadedSuite | None:
    """A suite of what is valid in a file, to check its cases with; never to run. None if its cases are not named."""
    source, _ = read_yaml(path, display, max_bytes=MAX_SUITE_BYTES)
    if not isinstance(source.data, dict):
        return None
    raw: dict[str, Any] = dict(source.data)
    if isinstance(raw.get("cases"), list) and raw["cases"]:
        raw["cases"] = [{"id": "stand-in"}]  # the rows are read from the source, each as far as it is valid
    for _ in range(
        3
    ):  # without the wrong keys, with stand-ins for required ones, once more for what that reveals
        try:
            suite = Suite.model_validate(raw)
        except ValidationError as error:
            raw = _without(raw, [item["loc"] for item in error.errors(include_url=False)])
        else:
            scorers = tuple(_scorers(raw["scorers"], custom, root))
            return LoadedSuite(suite, source, path, scorers)
    return None


def _without(raw: Mapping[str, Any], wrong: list[tuple[int | str, ...]]) -> dict[str, Any]:
    top = {loc[0] for loc in wrong if loc and loc[:1] != ("gate",)}
    kept = {key: value for key, value in raw.items() if key not in top}
    gate = raw.get("gate")
    if isinstance(gate, dict):
        inner = {loc[1] for loc in wrong if len(loc) > 1 and loc[0] == "gate"}
        kept["gate"] = _STAND_IN["gate"] | {key: value for key, value in gate.items() if key not in inner}
    else:
        kept.pop("gate", None)
    return {**_STAND_IN, **kept}


def _scorers(raw: Any, custom: Mapping[str, str], root: Path) -> Iterator[ScorerSpec]:
    for item in raw if isinstance(raw, list) else ():
        try:
            yield parse_scorer(item, custom=custom, root=root)
        except InvalidScorer:
            continue  # reported with the suite
