"""`evalkit.yaml`: providers, policy, and what evalkit may do in this repository."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import parse_qsl

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from evalkit.registry.schema.base import CrossChecked, Finding, Name, RefText, Strict
from evalkit.runtime.assemble import BUILT_IN_PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["EntryPolicy", "Policy", "PolicyDefaults", "Price", "ProjectConfig", "ProviderConfig"]

ENVIRONMENT_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
_KEY = re.compile(
    # What vendors begin their keys with, and then at least one digit ...
    r"(?:sk|pk|rk|gsk|csk|ghp|gho|ghs|github_pat|glpat|hf|xai|pplx|r8|nvapi|AKIA|ASIA|AIza|ya29|eyJ)(?=[^\d\s]*\d)[-_.]?\w"
    r"|sk-\w"
    # ... or what a header would send, or a run of letters and digits that no name has.
    r"|(?:Bearer|Basic)\s+\w|.*(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{28}"
)
_USER_IN_URL = re.compile(r"https?://[^/?#]*@")
_SECRET_PARAMETER = re.compile(
    r"(?i)(?:.*[_-])?(?:(?:api|access|auth)?[_-]?(?:key|token)|secret|password|passwd|sig|signature)"
)


def looks_like_a_key(text: str) -> bool:
    """Whether a text may be a secret. What it may be is never shown, not even in part."""
    return len(text) >= 12 and _KEY.match(text) is not None


def _query_holds_a_key(url: str) -> bool:
    query = url.partition("#")[0].partition("?")[2]
    return any(
        (len(value) >= 8 and _SECRET_PARAMETER.fullmatch(name) is not None) or looks_like_a_key(value)
        for name, value in parse_qsl(query)
    )


def _environment_name(text: str) -> str:
    """Refuses what is no name, without showing it: it may well be the key itself."""
    if looks_like_a_key(text):
        message = "this looks like a key itself; a secret is never written into a file"
        hint = "put the key into an environment variable and write its name here, then revoke this key"
        raise _finding(Finding(message, code="EK216", hint=hint))
    if re.fullmatch(ENVIRONMENT_NAME[1:-1], text) is None:
        hint = "for example OPENAI_API_KEY"
        raise _finding(Finding("this must be the name of an environment variable", hint=hint))
    return text


def _finding(finding: Finding) -> PydanticCustomError:
    return PydanticCustomError("finding", "{message}", {"message": finding.message, "finding": finding})


EnvironmentName = Annotated[
    str, AfterValidator(_environment_name), Field(json_schema_extra={"pattern": ENVIRONMENT_NAME})
]


class ProviderConfig(CrossChecked):
    """How a provider is reached. Keys come from the environment; their values are never written anywhere."""

    kind: Literal["openai", "anthropic", "local", "http", "command"]
    """`openai` is any OpenAI-compatible chat completions API; `http` and `command` are whole applications."""
    base_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """For example `https://api.openai.com/v1`. Required for `http`."""
    api_key_env: EnvironmentName | None = None
    """The name of the environment variable that holds the key."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with each request. Not for secrets."""
    headers_env: dict[str, EnvironmentName] = Field(default_factory=dict)
    """Headers whose value is taken from an environment variable."""
    command: Annotated[list[str], Field(min_length=1)] | None = None
    """For `command`: the program and its arguments; it reads `{"id", "vars"}` and writes the output."""
    output: str | None = None
    """For `http`: the dotted key of the answer's text; the whole body if left out."""
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120.0
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 6
    concurrency: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Requests in flight at the most."""
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None

    @classmethod
    def findings(cls, raw: Mapping[str, Any]) -> Iterator[Finding]:
        """What is wrong between the keys."""
        kind = raw.get("kind")
        if kind == "http" and not raw.get("base_url"):
            yield Finding("an http provider needs a 'base_url'", code="EK105")
        if kind == "command" and not raw.get("command"):
            yield Finding("a command provider needs a 'command'", code="EK105")
        if kind != "command" and "command" in raw:
            yield Finding("only a command provider has a 'command'", ("command",))
        if kind not in ("http", "command", None) and "output" in raw:
            yield Finding("only an http provider has an 'output'", ("output",))
        headers = raw.get("headers")
        for name, value in headers.items() if isinstance(headers, dict) else ():
            if isinstance(value, str) and looks_like_a_key(value):
                hint = "use headers_env, which names an environment variable, then revoke this key"
                yield Finding(
                    f"the header {name} holds what looks like a key", ("headers", name), "EK216", hint
                )
        url = raw.get("base_url")
        if isinstance(url, str) and _USER_IN_URL.match(url):
            hint = "name an environment variable with api_key_env or headers_env instead"
            yield Finding("the URL holds a user or a password", ("base_url",), "EK216", hint)
        elif isinstance(url, str) and _query_holds_a_key(url):
            hint = "send it as a header with headers_env, then revoke this key"
            yield Finding("the URL holds what looks like a key", ("base_url",), "EK216", hint)
        command = raw.get("command")
        for index, part in enumerate(command if isinstance(command, list) else ()):
            # A path may have a digest in it; a key is given by itself, or after `--key=`.
            if isinstance(part, str) and "/" not in part and any(map(looks_like_a_key, part.split("=", 1))):
                hint = "let the program read it from the environment, which it inherits, then revoke this key"
                message = "the command holds what looks like a key"
                yield Finding(message, ("command", index), "EK216", hint)


class PolicyDefaults(Strict):
    """What holds for every entry unless it says otherwise."""

    production_gate: Literal["canary", "eval"] = "canary"
    """What stands between staging and production."""
    approvals: Annotated[int, Field(ge=0, le=10)] = 1
    suites: list[RefText] = Field(default_factory=list)


class EntryPolicy(Strict):
    """What holds for the entries that a name or a pattern matches."""

    suites: list[RefText] = Field(default_factory=list)
    """All of them must pass. The first one's score is written into the entry."""
    production_gate: Literal["canary", "eval"] | None = None
    approvals: Annotated[int, Field(ge=0, le=10)] | None = None


