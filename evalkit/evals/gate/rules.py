"""The `gate:` block of a suite."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from evalkit.evals.stats import lower_bound_required, smallest_passing_n
from evalkit.registry.schema.base import Strict

__all__ = ["GateRules"]

Share = Annotated[float, Field(ge=0, le=1)]

FEW_CASES = 20

_JUDGED_WITH = frozenset({"slack", "strict", "min_cases", "max_error_rate", "slice_min_cases"})


class GateRules(Strict):
    """When a run passes. Every rule must hold; a key that is not listed here is an error."""

    min_score: Share | None = None
    """The score that the primary metric must reach, 0 to 1."""
    slack: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """How far under `min_score` the lower end of the likely range may lie: what keeps a lucky score from passing."""
    strict: bool = False
    """Allow no slack: the lower end of the likely range itself must reach `min_score`. Needs many more cases."""
    min_cases: Annotated[int, Field(ge=1)] | None = None
    """The fewest scored cases that may be judged at all. Left out, it is 1 with `min_score`, whose range asks for enough cases by itself, and 20 without."""
    max_error_rate: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """The share of cases that may stay unmeasured (rate limits, timeouts, server errors) before nothing is judged."""
    max_regression: Share | None = None
    """How far the score may fall below the baseline's on the same cases."""
    non_inferior: Annotated[float, Field(gt=0, le=1)] | None = None
    """The candidate must be shown to be no worse than the baseline by this much: the lower end of the likely range of the difference must lie above it. Of little use below 200 cases."""
    slices: dict[str, Share] = Field(default_factory=dict)
    """`tag: floor`: the score that the cases with this tag must reach."""
    slice_min_cases: Annotated[int, Field(ge=1)] = FEW_CASES
    """The fewest scored cases with which a slice is judged."""
    max_latency_p50_ms: Annotated[float, Field(gt=0)] | None = None
    """The latency, in milliseconds, that half of the answers must not exceed."""
    max_latency_p95_ms: Annotated[float, Field(gt=0)] | None = None
    """The latency, in milliseconds, that 95 of 100 answers must not exceed."""
    max_cost_usd_per_case: Annotated[float, Field(ge=0)] | None = None
    """The mean cost of a case in US dollars, its repeats together."""
    metrics: dict[str, Share] = Field(default_factory=dict)
    """`metric: floor`: the value that another metric must reach, such as `f1_macro: 0.8`."""
    shadow: GateRules | None = None
    """Rules that are judged and shown, and decide nothing: try them before they bind. The same keys; what they are judged with (`slack`, `strict`, `min_cases`, `max_error_rate`, `slice_min_cases`) is the gate's own unless given here."""

    @field_validator("shadow")
    @classmethod
    def _casts_no_shadow(cls, shadow: GateRules | None) -> GateRules | None:
        if shadow is not None and shadow.shadow is not None:
            raise ValueError("a shadow has no shadow of its own")
        return shadow

    @property
    def asserts_something(self) -> bool:
        """Whether any run at all could fail these rules."""
        limits = (
            self.max_regression,
            self.non_inferior,
            self.max_latency_p50_ms,
            self.max_latency_p95_ms,
            self.max_cost_usd_per_case,
        )
        return bool(self.min_score or self.slices or self.metrics) or any(x is not None for x in limits)

    @property
    def needs_baseline(self) -> bool:
        """Whether a rule speaks of the baseline, so that one has to be measured."""
        return self.max_regression is not None or self.non_inferior is not None

    @property
    def cases_needed(self) -> int:
        """The fewest scored cases that may be judged."""
        if self.min_cases is not None:
            return self.min_cases
        return FEW_CASES if self.min_score is None else 1

    @property
    def lower_bound_required(self) -> float | None:
        """What the one-sided 95 % lower bound of the score must reach; None without `min_score`."""
        if self.min_score is None:
            return None
        return lower_bound_required(self.min_score, self.slack, strict=self.strict)

    @property
    def smallest_passing_n(self) -> int | None:
        """The fewest scored cases with which a perfect score passes; None when no number is enough."""
        if self.min_score is None:
            return self.cases_needed
        enough = smallest_passing_n(self.min_score, self.slack, strict=self.strict)
        return None if enough is None else max(enough, self.cases_needed)

    @property
    def shadow_rules(self) -> GateRules | None:
        """The shadow rules with everything that they are judged with; None where there are none."""
        if self.shadow is None:
            return None
        own = {name: getattr(self, name) for name in _JUDGED_WITH & self.model_fields_set}
        given = {name: getattr(self.shadow, name) for name in self.shadow.model_fields_set}
        return GateRules.model_validate(own | given)

    @property
    def tags(self) -> frozenset[str]:
        """Tags with a floor, in the shadow too."""
        return frozenset(self.slices) | frozenset(self.shadow.slices if self.shadow else ())

    @property
    def named_metrics(self) -> frozenset[str]:
        """Metrics with a floor, in the shadow too."""
        return frozenset(self.metrics) | frozenset(self.shadow.metrics if self.shadow else ())

    def without_baseline(self) -> GateRules:
        """The same without the rules about the baseline, where those are judged already."""
        return self.model_copy(update={"max_regression": None, "non_inferior": None})
