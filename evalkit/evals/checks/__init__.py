"""What is wrong with suites, their cases, and what entries say about evaluations."""

from evalkit.evals.checks.everything import CheckReport, check_project
from evalkit.evals.checks.examine import CaseSummary, examine_cases

__all__ = ["CaseSummary", "CheckReport", "check_project", "examine_cases"]
