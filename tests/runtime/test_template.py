from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import RenderError
from evalkit.runtime.template import render


def test_variables_are_rendered_as_they_are_without_html_escapes():
    assert render("Ticket: {{ ticket }}", {"ticket": "<b>&amp;</b>"}, where="p") == "Ticket: <b>&amp;</b>"


def test_a_trailing_newline_of_the_prompt_is_kept():
    assert render("a\n", {}, where="p") == "a\n"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_variable_is_never_read_as_a_template(text):
    assert render("{{ x }}", {"x": text}, where="p") == text
    assert render("{{ x }}", {"x": "{{ 7 * 7 }}" + text}, where="p") == "{{ 7 * 7 }}" + text


@pytest.mark.parametrize(
    "source",
    [
        "{{ missing }}",
        "{{ x.__class__ }}",
        "{{ x.__class__.__mro__ }}",
        "{{ ''.format.__globals__ }}",
        "{{ x.append(1) }}",
        "{% include 'other' %}",
        "{% import 'other' as o %}",
        "{{ 'a' * 1000000000 }}",
        "{{ [0] * 1000000000 }}",
        "{{ 10 ** 10000 }}",
        "{{ 'x' | center(1000000000) }}",
        "{% for i in range(1000000000) %}x{% endfor %}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 1 / 0 }}",
        "{{ x | nosuchfilter }}",
        "{{ x.0.nothing.more }}",
    ],
)
def test_what_a_prompt_must_not_do_is_one_clear_error(source):
    with pytest.raises(RenderError) as caught:
        render(source, {"x": [1]}, where="triage-prompt@v9 message 1")
    (problem,) = caught.value.problems
    assert problem.code == "EK305"
    assert problem.message.startswith("triage-prompt@v9 message 1: ")


def test_small_arithmetic_is_allowed():
    assert render("{{ 2 ** 8 }} {{ 7 % 4 }} {{ '-' * 3 }}", {}, where="p") == "256 3 ---"
