"""Scorers: pure functions of a case and an answer."""
