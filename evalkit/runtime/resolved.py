"""What an application holds: one config, frozen, and where it comes from."""

from __future__ import annotations

from evalkit.runtime import assign
from evalkit.runtime.arms import ServedPrompt, group_of
from evalkit.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn
    from uuid import UUID

    from evalkit.runtime.arms import Arm
    from evalkit.runtime.bundle import Bundle
    from evalkit.runtime.call import Call
    from evalkit.runtime.freshness import Freshness
    from evalkit.runtime.frozen import FrozenDict, FrozenList

__all__ = ["ResolvedConfig", "ServedPrompt", "Variant", "resolve_from"]


class ResolvedConfig:
    """One generation config as it serves now: what `Registry.resolve` returns.

    Frozen, and good for any number of threads; it can be pickled. `model`, `params`, `tools` and `response_format` go
    to the provider as they are. Resolve again for each request or job: that costs less than a microsecond, and is how
    a promotion reaches a running application.
    """

    __slots__ = ("_arm", "_why", "unit")

    _arm: Arm
    _why: str
    unit: str | None
    """What this call counts as in the canary's statistics; None for the plain result, which no draw has assigned."""

    def __init__(self) -> None:
        raise TypeError("a ResolvedConfig comes from Registry.resolve()")

    # What is asked, and how

    @property
    def name(self) -> str:
        """Of the entry: `support-triage`."""
        return self._arm.ref.name

    @property
    def env(self) -> str:
        """`production` or `staging`."""
        return self._arm.group.env

    @property
    def version(self) -> int:
        """Of the entry: 14. Log it with every call: `log_fields` calls it `registry_version`."""
        return self._arm.ref.version

    @property
    def digest(self) -> str:
        """The generation digest, `sha256:…`: what evidence and approval are bound to."""
        digest: str = self._arm.entry["digest"]
        return digest

    @property
    def model(self) -> str:
        """What to send as `model`: a pinned id; for a gateway class its reference, for weights alone their address."""
        entry = self._arm.entry
        return str(entry.get("model") or entry.get("class_ref") or entry["artifact"]["uri"])

    @property
    def members(self) -> FrozenList | None:
        """The pinned members of a gateway class."""
        return self._arm.entry.get("members")

    @property
    def provider(self) -> str:
        """The provider's name in `evalkit.yaml`."""
        return str(self._arm.entry["provider"])

    @property
    def provider_kind(self) -> str:
        """How it is reached: `openai` (and whatever speaks its API), `anthropic`, `local`, and so on."""
        return str(self._arm.entry["provider_kind"])

    @property
    def prompt(self) -> ServedPrompt:
        """Messages as written, variables, and the reference."""
        return self._arm.prompt

    @property
    def params(self) -> FrozenDict:
        """`temperature`, `max_tokens`, …: verbatim, for `**cfg.params`."""
        params: FrozenDict = self._arm.entry["params"]
        return params

    @property
    def tools(self) -> FrozenList | None:
        """In the shape of chat completions; None when the config has none."""
        tools: FrozenList | None = self._arm.config.tools  # type: ignore[assignment]
        return tools

    @property
    def response_format(self) -> FrozenDict | None:
        """As chat completions take it; None when the config has none."""
        return self._arm.entry.get("response_format")

    @property
    def price(self) -> FrozenDict | None:
        """USD for a million tokens: `input`, `output`, perhaps `cached_input`; None if it is not known."""
        return self._arm.entry.get("price")

    def messages(self, /, **variables: Any) -> list[dict[str, str]]:
        """The prompt for one call.

        Raises:
            RenderError: EK306 for each variable that is missing, unknown or of the wrong type; EK305, the template
                fails on these values. Both name the prompt.
        """
        return self._arm.config.render_messages(variables)

    def request(self, /, **variables: Any) -> dict[str, Any]:
        """The whole chat request as it was evaluated, for `client.chat.completions.create(**…)`.

        Raises:
            RenderError: as `messages` does.
        """
        return {**self._arm.config.request(variables), "model": self.model}

    def messages_request(self, /, **variables: Any) -> dict[str, Any]:
        """The same for Anthropic's Messages API, for `client.messages.create(**…)`.

        Raises:
            RenderError: as `messages` does.
            ConfigError: EK506, the entry asks for something that this API has no way to say.
        """
        from evalkit.runtime.messages_api import to_messages_request

        return to_messages_request(self.request(**variables))

    # Where it comes from

    @property
    def variant(self) -> str:
        """`primary`, `canary`, or `v15` for another arm of an A/B."""
        return self._arm.variant

    @property
    def source(self) -> str:
        """Where the bundle came from; no secret is in it."""
        return self._arm.source

    @property
    def commit(self) -> str | None:
        """What the bundle was made of; None outside of git."""
        return self._arm.bundle_commit

    @property
    def age(self) -> float:
        """Seconds since the source last said that this is the current set. Goes on counting while you hold it."""
        return self._arm.freshness.age

    @property
    def stale(self) -> bool:
        """Whether the source may have something else by now; `reason` says why."""
        return self._arm.freshness.stale

    @property
    def reason(self) -> str:
        """Why this version, and when stale, why that: a sentence for a log or a status page."""
        problem = self._arm.freshness.problem
        return f"{self._why}; stale: {problem}" if problem else self._why

    # Which variant

    def for_request(self) -> ResolvedConfig:
        """The variant to use for this one call, drawn at random: the canary's share first, then the arms by weight.

        Use one result for a request and all its retries.
        """
        group = self._arm.group
        draw, unit = assign.draw_request()
        if len(group.arms) == 1:
            return _config(self._arm, unit, self._arm.drawn)
        arm = next(arm for bound, arm in group.cuts if draw < bound)
        return _config(arm, unit, arm.drawn)

    def for_key(self, key: str | int | bytes | UUID) -> ResolvedConfig:
        """The variant to use for a conversation, a user, …: the same for the same key, in every process.

        Raises:
            TypeError, ValueError: the key is None, empty, or of another type: use `for_request()` if there is none.
        """
        group, name = self._arm.group, self._arm.ref.name
        arm = group.arms[assign.assign_key(name, group.weights, group.canary, key)]
        return _config(arm, assign.unit_of_key(name, key), arm.keyed)

    def with_unit(self, unit: str) -> ResolvedConfig:
        """This config, logged under a unit that an experiment layer of your own has assigned."""
        return _config(self._arm, unit, self._why)

    # The call log

    def log_fields(
        self, resp: Any = None, error: Any = None, started: Any = None, **known: Any
    ) -> dict[str, Any]:
        """What to log of one call: `log.info("llm_call", extra=cfg.log_fields(resp))`. Never raises.

        Args:
            resp: the response, an object of the openai or anthropic package or a dict; None if there was none.
            error: the exception, or one word, if the call failed.
            started: when the request was sent, by `time.time()` or `time.perf_counter()`, for `ts` and `latency_ms`.
            known: `attempt`, `fallback`, `feedback`, `request_id`, `latency_ms`, `unit`, where you know better.
        """
        from evalkit.runtime.call_log import log_fields

        return log_fields(self, resp, error, started, **known)

    def call(self, *, unit: str | None = None, **known: Any) -> Call:
        """`with cfg.call() as call: call.response = client.…`: measures one call and logs it to `evalkit.calls`."""
        from evalkit.runtime.call import Call

        return Call(self, unit=unit, **known)

    def otel_attributes(self, resp: Any = None, error: Any = None) -> dict[str, Any]:
        """The same by OpenTelemetry's GenAI conventions: `span.set_attributes(cfg.otel_attributes(resp))`."""
        from evalkit.runtime.telemetry import otel_attributes

        return otel_attributes(self, resp, error)

    # Identity

    def _identity(self) -> tuple[Any, ...]:
        return self.name, self.env, self.version, self.digest, self.variant, self.unit

    def __eq__(self, other: object) -> bool:
        return self._identity() == other._identity() if isinstance(other, ResolvedConfig) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        return f"<{self._arm.ref} {self.env} {self.variant} {self.model}{' stale' if self.stale else ''}>"

    def __setattr__(self, key: str, value: object) -> NoReturn:
        raise AttributeError(f"a resolved config is frozen: '{key}' cannot be set")

    def __delattr__(self, key: str) -> NoReturn:
        raise AttributeError(f"a resolved config is frozen: '{key}' cannot be deleted")

    def __copy__(self) -> ResolvedConfig:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ResolvedConfig:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _config, (self._arm, self.unit, self._why)


