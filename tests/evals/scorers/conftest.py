from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from evalkit.evals.case import Answer, Case, ToolCall
from evalkit.evals.scorers.arguments import InvalidScorer
from evalkit.evals.scorers.spec import parse_scorer

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.evals.scorers.base import Score


@pytest.fixture(scope="session")
def judge() -> Callable[..., Score]:
    """Scores one answer: text, or calls as (name, arguments) pairs; fails when the case cannot be scored."""

    def judge(
        raw: Any,
        expected: Any,
        output: Any = None,
        *,
        calls: Any = (),
        variables: Any = None,
        **measured: Any,
    ):
        scorer = parse_scorer(raw, custom={}).scorer
        case = Case("case", 0, variables or {}, expected)
        assert scorer.check(case) is None
        return scorer.score(case, Answer(output, tuple(ToolCall(*call) for call in calls), **measured))

    return judge


@pytest.fixture(scope="session")
def check() -> Callable[..., str | None]:
    """Why a case cannot be scored."""

    def check(raw: Any, expected: Any, **variables: Any) -> str | None:
        return parse_scorer(raw, custom={}).scorer.check(Case("case", 0, variables, expected))

    return check


@pytest.fixture(scope="session")
def problems() -> Callable[[Any], list[tuple[Any, ...]]]:
    """What is said about a scorer that is written wrong: path, message, hint."""

    def problems(raw: Any, custom: Any = None, root: Any = None) -> list[tuple[Any, ...]]:
        with pytest.raises(InvalidScorer) as caught:
            parse_scorer(raw, custom=custom or {}, root=root)
        return [(problem.path, problem.message, problem.hint) for problem in caught.value.problems]

    return problems
