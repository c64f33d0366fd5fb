"""evalkit: `Registry.open(place).resolve(name, env="production")`.

The functions here are those of every module of a library:
`load` imports it, `connect` opens it as its documentation says, `served` is the version that a request gets now,
`asked` the same after the library was told to look for a change, `HITS` the expressions of one request.
"""

from __future__ import annotations

import json
from pathlib import Path

HITS = {
    "plain": 'it.resolve("svc-0001", env="production")',
    "for_request": 'it.resolve("svc-0002", env="production").for_request()',
    "for_key": 'it.resolve("svc-0003", env="production").for_key(next(keys))',
}


def load():
    from evalkit import Registry

    return Registry


def connect(place: str, ttl_s: float | None, cache: str | None):
    settings = {} if ttl_s is None else {"refresh_s": ttl_s}
    return load().open(place, cache_dir=cache, **settings)


def served(it, name: str) -> int:
    return it.resolve(name, env="production").version


def asked(it, name: str) -> int:
    it.refresh()
    return served(it, name)


def prepare(place: str, entries: int, versions: int) -> None:
    """The sample as a project at `place`/tree, and bundles of it at `place`/bundle-1.json, …

    Bundle after bundle, as commit after commit would give them, serves the next version of the flipped entry.
    """
    import sample

    from evalkit.runtime.bundle import Commit, encode_bundle
    from evalkit.runtime.compile import compile_registry

    files = {"evalkit.yaml": b"default_provider: openai\nproviders:\n  openai: { kind: openai }\n"}
    for name in sample.names(entries):
        if name != sample.FLIPPED:
            files.update(entry_files(name, 1, "production"))
        if name in (sample.CANARY_BY_REQUEST, sample.CANARY_BY_KEY):
            unit = "request" if name == sample.CANARY_BY_REQUEST else "key"
            files.update(entry_files(name, 2, "staging", rollout={"percent": 5, "unit": unit}))
    others = compile_registry(files, where="others").document
    for version in range(1, versions + 1):
        flipped = entry_files(sample.FLIPPED, version, "production")
        one = compile_registry({"evalkit.yaml": files["evalkit.yaml"], **flipped}, where="flipped").document
        parts = {part: {**others[part], **one[part]} for part in ("serving", "entries", "prompts", "tools")}
        commit = Commit(f"{version:040x}", count=version, time=1_790_000_000 + version)
        document = {**others, **parts, "commit": commit.as_data()}
        Path(place, f"bundle-{version}.json").write_bytes(encode_bundle(document))
    for path, content in {**files, **entry_files(sample.FLIPPED, 1, "production")}.items():
        target = Path(place, "tree", path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def entry_files(name: str, version: int, status: str, **more: object) -> dict[str, bytes]:
    """One version of an entry, with the prompt and the tools that it names. JSON is YAML."""
    import sample

    entry = {
        "name": name,
        "version": version,
        "model": sample.MODEL,
        "prompt_ref": f"{name}-prompt@v{version}",
        "params": {"max_tokens": 300},
        "tools_ref": f"{name}-tools@v{version}",
        **more,
        "status": status,
    }
    prompt = {
        "name": f"{name}-prompt",
        "version": version,
        "variables": {"text": {"type": "string"}},
        "messages": sample.messages(name, version),
    }
    tools = {
        "name": f"{name}-tools",
        "version": version,
        "tools": [tool["function"] for tool in sample.tools(name)],
    }
    return {
        f"registry/{kind}/{content['name']}/v{version}.yaml": json.dumps(content, indent=1).encode()
        for kind, content in (("entries", entry), ("prompts", prompt), ("tools", tools))
    }
