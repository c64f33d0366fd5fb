"""The bundle: a compiled registry as one JSON document, read with nothing but the standard library.

The layout is docs/bundle.md. Whoever holds a `Bundle` holds a whole one: its digest is right, everything that it
refers to is in it, and every value has the type that resolution needs, so that a lookup has no way to fail.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from datetime import UTC, datetime

from evalkit.errors import BundleError, Location, Problem
from evalkit.runtime.config import GenerationConfig, Message, Variable
from evalkit.runtime.refs import Ref
from evalkit.runtime.serving import Canary, Serving
from evalkit.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["ENVIRONMENTS", "FORMAT", "SCHEMA", "Bundle", "Commit", "encode_bundle", "read_bundle"]

FORMAT = "evalkit.bundle"
SCHEMA = (1, 0)
"""Major and minor. A reader takes any minor of its major: a minor adds keys and changes nothing that is there."""

ENVIRONMENTS = ("production", "staging")

_ROLES = frozenset({"system", "developer", "user", "assistant"})
_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object", "any"})


class Commit(Value):
    """The state of the repository that a bundle was made of."""

    id: str
    count: int
    """Commits on the first-parent line up to this one: what orders two bundles."""
    time: int
    """When it was committed, in seconds since 1970."""
    dirty: bool = False
    """Whether the files differed from what is committed."""

    def as_data(self) -> dict[str, Any]:
        """As a bundle writes it."""
        time = datetime.fromtimestamp(self.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"id": self.id, "first_parent_count": self.count, "time": time, "dirty": self.dirty}


class Bundle:
    """A whole, valid bundle. Do not change its document."""

    __slots__ = ("_data", "commit", "digest", "document", "where")

    def __init__(self, document: dict[str, Any], data: bytes, where: str) -> None:
        """Check a document as far as resolution relies on it. `data` is the file that it was read from, digest and all.

        Raises:
            BundleError: EK701, it contradicts itself.
        """
        try:
            _check_parts(document)
            self.commit = _commit(document.get("commit"))
        except _Fault as fault:
            raise _broken(where, str(fault)) from None
        self.document = document
        self.where = where
        self.digest = data[len(b'{"digest":"') : len(b'{"digest":"sha256:') + 64].decode()
        self._data = data

    @property
    def order(self) -> tuple[int, int] | None:
        """What tells the older of two bundles of one repository; None for one that was made outside of git."""
        return (self.commit.count, self.commit.time) if self.commit else None

    @property
    def names(self) -> list[str]:
        """Every entry name, sorted, whether or not somebody serves."""
        return sorted(self.document["serving"])

    def serving(self, name: str, env: str) -> Serving | None:
        """Who serves; None if nobody does.

        Raises:
            KeyError: there is no such name.
        """
        found = self.document["serving"][name].get(env)
        if found is None:
            return None
        canary = found.get("canary")
        return Serving(
            primary=found["primary"],
            weights={int(version): float(weight) for version, weight in found["weights"].items()},
            standby=tuple(found.get("standby") or ()),
            canary=Canary(canary["version"], float(canary["percent"]), canary.get("unit", "request"))
            if canary
            else None,
        )

    def entry(self, ref: Ref) -> Mapping[str, Any]:
        """What the bundle says of one version, as it stands there.

        Raises:
            KeyError: it is not in the bundle: neither serving nor standby.
        """
        found: Mapping[str, Any] = self.document["entries"][str(ref)]
        return found

    def config(self, ref: Ref) -> GenerationConfig:
        """The generation config of one version.

        Raises:
            KeyError: it is not in the bundle.
        """
        entry = self.entry(ref)
        prompt = self.document["prompts"][entry["prompt_ref"]]
        tools = self.document["tools"][entry["tools_ref"]]["tools"] if entry.get("tools_ref") else None
        members = entry.get("members")
        return GenerationConfig(
            provider_kind=entry["provider_kind"],
            model=entry.get("model"),
            members=tuple(members) if members else None,
            prompt_name=entry["prompt_ref"],
            messages=tuple(Message(m["role"], m["content"]) for m in prompt["messages"]),
            variables={
                name: Variable(v.get("type", "string"), v.get("required", True), v.get("default"))
                for name, v in prompt["variables"].items()
            },
            params=entry["params"],
            tools=tuple(tools) if tools else None,
            response_format=entry.get("response_format"),
            artifact_digest=(entry.get("artifact") or {}).get("digest"),
        )

    def encode(self) -> bytes:
        """The bytes of its file."""
        return self._data


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode

_FIRST_LINE = re.compile(rb'\{"digest":"sha256:([0-9a-f]{64})",\n')


def encode_bundle(document: dict[str, Any]) -> bytes:
    """A bundle's file: on its first line the digest of all other lines, so that `sha256sum` verifies it, too.

    Keys are sorted, and each name, entry, prompt and tools file stands on a line: any diff compares two bundles.
    """
    parts = []
    for key, value in sorted(document.items()):
        if isinstance(value, dict) and value:
            lines = ",\n".join(f"{_encode(item)}:{_encode(value[item])}" for item in sorted(value))
            parts.append(f"{_encode(key)}:{{\n{lines}}}")
        elif key != "digest":
            parts.append(f"{_encode(key)}:{_encode(value)}")
    rest = (",\n".join(parts) + "}\n").encode("utf-8")
    return b'{"digest":"sha256:' + hashlib.sha256(rest).hexdigest().encode() + b'",\n' + rest


def read_bundle(data: bytes, where: str) -> Bundle:
    """A bundle from the bytes of its file.

    Args:
        data: the file.
        where: what messages call it; it holds no secret.

    Raises:
        BundleError: EK701, it is no bundle or a broken one; EK702, it is not what was written; EK703, its kind is newer.
    """
    try:
        document = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _broken(where, f"not JSON: {what}") from None
    _check_kind(document, where)
    document.pop("digest", None)  # it is of the file, not of what the file says
    line = _FIRST_LINE.match(data)
    if line is None:
        raise _broken(where, "its first line is not its digest")
    if hashlib.sha256(data[line.end() :]).hexdigest() != line[1].decode():
        raise _broken(where, "its content does not have the digest that it names", "EK702")
    return Bundle(document, data, where)


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")


def _broken(where: str, what: str, code: str = "EK701", hint: str | None = None) -> BundleError:
    advice = hint or "make it again with `evalkit bundle`, or copy it again if it was cut on its way"
    return BundleError(Problem(code, f"no valid bundle: {what}", Location(where), advice))


class _Fault(Exception):
    """What is wrong in a document, and the key that it is wrong at."""


def _check_kind(document: Any, where: str) -> None:
    """Whether this is a bundle, and one of a kind that is read here."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _broken(where, f"the key 'format' is not '{FORMAT}'")
    major, minor = _schema_version(document.get("schema_version"), where)
    if major != SCHEMA[0]:
        raise _broken(
            where,
            f"its schema is {major}.{minor}, and this evalkit reads {SCHEMA[0]}.x",
            "EK703",
            "upgrade evalkit in the application" if major > SCHEMA[0] else "make it again with this evalkit",
        )


