"""All that serve one name and environment, taken from a bundle once: what every call of them shares."""

from __future__ import annotations

from evalkit.errors import Problem, UnknownEntry
from evalkit.runtime import assign
from evalkit.runtime.bundle import ENVIRONMENTS
from evalkit.runtime.frozen import freeze
from evalkit.runtime.refs import Ref
from evalkit.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from evalkit.runtime.bundle import Bundle
    from evalkit.runtime.config import GenerationConfig, Message, Variable
    from evalkit.runtime.freshness import Freshness
    from evalkit.runtime.serving import Serving

__all__ = ["Arm", "Group", "ServedPrompt", "group_of"]


class ServedPrompt(Value):
    """The prompt of a config; `str()` is its reference, `triage-prompt@v9`."""

    ref: str
    messages: tuple[Message, ...]
    """As written: `content` is a Jinja2 template."""
    variables: Mapping[str, Variable]

    def __str__(self) -> str:
        return self.ref


class Arm:
    """One version that serves: everything about it that no call changes."""

    __slots__ = (
        "bundle_commit",
        "config",
        "drawn",
        "entry",
        "freshness",
        "group",
        "keyed",
        "prompt",
        "ref",
        "source",
        "variant",
        "why",
    )

    def __init__(
        self, ref: Ref, variant: str, why: str, bundle: Bundle, source: str, freshness: Freshness
    ) -> None:
        self.ref = ref
        self.variant = variant
        self.why = why
        self.drawn = f"v{ref.version} was drawn for this request"
        self.keyed = f"v{ref.version} is assigned to this key"
        self.source = source
        self.freshness = freshness
        self.bundle_commit = bundle.commit.id if bundle.commit else None
        self.entry: Mapping[str, Any] = freeze(bundle.entry(ref))
        self.config: GenerationConfig = bundle.config(ref).frozen()
        self.prompt = ServedPrompt(self.config.prompt_name, self.config.messages, self.config.variables)
        self.group: Group


class Group:
    """All that serve one name and environment, and how calls are shared between them."""

    __slots__ = ("arms", "canary", "cuts", "env", "primary", "weights")

    def __init__(self, env: str, serving: Serving, arms: dict[int, Arm]) -> None:
        self.env = env
        self.primary = serving.primary
        self.weights = serving.weights
        self.canary = (serving.canary.version, serving.canary.percent) if serving.canary else None
        self.arms = arms
        self.cuts = tuple((bound, arms[version]) for bound, version in assign.cuts(self.weights, self.canary))


def group_of(bundle: Bundle, name: str, env: str, source: str, freshness: Freshness) -> Group:
    """All that serve a name and environment.

    Raises:
        UnknownEntry: EK202, there is no such name; EK707, no such environment, or nobody serves it.
    """
    serving = _serving(bundle, name, env)
    arms: dict[int, Arm] = {}
    for version in (*serving.weights, *([serving.canary.version] if serving.canary else ())):
        variant, why = _role(version, env, serving)
        arms[version] = Arm(Ref(name, version), variant, why, bundle, source, freshness)
    group = Group(env, serving, arms)
    for arm in arms.values():
        arm.group = group
    return group


def _role(version: int, env: str, serving: Serving) -> tuple[str, str]:
    """A variant's name, and why it serves."""
    if serving.canary and version == serving.canary.version:
        return "canary", f"v{version} takes {serving.canary.percent:g} % of {env} as a canary"
    if version != serving.primary:
        return f"v{version}", f"v{version} is an arm of the A/B in {env}"
    if len(serving.weights) > 1:
        return "primary", f"v{version} is the primary of the A/B in {env}"
    return "primary", f"v{version} serves {env}"


def _serving(bundle: Bundle, name: str, env: str) -> Serving:
    if env not in ENVIRONMENTS:
        hint = f"environments: {', '.join(ENVIRONMENTS)}"
        raise UnknownEntry(Problem("EK707", f"there is no environment {env!r}", hint=hint))
    try:
        found = bundle.serving(name, env)
    except (KeyError, TypeError):
        raise UnknownEntry(_unknown(name, bundle)) from None
    if found is None:
        hint = "promote one of its entries; evalkit list shows where each one is"
        raise UnknownEntry(Problem("EK707", f"nobody serves {name} in {env} ({bundle.where})", hint=hint))
    return found


def _unknown(name: str, bundle: Bundle) -> Problem:
    from difflib import get_close_matches

    names = bundle.names
    guess = get_close_matches(str(name), names, n=1)
    hint = f"did you mean '{guess[0]}'?" if guess else f"names: {', '.join(names[:10]) or 'none yet'}"
    return Problem("EK202", f"there is no entry called {name!r} in {bundle.where}", hint=hint)
