"""Our own templates: found beside this module, and escaped for the sink that they are written to."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, FunctionLoader, StrictUndefined

from evalkit.report import figures, neutral

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["asset", "html_environment", "markdown_environment"]


def asset(name: str) -> str:
    """The text of a file in `templates/`; read as a resource, so that a zipped install works."""
    return (resources.files("evalkit.report") / "templates" / name).read_text(encoding="utf-8")


def html_environment() -> Environment:
    """Every expression is spelled out (`neutral.html_text`), then escaped."""
    return _environment(autoescape=True, finalize=_html)


def markdown_environment() -> Environment:
    """Every expression is literal prose (`neutral.markdown`) unless it is `neutral.Markdown` already."""
    return _environment(autoescape=False, finalize=neutral.markdown)


def _html(value: object) -> object:
    return value if hasattr(value, "__html__") else neutral.html_text(value)


def _environment(*, autoescape: bool, finalize: Callable[[object], object]) -> Environment:
    environment = Environment(
        loader=FunctionLoader(asset),
        autoescape=autoescape,  # noqa: S701 - off for Markdown alone, where `finalize` escapes every expression
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        score=figures.score,
        interval=figures.interval,
        count=figures.count,
        latency=figures.latency,
        usd=figures.usd,
        duration=figures.duration,
    )
    return environment
