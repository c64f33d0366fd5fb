"""The gate: the suite's rules that turn evidence into `pass`, `fail` or `inconclusive`. Pure. See docs/gate.md."""

from __future__ import annotations

from evalkit.evals.gate.judge import judge
from evalkit.evals.gate.measured import Judgement, Measured, SliceJudgement, SliceMeasured, worst
from evalkit.evals.gate.rules import GateRules
from evalkit.evals.stats import Comparison, compare, smallest_passing_n

__all__ = [
    "Comparison",
    "GateRules",
    "Judgement",
    "Measured",
    "SliceJudgement",
    "SliceMeasured",
    "compare",
    "judge",
    "smallest_passing_n",
    "worst",
]
