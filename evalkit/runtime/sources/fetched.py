"""What a source answers."""

from __future__ import annotations

from evalkit.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evalkit.runtime.bundle import Bundle

__all__ = ["Fetched"]


class Fetched(Value):
    """One whole set, and how to ask later whether it has changed."""

    bundle: Bundle
    tag: str | None
    """What the source calls this state of itself: an ETag, a commit, a fingerprint of files. None: it cannot say."""