class Policy(Strict):
    """Which suites gate which entries, how production is gated, who may approve."""

    defaults: PolicyDefaults = PolicyDefaults()
    entries: dict[str, EntryPolicy] = Field(default_factory=dict)
    """By entry name, or by a pattern such as `"*-judge"`; an exact name wins, then the longest pattern."""
    allow_self_approval: bool = False
    standby: Annotated[int, Field(ge=1, le=20)] = 2
    """How many former production entries stay ready for a rollback."""


class Price(Strict):
    """List price in USD for a million tokens."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    cached_input: Annotated[float, Field(ge=0)] | None = None


class Artifacts(Strict):
    """What CI artifacts may hold."""

    outputs: bool = True
    """Whether model inputs and outputs go into artifacts and comments; false for public repositories."""


WorkflowPath = Annotated[str, Field(pattern=r"^\.github/workflows/[A-Za-z0-9._-]+\.ya?ml$")]


class ForgeConfig(Strict):
    """Where pull requests are opened, and by what names its parts go there."""

    kind: Literal["github"] = "github"
    check: Annotated[str, Field(min_length=1, max_length=200)] = "check"
    """The status that a pull request must have before it is merged: the job of `check.yml`."""
    evaluate_workflow: WorkflowPath = ".github/workflows/evaluate.yml"
    """Whose runs on the default branch give evidence that promotes."""
    publish_workflow: WorkflowPath = ".github/workflows/publish.yml"


class PublishConfig(CrossChecked):
    """Where the bundle goes that running applications fetch."""

    to: Annotated[str, Field(pattern=r"^(release|pages|s3://[^/\s]+/\S+)$")] = "release"
    """`release`, `pages`, or `s3://bucket/key.json`."""
    tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "evalkit-bundle"
    """Of the release that holds it."""
    asset: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.json$")] = "bundle.json"
    """The name of the file in the release, or on the site."""

    @classmethod
    def findings(cls, raw: Mapping[str, Any]) -> Iterator[Finding]:
        """What is wrong between the keys."""
        to = raw.get("to", "release")
        if "tag" in raw and to != "release":
            yield Finding("only a release has a 'tag'", ("tag",))
        if "asset" in raw and isinstance(to, str) and to.startswith("s3://"):
            yield Finding("the key of an S3 object is in 'to'; it has no 'asset'", ("asset",))


class ProjectConfig(CrossChecked):
    """The whole of `evalkit.yaml`."""

    schema_version: Literal[1] = 1
    default_provider: Name | None = None
    providers: dict[Name, ProviderConfig] = Field(default_factory=dict)
    policy: Policy = Policy()
    scorers: dict[Name, Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]] = Field(
        default_factory=dict
    )
    """Python scorers by name: `"package.module:function"`. A suite uses the name, never the path."""
    prices: dict[str, Price] = Field(default_factory=dict)
    """By model id, over the built-in list prices."""
    artifacts: Artifacts = Artifacts()
    canary: dict[str, Any] | None = None
    """Log sources and signals of the canary."""
    forge: ForgeConfig | None = None
    """Where pull requests are opened. Without it, evidence needs no attestation."""
    publish: PublishConfig | None = None
    """Where the bundle is published."""

    @classmethod
    def findings(cls, raw: Mapping[str, Any]) -> Iterator[Finding]:
        """What is wrong between the keys."""
        default, providers = raw.get("default_provider"), raw.get("providers")
        known = list(providers) if isinstance(providers, dict) else []
        if isinstance(default, str) and default not in known and default not in BUILT_IN_PROVIDERS:
            hint = f"providers: {', '.join(sorted({*known, *BUILT_IN_PROVIDERS}))}"
            yield Finding(f"no provider is called '{default}'", ("default_provider",), "EK201", hint)
