"""What a suite's scores add up to: mean, accuracy, precision, recall, F1, pass@k, pass^k.

Repeats are averaged within their case first, so each case weighs the same. A metric that is undefined for the
cases at hand is None: never 0, never left out of an average in silence. Definitions: docs/metrics.md.
"""

from __future__ import annotations

import difflib
import re
from array import array
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from math import fsum
from typing import TYPE_CHECKING, Any, Literal

from evalkit.evals.scorers.reading import as_label
from evalkit.evals.stats import Estimate, bca, estimate, estimate_from_bootstrap, pass_at_k, pass_hat_k
from evalkit.evals.stats.size import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from evalkit.evals.stats import Bounds

__all__ = ["METRICS", "Metric", "MetricAccumulator", "parse_metric"]

METRICS: dict[str, str] = {
    "mean": "mean score of the cases",
    "accuracy": "share of answers that score 1",
    "pass@k": "chance that at least one of k answers to a case scores 1 (Chen et al. 2021)",
    "pass^k": "chance that all of k answers to a case score 1 (Yao et al. 2024)",
    "precision_micro": "right labels / labels predicted",
    "precision_macro": "mean over the labels that cases expect of precision[label]",
    "precision[label]": "right predictions of the label / predictions of it",
    "recall_micro": "right labels / labels expected",
    "recall_macro": "mean over the labels that cases expect of recall[label]",
    "recall[label]": "right predictions of the label / cases that expect it",
    "f1_micro": "2 right / (predicted + expected), over all labels",
    "f1_macro": "mean over the labels that cases expect of f1[label]",
    "f1[label]": "2 right / (predicted + expected), for the label",
}
"""Name to meaning. `k` stands for a whole number from 1 to the suite's repeats, `label` for a label."""

Kind = Literal["mean", "accuracy", "pass@", "pass^", "precision", "recall", "f1"]
Average = Literal["micro", "macro"]
Cell = tuple[str, str | None]
"""The label that a case expects, and the one that an answer gives (None: no label)."""
Outcome = tuple[tuple[Cell, float], ...]
"""The share of each cell among the answers to a case; the sum of shares for a cluster of cases."""
Ratio = tuple[list[int], list[int]]
"""How much each cell adds to a numerator and to a denominator."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A parsed name. Exactly one of `k`, `average` and `label` is set where the kind asks for it."""

    name: str
    kind: Kind
    k: int | None = None
    average: Average | None = None
    label: str | None = None

    @property
    def needs_labels(self) -> bool:
        """Whether it is computed from predicted labels instead of scores."""
        return self.kind in {"precision", "recall", "f1"}


def parse_metric(name: str, repeats: int = 1) -> Metric:
    """The metric of that name, in a suite that asks each case `repeats` times.

    Raises:
        ValueError: for an unknown name (with the one that may have been meant), or a k above `repeats`.
    """
    if name in {"mean", "accuracy"}:
        return Metric(name, "mean" if name == "mean" else "accuracy")
    if match := re.fullmatch(r"(pass[@^])([1-9][0-9]{0,5})", name):
        k = int(match[2])
        if k > repeats:
            raise ValueError(f"{name} needs `repeats: {k}` or more; the suite has `repeats: {repeats}`")
        return Metric(name, "pass@" if match[1] == "pass@" else "pass^", k=k)
    for kind in _LABEL_KINDS:
        if name in {f"{kind}_micro", f"{kind}_macro"}:
            return Metric(name, kind, average="micro" if name.endswith("micro") else "macro")
        if name.startswith(f"{kind}[") and name.endswith("]") and len(name) > len(kind) + 2:
            return Metric(name, kind, label=name[len(kind) + 1 : -1])
    raise ValueError(f"unknown metric '{name}'; {_suggestion(name)}")


_LABEL_KINDS: tuple[Kind, ...] = ("precision", "recall", "f1")


def _suggestion(name: str) -> str:
    for kind in _LABEL_KINDS:
        if name == kind:
            return f"say which: {kind}_micro, {kind}_macro or {kind}[label]"
    if name.startswith(("pass@", "pass^")):
        return f"write {name[:5]} and a whole number, such as {name[:5]}1"
    concrete = [key.replace("@k", "@1").replace("^k", "^1") for key in METRICS if "[" not in key]
    match = difflib.get_close_matches(name.lower(), concrete, n=1)
    return f"did you mean '{match[0]}'?" if match else f"known: {', '.join(METRICS)}"