def _schema_version(text: Any, where: str) -> tuple[int, int]:
    parts = text.split(".") if isinstance(text, str) else ()
    if len(parts) != 2 or not all(p.isascii() and p.isdigit() and len(p) < 6 for p in parts):
        raise _broken(where, "the key 'schema_version' is no version such as '1.0'")
    return int(parts[0]), int(parts[1])


def _check_parts(document: dict[str, Any]) -> None:
    _commit(document.get("commit"))
    prompts, tools = _mapping(document, "prompts"), _mapping(document, "tools")
    entries = _mapping(document, "entries")
    for ref, prompt in prompts.items():
        _check_prompt(prompt, f"prompts.{ref}")
    for ref, item in tools.items():
        at = f"tools.{ref}"
        if not isinstance(item, dict) or not _all_are(dict, item.get("tools")):
            raise _Fault(f"{at}.tools is no list of mappings")
    for ref, entry in entries.items():
        _check_entry(ref, entry, prompts, tools)
    for name, environments in _mapping(document, "serving").items():
        if not isinstance(environments, dict):
            raise _Fault(f"serving.{name} is no mapping")
        for env in ENVIRONMENTS:
            if environments.get(env) is not None:
                _check_serving(name, environments[env], entries, f"serving.{name}.{env}")


def _check_prompt(prompt: Any, at: str) -> None:
    if not isinstance(prompt, dict):
        raise _Fault(f"{at} is no mapping")
    messages = prompt.get("messages")
    if not _all_are(dict, messages) or not messages:
        raise _Fault(f"{at}.messages is no list of messages")
    for message in messages:
        if message.get("role") not in _ROLES or not isinstance(message.get("content"), str):
            raise _Fault(f"{at}.messages holds one without role or content")
    for name, variable in _mapping(prompt, "variables", at).items():
        if not isinstance(variable, dict) or variable.get("type", "string") not in _TYPES:
            raise _Fault(f"{at}.variables.{name} has no type")
        if not isinstance(variable.get("required", True), bool):
            raise _Fault(f"{at}.variables.{name}.required is neither true nor false")


