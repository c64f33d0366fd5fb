"""Whether an id stands twice, in a stream of any length: eight bytes an id."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from evalkit.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalkit.errors import Location
    from evalkit.evals.case import Case

__all__ = ["IdRegister"]

_FEW = 20_000  # below, a set is faster than loading numpy to sort


class IdRegister:
    """Remembers a 64-bit hash of each id. Equal hashes are a suspicion; a second reading of the cases confirms it."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self._suspects: set[int] = set()

    def add(self, case_id: str) -> None:
        """Take note of one id."""
        self._hashes.append(hash(case_id))

    def may_repeat(self) -> bool:
        """Whether two hashes are equal. True without cause once in about 10^7 suites of a million cases."""
        hashes = self._hashes
        if len(hashes) < _FEW:
            seen: set[int] = set()
            self._suspects = {h for h in hashes if h in seen or seen.add(h)}  # type: ignore[func-returns-value]
        else:
            import numpy as np

            ordered = np.sort(np.frombuffer(hashes, dtype=np.int64))
            self._suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
        return bool(self._suspects)

    def repeated(self, cases: Iterable[Case]) -> list[Problem]:
        """Every case whose id an earlier one has, given all the cases again that have an id."""
        first: dict[str, Location | None] = {}
        problems: list[Problem] = []
        for case in cases:
            if hash(case.id) not in self._suspects:
                continue
            if case.id in first:
                earlier = first[case.id]
                where = f"line {earlier.line}" if earlier and earlier.line else str(earlier)
                hint = f"{where} has it already: a case is known by its id"
                problems.append(Problem("EK402", f"duplicate case id '{case.id}'", case.location, hint))
            else:
                first[case.id] = case.location
        return problems