class MetricAccumulator:
    """Takes cases one by one, in any order, and keeps 16 bytes of each, and a count for each kind of outcome."""

    def __init__(self, repeats: int = 1, *, labels: bool = True) -> None:
        """`repeats` is how often the suite asks each case. Without `labels` none are kept: no metric needs them."""
        self._repeats = repeats
        self._keeps_labels = labels
        self._means = array("d")
        self._right = array("I")
        self._answers = array("I")
        self._clusters: list[Hashable | None] | None = None
        self._outcomes: Counter[Outcome] = Counter()
        self._cluster_outcomes: dict[Hashable, Counter[Outcome]] = {}

    def __len__(self) -> int:
        """Cases taken."""
        return len(self._means)

    def add(
        self,
        scores: Sequence[float],
        labels: Sequence[str | None] = (),
        expected: Any = None,
        cluster: Hashable | None = None,
    ) -> None:
        """Take a case that was scored.

        Args:
            scores: one in [0, 1] for each answer that has a score.
            labels: the label of each answer in the same order, None where it gives none, which counts as a miss.
                Empty only if the suite's scorers predict no labels at all.
            expected: the label that the case expects, as text (`true`, `3` for other values). If it is None, or
                prose too long for a label, the case is no part of precision, recall and F1.
            cluster: as in the case.

        Raises:
            ValueError: for no scores, more of them than repeats, or labels of another number.
        """
        if not 1 <= len(scores) <= self._repeats:
            raise ValueError(f"a case has 1 to {self._repeats} scores, not {len(scores)}")
        if labels and len(labels) != len(scores):
            raise ValueError(f"{len(scores)} scores but {len(labels)} labels")
        if cluster is not None and self._clusters is None:
            self._clusters = [None] * len(self._means)
        if self._clusters is not None:
            self._clusters.append(cluster)
        self._means.append(fsum(scores) / len(scores))
        self._right.append(sum(1 for score in scores if score >= 1 - TOLERANCE))
        self._answers.append(len(scores))
        text = as_label(expected) if self._keeps_labels and labels and expected is not None else None
        if text is not None:
            shares = Counter(labels)
            outcome = tuple(
                ((text, label), shares[label] / len(labels)) for label in sorted(shares, key=_none_first)
            )
            grouped = self._cluster_outcomes
            kept = self._outcomes if cluster is None else grouped.setdefault(cluster, Counter())
            kept[outcome] += 1

    def value(self, metric: Metric) -> float | None:
        """The metric over the cases so far; None where it is undefined.

        A case with fewer than k answers is no part of pass@k and pass^k. A macro average is undefined as long as
        one of its labels is: precision of a label that was never predicted.
        """
        if metric.needs_labels:
            cells, units = self._labelled()
            totals = [fsum(outcome.get(cell, 0.0) * count for outcome, count in units) for cell in cells]
            return _evaluate(_ratios(metric, cells), totals)
        values, _ = self._per_case(metric)
        return fsum(values) / len(values) if values else None

    def estimate(self, metric: Metric, *, seed: int = 0) -> Estimate:
        """The metric with its interval: `stats.estimate` of means of cases, BCa bootstrap of precision, recall and F1.

        Args:
            metric: which one.
            seed: of the bootstrap.
        """
        if metric.needs_labels:
            return self._estimate_labels(metric, seed)
        values, clusters = self._per_case(metric)
        found = estimate(values, clusters=clusters)
        left_out = len(self) - len(values)
        if left_out:
            note = f"{left_out} of {len(self)} cases have fewer than {metric.k} answers and are left out"
            found = replace(found, notes=(*found.notes, note))
        return found

    def _per_case(self, metric: Metric) -> tuple[Sequence[float], list[Hashable | None] | None]:
        """One value for each case for which the metric is defined, and their clusters."""
        if metric.kind == "mean":
            return self._means, self._clusters
        if metric.k is None:
            shares = (right / answers for right, answers in zip(self._right, self._answers, strict=True))
            return array("d", shares), self._clusters
        k = metric.k
        chance = cache(pass_at_k if metric.kind == "pass@" else pass_hat_k)
        rows = [row for row, answers in enumerate(self._answers) if answers >= k]
        values = array("d", (chance(self._answers[row], self._right[row], k) for row in rows))
        return values, [self._clusters[row] for row in rows] if self._clusters is not None else None

    def _labelled(self) -> tuple[list[Cell], list[tuple[dict[Cell, float], int]]]:
        """Every cell that occurred, and each outcome of independent units with how often it occurred."""
        merged = Counter(self._outcomes)
        for cases in self._cluster_outcomes.values():
            parts: dict[Cell, list[float]] = {}
            for outcome, count in cases.items():
                for cell, share in outcome:
                    parts.setdefault(cell, []).append(share * count)
            merged[tuple((cell, fsum(parts[cell])) for cell in sorted(parts, key=repr))] += 1
        # Sorted, so that neither sums nor random draws depend on the order of the cases.
        units = [(dict(outcome), merged[outcome]) for outcome in sorted(merged, key=repr)]
        return sorted({cell for outcome, _ in units for cell in outcome}, key=repr), units

    def _estimate_labels(self, metric: Metric, seed: int) -> Estimate:
        cells, units = self._labelled()
        ratios = _ratios(metric, cells)
        counted = {cell for _, below in ratios for cell, weight in zip(cells, below, strict=True) if weight}
        alone = _involved(self._outcomes, counted)
        clustered = [_involved(outcomes, counted) for outcomes in self._cluster_outcomes.values()]
        cases, independent = alone + sum(clustered), alone + sum(1 for count in clustered if count)
        bounds = _bootstrap(ratios, cells, units, seed)
        return estimate_from_bootstrap(self.value(metric), cases, bounds, units=independent)


