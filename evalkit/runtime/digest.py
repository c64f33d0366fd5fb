"""Digests: sha256 over canonical JSON (RFC 8785), the same on every platform and in every version.

Two rules on top of the RFC, both recorded in docs/digests.md:

* An integral float is not an int: `1.0` and `1` differ. RFC 8785 writes both as `1`, so a float without a fraction is
  tagged `{"$float": …}` first, and an integer beyond 2^53 - 1, which the RFC cannot write exactly, `{"$int": …}`.
* `absent equals null`: callers drop keys whose value is None with `without_nulls` where their schema says so.

The canonical form is written here, not imported, because applications load this module and must load nothing else;
the tests compare it with the reference package on arbitrary documents.
"""

from __future__ import annotations

import hashlib
import json
import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["canonical_bytes", "canonical_json", "digest", "without_nulls"]

_MAX_EXACT_INT = 2**53 - 1
_TAGS = ("float", "int")


def digest(value: Any) -> str:
    """`sha256:<64 hex digits>` of the canonical JSON of plain data.

    Raises:
        ValueError: a number that is not finite, or a lone surrogate.
        TypeError: anything but dict (with string keys), list, tuple, str, int, float, bool, None.
    """
    return "sha256:" + hashlib.sha256(canonical_bytes(value)).hexdigest()


def canonical_bytes(value: Any) -> bytes:
    """What digests are taken of: the canonical JSON of plain data, its numbers tagged.

    Most documents hold nothing on which the standard encoder and RFC 8785 differ; they take the C encoder, which is
    several times as fast.

    Raises:
        ValueError: a number that is not finite, or a lone surrogate.
        TypeError: anything but dict (with string keys), list, tuple, str, int, float, bool, None.
    """
    if _is_plain(value):
        return _encode(value).encode("utf-8")
    return canonical_json(_tag_numbers(value))


_encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode


_PLAIN = frozenset({str, bool, type(None)})


def _is_plain(value: Any) -> bool:
    """Whether the standard encoder with sorted keys writes this value canonically.

    It does where there is no float, no integer beyond 2^53 - 1, and no key that sorts differently by UTF-16 code
    units (beyond the Basic Multilingual Plane) or that looks like a tag.
    """
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind is int:
        return bool(-_MAX_EXACT_INT <= value <= _MAX_EXACT_INT)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or key[:1] == "$" or not (key.isascii() or max(key) <= "\uffff"):
                return False
            if type(item) not in _PLAIN and not _is_plain(item):
                return False
        return True
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))
    return False


def without_nulls(mapping: dict[str, Any]) -> dict[str, Any]:
    """The mapping without the keys whose value is None: a key left out and a null are the same config."""
    return {key: value for key, value in mapping.items() if value is not None}


def canonical_json(value: Any) -> bytes:
    """RFC 8785 (JSON Canonicalization Scheme): sorted by UTF-16 code units, ES6 numbers, minimal escapes, UTF-8."""
    parts: list[str] = []
    _write(value, parts.append)
    return "".join(parts).encode("utf-8")


def _write(value: Any, out: Any) -> None:
    if value is None:
        out("null")
    elif value is True:
        out("true")
    elif value is False:
        out("false")
    elif isinstance(value, str):
        out(json.dumps(value, ensure_ascii=False))
    elif isinstance(value, int):
        if abs(value) > _MAX_EXACT_INT:
            raise ValueError(f"{value} is beyond what a JSON number holds exactly")
        out(str(value))
    elif isinstance(value, float):
        out(_es6_number(value))
    elif isinstance(value, list | tuple):
        separator = "["
        for item in value:
            out(separator)
            _write(item, out)
            separator = ","
        out("]" if value else "[]")
    elif isinstance(value, dict):
        separator = "{"
        for key in sorted(value, key=_utf16):
            out(separator)
            out(json.dumps(key, ensure_ascii=False))
            out(":")
            _write(value[key], out)
            separator = ","
        out("}" if value else "{}")
    else:
        raise TypeError(f"{type(value).__name__} is not JSON data")


def _utf16(key: str) -> bytes:
    if not isinstance(key, str):
        raise TypeError(f"a JSON key is a string, not {type(key).__name__}")
    return key.encode("utf-16-be")


def _es6_number(value: float) -> str:
    """ECMAScript's Number::toString: the shortest digits that round-trip, exponents from 1e21 and below 1e-6."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if value == 0:
        return "0"  # negative zero too
    sign = "-" if value < 0 else ""
    mantissa, _, exponent_text = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    # `point` is where the decimal point stands, counted from the first significant digit.
    leading_zeros = len(whole + fraction) - len(digits)
    point = len(whole) - leading_zeros + int(exponent_text or 0)
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    exponent = point - 1
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if exponent > 0 else '-'}{abs(exponent)}"


def _tag_numbers(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return {"$float": value} if value.is_integer() else value
    if isinstance(value, int):
        return {"$int": str(value)} if abs(value) > _MAX_EXACT_INT else value
    if isinstance(value, dict):
        return {_escape_key(key): _tag_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tag_numbers(item) for item in value]
    raise TypeError(f"{type(value).__name__} is not JSON data")


def _escape_key(key: Any) -> Any:
    """Keep an author's own `$float` apart from the tag: one more `$` in front."""
    if isinstance(key, str) and key.startswith("$") and key.lstrip("$") in _TAGS:
        return "$" + key
    return key
