from __future__ import annotations

import json
import subprocess
import sys
from array import array
from itertools import product
from math import comb, fsum, isclose
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evalkit.evals.stats import (
    bca,
    bootstrap_t,
    cases_to_settle,
    clopper_pearson,
    clustered_standard_error,
    cohens_kappa,
    compare,
    estimate,
    estimate_from_bootstrap,
    holm,
    lower_bound_required,
    mcnemar,
    newcombe_paired,
    paired_t,
    pairs_to_detect,
    pass_at_k,
    pass_hat_k,
    repeat_variance,
    sign_flip,
    smallest_passing_n,
    standard_error,
    t_interval,
    wilson,
    wilson_lower,
)

VECTORS = json.loads((Path(__file__).parent / "stats-vectors.json").read_text(encoding="utf-8"))

scores = st.one_of(
    st.sampled_from([0.0, 1.0]), st.floats(0, 1), st.sampled_from([1 / 3, 2 / 3, 0.7, 0.7 + 1e-12])
)
score_lists = st.one_of(
    st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=80),
    st.lists(scores, min_size=1, max_size=80),
    st.builds(lambda value, n: [value] * n, scores, st.integers(1, 80)),
)


def near(expected: float):
    return pytest.approx(expected, abs=1e-7)


def vector(name: str):
    return pytest.mark.parametrize("row", VECTORS[name], ids=lambda row: json.dumps(row)[:60])


# --- reference values -------------------------------------------------------------------------------------------------


def test_the_vectors_are_those_of_the_shared_data(shared_data):
    assert json.loads((shared_data / "stats-vectors.json").read_text(encoding="utf-8")) == VECTORS


@vector("wilson_95")
def test_wilson_agrees_with_its_reference(row):
    assert wilson(row["successes"], row["n"]) == (near(row["low"]), near(row["high"]))


@vector("clopper_pearson_95")
def test_clopper_pearson_agrees_with_its_reference(row):
    assert clopper_pearson(row["successes"], row["n"]) == (near(row["low"]), near(row["high"]))


@vector("mcnemar_exact_two_sided")
def test_exact_mcnemar_agrees_with_its_reference(row):
    assert mcnemar(row["only_baseline_right"], row["only_candidate_right"]).two_sided == near(row["p"])


@vector("mcnemar_mid_p_two_sided")
def test_mid_p_agrees_with_its_reference(row):
    assert mcnemar(row["only_baseline_right"], row["only_candidate_right"]).mid_p_two_sided == near(row["p"])


@vector("paired_t_95")
def test_paired_t_agrees_with_its_reference(row):
    found = paired_t(row["baseline"], row["candidate"])
    assert found.mean == near(row["mean_difference"])
    assert found.standard_error == near(row["standard_error"])
    assert (found.low, found.high) == (near(row["low"]), near(row["high"]))


@vector("paired_sign_flip_exact_two_sided")
def test_sign_flip_agrees_with_its_reference(row):
    differences = [c - b for b, c in zip(row["baseline"], row["candidate"], strict=True)]
    found = sign_flip(differences)
    assert found.exact
    assert found.two_sided == near(row["p"])


@vector("clustered_se")
def test_clustered_standard_errors_agree_with_their_reference(row):
    values, clusters = row["scores"], row["clusters"]
    assert standard_error(values) == near(row["naive_se"])
    assert clustered_standard_error(values, clusters, small_sample=False) == near(row["clustered_se"])
    assert clustered_standard_error(values, clusters) == near(row["clustered_se_small_sample"])


@vector("holm")
def test_holm_agrees_with_its_reference(row):
    assert holm(row["p"]) == [near(p) for p in row["adjusted"]]


@vector("cohens_kappa_95")
def test_kappa_agrees_with_its_reference(row):
    found = cohens_kappa(row["table"])
    assert (found.kappa, found.se, found.low, found.high) == tuple(
        near(row[key]) for key in ("kappa", "se", "low", "high")
    )


@vector("pass_at_k_unbiased")
def test_pass_at_k_agrees_with_its_reference(row):
    assert pass_at_k(row["n"], row["c"], row["k"]) == near(row["value"])