def _none_first(label: str | None) -> tuple[bool, str]:
    return label is not None, label or ""


def _involved(outcomes: Counter[Outcome], counted: set[Cell]) -> int:
    """Cases that have a part in the denominators."""
    return sum(count for outcome, count in outcomes.items() if any(cell in counted for cell, _ in outcome))


def _ratios(metric: Metric, cells: Sequence[Cell]) -> list[Ratio]:
    """The fractions whose mean is the metric: one, or one for each label that cases expect."""
    if metric.average == "micro":
        right = [int(expected == got) for expected, got in cells]
        predicted = [int(got is not None) for _, got in cells]
        return [_ratio(metric.kind, right, predicted, [1] * len(cells))]
    labels = sorted({expected for expected, _ in cells}) if metric.average else [metric.label]
    return [
        _ratio(
            metric.kind,
            [int(expected == got == label) for expected, got in cells],
            [int(got == label) for _, got in cells],
            [int(expected == label) for expected, _ in cells],
        )
        for label in labels
    ]


def _ratio(kind: Kind, right: list[int], predicted: list[int], expected: list[int]) -> Ratio:
    if kind == "precision":
        return right, predicted
    if kind == "recall":
        return right, expected
    return [2 * count for count in right], [p + e for p, e in zip(predicted, expected, strict=True)]


def _evaluate(ratios: Iterable[Ratio], totals: Sequence[float]) -> float | None:
    values: list[float] = []
    for above, below in ratios:
        denominator = fsum(weight * total for weight, total in zip(below, totals, strict=True))
        if denominator <= 0:
            return None
        values.append(fsum(weight * total for weight, total in zip(above, totals, strict=True)) / denominator)
    return fsum(values) / len(values) if values else None


def _bootstrap(
    ratios: Sequence[Ratio], cells: Sequence[Cell], units: Sequence[tuple[dict[Cell, float], int]], seed: int
) -> Bounds | None:
    """BCa over units. Labels that a resample happens to miss are no part of its macro average."""
    if len(units) < 2:
        return None
    import numpy as np

    shares = np.array([[outcome.get(cell, 0.0) for cell in cells] for outcome, _ in units])
    above = shares @ np.array([ratio[0] for ratio in ratios], dtype=np.float64).T
    below = shares @ np.array([ratio[1] for ratio in ratios], dtype=np.float64).T

    def statistic(drawn: NDArray[Any]) -> NDArray[np.float64]:
        numerators, denominators = drawn @ above, drawn @ below
        known = denominators > 0
        values = np.where(known, numerators / np.where(known, denominators, 1.0), 0.0)
        labels = known.sum(axis=1)
        return np.where(labels > 0, values.sum(axis=1) / np.maximum(labels, 1), np.nan)

    return bca([count for _, count in units], statistic, rng=np.random.default_rng(seed))
