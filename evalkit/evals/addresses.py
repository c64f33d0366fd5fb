"""Addresses that the environment names and a run does not use: where keys are sent is said in evalkit.yaml alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.evals.providers import ANTHROPIC_URL, OPENAI_URL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalkit.registry.schema import ProviderConfig

__all__ = ["unread_addresses"]

_VARIABLES = {"openai": ("OPENAI_BASE_URL", OPENAI_URL), "anthropic": ("ANTHROPIC_BASE_URL", ANTHROPIC_URL)}
"""By kind of provider: what the vendor's own client reads, and where it asks without."""


def unread_addresses(providers: Mapping[str, ProviderConfig], environ: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each provider that the vendor's own client would look for at another address.

    The address in the environment is not repeated: it may hold a key.
    """
    for name, config in sorted(providers.items()):
        if config.kind not in _VARIABLES:
            continue
        variable, usual = _VARIABLES[config.kind]
        used, named = config.base_url or usual, environ.get(variable, "").strip()
        if named and named.rstrip("/") != used.rstrip("/"):
            yield (
                f"{variable} is set, and evalkit does not read it: provider {name} is asked at {used}; "
                f"providers.{name}.base_url in evalkit.yaml says where"
            )
