from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.evals.metrics import METRICS, MetricAccumulator, parse_metric
from evalkit.evals.stats import estimate, wilson

label_cases = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", "c", "junk", None])), min_size=1, max_size=60
)


def accumulate(cases, repeats: int = 1) -> MetricAccumulator:
    """Cases as (expected, predicted) pairs, or (expected, [predicted, ...])."""
    total = MetricAccumulator(repeats)
    for expected, predicted in cases:
        labels = predicted if isinstance(predicted, list) else [predicted]
        total.add([float(label == expected) for label in labels], labels, expected)
    return total


def value(total: MetricAccumulator, name: str, repeats: int = 1):
    return total.value(parse_metric(name, repeats))


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n.replace("@k", "@3").replace("^k", "^3") for n in METRICS])
def test_every_name_of_the_table_is_known(name):
    assert parse_metric(name, 3).name == name


def test_a_label_may_hold_anything():
    assert parse_metric("f1[a[0], ü]").label == "a[0], ü"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("acuracy", "did you mean 'accuracy'?"),
        ("F1_Macro", "did you mean 'f1_macro'?"),
        ("f1", "say which: f1_micro, f1_macro or f1[label]"),
        ("f1[]", "known: mean, accuracy"),
        ("recall", "recall[label]"),
        ("pass@", "such as pass@1"),
        ("pass^0", "such as pass^1"),
        ("pass@1.5", "a whole number"),
        ("bleurgh", "known: mean, accuracy"),
        ("", "known: mean, accuracy"),
    ],
)
def test_an_unknown_name_says_what_may_have_been_meant(name, hint):
    with pytest.raises(ValueError, match=re.escape(hint)):
        parse_metric(name, 5)


def test_pass_at_k_needs_as_many_repeats():
    with pytest.raises(
        ValueError, match=re.escape("pass@3 needs `repeats: 3` or more; the suite has `repeats: 1`")
    ):
        parse_metric("pass@3")


# --- values -----------------------------------------------------------------------------------------------------------


def test_repeats_are_averaged_within_their_case_first():
    total = MetricAccumulator(4)
    total.add([1.0, 1.0, 1.0, 0.0])
    total.add([0.9])
    assert value(total, "mean") == pytest.approx((0.75 + 0.9) / 2)
    assert value(total, "accuracy") == pytest.approx((0.75 + 0) / 2)
    assert len(total) == 2


def test_pass_at_k_and_pass_hat_k_are_averaged_over_cases():
    total = MetricAccumulator(3)
    total.add([1.0, 1.0, 0.0])
    total.add([0.0, 0.0, 0.0])
    assert value(total, "pass@2", 3) == pytest.approx((1 + 0) / 2)
    assert value(total, "pass^2", 3) == pytest.approx((1 / 3 + 0) / 2)


def test_a_case_with_fewer_than_k_answers_is_left_out_of_pass_at_k_and_said_so():
    total = MetricAccumulator(3)
    for _ in range(4):
        total.add([1.0, 1.0, 1.0])
    total.add([0.0, 0.0])
    metric = parse_metric("pass@3", 3)
    assert total.value(metric) == 1
    assert total.estimate(metric).n == 4
    assert "1 of 5 cases have fewer than 3 answers" in total.estimate(metric).notes[0]


@pytest.mark.parametrize("name", ["mean", "accuracy", "pass@1", "f1_macro", "f1_micro", "recall[a]"])
def test_a_metric_of_no_cases_is_undefined_not_zero(name):
    total = MetricAccumulator()
    assert value(total, name) is None
    assert total.estimate(parse_metric(name)).mean is None


def test_precision_of_a_label_that_was_never_predicted_is_undefined_not_zero():
    total = accumulate([("a", "a"), ("b", "a"), ("b", None)])
    assert value(total, "precision[b]") is None
    assert value(total, "precision_macro") is None
    assert value(total, "recall[b]") == 0
    assert value(total, "f1[b]") == 0
    assert value(total, "precision[a]") == 0.5
    assert value(total, "recall[unheard of]") is None


