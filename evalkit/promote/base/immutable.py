"""Rule: the generation config of what has left draft never changes, neither in its file nor through `evalkit.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evalkit.errors import Problem
from evalkit.promote.base.change import locate
from evalkit.promote.base.content import CONFIG_KEYS, config_content, differences, words
from evalkit.promote.base.snapshot import entry_path, keys_of, ref_of
from evalkit.registry.resolve import provider_kind
from evalkit.registry.schema.base import shown
from evalkit.runtime.assemble import provider_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalkit.errors import Location
    from evalkit.promote.base.change import Change
    from evalkit.registry.schema import ProjectConfig
    from evalkit.runtime.refs import Ref

__all__ = ["changed_config", "immutable_configs"]

Loc = tuple[str | int, ...]


def immutable_configs(change: Change) -> Iterator[Problem]:
    """Every entry that was not a draft in the base and whose config the change edits (EK831, EK832)."""
    for path in change.files:
        ref = ref_of(path, "registry/entries")
        if ref is None or path not in change.before or path not in change.after:
            continue
        state = change.states_before(ref.name).get(ref.version)
        source, before = change.after.parsed(path), change.before.parsed(path)
        if state is None or state.state.status == "draft" or source is None or before is None:
            continue
        status = state.state.status
        for loc, old, new in changed_config(before.data, source.data):
            if loc == ("provider",) and _reaches_the_same(change, before.data, source.data):
                continue
            message = (
                f"{ref} {_is(status)}, and its config never changes: {words(loc)} was {old} and is {new}"
            )
            hint = f"restore it, and change it in a new version: evalkit new {ref.name} --from {ref}"
            yield Problem("EK831", message, locate(source, path, loc), hint)
    if "evalkit.yaml" in change.files:
        yield from _through_the_project_file(change)


def changed_config(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[Loc, str, str]]:
    """Where two states of an entry differ in their config, with what was and what is; one place for each key."""
    old, new = config_content(before), config_content(after)
    for key in CONFIG_KEYS:
        found = differences({key: old[key]} if key in old else {}, {key: new[key]} if key in new else {})
        loc = next(found, None)
        if loc is not None:
            yield loc, shown(_value(old, loc)), shown(_value(new, loc))


def _value(data: Any, loc: Loc) -> Any:
    for step in loc:
        try:
            data = data[step]
        except (KeyError, IndexError):
            return None
    return data


def _is(status: str) -> str:
    return "is retired" if status == "retired" else f"is in {status}"


def _reaches_the_same(change: Change, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a provider that is now named, or no longer, is the one that was meant all the time."""
    config = change.config_after
    return config is not None and _provider(before, change.config_before) == _provider(after, config)


def _provider(entry: Mapping[str, Any], config: ProjectConfig) -> str | None:
    named = entry.get("provider")
    return provider_of(named if isinstance(named, str) else None, config.default_provider, config.providers)


@dataclass(slots=True)
class _Moved:
    """Entries that reach another kind of provider by the same edit of `evalkit.yaml`."""

    place: Location
    old: str
    new: str
    refs: list[Ref] = field(default_factory=list)


def _through_the_project_file(change: Change) -> Iterator[Problem]:
    """The kind of provider is part of the config (docs/digests.md); its URL is not, and may change."""
    before, after = change.config_before, change.config_after
    if after is None or (before.default_provider, before.providers) == (
        after.default_provider,
        after.providers,
    ):
        return
    moved: dict[tuple[str, str, str], _Moved] = {}
    for ref, raw in change.before.all_entries():
        path = entry_path(ref.name, ref.version)
        data = keys_of(raw, path)
        now = keys_of(change.after.read(path), path) if path in change.files else data
        if data is None or now is None or data.get("status") == "draft":
            continue
        if data.get("provider") != now.get("provider"):
            continue  # said at the entry
        old, new = _provider(data, before), _provider(now, after)
        was, becomes = _kind(before, old), _kind(after, new)
        if was is None or becomes is None or was == becomes:
            continue  # a provider that is unknown is reported by itself
        named = data.get("provider")
        loc = ("providers", new or "", "kind") if named or old == new else ("default_provider",)
        place = locate(change.after.parsed("evalkit.yaml"), "evalkit.yaml", loc)
        moved.setdefault((str(place), was, becomes), _Moved(place, was, becomes)).refs.append(ref)
    for one in moved.values():
        listed = ", ".join(map(str, one.refs[:3])) + (
            f" and {len(one.refs) - 3:,} more" if len(one.refs) > 3 else ""
        )
        message = (
            f"this changes the config of {listed}, which left draft: the provider was of kind {one.old}"
            f" and is of kind {one.new}"
        )
        hint = "name the new provider in the entries that are to use it, and leave this as it was"
        yield Problem("EK832", message, one.place, hint)


def _kind(config: ProjectConfig, name: str | None) -> str | None:
    return provider_kind(config.providers, name) if name else None
