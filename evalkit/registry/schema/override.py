"""`registry/overrides/<name>.yaml`: the rules that were broken on purpose, by whom, and why."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from evalkit.registry.schema.base import SaidText, Strict, Version

__all__ = ["Override", "OverrideFile"]


class Override(Strict):
    """One rule that one version was let past. Written by `--override`, and never changed afterwards."""

    version: Version
    change: Annotated[str, Field(pattern=r"^[a-z]+(?:-[a-z]+)*$")]
    """The kind of the rule, such as `skips-staging`: docs/lifecycle.md lists them."""
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    """The generation digest of the version; left out where it does not resolve."""
    reason: SaidText
    by: SaidText
    on: Annotated[date, Field(strict=False)]


class OverrideFile(Strict):
    """A list that only grows, the oldest first."""

    overrides: list[Override]
