"""When to try again: full jitter, within a finite budget, and never sooner than the server asks.

Source of the formula: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("Full Jitter").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

__all__ = ["GiveUp", "RetryPolicy"]


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The budget of one case is spent."""

    reason: str


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The retry budget of one case. Pure: it is told what happened and says how long to wait."""

    max_attempts: int = 6
    """Requests sent for one case at most, the first included."""
    max_wait_s: float = 120.0
    """Time spent waiting between the attempts of one case, at most."""
    base_s: float = 0.5
    """Upper end of the first wait; each further one doubles it."""
    cap_s: float = 30.0
    """Upper end of every wait that the server did not ask for."""

    def next_wait_s(
        self, attempts: int, waited_s: float, retry_after_s: float | None, rng: random.Random
    ) -> float | GiveUp:
        """How long to wait, in seconds, after `attempts` failures and `waited_s` of waiting, or why not to.

        A `Retry-After` is waited out in full, with the jitter on top, so that those told the same do not return at
        the same moment; one that the budget cannot hold ends the case at once, since an earlier try would be refused.
        """
        if attempts >= self.max_attempts:
            return GiveUp(f"{attempts} attempts" if attempts > 1 else "1 attempt")
        jitter_s = rng.uniform(0.0, min(self.cap_s, self.base_s * 2.0 ** (attempts - 1)))
        left_s = self.max_wait_s - waited_s
        if retry_after_s is not None and retry_after_s > left_s:
            return GiveUp(
                f"the server asks to wait {retry_after_s:,.0f} s, and {max(left_s, 0):,.0f} s are left"
            )
        wait_s = (retry_after_s or 0.0) + jitter_s
        if left_s <= 0:
            return GiveUp(f"{waited_s:,.0f} s of waiting")
        return min(wait_s, left_s)
