"""An entry and everything it refers to, as one generation config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.errors import ConfigError, EvalkitError, Problem
from evalkit.registry.schema import Entry, ModelClass, Prompt, Tools
from evalkit.registry.schema.project import BUILT_IN_PROVIDERS
from evalkit.runtime.config import GenerationConfig, Message, Variable

if TYPE_CHECKING:
    from evalkit.registry.project import Loaded, Project
    from evalkit.registry.schema import ProjectConfig, ProviderConfig

__all__ = ["provider_of", "resolve_config"]


def provider_of(config: ProjectConfig, entry: Entry) -> str | None:
    """The provider's name: the entry's own, or the project's default, or the only one there is."""
    if entry.provider:
        return entry.provider
    if config.default_provider:
        return config.default_provider
    return next(iter(config.providers)) if len(config.providers) == 1 else None


def provider_kind(providers: dict[str, ProviderConfig], name: str) -> str | None:
    """`openai`, `anthropic`, …; None for a name that neither the project nor evalkit knows."""
    if name in providers:
        return providers[name].kind
    return name if name in BUILT_IN_PROVIDERS else None


def resolve_config(project: Project, loaded: Loaded[Entry]) -> GenerationConfig:
    """The config that would be sent.

    Raises:
        ConfigError: with every reference that does not resolve and every file that is not valid.
    """
    entry, source = loaded.model, loaded.source
    problems: list[Problem] = []

    def follow(kind: str, model: Any, key: str) -> Any:
        text = getattr(entry, key)
        if text is None:
            return None
        try:
            return project.reference(kind, model, text, source.locate((key,))).model
        except EvalkitError as error:
            problems.extend(error.problems)
            return None

    prompt: Prompt | None = follow("prompts", Prompt, "prompt_ref")
    tools: Tools | None = follow("tools", Tools, "tools_ref")
    model_class: ModelClass | None = follow("classes", ModelClass, "class_ref")
    response_format = _response_format(loaded, tools, problems)
    kind = _kind(project, loaded, problems)
    if problems or prompt is None or kind is None:
        raise ConfigError(problems)
    return GenerationConfig(
        provider_kind=kind,
        model=entry.model,
        members=tuple(m.model_dump(exclude_none=True) for m in model_class.members) if model_class else None,
        prompt_name=entry.prompt_ref,
        messages=tuple(Message(m.role, m.content) for m in prompt.messages),
        variables={n: Variable(v.type, v.required, v.default) for n, v in prompt.variables.items()},
        params=entry.params,
        tools=tuple(tool.wire() for tool in tools.tools) if tools and tools.tools else None,
        response_format=response_format,
        artifact_digest=entry.artifact.digest if entry.artifact else None,
    )


def _kind(project: Project, loaded: Loaded[Entry], problems: list[Problem]) -> str | None:
    config = project.config
    name = provider_of(config, loaded.model)
    known = ", ".join(sorted({*config.providers, *BUILT_IN_PROVIDERS}))
    if name is None:
        hint = f"set 'provider' here, or default_provider in evalkit.yaml ({known})"
        problems.append(Problem("EK201", "no provider is named", loaded.source.locate(), hint))
        return None
    kind = provider_kind(config.providers, name)
    if kind is None:
        where = loaded.source.locate(("provider",))
        problems.append(Problem("EK201", f"no provider is called '{name}'", where, f"providers: {known}"))
    return kind


def _response_format(
    loaded: Loaded[Entry], tools: Tools | None, problems: list[Problem]
) -> dict[str, Any] | None:
    wanted = loaded.model.response_format
    if not isinstance(wanted, str):
        return wanted
    formats = tools.response_formats if tools else {}
    if wanted in formats:
        return formats[wanted]
    if tools is not None or loaded.model.tools_ref is None:
        known = ", ".join(formats) or "none"
        hint = (
            f"response formats of the tools_ref file: {known}"
            if tools
            else "set tools_ref to the file that has it"
        )
        where = loaded.source.locate(("response_format",))
        problems.append(Problem("EK201", f"no response format is called '{wanted}'", where, hint))
    return None
