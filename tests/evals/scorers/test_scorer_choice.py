from __future__ import annotations

import pytest

CITIES = ["Milan", "Rome", "New Rome", "Turin"]


@pytest.mark.parametrize(
    ("output", "read"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(B)", "B"),
        ("**B.**", "B"),
        ("(B).\n", "B"),
        ("The answer is B", "B"),
        ("The answer is (b).", "B"),
        ("Answer: **B**", "B"),
        ("I first thought the answer is (A). But the answer is (B), surely.", "B"),
        ("The correct answer is option B because A is wrong", "B"),
        ("A is early, C is late.\n\nB", "B"),
        ("B) because A is wrong", "B"),
        ("B. Rome", "B"),
        ("A is wrong, so (B) fits", "B"),
        ("I choose B", "B"),
        ("A is what I choose", None),
        ("A is right, B is wrong", None),
        ("A good choice is B", None),
        ("the answer is a dog", None),
        ("Both (A) and (B)", None),
        ("A or B", None),
        ("no idea", None),
        ("", None),
        ("Bananas", None),
    ],
)
def test_a_choice_is_read_where_the_answer_names_one(judge, output, read):
    score = judge("multiple_choice", "B", output)
    assert (score.got, score.extracted) == (read, read is not None)
    assert score.value == (read == "B")


@pytest.mark.parametrize(
    ("output", "read"),
    [
        ("Rome", "B"),
        ("It is ROME.", "B"),
        ("The answer is Rome, not Milan as many think", None),
        ("Milan is large, but the answer is Rome.", "B"),
        ("It is New  Rome", "C"),
        ("Rome or Turin", None),
        ("Romeo", None),
        ("The answer is (A). No: the answer is Turin", "D"),
    ],
)
def test_the_text_of_an_option_names_it_too(judge, output, read):
    raw = {"multiple_choice": {"choices": ["A", "B", "C", "D"], "options": "cities"}}
    assert judge(raw, "B", output, variables={"cities": CITIES}).got == read
    named = {"D": "Turin", "C": "New Rome", "B": "Rome", "A": "Milan"}
    assert judge(raw, "Rome", output, variables={"cities": named}).got == read


def test_choices_may_be_words(judge):
    raw = {"multiple_choice": ["Yes", "No"]}
    assert judge(raw, "No", "We are not back. So the answer is No.").value == 1
    assert judge(raw, "No", "yes").label == "Yes"
    assert judge(raw, "No", "Nothing").extracted is False


def test_the_class_is_written_the_way_expected_is(judge):
    assert judge("multiple_choice", "(B)", "B").label == "(B)"
    assert judge("multiple_choice", "(B)", "the answer is C").label == "(C)"
    assert judge("multiple_choice", "B", "(C)").label == "C"
    raw = {"multiple_choice": {"choices": ["A", "B", "C", "D"], "options": "cities"}}
    assert judge(raw, "Rome", "(D)", variables={"cities": CITIES}).label == "Turin"
    assert judge(raw, "Rome", "b", variables={"cities": CITIES}).label == "Rome"


@pytest.mark.parametrize("letter", ["\u0130", "\u0131"])
def test_letters_that_only_look_like_a_choice_are_no_choice(judge, letter):
    for output in (letter, f"the answer is {letter}.", f"say ({letter})"):
        assert judge("multiple_choice", "B", output).value == 0


@pytest.mark.parametrize(
    ("raw", "expected", "variables", "reason"),
    [
        ("multiple_choice", None, {}, "has no `expected` to compare with"),
        ("multiple_choice", "Z", {}, "has an `expected` that is none of the choices: 'Z'"),
        ({"multiple_choice": {"options": "o"}}, "A", {}, "has no list of options in its variable `o`"),
        (
            {"multiple_choice": {"options": "o"}},
            "A",
            {"o": "x"},
            "has no list of options in its variable `o`",
        ),
        (
            {"multiple_choice": {"choices": ["A", "B"], "options": "o"}},
            "A",
            {"o": ["x", "y", "z"]},
            "has 3 options, and there are 2 choices",
        ),
        ({"multiple_choice": {"options": "o"}}, "Rome", {"o": CITIES}, None),
    ],
)
def test_a_case_that_cannot_be_scored_is_found_before_the_run(check, raw, expected, variables, reason):
    assert check(raw, expected, **variables) == reason
