"""What `tool_call` expects, as a suite writes it.

A call has one of two forms:

    {name: get_weather, arguments: {city: Rome, days: 3}, optional: [days], accept: {city: [Rome, Roma]}}
    {get_weather: {city: [Rome, Roma], days: [3, ""]}}

The second is that of the Berkeley Function-Calling Leaderboard (Apache 2.0): for every argument the list of accepted
values, where "" means that the argument may be left out. Inside an accepted object, each key has such a list as well.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from evalkit.evals.scorers.documents import json_equal

__all__ = ["Accepted", "ExpectedCall", "InvalidExpectation", "parse_expected"]

_KEYS = frozenset({"name", "arguments", "optional", "accept"})


class InvalidExpectation(ValueError):
    """An `expected` that describes no calls; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What one argument may be."""

    values: tuple[Any, ...]
    optional: bool
    nested: bool
    """Objects inside `values` list accepted values for each of their keys."""

    def accepts(self, got: Any, *, ignore_case: bool) -> bool:
        """Whether a value is one of the accepted ones."""
        if any(json_equal(got, value, ignore_case=ignore_case) for value in self.values):
            return True
        return self.nested and any(_fits(got, value, ignore_case) for value in self.values)


@dataclass(frozen=True, slots=True)
class ExpectedCall:
    """One call that is to be made."""

    name: str
    arguments: dict[str, Accepted]


def _fits(got: Any, accepted: Any, ignore_case: bool) -> bool:
    """Whether a value fits an accepted one whose objects list accepted values for each key."""
    if isinstance(accepted, dict) and isinstance(got, dict):
        return got.keys() <= accepted.keys() and all(
            _fits_one_of(got, key, options, ignore_case) for key, options in accepted.items()
        )
    if isinstance(accepted, list) and isinstance(got, list):
        return len(got) == len(accepted) and all(
            _fits(item, value, ignore_case) for item, value in zip(got, accepted, strict=True)
        )
    return json_equal(got, accepted, ignore_case=ignore_case)


def _fits_one_of(got: dict[str, Any], key: str, options: Any, ignore_case: bool) -> bool:
    if not isinstance(options, list):
        return key in got and _fits(got[key], options, ignore_case)
    if key not in got:
        return "" in options
    return any(_fits(got[key], option, ignore_case) for option in options)


def parse_expected(expected: Any) -> list[ExpectedCall]:
    """The expected calls; none at all for an empty list, which says that no call may be made.

    Args:
        expected: A call, a list of calls, or either as JSON text (from a CSV column).

    Raises:
        InvalidExpectation: It is something else.
    """
    if isinstance(expected, str):
        try:
            expected = json.loads(expected)
        except (ValueError, RecursionError):
            raise InvalidExpectation("is text that is not JSON; calls are objects") from None
    calls = expected if isinstance(expected, list) else [expected]
    return [_call(call, number) for number, call in enumerate(calls, 1)]


def _call(raw: Any, number: int) -> ExpectedCall:
    if isinstance(raw, dict) and isinstance(raw.get("name"), str):
        return _named_call(raw, number)
    if isinstance(raw, dict) and len(raw) == 1:
        ((name, arguments),) = raw.items()
        if isinstance(name, str) and isinstance(arguments, dict):
            return ExpectedCall(
                name, {key: _possible(key, values, number) for key, values in arguments.items()}
            )
    raise InvalidExpectation(
        f"(call {number}) is neither {{name: ..., arguments: {{...}}}} nor {{function: {{argument: [accepted, ...]}}}}"
    )


def _possible(key: str, values: Any, number: int) -> Accepted:
    if not isinstance(values, list) or not values:
        raise InvalidExpectation(f"(call {number}) needs a list of accepted values for `{key}`")
    return Accepted(tuple(values), optional=any(value == "" for value in values), nested=True)


def _named_call(raw: dict[str, Any], number: int) -> ExpectedCall:
    if unknown := sorted(map(str, raw.keys() - _KEYS)):
        raise InvalidExpectation(f"(call {number}) has an unknown key `{unknown[0]}`")
    arguments, optional, accept = raw.get("arguments"), raw.get("optional", []), raw.get("accept", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            raise InvalidExpectation(f"(call {number}) has `arguments` that are not JSON") from None
    if not isinstance(arguments, dict | None):
        raise InvalidExpectation(f"(call {number}) has `arguments` that are not an object")
    if not isinstance(optional, list):
        raise InvalidExpectation(f"(call {number}) has `optional` that is not a list of arguments")
    if not isinstance(accept, dict) or not all(
        isinstance(values, list) and values for values in accept.values()
    ):
        raise InvalidExpectation(
            f"(call {number}) has `accept` that is not a list of values for each argument"
        )
    accepted = {key: (value, *accept.get(key, ())) for key, value in (arguments or {}).items()}
    accepted |= {key: tuple(values) for key, values in accept.items() if key not in accepted}
    if missing := [name for name in optional if name not in accepted]:
        raise InvalidExpectation(f"(call {number}) has no value for the optional argument `{missing[0]}`")
    return ExpectedCall(
        raw["name"],
        {key: Accepted(values, optional=key in optional, nested=False) for key, values in accepted.items()},
    )
