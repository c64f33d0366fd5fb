"""`registry/tools/<name>/v<version>.yaml`: tools and response formats by JSON Schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from evalkit.registry.schema.base import CrossChecked, Finding, Name, Strict, Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ToolDefinition", "Tools", "WrappedTool"]


class ToolDefinition(Strict):
    """One function that the model may call."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    description: str | None = None
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    """The JSON Schema of its arguments."""
    strict: bool | None = None


class WrappedTool(Strict):
    """The same in the shape of the chat API: `{type: function, function: {…}}`."""

    type: Literal["function"]
    function: ToolDefinition

    @property
    def name(self) -> str:
        """The function's."""
        return self.function.name


def _shape(tool: Any) -> str:
    raw = isinstance(tool, dict) and ("function" in tool or "type" in tool)
    return "(wrapped)" if raw or isinstance(tool, WrappedTool) else "(plain)"


_AnyTool = Annotated[
    Annotated[ToolDefinition, Tag("(plain)")] | Annotated[WrappedTool, Tag("(wrapped)")],
    Discriminator(_shape),
]


class Tools(CrossChecked):
    """A versioned set of tools, and the response formats that go with them."""

    name: Name
    version: Version
    description: str | None = None
    tools: list[_AnyTool] = Field(default_factory=list)
    response_formats: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By name: what an entry's `response_format: <name>` means."""

    @classmethod
    def findings(cls, raw: Mapping[str, Any]) -> Iterator[Finding]:
        """What is wrong between the keys."""
        tools = raw.get("tools")
        if not tools and not raw.get("response_formats"):
            yield Finding("neither 'tools' nor 'response_formats' is there", code="EK105")
        seen: set[str] = set()
        for index, tool in enumerate(tools if isinstance(tools, list) else ()):
            name = _tool_name(tool)
            if name is not None and name in seen:
                yield Finding(f"duplicate tool '{name}'", ("tools", index), code="EK102")
            elif name is not None:
                seen.add(name)


def _tool_name(tool: Any) -> str | None:
    if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
        tool = tool["function"]
    name = tool.get("name") if isinstance(tool, dict) else None
    return name if isinstance(name, str) else None