def test_an_answer_without_a_label_is_expected_and_not_predicted():
    total = accumulate([("a", "a"), ("a", None)])
    assert value(total, "precision_micro") == 1
    assert value(total, "recall_micro") == 0.5
    assert value(total, "f1_micro") == pytest.approx(2 / 3)


def test_a_label_that_only_the_model_made_up_costs_precision_but_has_no_row():
    total = accumulate([("a", "a"), ("b", "b"), ("b", "made up")])
    assert value(total, "precision_micro") == pytest.approx(2 / 3)
    assert value(total, "f1_macro") == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize(("expected", "label"), [(True, "true"), (False, "false"), (3, "3"), (1.5, "1.5")])
def test_expected_values_are_compared_as_text(expected, label):
    total = MetricAccumulator()
    total.add([1.0], [label], expected)
    assert value(total, f"f1[{label}]") == 1


def test_cases_without_an_expected_label_or_labels_are_no_part_of_label_metrics():
    total = MetricAccumulator()
    total.add([0.0], ["a"], None)
    total.add([0.0], (), "a")
    total.add([0.0], ["b"], "prose " * 100)
    total.add([1.0], ["a"], "a")
    assert value(total, "recall[a]") == value(total, "precision_micro") == 1
    assert value(total, "mean") == pytest.approx(1 / 4)
    without = MetricAccumulator(labels=False)
    without.add([1.0], ["a"], "a")
    assert value(without, "f1[a]") is None
    assert value(without, "mean") == 1


def test_each_case_weighs_the_same_whatever_the_number_of_its_answers():
    total = accumulate([("a", ["a", "a", "a", "b"]), ("b", ["b"])], repeats=4)
    assert value(total, "recall[a]") == pytest.approx(0.75)
    assert value(total, "precision[b]") == pytest.approx(1 / 1.25)


@given(label_cases)
def test_precision_recall_and_f1_are_those_of_the_confusion_table(cases):
    total = accumulate(cases)
    table = Counter(cases)
    f1s = []
    for label in sorted({expected for expected, _ in cases}):
        right = table[label, label]
        expected = sum(count for (e, _), count in table.items() if e == label)
        predicted = sum(count for (_, p), count in table.items() if p == label)
        assert value(total, f"recall[{label}]") == pytest.approx(right / expected)
        assert value(total, f"precision[{label}]") == (
            pytest.approx(right / predicted) if predicted else None
        )
        f1s.append(2 * right / (expected + predicted))
        assert value(total, f"f1[{label}]") == pytest.approx(f1s[-1])
    assert value(total, "f1_macro") == pytest.approx(sum(f1s) / len(f1s))
    assert value(total, "recall_micro") == pytest.approx(value(total, "accuracy"))


@given(label_cases, st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_the_cases_does_not_matter(cases, random, in_clusters):
    named = [(case, i % 6 if in_clusters else None) for i, case in enumerate(cases)]
    shuffled = random.sample(named, len(named))
    first, second = MetricAccumulator(), MetricAccumulator()
    for total, rows in ((first, named), (second, shuffled)):
        for (expected, label), cluster in rows:
            total.add([float(expected == label) / 3], [label], expected, cluster)
    for name in ("mean", "accuracy", "precision_micro", "f1_macro", "f1[a]"):
        assert value(first, name) == value(second, name)
    assert first.estimate(parse_metric("mean")) == second.estimate(parse_metric("mean"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "1 to 2 scores, not 0"),
        (([1.0] * 3,), "1 to 2 scores, not 3"),
        (([1.0], ["a", "b"], "a"), "2 labels"),
    ],
)
def test_a_case_that_does_not_fit_the_suite_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MetricAccumulator(2).add(*arguments)


# --- intervals --------------------------------------------------------------------------------------------------------


def test_means_of_cases_have_the_interval_of_their_cases():
    total = accumulate([("a", "a")] * 45 + [("a", "b")] * 5)
    assert total.estimate(parse_metric("accuracy")) == estimate([1.0] * 45 + [0.0] * 5)


