"""The generation config: everything that decides the model's answer, resolved to plain data."""

from __future__ import annotations

from functools import cached_property

from evalkit.errors import Problem, RenderError
from evalkit.runtime.digest import digest, without_nulls
from evalkit.runtime.frozen import FrozenDict, freeze
from evalkit.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["GenerationConfig", "Message", "Variable"]

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
}


class Message(Value):
    """One message of a prompt; `content` is a Jinja2 source."""

    role: str
    content: str


class Variable(Value):
    """A declared input of a prompt."""

    type: str = "string"
    required: bool = True
    default: Any = None

    def accepts(self, value: Any) -> bool:
        """Whether the value is of the declared JSON type (`any` takes everything; a bool is no number)."""
        if self.type == "any":
            return True
        if isinstance(value, bool):
            return self.type == "boolean"
        return isinstance(value, _PYTHON_TYPES[self.type])


class GenerationConfig(Value):
    """Model, prompt, params, tools and response format by content, not by name.

    Two configs with the same digest ask the same model the same way: the digest is what evidence is bound to.
    """

    provider_kind: str
    """`openai`, `anthropic`, `local`, …: how the model is reached. Never the URL."""
    model: str | None
    members: Sequence[Mapping[str, Any]] | None
    """The pinned members of a gateway equivalence class, in place of `model`."""
    prompt_name: str
    """For messages only; not part of the digest."""
    messages: tuple[Message, ...]
    variables: Mapping[str, Variable]
    params: Mapping[str, Any] = FrozenDict()
    tools: Sequence[Mapping[str, Any]] | None = None
    """In the shape of chat completions: `{"type": "function", "function": {…}}`."""
    response_format: Mapping[str, Any] | None = None
    artifact_digest: str | None = None

    @cached_property
    def digest(self) -> str:
        """`sha256:…` over what decides the answer: the table is in docs/digests.md."""
        return digest(self.digest_input())

    def frozen(self) -> GenerationConfig:
        """The same, unchangeable all the way down: what many callers share."""
        return self.replace(
            members=freeze(self.members) if self.members else None,
            variables=freeze(self.variables),
            params=freeze(self.params),
            tools=freeze(self.tools) if self.tools else None,
            response_format=freeze(self.response_format) if self.response_format else None,
        )

    def digest_input(self) -> dict[str, Any]:
        """Plain data that the digest is taken of; keys without a value are left out."""
        return without_nulls(
            {
                "v": 1,
                "provider": self.provider_kind,
                "model": self.model,
                "members": [dict(m) for m in self.members] if self.members else None,
                "messages": [{"role": m.role, "content": m.content} for m in self.messages],
                "variables": {
                    name: without_nulls({"type": v.type, "required": v.required, "default": v.default})
                    for name, v in self.variables.items()
                },
                "params": without_nulls(dict(self.params)) or None,
                "tools": [dict(t) for t in self.tools] if self.tools else None,
                "response_format": dict(self.response_format) if self.response_format else None,
                "artifact": self.artifact_digest,
            }
        )

    def bind(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The variables of one call, defaults filled in.

        Raises:
            RenderError: EK306 with one problem for each variable that is missing, unknown or of the wrong type.
        """
        problems: list[Problem] = []
        bound: dict[str, Any] = {}
        for name, declared in self.variables.items():
            if name in variables:
                value = variables[name]
                if not declared.accepts(value):
                    message = f"variable '{name}' is {_json_type(value)}, {self.prompt_name} declares {declared.type}"
                    problems.append(Problem("EK306", message))
                bound[name] = value
            elif declared.required:
                problems.append(Problem("EK306", f"variable '{name}' of {self.prompt_name} is missing"))
            else:
                bound[name] = declared.default
        problems.extend(
            Problem(
                "EK306",
                f"{self.prompt_name} declares no variable '{name}'",
                hint=f"it declares: {', '.join(self.variables) or 'none'}",
            )
            for name in variables
            if name not in self.variables
        )
        if problems:
            raise RenderError(problems)
        return bound

    def render_messages(self, variables: Mapping[str, Any]) -> list[dict[str, str]]:
        """The messages of one call.

        Raises:
            RenderError: the variables do not fit, or the template fails on them.
        """
        from evalkit.runtime.template import render

        bound = self.bind(variables)
        return [
            {"role": m.role, "content": render(m.content, bound, where=f"{self.prompt_name} message {i}")}
            for i, m in enumerate(self.messages, 1)
        ]

    def request(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """One chat request: model, messages, tools, response format, and params verbatim.

        The runner and the application both send this, so that the config served is the config evaluated.
        """
        body: dict[str, Any] = {"model": self.model, "messages": self.render_messages(variables)}
        if self.tools:
            body["tools"] = [dict(t) for t in self.tools]
        if self.response_format:
            body["response_format"] = dict(self.response_format)
        body.update(without_nulls(dict(self.params)))
        return body


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return next(
        (name for name, types in _PYTHON_TYPES.items() if isinstance(value, types)), type(value).__name__
    )
