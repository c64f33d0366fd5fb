"""What is wrong with suites, their cases, and what entries say about evaluations.

`evalkit.evals.checks.everything` has `check_project`; `evalkit.evals.checks.examine` has `examine_cases`, which a run
needs without the rest.
"""
