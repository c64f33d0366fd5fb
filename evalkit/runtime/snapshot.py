"""One whole set, and what has been resolved from it."""

from __future__ import annotations

from evalkit.runtime.resolved import ResolvedConfig, Variant, resolve_from, variants_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evalkit.runtime.bundle import Bundle
    from evalkit.runtime.freshness import Freshness

__all__ = ["Snapshot"]


class Snapshot:
    """A set that does not change under your hands: several names resolved from it belong together."""

    __slots__ = ("_resolved", "bundle", "freshness", "source")

    def __init__(self, bundle: Bundle, source: str, freshness: Freshness) -> None:
        self.bundle = bundle
        self.source = source
        self.freshness = freshness
        self._resolved: dict[tuple[str, str], ResolvedConfig] = {}

    def resolve(self, name: str, env: str) -> ResolvedConfig:
        """What serves a name: its primary, never a canary.

        Raises:
            UnknownEntry: EK202, there is no such name; EK707, no such environment, or nobody serves it.
        """
        try:
            return self._resolved[name, env]
        except (KeyError, TypeError):
            config = resolve_from(self.bundle, name, env, self.source, self.freshness)
            # Two threads may both come here: they get the same object.
            return self._resolved.setdefault((name, env), config)

    def variants(self, name: str, env: str) -> tuple[Variant, ...]:
        """All that serve a name, with their shares. Raises as `resolve` does."""
        return variants_of(self.resolve(name, env))

    def __repr__(self) -> str:
        commit = self.bundle.commit
        return f"<Snapshot {self.source} {commit.id[:12] if commit else self.bundle.digest[:19]}>"

    @property
    def names(self) -> list[str]:
        """Every entry name, sorted, whether or not somebody serves."""
        return self.bundle.names

    @property
    def asked(self) -> tuple[tuple[str, str], ...]:
        """The names and environments that were resolved from it."""
        return tuple(self._resolved)
