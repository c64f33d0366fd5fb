"""Which cases a report shows, and their texts, chosen from a stream of samples with bounded memory."""

from __future__ import annotations

import json
from bisect import insort
from collections import Counter
from dataclasses import dataclass, field, replace
from heapq import heappush, heapreplace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evalkit.evals.record import Sample

__all__ = ["TEXT_LIMIT", "CaseList", "CaseView", "Clipped", "Outcome", "collect", "outcome", "plain"]

Outcome = Literal["passed", "failed", "error"]
"""`failed` is a score below 1, partly right answers too; `error` could not be measured."""

TEXT_LIMIT: Final = 20_000
"""Characters of each text that are kept; reports say how many more there were."""

Key = tuple[int, float, int, int]


@dataclass(frozen=True, slots=True)
class Clipped:
    """The beginning of a text."""

    text: str = ""
    left_out: int = 0
    """Characters that follow in the original."""

    def clip(self, limit: int) -> Clipped:
        """At most `limit` characters."""
        if len(self.text) <= limit:
            return self
        return Clipped(self.text[:limit], self.left_out + len(self.text) - limit)

    def __bool__(self) -> bool:
        return bool(self.text)


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case and repeat as reports show it: texts instead of data. Foreign text, not yet neutral."""

    id: str
    index: int
    repeat: int
    outcome: Outcome
    score: float | None
    inputs: tuple[tuple[str, Clipped], ...] = ()
    """Name and text of each variable of the prompt."""
    expected: Clipped | None = None
    got: Clipped | None = None
    """What was read from the answer; None when a scorer reads nothing in particular."""
    output: Clipped | None = None
    tool_calls: Clipped | None = None
    scores: tuple[tuple[str, float, str], ...] = ()
    """Scorer, score, and why it is below 1."""
    error_kind: Literal["unscored", "candidate"] | None = None
    error_type: str = ""
    error_message: str = ""
    extracted: bool = True
    must_pass: bool = False
    tags: tuple[str, ...] = ()
    latency_ms: float | None = None
    tokens: tuple[int | None, int | None] = (None, None)
    cost_usd: float | None = None
    cached: bool = False
    served_model: str | None = None
    location: str | None = None

    @property
    def answer(self) -> Clipped:
        """What came back, in the form closest to `expected`."""
        return self.got or self.output or self.tool_calls or Clipped()

    @property
    def why(self) -> str:
        """Why it is not a full score, in words; empty when it is one, or when the words are withheld."""
        if self.error_type:
            return f"{self.error_type}: {self.error_message}" if self.error_message else self.error_type
        reasons = [f"{label}: {reason}" for label, value, reason in self.scores if value < 1 and reason]
        return "; ".join(reasons)

    def texts(self) -> list[Clipped]:
        """Everything that a model wrote or was given."""
        named = (self.expected, self.got, self.output, self.tool_calls)
        return [value for _, value in self.inputs] + [text for text in named if text is not None]

    def clip(self, limit: int) -> CaseView:
        """Each of its texts at most `limit` characters long."""
        if all(len(text.text) <= limit for text in self.texts()):
            return self
        return replace(
            self,
            inputs=tuple((name, value.clip(limit)) for name, value in self.inputs),
            expected=self.expected and self.expected.clip(limit),
            got=self.got and self.got.clip(limit),
            output=self.output and self.output.clip(limit),
            tool_calls=self.tool_calls and self.tool_calls.clip(limit),
        )

    def redacted(self) -> CaseView:
        """Without anything that a model wrote or was given."""
        return replace(
            self,
            inputs=(),
            expected=None,
            got=None,
            output=None,
            tool_calls=None,
            scores=tuple((label, value, "") for label, value, _ in self.scores),
            error_message="",
        )


@dataclass(frozen=True, slots=True)
class CaseList:
    """The cases that reports show. Every list is in the order in which it is shown."""

    worst: list[CaseView] = field(default_factory=list)
    """Scored below 1; each case once, by its worst repeat."""
    unscored: list[CaseView] = field(default_factory=list)
    """Could not be measured; each case once."""
    listed: list[CaseView] = field(default_factory=list)
    """Failing ones first, worst on top, then unscored ones, then passing ones in suite order."""
    counts: dict[Outcome, int] = field(default_factory=dict)
    """Of all samples: a case counts once for each repeat."""

    @property
    def total(self) -> int:
        """All samples."""
        return sum(self.counts.values())

    @property
    def left_out(self) -> int:
        """Samples that are not in `listed`."""
        return self.total - len(self.listed)

    def redacted(self) -> CaseList:
        """The same without inputs, outputs and messages: case ids and figures only."""
        return replace(
            self,
            worst=[view.redacted() for view in self.worst],
            unscored=[view.redacted() for view in self.unscored],
            listed=[view.redacted() for view in self.listed],
        )


def outcome(sample: Sample) -> Outcome:
    """How a sample counts in every report."""
    if sample.score is None:
        return "error"
    # A weighted mean of ones may miss 1 by rounding.
    return "passed" if sample.score >= 1 - 1e-9 else "failed"


def collect(samples: Iterable[Sample], *, worst: int = 20, listed: int = 2000) -> CaseList:
    """Choose what reports show.

    The worst are the candidate's own failures, then failed `must_pass` cases, then the lowest scores; ties are in
    suite order. The result does not depend on the order of the samples. Memory holds at most `listed` +
    twice `worst` views, each text in them cut to `TEXT_LIMIT`.
    """
    counts: Counter[Outcome] = Counter()
    failing, unscored = _Smallest(worst), _Smallest(worst)
    # A heap of the largest keys on top, as negated tuples: the top is what the next better sample replaces.
    kept: list[tuple[Key, int, CaseView]] = []
    for serial, sample in enumerate(samples):
        kind = outcome(sample)
        counts[kind] += 1
        key = _severity(sample, kind)
        lowered = (-key[0], -key[1], -key[2], -key[3])
        is_listed = len(kept) < listed or (listed > 0 and lowered > kept[0][0])
        chosen = failing if kind == "failed" else unscored if kind == "error" else None
        if not is_listed and (chosen is None or not chosen.admits(sample.id, key)):
            continue
        view = _view(sample, kind)
        if chosen is not None:
            chosen.add(key, view)
        if is_listed:
            entry = (lowered, serial, view)
            heappush(kept, entry) if len(kept) < listed else heapreplace(kept, entry)
    kept.sort(key=lambda entry: entry[0], reverse=True)
    return CaseList(
        worst=failing.views(),
        unscored=unscored.views(),
        listed=[view for _, _, view in kept],
        counts=dict(counts),
    )


def _severity(sample: Sample, kind: Outcome) -> Key:
    """Worst first, as one total order."""
    if kind == "passed":
        group = 4
    elif kind == "error":
        group = 3
    elif sample.error is not None:
        group = 0
    else:
        group = 1 if sample.must_pass else 2
    return group, sample.score or 0.0, sample.index, sample.repeat


@dataclass(frozen=True, slots=True)
class _Ranked:
    key: Key
    view: CaseView


class _Smallest:
    """The `size` cases with the smallest keys, each case by the smallest key among its repeats."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ranked: list[_Ranked] = []

    def admits(self, case_id: str, key: Key) -> bool:
        """Whether `add` would keep it."""
        if self._size == 0:
            return False
        known = next((entry for entry in self._ranked if entry.view.id == case_id), None)
        if known is not None:
            return key < known.key
        return len(self._ranked) < self._size or key < self._ranked[-1].key

    def add(self, key: Key, view: CaseView) -> None:
        if not self.admits(view.id, key):
            return
        self._ranked = [entry for entry in self._ranked if entry.view.id != view.id]
        insort(self._ranked, _Ranked(key, view), key=attrgetter("key"))
        del self._ranked[self._size :]

    def views(self) -> list[CaseView]:
        return [entry.view for entry in self._ranked]


