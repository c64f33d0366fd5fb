"""Suites, scorers, gate, runner, providers, cache, evidence."""

from evalkit.evals.saved import SavedRun, load_run

__all__ = ["SavedRun", "load_run"]
