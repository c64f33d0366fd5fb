"""Compile the files of a registry into a bundle: who serves, and everything that they resolve to.

One function over bytes, so that a directory, a commit and the `evalkit bundle` command give the same bundle for the
same files. Of what serves, or stands by to serve, everything is checked that resolution relies on; `evalkit check` says
more about the same files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from evalkit.errors import ConfigError, Location, Problem
from evalkit.runtime.assemble import BUILT_IN_PROVIDERS, assemble, provider_kind, provider_of, wire_tool
from evalkit.runtime.bundle import ENVIRONMENTS, FORMAT, SCHEMA, Bundle, Commit, encode_bundle
from evalkit.runtime.digest import digest, without_nulls
from evalkit.runtime.prices import price
from evalkit.runtime.refs import Ref, is_name
from evalkit.runtime.serving import EntryState, Serving, conflicts, serving
from evalkit.runtime.shapes import CLASS, ENTRY, PROMPT, STATUS, TOOLS, Shape, problems_of_shape
from evalkit.runtime.template import problem_of_template
from evalkit.runtime.yaml_source import MAX_BYTES, Source, parse_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.runtime.config import GenerationConfig

__all__ = ["PATHS", "compile_registry"]

PATHS = re.compile(r"evalkit\.yaml|registry/(entries|prompts|tools|classes)/([^/]+)/v([1-9][0-9]{0,8})\.yaml")
"""The files that a bundle is made of, relative to the project."""

_STANDBY = 2
"""Former production versions that stay ready for a rollback, where policy says nothing else."""

_NOUNS = {"prompts": "prompt", "tools": "tools", "classes": "class"}


def compile_registry(files: Mapping[str, bytes], commit: Commit | None = None, *, where: str) -> Bundle:
    """The bundle of a registry.

    Args:
        files: by path relative to the project, with forward slashes; others than `PATHS` are passed over.
        commit: what the files were taken from, if that is known.
        where: what messages call the result.

    Raises:
        ConfigError: with every problem of what serves or stands by, at its line; or who serves is not clear.
    """
    compiler = _Compiler(files)
    document = compiler.document()
    if compiler.problems:
        raise ConfigError(sorted(set(compiler.problems), key=_by_place))
    document["commit"] = commit.as_data() if commit else None
    return Bundle(document, encode_bundle(document), where)


class _Compiler:
    """One pass over the files; problems are collected."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.problems: list[Problem] = []
        self._files = files
        self._components: dict[tuple[str, Ref], Source | None] = {}
        self._project = self._read_project()

    def document(self) -> dict[str, Any]:
        """The bundle's, without commit and digest."""
        found: dict[str, dict[str, Any]] = {}
        entries: dict[str, dict[str, Any]] = {}
        for name, versions in sorted(self._entries().items()):
            answers = self._who_serves(name, versions)
            found[name] = {env: _serving_data(answer) if answer else None for env, answer in answers.items()}
            needed = {version for answer in answers.values() if answer for version in _versions(answer)}
            for version in sorted(needed):
                compiled = self._entry(versions[version])
                if compiled is not None:
                    entries[f"{name}@v{version}"] = compiled
        return {
            "format": FORMAT,
            "schema_version": f"{SCHEMA[0]}.{SCHEMA[1]}",
            "serving": found,
            "entries": entries,
            "prompts": {
                str(ref): _prompt_data(s)
                for (kind, ref), s in self._components.items()
                if kind == "prompts" and s
            },
            "tools": {
                str(ref): _tools_data(s)
                for (kind, ref), s in self._components.items()
                if kind == "tools" and s
            },
        }

    def _entries(self) -> dict[str, dict[int, Source]]:
        """Every entry whose status can be read, by name and version."""
        found: dict[str, dict[int, Source]] = {}
        for path in self._files:
            match = PATHS.fullmatch(path)
            if match is None or match[1] != "entries" or not is_name(match[2]):
                continue
            source = self._parse(path)
            if source is None or not isinstance(source.data, dict):
                if source is not None:
                    self._report("EK106", "an entry is a mapping", source.locate())
                continue
            status = source.data.get("status")
            if status not in STATUS.words:
                message = f"status must be one of {', '.join(STATUS.words)}"
                self._report("EK106", message, source.locate(("status",)))
                continue
            self._check_identity(source, match[2], int(match[3]))
            found.setdefault(match[2], {})[int(match[3])] = source
        return found

    def _who_serves(self, name: str, versions: dict[int, Source]) -> dict[str, Serving | None]:
        before = len(self.problems)
        live = {v: s for v, s in versions.items() if s.data["status"] in ("production", "staging")}
        for source in live.values():
            self.problems += problems_of_shape(source, ENTRY)
        if len(self.problems) > before:
            return dict.fromkeys(ENVIRONMENTS)
        states = [_state(version, source.data) for version, source in live.items()]
        if found := conflicts(states):
            for conflict in found:
                place = live[conflict.versions[-1]].locate((conflict.key,))
                self._report("EK210", f"who serves {name} is not clear: {conflict}", place)
            return dict.fromkeys(ENVIRONMENTS)
        return {env: self._trimmed(serving(states, env)) for env in ENVIRONMENTS}

    def _trimmed(self, found: Serving | None) -> Serving | None:
        policy = self._project.get("policy")
        kept = policy.get("standby", _STANDBY) if isinstance(policy, dict) else _STANDBY
        kept = kept if type(kept) is int else _STANDBY
        return found.replace(standby=found.standby[:kept]) if found else None

    def _entry(self, source: Source) -> dict[str, Any] | None:
        """What the bundle says of one version; None with problems."""
        before = len(self.problems)
        entry = source.data
        prompt = self._component(source, "prompts", "prompt_ref", PROMPT)
        tools = self._component(source, "tools", "tools_ref", TOOLS)
        members = self._component(source, "classes", "class_ref", CLASS)
        if not any(entry.get(key) for key in ("model", "class_ref", "artifact")):
            self._report("EK105", "the key 'model' is missing", source.locate())
        self._check_response_format(source, tools)
        provider, kind = self._provider(source)
        named = {"tools_ref": tools, "class_ref": members}
        if any(found is None and entry.get(key) for key, found in named.items()):
            return None  # it is broken, and its problems are reported where they are
        if len(self.problems) > before or prompt is None or provider is None or kind is None:
            return None
        config = assemble(
            entry, prompt.data, tools.data if tools else None, members.data if members else None, kind=kind
        )
        return self._entry_data(entry, config, provider)

    def _entry_data(self, entry: dict[str, Any], config: GenerationConfig, provider: str) -> dict[str, Any]:
        return without_nulls(
            {
                "status": entry["status"],
                "digest": config.digest,
                "provider": provider,
                "provider_kind": config.provider_kind,
                "model": config.model,
                "class_ref": entry.get("class_ref"),
                "members": list(config.members) if config.members else None,
                "artifact": entry.get("artifact"),
                "prompt_ref": str(Ref.parse(entry["prompt_ref"])),
                "params": dict(config.params),
                "tools_ref": str(Ref.parse(entry["tools_ref"])) if config.tools else None,
                "response_format": config.response_format,
                "price": self._price(config.model, provider) if config.model else None,
                "approved_by": entry.get("approved_by"),
            }
        )

    def _price(self, model: str, provider: str) -> dict[str, float] | None:
        """USD for a million tokens, the project's own or the list price; None if it is not known."""
        own = self._project.get("prices")
        usable = {k: v for k, v in own.items() if _is_price(v)} if isinstance(own, dict) else {}
        found = price(model, usable, provider)
        if found is None:
            return None
        cached = {} if found.cached_input is None else {"cached_input": found.cached_input}
        return {"input": found.input, "output": found.output, **cached}

    def _component(self, entry: Source, kind: str, key: str, shape: Shape) -> Source | None:
        """The file that a reference names, read and checked once however many entries name it."""
        text = entry.data.get(key)
        ref = Ref.parse(text) if isinstance(text, str) else None
        if ref is None:
            return None
        path = f"registry/{kind}/{ref.name}/v{ref.version}.yaml"
        if path not in self._files:
            self._report("EK201", f"no {_NOUNS[kind]} {ref}", entry.locate((key,)), f"create {path}")
            return None
        if (kind, ref) not in self._components:
            source = self._parse(path)
            problems = problems_of_shape(source, shape) if source else []
            if source and not problems:
                self._check_identity(source, ref.name, ref.version)
                problems = list(_problems_inside(source, kind))
            self.problems += problems
            self._components[kind, ref] = None if problems else source
        return self._components[kind, ref]

    def _provider(self, source: Source) -> tuple[str | None, str | None]:
        declared = self._project.get("providers")
        declared = declared if isinstance(declared, dict) else {}
        kinds = {
            n: p["kind"]
            for n, p in declared.items()
            if isinstance(p, dict) and isinstance(p.get("kind"), str)
        }
        name = provider_of(source.data.get("provider"), self._project.get("default_provider"), declared)
        known = ", ".join(sorted({*declared, *BUILT_IN_PROVIDERS}))
        if name is None:
            hint = f"set 'provider' here, or default_provider in evalkit.yaml ({known})"
            self._report("EK201", "no provider is named", source.locate(), hint)
            return None, None
        kind = provider_kind(name, kinds)
        if kind is None:
            place = source.locate(("provider",))
            self._report("EK201", f"no provider is called '{name}'", place, f"providers: {known}")
        return name, kind

    def _check_response_format(self, source: Source, tools: Source | None) -> None:
        wanted = source.data.get("response_format")
        formats = (tools.data.get("response_formats") or {}) if tools else {}
        if isinstance(wanted, str) and wanted not in formats:
            hint = f"response formats of the tools_ref file: {', '.join(formats) or 'none'}"
            place = source.locate(("response_format",))
            self._report("EK201", f"no response format is called '{wanted}'", place, hint)

    def _check_identity(self, source: Source, name: str, version: int) -> None:
        """The number in the path is the number in the file: who serves is decided by one of them."""
        for key, expected in (("name", name), ("version", version)):
            if key in source.data and source.data[key] != expected:
                message = f"{key} is {source.data[key]!r}, and the path says {expected!r}"
                self._report("EK109", message, source.locate((key,)))

    def _read_project(self) -> dict[str, Any]:
        if "evalkit.yaml" not in self._files:
            return {}
        source = self._parse("evalkit.yaml")
        if source is None or not isinstance(source.data, dict):
            if source is not None:
                self._report("EK106", "evalkit.yaml is a mapping", source.locate())
            return {}
        return source.data

    def _parse(self, path: str) -> Source | None:
        source, problems = parse_bytes(self._files[path], path, max_bytes=MAX_BYTES)
        self.problems += problems
        return None if problems else source

    def _report(self, code: str, message: str, place: Location, hint: str | None = None) -> None:
        self.problems.append(Problem(code, message, place, hint))


