from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.runtime.refs import Ref, is_name


@pytest.mark.parametrize("text", ["triage-prompt@v9", "triage-prompt-v9", "triage-prompt@9"])
def test_the_ways_to_write_a_reference(text):
    assert Ref.parse(text) == Ref("triage-prompt", 9)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "triage",
        "triage@",
        "triage@v0",
        "triage@v01",
        "../x@v1",
        "a/b@v1",
        "A@v1",
        "a@v1\n",
        "a@v1@v2",
        "@v1",
        "a b@v1",
        "a@v-1",
    ],
)
def test_what_is_no_reference(text):
    assert Ref.parse(text) is None


@given(st.text(max_size=20))
def test_a_name_cannot_leave_the_registry(text):
    if is_name(text):
        assert not set(text) & set("/\\ \n\0:")
        assert ".." not in text
        assert not text.startswith(".")


@given(st.from_regex(r"[a-z0-9]{1,20}(-[a-z0-9]{1,20}){0,3}", fullmatch=True), st.integers(1, 999))
def test_writing_and_reading_are_inverse(name, version):
    ref = Ref(name, version)
    assert Ref.parse(str(ref)) == ref
