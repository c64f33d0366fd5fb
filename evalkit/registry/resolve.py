"""An entry and everything it refers to, as one generation config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.errors import ConfigError, EvalkitError, Problem
from evalkit.registry.schema import Entry, ModelClass, Prompt, Tools
from evalkit.runtime import assemble as assembly
from evalkit.runtime.assemble import BUILT_IN_PROVIDERS, assemble

if TYPE_CHECKING:
    from evalkit.registry.project import Loaded, Project
    from evalkit.registry.schema import ProjectConfig, ProviderConfig
    from evalkit.runtime.config import GenerationConfig

__all__ = ["provider_of", "resolve_config"]


def provider_of(config: ProjectConfig, entry: Entry) -> str | None:
    """The provider's name: the entry's own, or the project's default, or the only one there is."""
    return assembly.provider_of(entry.provider, config.default_provider, config.providers)


def provider_kind(providers: dict[str, ProviderConfig], name: str) -> str | None:
    """`openai`, `anthropic`, …; None for a name that neither the project nor evalkit knows."""
    return assembly.provider_kind(name, {name: provider.kind for name, provider in providers.items()})


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
            return project.reference(kind, model, text, source.locate((key,)))
        except EvalkitError as error:
            problems.extend(error.problems)
            return None

    prompt: Loaded[Prompt] | None = follow("prompts", Prompt, "prompt_ref")
    tools: Loaded[Tools] | None = follow("tools", Tools, "tools_ref")
    model_class: Loaded[ModelClass] | None = follow("classes", ModelClass, "class_ref")
    _check_response_format(loaded, tools.model if tools else None, problems)
    kind = _kind(project, loaded, problems)
    if problems or prompt is None or kind is None:
        raise ConfigError(problems)
    return assemble(
        source.data,
        prompt.source.data,
        tools.source.data if tools else None,
        model_class.source.data if model_class else None,
        kind=kind,
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


def _check_response_format(loaded: Loaded[Entry], tools: Tools | None, problems: list[Problem]) -> None:
    wanted = loaded.model.response_format
    formats = tools.response_formats if tools else {}
    if not isinstance(wanted, str) or wanted in formats:
        return
    if tools is not None or loaded.model.tools_ref is None:
        known = ", ".join(formats) or "none"
        hint = (
            f"response formats of the tools_ref file: {known}"
            if tools
            else "set tools_ref to the file that has it"
        )
        where = loaded.source.locate(("response_format",))
        problems.append(Problem("EK201", f"no response format is called '{wanted}'", where, hint))
