"""Which version a call gets: by a hash of its key, or by a draw. docs/variants.md is the specification.

Everything here is a function of its arguments, but for `draw` and `unit_of_request`. A key keeps its version as far as
a change of shares allows:

- The canary takes a key if the key's hash for this name and canary is below its share. So a larger share only adds
  keys, a smaller one only drops keys, and the next canary gets other keys.
- The arms race: each has a clock that rings after an exponential time of rate `weight`, derived from the hash of key
  and version, and the first wins. This is weighted rendezvous hashing, the "logarithmic method" of Schindelhauer and
  Schomaker (SPAA 2005) on top of Thaler and Ravishankar (1998). A key moves from i to j only if the ratio w_j / w_i
  grew; keys stay with probability sum_i 1 / sum_j max(w_j/w_i, w'_j/w'_i), the optimum of Moulton and Jiang
  (arXiv 1809.04052), which is all but what must move when one weight changes, or one arm comes or goes.
"""

from __future__ import annotations

import _random
import hashlib
import math
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

__all__ = [
    "ALGORITHM",
    "assign_key",
    "assign_random",
    "cuts",
    "draw",
    "draw_request",
    "fraction",
    "unit_of_key",
    "unit_of_request",
]

ALGORITHM = 1
"""Part of every hash and of every unit. What it stands for never changes; a better algorithm gets the next number."""

_PREFIX = b"14:evalkit.assign,%d:%d," % (len(str(ALGORITHM)), ALGORITHM)

_STEP = 2.0**-53
"""Between two neighbouring fractions: all are exact in a double."""


def fraction(*parts: str | bytes) -> float:
    """A number in [0, 1) that is fixed for these parts, uniform over others: the top 53 bits of their sha256."""
    return (int.from_bytes(_sha256(*parts)[:8], "big") >> 11) * _STEP


def assign_key(
    name: str,
    weights: Mapping[int, float],
    canary: tuple[int, float] | None,
    key: str | int | bytes | UUID,
) -> int:
    """The version that a key gets, in every process and at any time while these weights hold.

    Args:
        name: of the entry: different names assign independently.
        weights: the arms' relative weights by version; those that are not positive get nothing.
        canary: its version and its percentage of all keys.
        key: 42 and "42" are one key, a UUID and its text are; bytes are taken as they are.

    Raises:
        TypeError, ValueError: the key is None, empty, or of another type.
        ValueError: no arm has a positive weight.
    """
    data = _bytes_of(key)
    if canary is not None and fraction("canary", name, str(canary[0]), data) < canary[1] / 100:
        return canary[0]
    arms = _arms(weights)
    if len(arms) == 1:
        return arms[0][0]
    return min(arms, key=lambda arm: (_rings(name, arm[0], arm[1], data), arm[0]))[0]


def assign_random(weights: Mapping[int, float], canary: tuple[int, float] | None, draw: float) -> int:
    """The version that a draw falls on: the canary's share lies first in [0, 1), the arms follow in version order.

    Args:
        weights: the arms' relative weights by version; those that are not positive get nothing.
        canary: its version and its percentage of all draws.
        draw: uniform in [0, 1), as `draw()` gives it.

    Raises:
        ValueError: no arm has a positive weight.
    """
    return next(version for bound, version in cuts(weights, canary) if draw < bound)


def cuts(weights: Mapping[int, float], canary: tuple[int, float] | None) -> tuple[tuple[float, int], ...]:
    """Where [0, 1) is cut between the versions: `assign_random` once for many draws.

    A draw falls on the first version whose bound is above it. The last bound is 1.

    Raises:
        ValueError: no arm has a positive weight.
    """
    share = canary[1] / 100 if canary is not None else 0.0
    arms = _arms(weights)
    total = sum(weight for _, weight in arms)
    bounds = [(share, canary[0])] if canary is not None else []
    summed = 0.0
    for version, weight in arms[:-1]:
        summed += weight
        bounds.append((share + (1 - share) * summed / total, version))
    return (*bounds, (1.0, arms[-1][0]))


def draw() -> float:
    """A number in [0, 1) from the operating system: other after a fork, whatever seeds `random` has been given."""
    return (int.from_bytes(os.urandom(8), "big") >> 11) * _STEP


_generator = _random.Random()
"""Seeded by the operating system, and again in each forked child; nobody else draws from it or seeds it."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_generator.seed)


def draw_request() -> tuple[float, str]:
    """As `draw()` and `unit_of_request()`, in a tenth of the time: for each request of an application."""
    return _generator.random(), f"r{ALGORITHM}-{_generator.getrandbits(64):016x}"


def unit_of_key(name: str, key: str | int | bytes | UUID) -> str:
    """What a key counts as in a name's log: `k1-` and 16 hex digits, whichever version it gets.

    Raises:
        TypeError, ValueError: as `assign_key` does.
    """
    return f"k{ALGORITHM}-{_sha256('unit', name, _bytes_of(key))[:8].hex()}"


def unit_of_request() -> str:
    """What one call counts as in the log, its retries included: `r1-` and 16 random hex digits."""
    return f"r{ALGORITHM}-{os.urandom(8).hex()}"


def _rings(name: str, version: int, weight: float, data: bytes) -> float:
    """When the clock of an arm rings for a key: exponential with rate `weight`, by inversion."""
    return -math.log(1 - fraction("arm", name, str(version), data)) / weight


def _arms(weights: Mapping[int, float]) -> list[tuple[int, float]]:
    arms = sorted((version, weight) for version, weight in weights.items() if weight > 0)
    if not arms:
        raise ValueError("no version has a weight above 0")
    return arms


def _sha256(*parts: str | bytes) -> bytes:
    """Of the parts as netstrings (`4:shop,`), so that no two lists of parts are the same bytes."""
    text = _PREFIX
    for part in parts:
        data = part if isinstance(part, bytes) else _utf8(part)
        text += b"%d:%b," % (len(data), data)
    return hashlib.sha256(text).digest()


def _bytes_of(key: object) -> bytes:
    if isinstance(key, bytes):
        data = key
    elif isinstance(key, str):
        data = _utf8(key)
    elif isinstance(key, int) and not isinstance(key, bool):
        data = b"%d" % key
    elif _is_uuid(key):
        data = _utf8(str(key))
    else:
        kind = "None" if key is None else type(key).__name__
        raise TypeError(
            f"a key is a str, int, bytes or UUID, not {kind}: use for_request() when there is no key"
        )
    if not data:
        raise ValueError(
            "a key is not empty, or all calls would be one: use for_request() when there is no key"
        )
    return data


def _is_uuid(key: object) -> bool:
    """Whoever has a UUID has imported the module: the runtime need not."""
    module = sys.modules.get("uuid")
    return module is not None and isinstance(key, module.UUID)


def _utf8(text: str) -> bytes:
    """Lone surrogates come from file names and broken JSON: they are keys like all others."""
    return text.encode("utf-8", "surrogatepass")
