"""Where answers come from: model APIs, a model on this CPU, recordings, whole applications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.evals.providers.base import Provider
    from evalkit.registry.schema import ProviderConfig

__all__ = ["make_provider"]

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"


def make_provider(
    name: str,
    config: ProviderConfig,
    *,
    model: str | None,
    environ: Mapping[str, str],
    slots: int | None = None,
) -> Provider:
    """The provider that a name of `evalkit.yaml` stands for. Nothing is connected or started yet.

    Args:
        name: as declared; for messages.
        config: as declared.
        model: the model that will be asked; `local` loads exactly this one.
        environ: where keys are looked up.
        slots: requests that `local` answers at once; its cores if None.

    Raises:
        UsageError: EK501, a key is not set in the environment.
    """
    variable = config.api_key_env or _default_key(config)
    key = _from_environment(name, variable, environ)
    hidden = {
        header: _from_environment(name, source, environ) for header, source in config.headers_env.items()
    }
    secrets = [value for value in (key, *hidden.values()) if value]
    headers = {**config.headers, **{header: value or "" for header, value in hidden.items()}}
    if config.kind == "anthropic":
        from evalkit.evals.providers.anthropic import AnthropicProvider

        url = config.base_url or ANTHROPIC_URL
        return AnthropicProvider(
            name, url, key, api_key_env=variable, headers=headers, timeout_s=config.timeout_s, secrets=secrets
        )
    if config.kind == "http":
        from evalkit.evals.providers.target import HttpTarget

        if key:
            headers.setdefault("Authorization", f"Bearer {key}")
        url = config.base_url or ""
        return HttpTarget(
            name, url, headers=headers, timeout_s=config.timeout_s, output=config.output, secrets=secrets
        )
    if config.kind == "command":
        from evalkit.evals.providers.target import CommandTarget

        return CommandTarget(name, config.command or [], timeout_s=config.timeout_s)
    if config.kind == "local":
        from evalkit.evals.providers.local import LocalProvider

        return LocalProvider(name, model or "", slots=slots, timeout_s=config.timeout_s)
    from evalkit.evals.providers.openai import OpenAIProvider

    url = config.base_url or OPENAI_URL
    return OpenAIProvider(
        name, url, key, api_key_env=variable, headers=headers, timeout_s=config.timeout_s, secrets=secrets
    )


def _default_key(config: ProviderConfig) -> str | None:
    """The vendor's usual variable; none for a URL of one's own, which may need no key."""
    if config.base_url is not None:
        return None
    return {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}.get(config.kind)


def _from_environment(name: str, variable: str | None, environ: Mapping[str, str]) -> str | None:
    if variable is None:
        return None
    value = environ.get(variable)
    if not value:
        hint = f"export {variable}=…, or evaluate a recording with --replay FILE"
        raise UsageError(Problem("EK501", f"provider {name}: ${variable} is not set", hint=hint))
    return value.strip()
