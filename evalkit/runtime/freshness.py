"""How sure a process is that the set it serves from is the one that its source has now."""

from __future__ import annotations

import time

__all__ = ["Freshness", "boottime"]


def boottime() -> float:
    """Seconds on a clock that nobody sets and that goes on while the machine sleeps, where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Freshness:
    """Shared by everything that was resolved from one set; the refreshing thread writes it, everybody reads.

    A set is stale as soon as one attempt to confirm it fails, or is refused, or none has come for too long, or a newer
    set has taken its place. A pickled copy cannot be confirmed any more: it goes on ageing by the wall clock.
    """

    __slots__ = ("_max_age_s", "_seen")

    def __init__(
        self,
        confirmed_at: float,
        *,
        problem: str | None = None,
        max_age_s: float | None = None,
        age_s: float = 0.0,
    ) -> None:
        """`confirmed_at` is wall clock time, in seconds since 1970; `age_s` how long ago that was."""
        self._max_age_s = max_age_s
        # One tuple, replaced as a whole: a reader never sees half of a change.
        self._seen: tuple[float, float | None, str | None] = (confirmed_at, boottime() - age_s, problem)

    def confirm(self, now: float) -> None:
        """The source has said that this set is the current one."""
        self._seen = (now, boottime(), None)

    def doubt(self, problem: str) -> None:
        """An attempt to confirm it has not succeeded, for this reason."""
        confirmed_at, ticks, _ = self._seen
        self._seen = (confirmed_at, ticks, problem)

    @property
    def confirmed_at(self) -> float:
        """When the source last said so: wall clock time, in seconds since 1970."""
        return self._seen[0]

    @property
    def age(self) -> float:
        """Seconds since then."""
        confirmed_at, ticks, _ = self._seen
        return max(0.0, time.time() - confirmed_at if ticks is None else boottime() - ticks)

    @property
    def problem(self) -> str | None:
        """Why the set is stale; None if it is not."""
        problem = self._seen[2]
        if problem is None and self._max_age_s is not None and self.age > self._max_age_s:
            return f"not confirmed for {self.age:.0f} s"
        return problem

    @property
    def stale(self) -> bool:
        """Whether the source may have something else by now."""
        return self.problem is not None

    def __getstate__(self) -> tuple[float, str | None, float | None]:
        return self._seen[0], self.problem, self._max_age_s

    def __setstate__(self, state: tuple[float, str | None, float | None]) -> None:
        confirmed_at, problem, self._max_age_s = state
        self._seen = (confirmed_at, None, problem)
