"""Assignment, against frozen vectors, against a second implementation of docs/variants.md, and against its promises."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from collections import Counter
from decimal import Decimal, localcontext
from enum import IntEnum, StrEnum
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from evalkit.runtime.assign import (
    ALGORITHM,
    assign_key,
    assign_random,
    draw,
    fraction,
    unit_of_key,
    unit_of_request,
)

VECTORS = json.loads((Path(__file__).parent / "assign-vectors.json").read_text(encoding="utf-8"))
PAGE = (Path(__file__).parents[2] / "docs" / "variants.md").read_text(encoding="utf-8")
KEYS = [f"conversation-{i}" for i in range(20_000)]

names = st.sampled_from(["shop", "support-triage", "a", "faq-answers"])
keys = st.text(min_size=1) | st.binary(min_size=1) | st.integers() | st.uuids()
arms = st.dictionaries(st.integers(1, 99), st.floats(0.01, 1000), min_size=1, max_size=5)
canaries = st.none() | st.tuples(st.integers(100, 120), st.floats(0, 100))


# A second implementation, by the specification alone: in whole numbers and decimals where the first uses floats.


def spec_hash(*parts: bytes) -> int:
    text = b""
    for part in (b"evalkit.assign", b"1", *parts):
        text += str(len(part)).encode("ascii") + b":" + part + b","
    return int(sha256(text).hexdigest()[:16], 16)


def spec_version(name: str, key: bytes, weights: dict[int, float], canary: tuple[int, float] | None) -> int:
    def top(purpose: bytes, version: int) -> Decimal:
        return Decimal(spec_hash(purpose, name.encode(), str(version).encode(), key) // 2**11) / Decimal(
            2**53
        )

    with localcontext(prec=60):
        if canary and top(b"canary", canary[0]) < Decimal(canary[1] / 100):
            return canary[0]
        times = {v: -(1 - top(b"arm", v)).ln() / Decimal(w) for v, w in weights.items() if w > 0}
        return min(sorted(times), key=times.__getitem__)


def spec_unit(name: str, key: bytes) -> str:
    return f"k1-{spec_hash(b'unit', name.encode(), key):016x}"


def key_of(vector: dict) -> str | int | bytes:
    return bytes.fromhex(vector["key_hex"]) if "key_hex" in vector else vector["key"]


def bytes_of(key: str | int | bytes) -> bytes:
    return key if isinstance(key, bytes) else str(key).encode("utf-8", "surrogatepass")


def weights_of(vector: dict) -> dict[int, float]:
    return {int(version): weight for version, weight in vector["weights"].items()}


def canary_of(vector: dict) -> tuple[int, float] | None:
    return (vector["canary"]["version"], vector["canary"]["percent"]) if vector["canary"] else None


@pytest.mark.parametrize("vector", VECTORS["assignments"], ids=lambda v: f"{v['name']}-{v['version']}")
def test_the_frozen_assignments_hold(vector):
    name, key, weights, canary = vector["name"], key_of(vector), weights_of(vector), canary_of(vector)
    assert assign_key(name, weights, canary, key) == vector["version"]
    assert spec_version(name, bytes_of(key), weights, canary) == vector["version"]
    assert unit_of_key(name, key) == spec_unit(name, bytes_of(key)) == vector["unit"]


@pytest.mark.parametrize("vector", VECTORS["fractions"], ids=lambda v: "-".join(v["parts"])[:30])
def test_the_frozen_fractions_hold(vector):
    parts = [part.encode("utf-8", "surrogatepass") for part in vector["parts"]]
    numerator = spec_hash(*parts) >> 11
    assert fraction(*vector["parts"]) == fraction(*parts) == numerator / 2**53 == vector["numerator"] / 2**53


def test_the_vectors_cover_what_they_are_for():
    found = VECTORS["assignments"]
    assert VECTORS["algorithm"] == ALGORITHM == 1
    assert len(found) >= 60
    assert {1, 2, 3, 4} <= {len(v["weights"]) for v in found}
    assert len({v["canary"]["percent"] for v in found if v["canary"]}) >= 4
    assert len({v["name"] for v in found}) >= 3
    assert any(not str(v.get("key", "")).isascii() for v in found)
    assert any("key_hex" in v for v in found)
    taken = sum(bool(v["canary"]) and v["version"] == v["canary"]["version"] for v in found)
    assert 5 <= taken <= len(found) / 2


def test_the_worked_example_of_the_documentation_is_right():
    canary = spec_hash(b"canary", b"support-triage", b"16", b"Z\xc3\xbcrich-42")
    hashed = b"14:evalkit.assign,1:1,6:canary,14:support-triage,2:16,10:Z\xc3\xbcrich-42,"
    assert sha256(hashed).hexdigest()[:16] == f"{canary:016x}"
    for version, weight in ((14, 70), (15, 30)):
        top = spec_hash(b"arm", b"support-triage", str(version).encode(), b"Z\xc3\xbcrich-42") >> 11
        assert (
            f"| v{version} | {weight} | {top / 2**53:.6f} | {-math.log(1 - top / 2**53) / weight:.6f} |"
            in PAGE
        )
    assert hashed.decode() in PAGE
    assert f"{canary:016x}" in PAGE
    assert f"{canary >> 11} / 2^53 = {(canary >> 11) / 2**53:.6f}" in PAGE
    version = assign_key("support-triage", {14: 70, 15: 30}, (16, 5), "Zürich-42")
    assert f"the key gets v{version}" in PAGE
    assert unit_of_key("support-triage", "Zürich-42") in PAGE


@given(names, keys, arms, canaries)
def test_both_implementations_agree(name, key, weights, canary):
    key = str(key) if isinstance(key, UUID) else key
    assert assign_key(name, weights, canary, key) == spec_version(name, bytes_of(key), weights, canary)


# What a key is


def test_a_number_and_its_text_are_one_key():
    assert unit_of_key("shop", 42) == unit_of_key("shop", "42") == unit_of_key("shop", b"42")
    assert unit_of_key("shop", -7) == unit_of_key("shop", "-7")


def test_a_uuid_and_its_text_are_one_key():
    uuid = UUID("6f1c0d2e-8a52-4f7e-9a55-0c9d3a6a7b10")
    assert unit_of_key("shop", uuid) == unit_of_key("shop", str(uuid))


def test_an_enum_is_the_key_that_it_holds():
    user, kind = IntEnum("User", {"FIRST": 42}), StrEnum("Kind", {"GUEST": "guest"})
    assert unit_of_key("shop", user.FIRST) == unit_of_key("shop", 42)
    assert unit_of_key("shop", kind.GUEST) == unit_of_key("shop", "guest")


def test_text_is_taken_by_its_code_points_and_not_normalised():
    assert unit_of_key("shop", "Z\u00fcrich") != unit_of_key("shop", "Zu\u0308rich")
    assert unit_of_key("shop", " 42") != unit_of_key("shop", "42")


def test_a_lone_surrogate_is_a_key_like_others():
    assert assign_key("shop", {1: 1, 2: 1}, (3, 50), "\ud800") in {1, 2, 3}
    assert unit_of_key("shop", "\ud800") != unit_of_key("shop", "\ud801")


@pytest.mark.parametrize("key", [None, True, False, 1.0, ("a",), bytearray(b"a"), object()])
def test_what_is_no_key_is_refused_and_says_what_to_do(key):
    for call in (lambda: assign_key("shop", {1: 1.0}, None, key), lambda: unit_of_key("shop", key)):
        with pytest.raises(TypeError, match=r"not \w+: use for_request\(\) when there is no key"):
            call()


@pytest.mark.parametrize("key", ["", b""])
def test_an_empty_key_is_refused_even_when_one_version_serves(key):
    with pytest.raises(ValueError, match=r"use for_request\(\)"):
        assign_key("shop", {1: 1.0}, None, key)


def test_a_uuid_needs_no_import_of_the_module_here():
    code = "import sys, evalkit.runtime.assign as a; a.unit_of_key('shop', 'k'); print(sorted({'uuid', 'random'} & set(sys.modules)))"
    root = str(Path(__file__).parents[2])
    ran = subprocess.run(
        [sys.executable, "-S", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": root},
    )
    assert ran.stdout == "[]\n"


# Hashes and units


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
@example(["ab", "c"], ["a", "bc"])
@example(["1:a,"], ["a"])
@example(["a", ""], ["a"])
def test_different_parts_give_different_fractions(first, second):
    assume(first != second)
    assert fraction(*first) != fraction(*second)
    assert 0 <= fraction(*first) < 1


def test_units_name_the_algorithm_and_differ_between_names():
    units = {unit_of_key(name, key) for name in ("shop", "faq") for key in KEYS[:1000]}
    assert len(units) == 2000
    assert all(unit.startswith("k1-") and len(unit) == 19 for unit in units)
    assert not any(key in unit for key, unit in zip(KEYS, units, strict=False))


def test_no_two_requests_are_one_unit_whatever_seeds_random():
    units = set()
    for _ in range(1000):
        random.seed(1)
        units.add(unit_of_request())
    assert len(units) == 1000
    assert all(unit.startswith("r1-") and len(unit) == 19 for unit in units)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the child only draws; it takes no lock
def test_draws_are_uniform_and_differ_after_a_fork():
    draws = [draw() for _ in range(2000)]
    assert all(0 <= value < 1 for value in draws)
    assert len(set(draws)) == 2000
    assert abs(sum(draws) / 2000 - 0.5) < 5 * math.sqrt(1 / 12 / 2000)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, repr(draw()).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert float(os.read(reader, 100)) != draw()
    os.close(reader)
    os.close(writer)


# Shares


def is_binomial(count: int, of: int, share: float) -> bool:
    """Within five standard deviations; exactly none or all where the share is 0 or 1."""
    return abs(count - of * share) <= 5 * math.sqrt(of * share * (1 - share))


@pytest.mark.parametrize(
    ("weights", "canary"),
    [
        ({14: 1.0}, (15, 5)),
        ({14: 70, 15: 30}, None),
        ({14: 70, 15: 30}, (16, 25)),
        ({1: 1, 2: 2, 3: 3}, (9, 0.5)),
        ({1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}, (9, 50)),
        ({1: 1, 2: 0}, (3, 100)),
        ({1: 5, 2: 0, 3: 5}, (4, 0)),
    ],
)
def test_keys_and_draws_are_shared_as_declared(weights, canary):
    share = canary[1] / 100 if canary else 0
    expected = {version: (1 - share) * weight / sum(weights.values()) for version, weight in weights.items()}
    if canary:
        expected[canary[0]] = share
    by_key = Counter(assign_key("shop", weights, canary, key) for key in KEYS)
    grid = Counter(assign_random(weights, canary, (i + 0.5) / 20_000) for i in range(20_000))
    for version, wanted in expected.items():
        assert is_binomial(by_key[version], 20_000, wanted), version
        assert abs(grid[version] - 20_000 * wanted) <= 1, version


@given(names, keys, arms, canaries, st.floats(0, 1, exclude_max=True))
@example("shop", "k", {1: 0.1, 2: 0.2, 3: 0.7}, None, math.nextafter(1, 0))
@example("shop", "k", {1: 1.0}, (100, 99.99999999999999), math.nextafter(1, 0))
def test_the_version_is_always_one_that_serves(name, key, weights, canary, number):
    serving = {*weights, *([canary[0]] if canary and canary[1] else ())}
    assert assign_key(name, weights, canary, key) in serving
    assert assign_random(weights, canary, number) in serving


@given(keys, arms, canaries, st.floats(0, 1, exclude_max=True), st.sampled_from([0.25, 2.0, 1024.0]))
def test_only_the_ratio_of_weights_matters(key, weights, canary, number, scale):
    scaled = {version: weight * scale for version, weight in reversed(weights.items())}
    assert assign_key("shop", weights, canary, key) == assign_key("shop", scaled, canary, key)
    assert assign_random(weights, canary, number) == assign_random(scaled, canary, number)


@given(keys, st.floats(0, 1, exclude_max=True))
def test_an_arm_of_weight_zero_is_as_good_as_none(key, number):
    assert assign_key("shop", {1: 3, 2: 0, 3: 1}, None, key) == assign_key("shop", {1: 3, 3: 1}, None, key)
    assert assign_random({1: 3, 2: 0, 3: 1}, None, number) == assign_random({1: 3, 3: 1}, None, number)


@pytest.mark.parametrize("weights", [{}, {1: 0.0}])
def test_without_any_weight_nobody_can_be_assigned(weights):
    with pytest.raises(ValueError, match="no version has a weight above 0"):
        assign_key("shop", weights, None, "k")
    with pytest.raises(ValueError, match="no version has a weight above 0"):
        assign_random(weights, (2, 5), 0.5)


# Movement


def moved(before: dict[int, float], after: dict[int, float]) -> list[tuple[int, int]]:
    pairs = ((assign_key("shop", before, None, k), assign_key("shop", after, None, k)) for k in KEYS)
    return [(old, new) for old, new in pairs if old != new]


def shares(weights: dict[int, float], versions: set[int]) -> dict[int, float]:
    return {version: weights.get(version, 0) / sum(weights.values()) for version in versions}


def must_move(before: dict[int, float], after: dict[int, float]) -> float:
    """The least share of keys that any assignment has to move: the sum of what the arms gain."""
    old, new = (shares(weights, {*before, *after}) for weights in (before, after))
    return sum(max(0.0, new[version] - old[version]) for version in old)


def expected_to_move(before: dict[int, float], after: dict[int, float]) -> float:
    """1 minus the probability Jaccard similarity of the weights: Moulton and Jiang, arXiv 1809.04052."""
    both = [version for version in before if version in after]
    return 1 - sum(
        1 / sum(max(before.get(j, 0) / before[i], after.get(j, 0) / after[i]) for j in {*before, *after})
        for i in both
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({14: 70, 15: 30}, {14: 30, 15: 70}),
        ({14: 70, 15: 30}, {14: 60, 15: 40}),
        ({1: 50, 2: 30, 3: 20}, {1: 80, 2: 30, 3: 20}),
        ({1: 50, 2: 30, 3: 20}, {1: 50, 2: 30, 3: 2}),
        ({1: 50, 2: 30, 3: 20}, {1: 50, 2: 30}),
        ({1: 50, 2: 30}, {1: 50, 2: 30, 3: 20, 4: 20}),
        ({1: 50}, {1: 50, 2: 50}),
    ],
)
def test_no_more_keys_move_than_must(before, after):
    least = must_move(before, after)
    assert expected_to_move(before, after) == pytest.approx(least)
    assert is_binomial(len(moved(before, after)), len(KEYS), least)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({1: 50, 2: 30, 3: 20}, {1: 20, 2: 30, 3: 50}),
        ({1: 1, 2: 1, 3: 1, 4: 1}, {1: 4, 2: 3, 3: 2, 4: 1}),
    ],
)
def test_with_several_changes_at_once_keys_move_only_to_what_grew_beside_what_they_leave(before, after):
    found = moved(before, after)
    assert all(after[new] / after[old] > before[new] / before[old] for old, new in found)
    assert is_binomial(len(found), len(KEYS), expected_to_move(before, after))


@given(keys, arms, st.integers(100, 110), st.floats(0.01, 1000))
def test_a_new_arm_only_takes_and_a_removed_arm_only_gives(key, weights, version, weight):
    without = assign_key("shop", weights, None, key)
    assert assign_key("shop", {**weights, version: weight}, None, key) in {without, version}


@given(keys, arms, st.data())
def test_an_arm_that_grows_only_takes(key, weights, data):
    version = data.draw(st.sampled_from(sorted(weights)))
    grown = {**weights, version: weights[version] * data.draw(st.floats(1, 100))}
    assert assign_key("shop", grown, None, key) in {assign_key("shop", weights, None, key), version}


@given(keys, arms, st.floats(0, 100), st.floats(0, 100))
def test_raising_a_canary_only_adds_keys_and_moves_no_other(key, weights, one, other):
    low, high = sorted((one, other))
    before = assign_key("shop", weights, (100, low), key)
    after = assign_key("shop", weights, (100, high), key)
    assert after in {before, 100}
    assert before in {100, assign_key("shop", weights, None, key)}


# Independence


def is_independent(first: list[bool], second: list[bool]) -> bool:
    """Chi-squared of the 2x2 table, one degree of freedom, below its 99.99 % quantile (15.14)."""
    n = len(first)
    both = sum(a and b for a, b in zip(first, second, strict=True))
    a, b = sum(first), sum(second)
    return n * (n * both - a * b) ** 2 / (a * (n - a) * b * (n - b)) < 15.14


def test_canary_and_arm_are_independent():
    weights = {14: 50, 15: 50}
    arm = [assign_key("shop", weights, None, key) == 14 for key in KEYS]
    assert is_independent(arm, [assign_key("shop", weights, (16, 20), key) == 16 for key in KEYS])
    left = Counter(assign_key("shop", weights, (16, 20), key) for key in KEYS)
    assert is_binomial(left[14], left[14] + left[15], 0.5)


def test_consecutive_canaries_and_other_names_pick_other_keys():
    taken = {
        (name, version): [assign_key(name, {14: 1.0}, (version, 10), key) == version for key in KEYS]
        for name in ("shop", "faq")
        for version in (15, 16, 17)
    }
    for first, second in pairwise(taken):
        assert is_independent(taken[first], taken[second]), (first, second)
    assert is_independent(taken["shop", 15], taken["faq", 15])


def test_names_split_their_arms_independently():
    split = {
        name: [assign_key(name, {1: 1, 2: 1}, None, key) == 1 for key in KEYS] for name in ("shop", "faq")
    }
    assert is_independent(split["shop"], split["faq"])


def test_the_unit_tells_nothing_about_the_version():
    low = [int(unit_of_key("shop", key)[3:], 16) < 2**63 for key in KEYS]
    assert is_independent(low, [assign_key("shop", {1: 1, 2: 1}, None, key) == 1 for key in KEYS])