def _config(arm: Arm, unit: str | None, why: str) -> ResolvedConfig:
    config = object.__new__(ResolvedConfig)
    put = object.__setattr__
    put(config, "_arm", arm)
    put(config, "_why", why)
    put(config, "unit", unit)
    return config


class Variant(Value):
    """One of those that serve a name, for an experiment layer of your own."""

    variant: str
    """`primary`, `canary`, or `v15` for another arm of an A/B."""
    version: int
    digest: str
    weight: float
    """Its share of calls; those of all variants sum to 1."""
    config: ResolvedConfig
    """What to use for a call that you assign to it: `variant.config.with_unit(…)`."""

    @property
    def id(self) -> str:
        """`support-triage@v14`: the same in every process and at any time."""
        return f"{self.config.name}@v{self.version}"


def resolve_from(bundle: Bundle, name: str, env: str, source: str, freshness: Freshness) -> ResolvedConfig:
    """The plain result for a name and environment: its primary.

    Raises:
        UnknownEntry: EK202, there is no such name; EK707, no such environment, or nobody serves it.
    """
    group = group_of(bundle, name, env, source, freshness)
    primary = group.arms[group.primary]
    return _config(primary, None, primary.why)


def variants_of(config: ResolvedConfig) -> tuple[Variant, ...]:
    """All that serve beside a config, it included; the primary first, the canary last."""
    group = config._arm.group  # noqa: SLF001 - one module
    share = group.canary[1] / 100 if group.canary else 0.0
    total = sum(group.weights.values())
    weights = {version: (1 - share) * weight / total for version, weight in group.weights.items()}
    if group.canary:
        weights[group.canary[0]] = share
    ordered = sorted(
        group.arms.values(), key=lambda arm: (arm.variant != "primary", arm.variant == "canary", arm.ref)
    )
    return tuple(
        Variant(
            arm.variant,
            arm.ref.version,
            arm.entry["digest"],
            weights[arm.ref.version],
            _config(arm, None, arm.why),
        )
        for arm in ordered
    )
