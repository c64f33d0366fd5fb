from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.evals.scorers.number import as_decimal, find_number, number_text, parse_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18", "18"),
        (" 1,234.50 ", "1234.5"),
        ("$1,500.", "1500"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("\u22125", "-5"),
        ("75%", "75"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e3", "1000"),
        ("12 eggs", None),
        ("1/5", None),
        ("", None),
        (".", None),
        ("1" * 401, None),
        ("\u0663", None),
    ],
)
def test_a_whole_text_is_read_as_a_number(text, number):
    assert parse_number(text) == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("3 rooms for $1,245.50 in total.", 3, 1245.5),
        ("between 12-15", 12, 15),
        ("from -3 to -$4", -3, -4),
        ("2025-08-07", 2025, 7),
        ("1,2,3", 1, 3),
        ("1,234,5678", 1234, 5678),
        ("speed 3e8 m/s", 3e8, 3e8),
        ("3e8x", 3, 8),
        ("A-4", 4, 4),
        ("is .5", 0.5, 0.5),
        ("no number", None, None),
    ],
)
def test_numbers_are_found_in_text(text, first, last):
    assert find_number(text, "first") == as_decimal(first)
    assert find_number(text, "last") == as_decimal(last)


@pytest.mark.parametrize(
    ("args", "expected", "output", "value"),
    [
        ({}, 18, "so 16 + 2 = 18", 1),
        ({}, "1,000", "1000.0", 1),
        ({}, 0.3, "0.30", 1),
        ({"match": "first"}, 18, "18 of 20", 1),
        ({"abs_tol": 0.5}, 10, "10.5", 1),
        ({"abs_tol": 0.5}, 10, "10.51", 0),
        ({"rel_tol": 0.01}, 200, "198", 1),
        ({"rel_tol": 0.01}, 200, "197.9", 0),
        ({"rel_tol": 0.01}, -200, "-202", 1),
        ({"rel_tol": 0.5}, 0, "0.1", 0),
        ({"abs_tol": 0.1, "rel_tol": 0.5}, 0, "0.1", 1),
    ],
)
def test_numbers_are_compared_within_the_larger_tolerance(judge, args, expected, output, value):
    assert judge({"numeric": args}, expected, output).value == value


def test_an_answer_without_a_number_is_unread(judge):
    assert not judge("numeric", 5, "five").extracted
    assert not judge("numeric", 5, "9" * 500).extracted


@pytest.mark.parametrize("expected", ["x", True, [1], float("nan"), float("inf")])
def test_expected_must_be_a_number(check, expected):
    assert "that is not a number" in check("numeric", expected)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4))
def test_a_number_written_with_commas_is_read_back(number):
    written = f"{number:,}"
    assert parse_number(written) == number
    assert find_number(f"the total is {written}.", "last") == number
    assert parse_number(number_text(number)) == number
