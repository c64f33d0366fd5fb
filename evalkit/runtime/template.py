"""Prompt templates: Jinja2 in a sandbox, with declared variables and nothing else."""

from __future__ import annotations

from functools import cache, lru_cache

from evalkit.errors import Problem, RenderError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["MAX_RENDERED", "compile_template", "problem_of_template", "render", "template_environment"]

MAX_RENDERED = 8 * 1024 * 1024
"""Characters. No prompt of any model is longer; a template that loops is stopped."""


@cache
def template_environment() -> ImmutableSandboxedEnvironment:
    """The one environment of every prompt: sandboxed, immutable, undefined variables are errors, no autoescape.

    Repetition (`'a' * 10**9`) and powers are refused beyond a bound, since the sandbox itself does not bound them.
    """
    from jinja2 import StrictUndefined
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class PromptEnvironment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset(["*", "**", "%"])

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            numbers = isinstance(left, int | float) and isinstance(right, int | float)
            if operator == "%" and not numbers:
                raise SecurityError("'%' formats text here; use the format filter's arguments instead")
            if operator == "**" and not (numbers and abs(left) <= 1e6 and abs(right) <= 64):
                raise SecurityError("the power is too large for a prompt")
            if operator == "*" and not numbers:
                size = len(left) * right if hasattr(left, "__len__") else len(right) * left
                if size > MAX_RENDERED:
                    raise SecurityError("the repetition is too long for a prompt")
            return super().call_binop(context, operator, left, right)

    environment = PromptEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    # Lookups of other templates and of randomness have no place in a versioned prompt.
    for name in ("lipsum", "cycler", "joiner"):
        environment.globals.pop(name, None)
    environment.filters.pop("random", None)
    environment.filters.pop("center", None)  # pads to any width
    return environment


@lru_cache(maxsize=1024)
def compile_template(source: str) -> Template:
    """Compile once, render many times.

    Raises:
        jinja2.TemplateSyntaxError: with `lineno` counted from the first line of the source.
    """
    return template_environment().from_string(source)


def problem_of_template(source: str, declared: Iterable[str]) -> tuple[str, str, int] | None:
    """Why no call can render a template: a code, what is wrong, and on which of its lines, from 1. None if one can."""
    from jinja2 import TemplateSyntaxError, meta

    try:
        compile_template(source)
        environment = template_environment()
        read = meta.find_undeclared_variables(environment.parse(source))
        unknown = sorted(read - set(declared) - set(environment.globals))
        if unknown:
            line = next((n for n, text in enumerate(source.splitlines(), 1) if unknown[0] in text), 1)
            return "EK302", f"the variable '{unknown[0]}' is not declared", line
    except TemplateSyntaxError as error:
        # What is never closed is noticed after the end.
        line = min(error.lineno, len(source.splitlines()) or 1)
        return "EK301", f"not a valid template: {error.message}", line
    except RecursionError:
        return "EK301", "the template is nested too deeply", 1
    return None


def render(source: str, variables: Mapping[str, Any], *, where: str) -> str:
    """Render one message.

    Raises:
        RenderError: EK305, naming `where` (the prompt and the message) and what went wrong.
    """
    from jinja2 import TemplateError

    try:
        text = compile_template(source).render(variables)
    except TemplateError as error:
        raise RenderError(Problem("EK305", f"{where}: {error.message or type(error).__name__}")) from None
    except Exception as error:  # noqa: BLE001 - a template can call any method of a value: all of it is its fault
        raise RenderError(Problem("EK305", f"{where}: {type(error).__name__}: {error}")) from None
    if len(text) > MAX_RENDERED:
        raise RenderError(Problem("EK305", f"{where}: the rendered message has {len(text):,} characters"))
    return text
