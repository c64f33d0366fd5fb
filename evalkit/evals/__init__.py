"""Suites, scorers, gate, runner, providers, cache, evidence."""
