"""Statistics of the gate: pure functions of the scores handed to them.

Scores lie in [0, 1]. Cases are a sample of what the application will see, so a score is an estimate and comes with
an interval. Three habits hold everywhere in this package:

- too little data gives None, never an interval of width zero and never NaN;
- nothing draws from a global generator: a seed or a generator is an argument;
- nothing depends on the order of the cases.

Pass/fail cases need the standard library only. numpy and scipy load inside the functions that need them.
"""

from __future__ import annotations

from evalkit.evals.stats.agreement import Kappa, cohens_kappa
from evalkit.evals.stats.bootstrap import Bounds, bca, bootstrap_t
from evalkit.evals.stats.comparison import Comparison, compare
from evalkit.evals.stats.estimate import Estimate, estimate, estimate_from_bootstrap
from evalkit.evals.stats.means import clustered_standard_error, standard_error, t_interval
from evalkit.evals.stats.multiplicity import holm
from evalkit.evals.stats.paired import (
    McNemar,
    PairedDifference,
    SignFlip,
    mcnemar,
    newcombe_paired,
    paired_t,
    sign_flip,
)
from evalkit.evals.stats.proportions import clopper_pearson, wilson, wilson_lower
from evalkit.evals.stats.repeats import RepeatVariance, pass_at_k, pass_hat_k, repeat_variance
from evalkit.evals.stats.size import (
    cases_to_settle,
    lower_bound_required,
    pairs_to_detect,
    pairs_to_rule_out,
    smallest_passing_n,
)

__all__ = [
    "Bounds",
    "Comparison",
    "Estimate",
    "Kappa",
    "McNemar",
    "PairedDifference",
    "RepeatVariance",
    "SignFlip",
    "bca",
    "bootstrap_t",
    "cases_to_settle",
    "clopper_pearson",
    "clustered_standard_error",
    "cohens_kappa",
    "compare",
    "estimate",
    "estimate_from_bootstrap",
    "holm",
    "lower_bound_required",
    "mcnemar",
    "newcombe_paired",
    "paired_t",
    "pairs_to_detect",
    "pairs_to_rule_out",
    "pass_at_k",
    "pass_hat_k",
    "repeat_variance",
    "sign_flip",
    "smallest_passing_n",
    "standard_error",
    "t_interval",
    "wilson",
    "wilson_lower",
]
