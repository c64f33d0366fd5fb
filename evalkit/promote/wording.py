"""Pieces of sentences that several plans share. Plain text; names in it may be foreign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.promote.plan import Section
from evalkit.registry.differences import differences

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from evalkit.promote.facts import NameFacts, SuiteVerdict
    from evalkit.runtime.serving import Serving

__all__ = ["arms_text", "changes_section", "listed", "score_text", "serving_text", "since_text"]


def listed(versions: Collection[int]) -> str:
    """`v12`, `v12 and v13`, `v12, v13 and v14`."""
    texts = [f"v{version}" for version in versions]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 2 else texts)


def serving_text(live: Serving | None) -> str:
    """Who serves, in a few words: `v14`, `v14 70 %, v15 30 %; canary v16 5 %`."""
    if live is None:
        return "nobody"
    canary = f"; canary v{live.canary.version} {live.canary.percent:g} %" if live.canary else ""
    return arms_text(live.weights) + canary


def arms_text(weights: Mapping[int, float]) -> str:
    """The arms with their shares; one version alone is only named."""
    if len(weights) == 1:
        return f"v{next(iter(weights))}"
    total = sum(weights.values())
    return ", ".join(
        f"v{version} {100 * weight / total:.3g} %" for version, weight in sorted(weights.items())
    )


def since_text(facts: NameFacts, version: int) -> str:
    """` (serving since 2026-03-05)`; empty where history does not tell."""
    since: datetime | None = facts.served_since(version)
    return f" (serving since {since:%Y-%m-%d})" if since else ""


def score_text(verdict: SuiteVerdict) -> str:
    """`score 0.9312 (likely 0.90 to 0.95), 2 runs in CI`."""
    parts: list[str] = []
    if verdict.score is not None:
        likely = (
            f" (likely {verdict.lower:.2f} to {verdict.upper:.2f})"
            if verdict.lower is not None and verdict.upper is not None
            else ""
        )
        parts.append(f"score {verdict.score:.4f}{likely}")
    if verdict.runs:
        parts.append(f"{verdict.runs} run{'s' if verdict.runs > 1 else ''} in CI")
    return ", ".join(parts)


def changes_section(facts: NameFacts, before: int | None, after: int) -> Section:
    """What answers will be asked for differently."""
    new = facts.versions[after].config
    old = facts.versions[before].config if before is not None else None
    if before is None:
        return Section("What changes for callers", (f"v{after} is the first version here.",))
    title = f"What changes for callers, v{before} -> v{after}"
    if old is None or new is None:
        return Section(title, (f"It cannot be said: v{before if old is None else after} does not resolve.",))
    found = differences(old, new)
    if not found:
        return Section(title, ("Nothing: both ask the same model the same way (same generation digest).",))
    return Section(title, tuple(line for one in found for line in one.lines()), verbatim=True)
