"""The dated data files that evalkit comes with."""

from __future__ import annotations

from typing import Any

__all__ = ["read_data"]


def read_data(package: str, name: str) -> dict[str, Any]:
    """A file of a package's `data/`. Trusted, unlike a registry's files: dates and numbers are read as YAML has them."""
    from importlib.resources import files

    import yaml

    text = files(package).joinpath("data", name).read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)  # noqa: TID251 - package data, no positions needed
    return data
