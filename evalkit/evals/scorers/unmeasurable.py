"""The outcome that is neither right nor wrong."""

from __future__ import annotations

__all__ = ["Unmeasurable"]


class Unmeasurable(Exception):
    """A scorer cannot judge this answer: no latency was recorded, a project's own function failed.

    Raised by `Scorer.score`; the message says why. The case is then unscored: it counts as an error of the
    measurement, and never as 0.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
