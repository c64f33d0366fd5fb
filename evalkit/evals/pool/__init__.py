"""The verdict on pooled evidence: every run of one config on one measurement, judged together. What promotes."""

from __future__ import annotations

from evalkit.evals.pool.evidences import Evidences
from evalkit.evals.pool.pooled import CaseScores, Pool, pooled
from evalkit.evals.pool.verdict import PoolVerdict, verdict_of

__all__ = ["CaseScores", "Evidences", "Pool", "PoolVerdict", "pooled", "verdict_of"]
