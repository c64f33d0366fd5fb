"""`registry/prompts/<name>/v<version>.yaml`: messages with declared variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field

from evalkit.registry.schema.base import CrossChecked, Finding, Name, Strict, Version, shown
from evalkit.runtime.config import Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Prompt", "PromptMessage", "PromptVariable"]

VariableType = Literal["string", "integer", "number", "boolean", "array", "object", "any"]
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class PromptVariable(Strict):
    """An input of the prompt."""

    type: VariableType = "string"
    required: bool = True
    """When false, a case or a call may leave it out and `default` is used."""
    default: Any = None
    description: str | None = None


class PromptMessage(Strict):
    """One message; its content is a Jinja2 template."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, Field(min_length=1)]


class Prompt(CrossChecked):
    """A versioned prompt. It never changes once a non-draft entry or evidence cites it."""

    name: Name
    version: Version
    description: str | None = None
    variables: dict[str, PromptVariable] = Field(default_factory=dict)
    """Every variable that the messages use; a case's `vars` fill them."""
    messages: Annotated[list[PromptMessage], Field(min_length=1)]

    @classmethod
    def findings(cls, raw: Mapping[str, Any]) -> Iterator[Finding]:
        """What is wrong between the keys."""
        variables = raw.get("variables")
        for name, variable in variables.items() if isinstance(variables, dict) else ():
            if not _IDENTIFIER.fullmatch(name):
                hint = "letters, digits and '_', not beginning with a digit"
                yield Finding(f"'{name}' is no variable name", ("variables", name), hint=hint)
            if (
                isinstance(variable, dict)
                and variable.get("default") is not None
                and variable.get("required", True) is True
            ):
                at = ("variables", name, "default")
                hint = "add required: false, or remove the default"
                yield Finding(f"variable '{name}' is required and has a default", at, hint=hint)
            if isinstance(variable, dict) and not _default_fits(variable):
                message = f"the default of '{name}' is {shown(variable['default'])}, and the type is {variable.get('type', 'string')}"
                yield Finding(message, ("variables", name, "default"))


def _default_fits(variable: Mapping[str, Any]) -> bool:
    kind, default = variable.get("type", "string"), variable.get("default")
    return default is None or kind not in get_args(VariableType) or Variable(kind).accepts(default)
