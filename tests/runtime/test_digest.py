from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from evalkit.runtime.digest import canonical_json, digest, without_nulls

VECTORS = json.loads((Path(__file__).parent / "digest-vectors.json").read_text(encoding="utf-8"))

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(json_values)
def test_canonical_json_is_what_the_reference_package_writes(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@given(st.binary(min_size=8, max_size=8))
def test_every_double_is_written_as_ecmascript_writes_it(raw):
    (value,) = struct.unpack("<d", raw)
    if value == value and abs(value) != float("inf"):
        assert canonical_json(value) == rfc8785.dumps(value)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), json_values))
def test_key_order_does_not_matter(mapping):
    assert digest(mapping) == digest(dict(reversed(mapping.items())))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["why"])
def test_digests_are_frozen(vector):
    assert digest(vector["value"]) == vector["digest"]


def test_an_integral_float_is_not_an_integer():
    assert digest({"temperature": 1}) != digest({"temperature": 1.0})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"$float": 1}, 1.0),
        ({"$$float": 1}, {"$float": 1}),
        ({"$int": "9007199254740993"}, 9007199254740993),
        ([1], {"0": 1}),
        ("1", 1),
        (True, 1),
        (None, "null"),
    ],
)
def test_different_values_never_share_a_digest(one, other):
    assert digest(one) != digest(other)


def test_large_integers_have_digests():
    assert digest(2**60) != digest(2**60 + 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(ValueError):
        digest(value)


@pytest.mark.parametrize("value", [{1: 2}, {"a": {1, 2}}, object()])
def test_what_is_no_json_data_is_refused(value):
    with pytest.raises(TypeError):
        digest(value)


def test_an_absent_key_equals_a_null():
    assert digest(without_nulls({"a": 1, "b": None})) == digest(without_nulls({"a": 1}))