def _check_entry(ref: str, entry: Any, prompts: dict[str, Any], tools: dict[str, Any]) -> None:
    at = f"entries.{ref}"
    parsed = Ref.parse(ref)
    if parsed is None or str(parsed) != ref or not isinstance(entry, dict):
        raise _Fault(f"{at} is no entry")
    if not all(isinstance(entry.get(key), str) for key in ("digest", "provider", "provider_kind", "status")):
        raise _Fault(f"{at} has no digest, provider, provider_kind or status")
    if not isinstance(entry.get("params"), dict):
        raise _Fault(f"{at}.params is no mapping")
    if not isinstance(entry.get("prompt_ref"), str) or entry["prompt_ref"] not in prompts:
        raise _Fault(f"{at}.prompt_ref names no prompt of the bundle")
    tools_ref = entry.get("tools_ref")
    if tools_ref is not None and (not isinstance(tools_ref, str) or tools_ref not in tools):
        raise _Fault(f"{at}.tools_ref names no tools of the bundle")
    for key, kind in (("model", str), ("class_ref", str), ("response_format", dict), ("artifact", dict)):
        if entry.get(key) is not None and not isinstance(entry[key], kind):
            raise _Fault(f"{at}.{key} is no {'text' if kind is str else 'mapping'}")
    if entry.get("members") is not None and not _all_are(dict, entry["members"]):
        raise _Fault(f"{at}.members is no list of mappings")
    if not any(entry.get(key) for key in ("model", "class_ref", "artifact")):
        raise _Fault(f"{at} names no model")
    price = entry.get("price")
    if price is not None and not (
        isinstance(price, dict) and _is_number(price.get("input")) and _is_number(price.get("output"))
    ):
        raise _Fault(f"{at}.price has no input or output")


def _check_serving(name: str, found: Any, entries: dict[str, Any], at: str) -> None:
    if not isinstance(found, dict):
        raise _Fault(f"{at} is no mapping")
    weights = _mapping(found, "weights", at)
    if not all(v.isascii() and v.isdigit() and _is_number(w) and w > 0 for v, w in weights.items()):
        raise _Fault(f"{at}.weights holds what is no version with a weight")
    primary, canary = found.get("primary"), found.get("canary")
    if type(primary) is not int or str(primary) not in weights:
        raise _Fault(f"{at}.primary is none of the versions that serve")
    versions = [int(version) for version in weights]
    if canary is not None:
        if not isinstance(canary, dict) or type(canary.get("version")) is not int:
            raise _Fault(f"{at}.canary has no version")
        if not _is_number(canary.get("percent")) or not 0 < canary["percent"] <= 100:
            raise _Fault(f"{at}.canary.percent is not above 0 and at most 100")
        if canary["version"] in versions:
            raise _Fault(f"{at}.canary serves already")
        versions.append(canary["version"])
    standby = found.get("standby") or []
    if not _all_are(int, standby):
        raise _Fault(f"{at}.standby is no list of versions")
    for version in (*versions, *standby):
        if f"{name}@v{version}" not in entries:
            raise _Fault(f"{at} refers to {name}@v{version}, which is not in the bundle")


def _commit(value: Any) -> Commit | None:
    if value is None:
        return None
    try:
        id_, count, time, dirty = value["id"], value["first_parent_count"], value["time"], value["dirty"]
    except (KeyError, TypeError):
        raise _Fault("commit lacks id, first_parent_count, time or dirty") from None
    if not (
        isinstance(id_, str) and type(count) is int and isinstance(time, str) and isinstance(dirty, bool)
    ):
        raise _Fault("commit holds a value of the wrong type")
    try:
        moment = datetime.fromisoformat(time)
        if moment.tzinfo is None:
            raise _Fault("commit.time names no time zone")
        seconds = int(moment.timestamp())
    except (ValueError, OverflowError):
        raise _Fault("commit.time is no time such as 2026-01-31T12:00:00Z") from None
    return Commit(id_, count, seconds, dirty)


def _mapping(parent: dict[str, Any], key: str, at: str = "") -> dict[str, Any]:
    found = parent.get(key)
    if not isinstance(found, dict):
        raise _Fault(f"{at}{'.' if at else ''}{key} is no mapping")
    return found


def _all_are(kind: type, value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is kind for item in value)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0