@vector("pass_hat_k_unbiased")
def test_pass_hat_k_agrees_with_its_reference(row):
    assert pass_hat_k(row["n"], row["c"], row["k"]) == near(row["value"])


def test_newcombe_reproduces_the_published_interval_of_bentur_2009():
    # Fagerland, Lydersen and Laake, "Recommended tests and confidence intervals for paired binomial proportions",
    # Statistics in Medicine 2014: 1 child responds before and after, 1 only before, 7 only after, 12 never.
    low, high = newcombe_paired(1, 1, 7, 12)
    assert (round(low, 3), round(high, 3)) == (-0.507, -0.026)


# --- intervals --------------------------------------------------------------------------------------------------------


@given(st.integers(1, 500), st.data(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_intervals_of_shares_hold_the_share_and_are_never_of_width_zero(n, data, confidence):
    successes = data.draw(st.integers(0, n))
    for low, high in (wilson(successes, n, confidence), clopper_pearson(successes, n, confidence)):
        assert 0 <= low <= successes / n <= high <= 1
        assert low < high


@given(st.integers(1, 300), st.data())
def test_intervals_of_shares_are_mirrored_for_failures(n, data):
    successes = data.draw(st.integers(0, n))
    for method in (wilson, clopper_pearson):
        low, high = method(successes, n)
        assert method(n - successes, n) == (pytest.approx(1 - high), pytest.approx(1 - low))


@pytest.mark.parametrize("share", [0.3, 0.75, 0.9, 0.97])
@pytest.mark.parametrize("n", [20, 50, 200])
def test_clopper_pearson_covers_at_least_as_often_as_promised_and_wilson_about_so(n, share):
    def coverage(method):
        hit = [k for k in range(n + 1) if method(k, n)[0] <= share <= method(k, n)[1]]
        return scipy_stats.binom.pmf(hit, n, share).sum()

    assert coverage(clopper_pearson) >= 0.95
    assert 0.91 <= coverage(wilson) <= 0.99


@pytest.mark.parametrize(("first", "last", "most"), [(20, 100, 0.078), (100, 200, 0.062)])
def test_a_share_right_at_the_bound_passes_at_most_as_often_as_the_docstring_says(first, last, most):
    highest = 0.0
    for n in range(first, last):
        bounds = [wilson_lower(k, n) for k in range(n + 1)]
        for share in np.arange(50, 96) / 100:
            enough = next((k for k in range(n + 1) if bounds[k] >= share - 1e-9), None)
            if enough is not None:
                highest = max(highest, float(scipy_stats.binom.sf(enough - 1, n, share)))
    assert most - 0.001 < highest <= most


@pytest.mark.parametrize("arguments", [(0, 0), (3, 2), (-1, 4)])
def test_impossible_counts_are_refused(arguments):
    for method in (wilson, clopper_pearson):
        with pytest.raises(ValueError, match=r"at least one case|between 0 and n"):
            method(*arguments)


def test_a_one_sided_bound_needs_a_sensible_confidence():
    with pytest.raises(ValueError, match="confidence"):
        wilson_lower(3, 4, 0.4)


def test_the_t_interval_is_that_of_scipy():
    values = [0.1, 0.5, 0.9, 0.7, 0.75]
    expected = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert t_interval(values, 0.9) == (pytest.approx(expected.low), pytest.approx(expected.high))


@pytest.mark.parametrize("values", [[0.4], [0.7, 0.7, 0.7 + 1e-13]])
def test_without_spread_there_is_no_t_interval_and_no_standard_error(values):
    assert t_interval(values) is None
    assert standard_error(values) is None
    assert bootstrap_t(values, rng=np.random.default_rng(1)) is None


def test_one_cluster_has_no_standard_error():
    assert clustered_standard_error([0.0, 1.0], ["a", "a"]) is None


def test_clusters_of_one_case_give_the_ordinary_standard_error():
    values = [0.2, 0.4, 0.9, 1.0, 0.3]
    assert clustered_standard_error(values, [None, "a", "b", None, "c"]) == pytest.approx(
        standard_error(values)
    )


# --- bootstrap --------------------------------------------------------------------------------------------------------


def _skewed(n: int) -> list[float]:
    return [round(float(x), 3) for x in np.random.default_rng(7).beta(5, 1, n)]


def test_the_bootstrap_is_the_same_for_the_same_seed_and_any_order():
    values = _skewed(14)
    first = bootstrap_t(values, rng=np.random.default_rng(5))
    assert first == bootstrap_t(values[::-1], rng=np.random.default_rng(5))
    assert first != bootstrap_t(values, rng=np.random.default_rng(6))


def test_bootstrap_t_reaches_further_down_than_up_on_scores_with_a_tail_of_low_ones():
    values = [0.95, 0.97, 0.9, 0.99, 0.93, 0.96, 0.98, 0.94, 0.4, 0.92, 0.91, 0.95]
    bounds = bootstrap_t(values, rng=np.random.default_rng(1))
    mean = fsum(values) / len(values)
    assert mean - bounds.low > bounds.high - mean
    assert bounds.low < bounds.lower_one_sided < mean


def test_bootstrap_t_gives_up_when_most_resamples_show_no_spread():
    assert bootstrap_t([1.0] * 9 + [0.5], rng=np.random.default_rng(1)) is None


def test_bca_agrees_with_scipy_and_not_with_plain_percentiles():
    x = np.round(np.random.default_rng(3).exponential(1, 15), 3)
    found = bca([1] * 15, lambda w: (w @ x) / w.sum(axis=1), rng=np.random.default_rng(1), resamples=20_000)
    expected, plain = (
        scipy_stats.bootstrap(
            (x,), np.mean, method=method, n_resamples=20_000, rng=np.random.default_rng(2)
        ).confidence_interval
        for method in ("BCa", "percentile")
    )
    for limit, theirs, uncorrected in zip((found.low, found.high), expected, plain, strict=True):
        assert abs(limit - theirs) < abs(uncorrected - theirs) / 3
    assert found.standard_error == pytest.approx(x.std() / 15**0.5, rel=0.03)
    assert found.low < found.lower_one_sided < found.high


def test_bca_by_kind_is_bca_by_unit():
    x = np.array([0.1, 0.5, 2.0])
    found = bca([9, 5, 2], lambda w: (w @ x) / w.sum(axis=1), rng=np.random.default_rng(1), resamples=20_000)
    units = np.repeat(x, [9, 5, 2])
    apart = bca(
        [1] * 16, lambda w: (w @ units) / w.sum(axis=1), rng=np.random.default_rng(2), resamples=20_000
    )
    assert found.low == pytest.approx(apart.low, abs=0.03)
    assert found.high == pytest.approx(apart.high, abs=0.06)


@pytest.mark.parametrize(
    ("multiplicities", "statistic"),
    [
        ([1], lambda w: w[:, 0] * 1.0),
        ([40], lambda w: w[:, 0] * 1.0),
        ([20, 20], lambda w: w.sum(axis=1) * 1.0),
        ([20, 20], lambda w: np.where(w[:, 0] > 20, np.nan, w[:, 0])),
        ([20, 20], lambda w: np.full(len(w), np.nan)),
        ([1] * 30, lambda w: (w**2).sum(axis=1) * 1.0),
    ],
    ids=["one unit", "one kind", "constant", "often undefined", "undefined", "estimate beyond all others"],
)
def test_bca_says_nothing_where_the_bootstrap_knows_nothing(multiplicities, statistic):
    assert bca(multiplicities, statistic, rng=np.random.default_rng(1), resamples=500) is None


# --- estimate ---------------------------------------------------------------------------------------------------------


@given(score_lists, st.booleans(), st.randoms(use_true_random=False))
def test_an_estimate_never_has_width_zero_and_never_leaves_0_to_1(values, in_clusters, random):
    clusters = [random.choice("abcdefgh") for _ in values] if in_clusters else None
    found = estimate(values, clusters=clusters)
    assert found.n == len(values)
    if found.low is None:
        assert found.high is None
        assert found.lower_one_sided is None
        assert found.notes
    else:
        assert 0 <= found.low < found.high <= 1
        assert 0 <= found.low <= found.lower_one_sided <= found.mean + 1e-9
        assert found.low - 1e-9 <= found.mean <= found.high + 1e-9


@given(score_lists, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_the_cases_does_not_matter(values, in_clusters, random):
    clusters = [random.choice("abcdefgh") for _ in values] if in_clusters else None
    order = list(range(len(values)))
    random.shuffle(order)
    shuffled = estimate(
        [values[i] for i in order], clusters=[clusters[i] for i in order] if clusters else None
    )
    assert shuffled == estimate(values, clusters=clusters)


@given(score_lists, st.booleans(), st.randoms(use_true_random=False))
def test_no_scores_are_better_evidence_than_perfect_ones(values, in_clusters, random):
    clusters = [random.choice("abcdefgh") for _ in values] if in_clusters else None
    found = estimate(values, clusters=clusters)
    perfect = estimate([1.0] * len(values), clusters=clusters)
    worthless = estimate([0.0] * len(values), clusters=clusters)
    if found.lower_one_sided is not None:
        assert found.lower_one_sided <= perfect.lower_one_sided + 1e-12
        assert found.low <= perfect.low + 1e-12
        assert found.high >= worthless.high - 1e-12


def test_nearly_perfect_and_nearly_worthless_graded_scores_are_known_no_better_than_perfect_and_worthless_ones():
    high, low = estimate([1.0] * 39 + [0.99]), estimate([0.0] * 39 + [0.01])
    assert high.method == low.method == "t"
    assert (high.low, high.lower_one_sided) == (wilson(40, 40)[0], wilson_lower(40, 40))
    assert low.high == wilson(0, 40)[1]


def test_pass_or_fail_cases_get_wilson():
    found = estimate(array("d", [1.0] * 94 + [0.0] * 6))
    assert (found.method, found.low, found.high) == ("Wilson", near(0.8752318455), near(0.972213876))
    assert found.lower_one_sided == wilson_lower(94, 100)


def test_many_graded_scores_get_t_and_few_get_wilson_or_the_bootstrap():
    values = _skewed(30)
    assert estimate(values).method == "t"
    assert (estimate(values).low, estimate(values).high) == t_interval(values)
    few = values[:20]
    assert estimate(few).method == "Wilson on the mean"
    assert estimate(few).low == wilson(fsum(few), 20)[0]
    assert estimate(few, rng=np.random.default_rng(1)).method == "bootstrap-t"


def test_graded_scores_that_are_all_equal_get_wilson_on_the_mean():
    found = estimate([0.7] * 50, rng=np.random.default_rng(1))
    assert found.method == "Wilson on the mean"
    assert found.low == pytest.approx(wilson(35, 50)[0])


def test_nothing_scored_has_neither_score_nor_bounds():
    found = estimate([])
    assert (found.mean, found.low, found.high, found.lower_one_sided) == (None, None, None, None)


def test_fewer_than_five_clusters_give_no_interval_and_fewer_than_twenty_a_note():
    values = [1.0, 0.0, 1.0, 1.0] * 10
    assert estimate(values, clusters=[i % 4 for i in range(40)]).low is None
    few = estimate(values, clusters=[i % 13 for i in range(40)])
    assert few.method == "cluster-robust t"
    assert "13 clusters are few" in few.notes[0]
    assert estimate(values, clusters=[i % 20 for i in range(40)]).notes == ()


def test_clusters_that_agree_within_widen_the_interval_as_the_formula_says():
    rng = np.random.default_rng(4)
    rates = rng.beta(8, 2, 40)
    values = [float(x) for rate in rates for x in rng.random(10) < rate]
    clusters = [i // 10 for i in range(400)]
    found = estimate(values, clusters=clusters)
    error = clustered_standard_error(values, clusters)
    assert error > standard_error(values)
    assert found.low == pytest.approx(found.mean - scipy_stats.t.ppf(0.975, 39) * error)
    assert found.lower_one_sided == pytest.approx(found.mean - scipy_stats.t.ppf(0.95, 39) * error)
    assert found.clusters == 40


def test_clusters_that_cancel_out_do_not_narrow_the_interval():
    values = [1.0, 0.0] * 30
    found = estimate(values, clusters=[i // 2 for i in range(60)])
    assert clustered_standard_error(values, [i // 2 for i in range(60)]) == 0
    assert found.low == pytest.approx(0.5 - scipy_stats.t.ppf(0.975, 29) * standard_error(values))
    found = compare(
        {f"c{i}": value for i, value in enumerate(values)},
        {f"c{i}": 0.5 for i in range(60)},
        {f"c{i}": i // 2 for i in range(60)},
    )
    assert found.high == pytest.approx(scipy_stats.t.ppf(0.975, 29) * standard_error(values))


def test_clusters_of_one_case_each_are_no_clusters():
    values = [1.0] * 20 + [0.0] * 5
    assert estimate(values, clusters=list(range(25))) == estimate(values)
    assert estimate(values, clusters=[None] * 25) == estimate(values)


def test_a_perfect_run_in_clusters_is_as_much_evidence_as_one_case_a_cluster():
    found = estimate([1.0] * 100, clusters=[i % 10 for i in range(100)])
    assert found.low == wilson(10, 10)[0]


def test_the_cluster_interval_covers_about_as_often_as_promised():
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(300):
        rates = rng.beta(8, 2, 30)
        values = (rng.random((30, 5)) < rates[:, np.newaxis]).astype(float).ravel().tolist()
        found = estimate(values, clusters=[i // 5 for i in range(150)])
        covered += found.low <= 0.8 <= found.high
    assert 0.91 <= covered / 300 <= 0.99


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.1, 1.1])
def test_scores_that_are_no_scores_are_refused(bad):
    with pytest.raises(ValueError, match="between 0 and 1"):
        estimate([0.5, bad])


def test_clusters_must_be_as_many_as_scores():
    with pytest.raises(ValueError, match="2 scores but 1 clusters"):
        estimate([0.5, 0.6], clusters=["a"])


def test_a_perfect_metric_that_the_bootstrap_cannot_judge_gets_wilson():
    found = estimate_from_bootstrap(1.0, 40, None)
    assert (found.method, found.low) == ("Wilson on the mean", wilson(40, 40)[0])
    assert estimate_from_bootstrap(None, 40, None).mean is None
    assert estimate_from_bootstrap(1.0, 40, None, units=4).low is None
    assert estimate_from_bootstrap(1.0, 40, None, units=10).low == wilson(10, 10)[0]


def test_pass_or_fail_statistics_load_neither_numpy_nor_scipy():
    code = (
        "import sys; from evalkit.evals.stats import *; from evalkit.evals.stats import size\n"
        "e = estimate([1.0] * 95 + [0.0] * 5); cases_to_settle(e, 0.9); smallest_passing_n(0.9)\n"
        "estimate([0.5] * 40); estimate([0.5, 0.7])\n"
        "assert not {'numpy', 'scipy'} & set(sys.modules), sorted(sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


# --- repeats ----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 7), st.data())
def test_pass_at_k_and_pass_hat_k_are_the_shares_of_all_choices_of_k_answers(n, data):
    right, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    answers = [i < right for i in range(n)]
    choices = [
        [answers[i] for i in chosen] for chosen in product(range(n), repeat=k) if len(set(chosen)) == k
    ]
    assert pass_at_k(n, right, k) == pytest.approx(sum(map(any, choices)) / len(choices))
    assert pass_hat_k(n, right, k) == pytest.approx(sum(map(all, choices)) / len(choices))


@pytest.mark.parametrize("arguments", [(3, 4, 1), (3, 1, 4), (3, 1, 0)])
def test_impossible_repeats_are_refused(arguments):
    for method in (pass_at_k, pass_hat_k):
        with pytest.raises(ValueError, match="must lie between"):
            method(*arguments)


def test_noise_is_split_into_within_and_between_cases():
    rng = np.random.default_rng(2)
    truth = 0.6 + 0.1 * rng.standard_normal(3000)
    found = repeat_variance([list(case + 0.2 * rng.standard_normal(4)) for case in truth])
    assert found.between == pytest.approx(0.01, rel=0.1)
    assert found.within == pytest.approx(0.04, rel=0.1)
    means = found.standard_error()
    assert means == pytest.approx(((found.between + found.within / 4) / 3000) ** 0.5)
    assert found.standard_error(repeats=100) < means < found.standard_error(repeats=1)


def test_without_repeats_or_cases_nothing_is_known_about_the_noise():
    assert repeat_variance([[0.5], [0.7]]) is None
    assert repeat_variance([[0.5, 0.6]]) is None
    assert repeat_variance([[0.0, 1.0], [1.0, 0.0]]).between == 0  # never below


# --- pairs ------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test(lost, gained):
    found = mcnemar(lost, gained)
    n = lost + gained
    tail = sum(comb(n, k) for k in range(lost, n + 1)) / 2**n
    assert found.one_sided == pytest.approx(tail)
    assert found.mid_p_one_sided == pytest.approx(tail - comb(n, lost) / 2**n / 2) or n == 0
    assert 0 < found.mid_p_two_sided <= found.two_sided <= 1


def test_fewer_than_five_net_losses_are_never_significant():
    for gained in range(60):
        for net in range(5):
            assert mcnemar(gained + net, gained).one_sided > 0.05
    assert mcnemar(5, 0).one_sided < 0.05


def test_negative_counts_are_refused():
    with pytest.raises(ValueError, match="negative"):
        mcnemar(-1, 2)
    with pytest.raises(ValueError, match="at least one pair"):
        newcombe_paired(0, 0, 0, 0)
    with pytest.raises(ValueError, match="at least one pair"):
        paired_t([], [])


@given(st.tuples(*[st.integers(0, 40)] * 4).filter(any))
def test_the_newcombe_interval_holds_the_difference_mirrors_and_is_never_of_width_zero(table):
    both, gained, lost, neither = table
    low, high = newcombe_paired(*table)
    assert -1 <= low <= (gained - lost) / sum(table) <= high <= 1
    assert low < high
    mirrored = newcombe_paired(both, lost, gained, neither)
    assert mirrored == (pytest.approx(-high), pytest.approx(-low))


def test_the_newcombe_interval_covers_about_as_often_as_promised():
    shares = (0.7, 0.05, 0.1, 0.15)
    n, covered = 40, 0.0
    multinomial = scipy_stats.multinomial(n, shares)
    for a, b, c in product(range(n + 1), range(12), range(16)):
        if a + b + c <= n:
            low, high = newcombe_paired(a, b, c, n - a - b - c)
            covered += float(multinomial.pmf((a, b, c, n - a - b - c))) * (low <= -0.05 <= high)
    assert 0.94 <= covered <= 0.99


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9))
def test_exact_sign_flips_count_every_pattern(differences):
    found = sign_flip(differences)
    observed = fsum(differences)
    tie = 1e-9 * fsum(map(abs, differences))
    totals = [
        fsum(s * d for s, d in zip(signs, differences, strict=True))
        for signs in product((1, -1), repeat=len(differences))
    ]
    assert found.exact
    assert found.one_sided == pytest.approx(sum(t <= observed + tie for t in totals) / len(totals))
    assert found.two_sided == pytest.approx(sum(abs(t) >= abs(observed) - tie for t in totals) / len(totals))


def test_random_sign_flips_agree_with_the_exact_answer_and_repeat_by_seed():
    differences = [-1.0] * 14 + [1.0] * 6
    found = sign_flip(differences, seed=3)
    assert not found.exact
    assert found == sign_flip(differences[::-1], seed=3)
    assert found != sign_flip(differences, seed=4)
    assert found.one_sided == pytest.approx(mcnemar(14, 6).one_sided, abs=0.006)
    assert sign_flip([-1.0] * 200).one_sided == 1 / 20_001


def test_whole_clusters_are_flipped():
    differences = [-0.5] * 30
    assert sign_flip(differences, clusters=[i // 10 for i in range(30)]).one_sided == 1 / 8
    assert sign_flip(differences, clusters=[None] * 30).one_sided < 0.001
    assert sign_flip([0.0, 0.0]).one_sided == 1.0


# --- comparison -------------------------------------------------------------------------------------------------------


def _binary_pair(both: int, lost: int, gained: int, neither: int):
    rows = [(1.0, 1.0)] * both + [(0.0, 1.0)] * lost + [(1.0, 0.0)] * gained + [(0.0, 0.0)] * neither
    ids = [f"case-{i:03}" for i in range(len(rows))]
    return dict(zip(ids, (r[0] for r in rows), strict=True)), dict(
        zip(ids, (r[1] for r in rows), strict=True)
    )


def test_pass_or_fail_runs_are_compared_by_mcnemar_and_newcombe():
    candidate, baseline = _binary_pair(80, 9, 1, 10)
    found = compare(candidate, baseline)
    assert (found.n, found.unpaired) == (100, 0)
    assert (found.only_baseline_right, found.only_candidate_right) == (9, 1)
    assert found.difference == pytest.approx(-0.08)
    assert found.drop == pytest.approx(0.08)
    assert (found.low, found.high) == newcombe_paired(80, 1, 9, 10)
    assert found.p_value == mcnemar(9, 1).one_sided
    assert found.mid_p == mcnemar(9, 1).mid_p_one_sided
    assert found.significantly_worse
    assert found.worse == tuple(f"case-{i:03}" for i in range(80, 89))
    assert found.better == ("case-089",)


def test_graded_runs_are_compared_by_sign_flips_and_paired_t_with_the_largest_change_first():
    baseline = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.95, "e": 0.6}
    candidate = {"a": 0.85, "b": 0.8, "c": 0.72, "d": 0.4, "e": 0.65}
    found = compare(candidate, baseline)
    expected = paired_t([baseline[k] for k in "abcde"], [candidate[k] for k in "abcde"])
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert found.test == "sign-flip permutation, exact"
    assert (found.worse, found.better) == (("d", "a"), ("e", "c"))
    assert found.only_baseline_right is None
    assert found.mid_p is None


def test_cases_in_only_one_run_are_left_out_and_counted():
    found = compare({"a": 1.0, "b": 1.0}, {"b": 1.0, "c": 0.0, "d": 0.0})
    assert (found.n, found.unpaired, found.difference) == (1, 3, 0)


def test_runs_without_a_shared_case_have_no_difference_and_are_not_worse():
    found = compare({"a": 1.0}, {"b": 1.0})
    assert (found.n, found.difference, found.p_value, found.drop) == (0, None, None, 0)
    assert not found.significantly_worse


def test_pass_or_fail_cases_in_clusters_are_compared_by_clusters():
    candidate, baseline = _binary_pair(60, 10, 0, 0)
    one_cluster = dict.fromkeys([f"case-{i:03}" for i in range(60, 70)], "same document")
    alone = compare(candidate, baseline)
    together = compare(candidate, baseline, one_cluster)
    assert alone.significantly_worse
    assert together.p_value == 0.5
    assert together.clusters == 61
    assert together.high > alone.high
    few = {case: i % 4 for i, case in enumerate(candidate)}
    assert compare(candidate, baseline, few).low is None


def test_runs_that_score_the_same_differ_by_nothing_but_not_with_certainty():
    same = {f"case-{i}": 0.7 for i in range(50)}
    noisy = {case: score + 1e-13 for case, score in same.items()}
    found = compare(noisy, same)
    assert found.worse == found.better == ()
    assert found.low < found.difference == 0 < found.high


@given(st.lists(st.tuples(scores, scores), min_size=1, max_size=30), st.booleans())
def test_a_comparison_never_claims_certainty(pairs, in_clusters):
    candidate = {f"c{i}": pair[0] for i, pair in enumerate(pairs)}
    baseline = {f"c{i}": pair[1] for i, pair in enumerate(pairs)}
    clusters = {f"c{i}": i % 7 for i in range(len(pairs))} if in_clusters else None
    found = compare(candidate, baseline, clusters)
    assert 0 < found.p_value <= 1
    assert found.low is None or -1 <= found.low < found.high <= 1
    assert found == compare(dict(reversed(candidate.items())), baseline, clusters)


# --- agreement, several tests, sizes ----------------------------------------------------------------------------------


def test_kappa_is_undefined_without_cases_or_when_both_raters_know_one_label_only():
    assert cohens_kappa([[0, 0], [0, 0]]) is None
    assert cohens_kappa([[9, 0], [0, 0]]) is None
    with pytest.raises(ValueError, match="one column"):
        cohens_kappa([[1, 2]])


def test_perfect_agreement_has_a_kappa_of_1_and_no_interval():
    found = cohens_kappa([[5, 0], [0, 7]])
    assert (found.kappa, found.low, found.high) == (pytest.approx(1), None, None)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_of_p_values_and_never_lowers_one(p_values):
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    assert [a for _, a in sorted(zip(p_values, adjusted, strict=True))] == sorted(adjusted)


def test_the_smallest_suites_that_can_pass_are_those_of_the_formula():
    assert [smallest_passing_n(t) for t in (0.95, 0.99)] == [25, 43]
    assert [smallest_passing_n(t, strict=True) for t in (0.95, 0.99)] == [52, 268]
    assert smallest_passing_n(1.0, strict=True) is None
    assert smallest_passing_n(0.03) == 1


@given(st.integers(1, 99), st.integers(0, 20), st.booleans())
def test_a_perfect_score_passes_with_the_smallest_suite_and_with_no_smaller_one(threshold, slack, strict):
    bound = lower_bound_required(threshold / 100, slack / 100, strict=strict)
    n = smallest_passing_n(threshold / 100, slack / 100, strict=strict)
    assert wilson_lower(n, n) >= bound - 1e-9
    assert n == 1 or wilson_lower(n - 1, n - 1) < bound


@given(score_lists, st.integers(1, 99), st.booleans())
def test_the_cases_that_would_settle_it_do(values, percent, in_clusters):
    clusters = [i // 4 for i in range(len(values))] if in_clusters else None
    found = estimate(values, clusters=clusters)
    bound = percent / 100
    wanted = cases_to_settle(found, bound)
    if wanted is None:
        assert found.lower_one_sided is None or found.mean <= bound + 1e-9
        return
    if found.standard_error is None:
        assert wilson_lower(found.mean * wanted, wanted) >= bound - 1e-9 or found.clusters
    if found.lower_one_sided < bound - 1e-6 and not found.clusters:
        assert wanted > found.n


def test_more_clusters_of_the_same_kind_settle_it():
    values = [1.0, 1.0, 0.0, 1.0, 1.0, 1.0] * 12
    clusters = [i // 6 for i in range(len(values))]
    values[0:6] = [0.0] * 6
    values[6:12] = [1.0] * 6
    found = estimate(values, clusters=clusters)
    wanted = cases_to_settle(found, 0.7)
    assert wanted % 6 == 0
    times = -(-wanted // len(values))
    more = estimate(values * times, clusters=[i // 6 for i in range(len(values) * times)])
    assert more.lower_one_sided >= 0.7
    assert cases_to_settle(found, 0.999) is None


def test_no_number_of_cases_lifts_the_bound_to_1():
    graded = estimate([1.0] * 20 + [0.99] * 20)
    assert cases_to_settle(graded, 1.0) is None


def test_the_pairs_that_detect_a_drop_follow_the_formula():
    for drop, discordant in ((0.05, 0.06), (0.03, 0.06), (0.02, 0.2)):
        exact = 6.1826 * (discordant - drop**2) / drop**2
        assert isclose(pairs_to_detect(drop, discordant), exact, rel_tol=0.02)
    with pytest.raises(ValueError, match="cannot exceed"):
        pairs_to_detect(0.1, 0.05)
