"""What a suite can decide: exact figures, held against counting every outcome."""

from __future__ import annotations

from itertools import product
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.evals.power import verdict_chances
from evalkit.evals.stats import mcnemar, smallest_passing_n
from evalkit.evals.stats.power import detectable_drop, mcnemar_power, pairs_for_drop


@pytest.mark.parametrize(
    ("n", "lost", "gained"), [(6, 0.5, 0.1), (8, 0.4, 0.4), (9, 0.7, 0.0), (7, 0.0, 0.3)]
)
def test_the_power_of_mcnemar_is_that_of_counting_every_outcome(n, lost, gained):
    found = 0.0
    for outcome in product(range(3), repeat=n):
        counts = [outcome.count(kind) for kind in range(3)]
        chance = lost ** counts[0] * gained ** counts[1] * (1 - lost - gained) ** counts[2]
        if counts[0] + counts[1] and mcnemar(counts[0], counts[1]).one_sided <= 0.05 + 1e-12:
            found += chance
    assert mcnemar_power(n, lost, gained) == pytest.approx(found, abs=1e-9)


def test_a_drop_that_is_said_to_be_found_is_found_and_a_smaller_one_is_not():
    drop = detectable_drop(200, 0.06)
    assert drop is not None
    lost, gained = (0.06 + drop) / 2, (0.06 - drop) / 2
    assert mcnemar_power(200, lost, gained) >= 0.8
    assert mcnemar_power(200, lost - 0.0002, gained + 0.0002) < 0.8 + 1e-3


def test_the_pairs_for_a_drop_are_the_fewest_from_which_on_it_is_found():
    pairs = pairs_for_drop(0.05, 0.06)
    assert pairs is not None
    assert mcnemar_power(pairs, 0.055, 0.005) >= 0.8
    assert mcnemar_power(pairs - 1, 0.055, 0.005) < 0.8


def test_few_cases_find_no_drop_at_all():
    assert detectable_drop(4, 0.06) is None, "four losses are never significant"
    assert detectable_drop(5, 0.06) is not None


@given(data=st.data(), n=st.integers(1, 60), truth=st.floats(0.01, 0.99))
def test_the_chances_of_the_verdicts_add_up_to_one(data, n, truth):
    reaches = data.draw(st.integers(0, n))
    needed = data.draw(st.none() | st.integers(reaches, n))
    chances = verdict_chances(truth, n, needed, reaches)
    assert chances.passes + chances.inconclusive + chances.fails == pytest.approx(1)


def test_the_chance_to_pass_is_the_tail_of_the_binomial():
    chances = verdict_chances(0.85, 20, needed=19, reaches=18)
    assert chances.passes == pytest.approx(20 * 0.85**19 * 0.15 + 0.85**20)
    below = sum(comb(20, right) * 0.85**right * 0.15 ** (20 - right) for right in range(18))
    assert chances.fails == pytest.approx(below)


def test_the_command_says_what_the_suite_of_this_project_can_decide(project_root):
    import json
    import subprocess
    import sys

    command = [
        sys.executable,
        "-c",
        "from evalkit.cli import main; main()",
        "power",
        "triage-eval",
        "--format",
        "json",
    ]
    ran = subprocess.run(command, cwd=project_root, capture_output=True, text=True, check=True)
    found = json.loads(ran.stdout)
    assert found["smallest_passing"] == max(found["min_cases"], smallest_passing_n(0.9))
    truths = [one["truth"] for one in found["figures"]["chances"]]
    assert truths == sorted(truths)
    refused = subprocess.run(
        [*command[:4], "triage-evil"], cwd=project_root, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "EK" in refused.stderr
    assert "Traceback" not in refused.stderr
