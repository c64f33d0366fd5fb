"""`tool_call`: the right functions, called with the right arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from evalkit.evals.case import ToolCall
from evalkit.evals.scorers.arguments import ComparingArguments
from evalkit.evals.scorers.base import Score, ScorerConfigError
from evalkit.evals.scorers.documents import NotJson, parse_json
from evalkit.evals.scorers.expected_calls import ExpectedCall, InvalidExpectation, parse_expected
from evalkit.evals.scorers.reading import NO_EXPECTED, shown, text_of, unread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.evals.case import Answer, Case

__all__ = ["ToolCallArguments", "ToolCallScorer"]


class ToolCallArguments(ComparingArguments):
    """Arguments of `tool_call`."""

    main: ClassVar[str | None] = "expected"

    ignore_case: bool = False
    """Ignore the difference between upper and lower case in argument values that are text."""
    order: Literal["any", "strict"] = "any"
    """`strict`: the calls must be made in the order of `expected`."""


class ToolCallScorer:
    """The calls made are the expected ones: no call, no argument more or less."""

    version = "1"
    Arguments = ToolCallArguments

    def __init__(self, args: ToolCallArguments) -> None:
        self._ignore_case = args.ignore_case
        self._strict_order = args.order == "strict"
        if args.expected is not None:
            try:
                parse_expected(args.expected)
            except InvalidExpectation as error:
                raise ScorerConfigError("expected", f"`expected` {error}") from None

    def check(self, case: Case) -> str | None:
        """`expected` is a call or a list of calls."""
        if case.expected is None:
            return f"{NO_EXPECTED}: `expected: []` says that no call may be made"
        try:
            parse_expected(case.expected)
        except InvalidExpectation as error:
            return f"has an `expected` that {error}"
        return None

    def score(self, case: Case, answer: Answer) -> Score:
        """1 when every expected call is made once and no other; the reason names the first difference."""
        expected = parse_expected(case.expected)
        calls = list(answer.tool_calls) or _calls_in_text(text_of(answer), loose=bool(expected))
        if not calls:
            return unread("no call was made") if expected else Score(1.0)
        got = [{"name": call.name, "arguments": call.arguments} for call in calls[: len(expected) + 1]]
        if len(calls) != len(expected):
            names = ", ".join(call.name for call in calls[:5])
            return Score(0.0, f"{len(calls)} calls ({shown(names)}), expected {len(expected)}", got)
        differences = [[self._difference(call, wanted) for call in calls] for wanted in expected]
        if self._strict_order or len(expected) == 1:
            reason = next((row[at] for at, row in enumerate(differences) if row[at] is not None), None)
        else:
            reason = _unmatched(expected, differences)
        return Score(1.0 if reason is None else 0.0, reason, got)

    def _difference(self, call: ToolCall, wanted: ExpectedCall) -> str | None:
        """How a call differs from an expected one; None when it does not."""
        if call.name != wanted.name:
            return f"called {shown(call.name)}, expected {shown(wanted.name)}"
        arguments = _arguments(call.arguments)
        if arguments is None:
            return f"{call.name}: the arguments are not a JSON object: {shown(call.arguments)}"
        for key, accepted in wanted.arguments.items():
            if key not in arguments:
                if accepted.optional:
                    continue
                return f"{call.name}: argument `{key}` is missing"
            if not accepted.accepts(arguments[key], ignore_case=self._ignore_case):
                values = " or ".join(map(shown, accepted.values[:3]))
                return f"{call.name}: `{key}` is {shown(arguments[key])}, expected {values}"
        extra = next((key for key in arguments if key not in wanted.arguments), None)
        return None if extra is None else f"{call.name}: argument {shown(extra)} is not expected"


def _arguments(raw: Any) -> dict[str, Any] | None:
    """A call's arguments as an object; no arguments at all are an empty one."""
    if raw is None or raw == "":
        return {}
    if isinstance(raw, str):
        try:
            raw = parse_json(raw)
        except NotJson:
            return None
    return raw if isinstance(raw, dict) else None


def _unmatched(expected: Sequence[ExpectedCall], differences: Sequence[Sequence[str | None]]) -> str | None:
    """None when calls and expectations pair off completely, else why one expectation cannot be met.

    Pairing is a maximum bipartite matching by augmenting paths (Kuhn 1955): a call that suits two expectations is
    left to the one that has no other.
    """
    holder: dict[int, int] = {}  # call -> the expectation it is paired with

    def assign(wanted: int, tried: set[int]) -> bool:
        for call, difference in enumerate(differences[wanted]):
            if difference is None and call not in tried:
                tried.add(call)
                if call not in holder or assign(holder[call], tried):
                    holder[call] = wanted
                    return True
        return False

    for wanted, row in enumerate(differences):
        if not assign(wanted, set()):
            same_name = next(
                (text for text in row if text is not None and not text.startswith("called ")), None
            )
            return same_name or f"no call of {shown(expected[wanted].name)} matches"
    return None


def _calls_in_text(text: str | None, *, loose: bool) -> list[ToolCall]:
    """The calls that a model wrote as JSON in its text, also inside a code block.

    Read are `{"name": ..., "arguments": {...}}` (`parameters` as well), the same under `function`, and lists of them.
    With `loose`, `{"function_name": {...}}` too; where no call is expected, any JSON answer would look like one.
    """
    if not text:
        return []
    try:
        document = parse_json(text, fenced=True)
    except NotJson:
        return []
    items = document if isinstance(document, list) else [document]
    calls: list[ToolCall] = []
    for item in items:
        call = _call_in(item, loose)
        if call is None:
            return []  # a list of something else
        calls.append(call)
    return calls


def _call_in(item: Any, loose: bool) -> ToolCall | None:
    if not isinstance(item, dict):
        return None
    if isinstance(item.get("function"), dict):
        item = item["function"]
    name = item.get("name")
    for key in ("arguments", "parameters"):
        if isinstance(name, str) and isinstance(item.get(key), (dict, str)):
            return ToolCall(name, item[key])
    if loose and len(item) == 1:
        ((name, arguments),) = item.items()
        if isinstance(arguments, dict):
            return ToolCall(name, arguments)
    return None