def plain(value: Any) -> str:
    """Data as a reader wants to see it: a text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _clipped(value: Any) -> Clipped | None:
    return None if value is None else Clipped(plain(value)).clip(TEXT_LIMIT)


def _inputs(values: Mapping[str, Any]) -> tuple[tuple[str, Clipped], ...]:
    return tuple((name, Clipped(plain(value)).clip(TEXT_LIMIT)) for name, value in values.items())


def _tool_calls(calls: list[dict[str, Any]] | None) -> Clipped | None:
    if not calls:
        return None
    return Clipped(
        "\n".join(f"{call.get('name', '?')}({plain(call.get('arguments'))})" for call in calls)
    ).clip(TEXT_LIMIT)


def _view(sample: Sample, kind: Outcome) -> CaseView:
    tokens, error = sample.tokens or {}, sample.error
    return CaseView(
        id=sample.id,
        index=sample.index,
        repeat=sample.repeat,
        outcome=kind,
        score=sample.score,
        inputs=_inputs(sample.input),
        expected=_clipped(sample.expected),
        got=_clipped(sample.got),
        output=_clipped(sample.output),
        tool_calls=_tool_calls(sample.tool_calls),
        scores=tuple(
            (label, value, sample.reasons.get(label, "")[:1000]) for label, value in sample.scores.items()
        ),
        error_kind=error.kind if error else None,
        error_type=error.type if error else "",
        error_message=error.message[:1000] if error else "",
        extracted=sample.extracted,
        must_pass=sample.must_pass,
        tags=tuple(sample.tags),
        latency_ms=sample.latency_ms,
        tokens=(tokens.get("in"), tokens.get("out")),
        cost_usd=sample.cost_usd,
        cached=sample.cached,
        served_model=sample.served_model,
        location=sample.location,
    )