def test_clusters_reach_the_interval_even_if_the_first_cases_have_none():
    total = MetricAccumulator(2)
    values, clusters = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0], [None, None, "a", "a", "b", "b", "c", "d"]
    for score, cluster in zip(values, clusters, strict=True):
        total.add([score, score], cluster=cluster)
    for name in ("mean", "pass^2"):
        assert total.estimate(parse_metric(name, 2)) == estimate(values, clusters=clusters)


def test_f1_has_a_bootstrap_interval_that_repeats_by_seed():
    total = accumulate([("a", "a")] * 40 + [("a", "b")] * 6 + [("b", "b")] * 30 + [("b", None)] * 4)
    metric = parse_metric("f1_macro")
    found = total.estimate(metric, seed=1)
    assert found.method == "BCa bootstrap"
    assert found.low < found.lower_one_sided < found.mean < found.high
    assert found == total.estimate(metric, seed=1)
    assert found != total.estimate(metric, seed=2)
    assert found.n == 80


def test_a_perfect_f1_has_the_interval_of_a_perfect_score():
    total = accumulate([("a", "a")] * 30 + [("b", "b")] * 20)
    assert total.estimate(parse_metric("f1_macro")).low == wilson(50, 50)[0]
    assert total.estimate(parse_metric("f1[b]")).low == wilson(20, 20)[0]


def test_labels_in_clusters_are_resampled_by_cluster():
    alone, together = MetricAccumulator(), MetricAccumulator()
    for i in range(120):
        expected = "ab"[i % 2]
        label = "b" if i // 6 in {1, 5, 9} else expected
        alone.add([float(expected == label)], [label], expected)
        together.add([float(expected == label)], [label], expected, i // 6)
    metric = parse_metric("f1_macro")
    assert together.value(metric) == pytest.approx(alone.value(metric))
    assert together.estimate(metric).clusters == 20
    assert together.estimate(metric).standard_error > 1.3 * alone.estimate(metric).standard_error


def test_a_handful_of_clusters_gives_f1_no_interval():
    total = MetricAccumulator()
    for i in range(40):
        total.add([1.0], ["a"], "a", i % 4)
    assert total.estimate(parse_metric("f1_macro")).low is None


def test_the_f1_interval_covers_about_as_often_as_promised():
    rng = np.random.default_rng(5)
    cells = [("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")]
    shares = [0.5, 0.1, 0.05, 0.35]
    truth = 2 * 0.5 / (2 * 0.5 + 0.15)
    covered = 0
    for _ in range(100):
        counts = rng.multinomial(150, shares)
        total = accumulate([cell for cell, count in zip(cells, counts, strict=True) for _ in range(count)])
        found = total.estimate(parse_metric("f1[a]"))
        covered += found.low <= truth <= found.high
    assert covered >= 89


def test_values_load_neither_numpy_nor_scipy():
    code = (
        "import sys; from evalkit.evals.metrics import *\n"
        "t = MetricAccumulator(2); t.add([1.0, 0.0], ['a', 'b'], 'a'); t.add([1.0, 1.0], ['b', 'b'], 'b')\n"
        "[t.value(parse_metric(n, 2)) for n in ('mean', 'accuracy', 'pass@2', 'f1_macro', 'f1[a]')]\n"
        "assert not {'numpy', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])


# --- docs/metrics.md --------------------------------------------------------------------------------------------------


@pytest.fixture
def page(project_root):
    return (project_root / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_the_page_lists_every_metric_with_its_meaning(page):
    assert "".join(f"| `{name}` | {meaning} |\n" for name, meaning in METRICS.items()) in page


def test_the_values_on_the_page_are_right(page):
    repeats = MetricAccumulator(3)
    repeats.add([1.0, 1.0, 0.0])
    rows = re.findall(r"^\| \d+ \| (\w+) \| (\S+) \|$", page, re.MULTILINE)
    labels = accumulate([(expected, None if got == "(none)" else got) for expected, got in rows])
    shown = re.findall(r"^\| `(\S+)` \| ([\d.]+|undefined) \|$", page, re.MULTILINE)
    assert len(shown) == 11
    for name, text in shown:
        found = value(repeats if name.startswith("pass") else labels, name, 3)
        assert ("undefined" if found is None else f"{found:.4f}") == text, name