def _state(version: int, entry: Mapping[str, Any]) -> EntryState:
    rollout = entry.get("rollout") or {}
    return EntryState(
        version,
        entry["status"],
        entry.get("traffic"),
        bool(entry.get("control")),
        percent=rollout.get("percent"),
        unit=rollout.get("unit") or "request",
    )


def _is_price(value: Any) -> bool:
    keys = (
        "input",
        "output",
        *(("cached_input",) if isinstance(value, dict) and "cached_input" in value else ()),
    )
    return isinstance(value, dict) and all(type(value.get(key)) in (int, float) for key in keys)


def _versions(found: Serving) -> set[int]:
    return {*found.weights, *found.standby, *([found.canary.version] if found.canary else ())}


def _problems_inside(source: Source, kind: str) -> list[Problem]:
    """What the shape of a component does not say."""
    if kind == "prompts":
        found = []
        for index, message in enumerate(source.data["messages"]):
            at = ("messages", index, "content")
            wrong = problem_of_template(message["content"], source.data.get("variables") or {})
            if wrong is not None:
                found.append(Problem(wrong[0], wrong[1], source.locate_in_block(at, wrong[2])))
        return found
    if kind == "tools":
        return [
            Problem("EK105", "a tool has no name", source.locate(("tools", index)))
            for index, tool in enumerate(source.data.get("tools") or ())
            if not isinstance(
                (tool.get("function") if isinstance(tool.get("function"), dict) else tool).get("name"), str
            )
        ]
    return []


def _serving_data(found: Serving) -> dict[str, Any]:
    return {
        "primary": found.primary,
        "weights": {str(version): weight for version, weight in sorted(found.weights.items())},
        "canary": {
            "version": found.canary.version,
            "percent": found.canary.percent,
            "unit": found.canary.unit,
        }
        if found.canary
        else None,
        "standby": list(found.standby),
    }


def _prompt_data(source: Source) -> dict[str, Any]:
    content = {
        "variables": {
            name: without_nulls(
                {
                    "type": v.get("type", "string"),
                    "required": v.get("required", True),
                    "default": v.get("default"),
                }
            )
            for name, v in (source.data.get("variables") or {}).items()
        },
        "messages": [{"role": m["role"], "content": m["content"]} for m in source.data["messages"]],
    }
    return {**content, "digest": digest(content)}


def _tools_data(source: Source) -> dict[str, Any]:
    content = {"tools": [wire_tool(tool) for tool in source.data.get("tools") or ()]}
    return {**content, "digest": digest(content)}


def _by_place(problem: Problem) -> tuple[str, int, int, str]:
    place = problem.location
    return (place.path, place.line, place.column, problem.message) if place else ("", 0, 0, problem.message)
