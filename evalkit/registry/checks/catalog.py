"""What exists in a project, each file read and checked at most once, and what a reference leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evalkit.registry.checks.classes import check_class
from evalkit.registry.checks.file import Checked, read
from evalkit.registry.checks.prompts import check_prompt
from evalkit.registry.checks.tools import check_tools
from evalkit.registry.pins import verdict
from evalkit.registry.project import KINDS, EffectivePolicy, effective_policy
from evalkit.registry.resolve import provider_kind
from evalkit.registry.schema import EntryPolicy, Policy, PolicyDefaults, ProjectConfig
from evalkit.registry.schema.base import close_match
from evalkit.runtime.assemble import BUILT_IN_PROVIDERS
from evalkit.runtime.hosts import hosts
from evalkit.runtime.refs import Ref
from evalkit.runtime.yaml_source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from pydantic import BaseModel

    from evalkit.errors import Problem
    from evalkit.registry.checks.tree import Tree
    from evalkit.registry.pins import PinVerdict
    from evalkit.registry.project import Project

__all__ = ["Catalog", "Component"]

_MANY = 1_000  # names; among more, or after many mistakes, looking for the one that was meant takes too long
_MOST_GUESSES = 50


@dataclass(frozen=True, slots=True)
class Component:
    """A prompt, a tools file or a class, checked."""

    model: BaseModel | None
    """None when the file is not valid on its own."""
    problems: tuple[Problem, ...]
    is_broken: bool


class Catalog:
    """The tree, `evalkit.yaml` as far as it can be read, and the components that entries refer to."""

    def __init__(self, project: Project, tree: Tree, today: date) -> None:
        self.project = project
        self.tree = tree
        self.today = today
        path = project.root / "evalkit.yaml"
        self.has_config = path.is_file()
        source = Source("evalkit.yaml", "", {}, None)
        problems: list[Problem] = []
        model: ProjectConfig | None = ProjectConfig()
        if self.has_config:
            model, source, problems = project.read(path, ProjectConfig)
        self.config_file: Checked[ProjectConfig] = Checked(source, model, list(problems))
        self.config = model or _as_far_as_valid(self.config_file.raw)
        self._components: dict[tuple[str, Ref], Component] = {}
        self._pins: dict[tuple[str, str | None], PinVerdict] = {}
        self._policies: dict[str, EffectivePolicy] = {}
        self._hosts = frozenset(name for host in hosts() for name in host.names)
        self._guesses = 0

    def component(self, kind: str, ref: Ref) -> Component | None:
        """The prompt, tools or class, read and checked on the first call; None where there is none."""
        key = (kind, ref)
        if key not in self._components:
            found = self.tree.found[kind].get(ref)
            if found is None:
                return None
            checked: Checked[Any] = read(found, KINDS[kind].model)
            if kind == "prompts":
                check_prompt(checked)
            elif kind == "tools":
                check_tools(checked)
            else:
                check_class(checked, self)
            self._components[key] = Component(checked.model, tuple(checked.problems), checked.is_broken)
        return self._components[key]

    def follow(self, file: Checked[Any], key: str, kind: str) -> Component | None:
        """What a file's reference leads to; a problem of the file where it leads nowhere good."""
        ref = file.reference(key)
        if ref is None:
            return None
        component = self.component(kind, ref)
        if component is None:
            hint = self.hint(kind, ref)
            file.report("EK201", f"no {KINDS[kind].noun} {ref}", (key,), hint)
        elif component.is_broken:
            where = self.tree.found[kind][ref].display
            file.report("EK209", f"{KINDS[kind].noun} {ref} is not valid", (key,), f"see {where}")
        return component

    def hint(self, kind: str, ref: Ref) -> str | None:
        """What the author of a reference that leads nowhere may have meant."""
        index = self.tree.versions(kind)
        versions = index.get(ref.name)
        if versions:
            return f"versions of {ref.name}: {', '.join(f'v{v}' for v in versions[-5:])}"
        guess = self.guess(ref.name, index)
        if guess:
            return f"did you mean '{guess}'?"
        folder = "suites" if kind == "suites" else f"registry/{KINDS[kind].folder}"
        file = "/suite.yaml" if kind == "suites" else ".yaml"
        return f"create {folder}/{ref.name}/v{ref.version}{file}"

    def guess(self, word: str, known: Mapping[str, Any]) -> str | None:
        """The name that may have been meant, unless there are too many to look through."""
        self._guesses += 1
        return close_match(word, known) if len(known) <= _MANY and self._guesses <= _MOST_GUESSES else None

    def policy_for(self, name: str) -> EffectivePolicy:
        """What policy asks of a name."""
        if name not in self._policies:
            self._policies[name] = effective_policy(self.config, name)
        return self._policies[name]

    def providers(self) -> Mapping[str, Any] | None:
        """The providers as written; None when evalkit.yaml cannot be read at all."""
        if self.config_file.source.node is None and self.has_config:
            return None
        return self.config_file.mapping("providers")

    def provider_for(self, written: str | None) -> str | None:
        """The provider's name: the entry's own, or the project's default, or the only one there is."""
        providers = self.providers() or {}
        default = self.config_file.text("default_provider")
        return written or default or (next(iter(providers)) if len(providers) == 1 else None)

    def is_provider(self, name: str) -> bool:
        """Whether a provider of that name can be used, as far as evalkit.yaml can be read."""
        providers = self.providers()
        return providers is None or name in providers or name in BUILT_IN_PROVIDERS

    def pin(self, model: str, provider: str | None) -> PinVerdict:
        """Whether a model id is pinned where this provider sends it."""
        key = (model, self.host_of(provider))
        if key not in self._pins:
            self._pins[key] = verdict(*key)
        return self._pins[key]

    def host_of(self, provider: str | None) -> str | None:
        """What pin rules know a provider by: its name where that is a vendor's, else its kind."""
        if provider is None or provider.lower() in self._hosts:
            return provider
        return provider_kind(self.config.providers, provider) or provider


def _as_far_as_valid(raw: Mapping[str, Any]) -> ProjectConfig:
    """The parts of a broken evalkit.yaml that are valid, so that its mistakes hide no others."""
    parts: dict[str, Any] = {}
    for key in ("default_provider", "providers", "scorers"):
        value = raw.get(key)
        valid = {}
        for name, item in value.items() if isinstance(value, dict) else ():
            try:
                ProjectConfig.model_validate({key: {name: item}})
            except ValidationError:
                continue
            valid[name] = item
        parts |= {key: valid} if valid else {}
    policy = raw.get("policy")
    policy = policy if isinstance(policy, dict) else {}
    rules = policy.get("entries")
    config = ProjectConfig.model_validate(parts)
    return config.model_copy(
        update={
            "policy": Policy(
                defaults=PolicyDefaults(suites=_references(policy.get("defaults"))),
                entries={
                    name: EntryPolicy(suites=_references(rule))
                    for name, rule in (rules.items() if isinstance(rules, dict) else ())
                },
            )
        }
    )


def _references(rule: Any) -> list[str]:
    suites = rule.get("suites") if isinstance(rule, dict) else None
    return [s for s in suites if isinstance(s, str) and Ref.parse(s)] if isinstance(suites, list) else []
