"""promptops: `PromptManager(resolver=AutoResolver(…)).get_template(name, "latest")`, from a snapshot or from git.

A snapshot is frozen for the life of the process. In a git repository "latest" is what HEAD holds, cached until
`refresh()`. The cache keeps 128 templates unless told otherwise.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

HITS = {"plain": 'it.get_template("svc-0001", "latest")'}
IDENTITY = [
    "-c",
    "user.name=bench",
    "-c",
    "user.email=bench@example.invalid",
    "-c",
    "core.hooksPath=/dev/null",
]


def load():
    from llmhq_promptops import AutoResolver, PromptManager

    return PromptManager, AutoResolver


def connect(place: str, _ttl_s: float | None, _cache: str | None):
    manager, resolver = load()
    return manager(repo_path=place, cache_size=1000, resolver=resolver(repo_path=place))


def served(it, name: str) -> int:
    return int(it.get_template(name, "latest").metadata.version.removeprefix("v").partition(".")[0])


def asked(it, name: str) -> int:
    it.refresh()
    return served(it, name)


def prepare(place: str, entries: int, _versions: int) -> None:
    """A repository of the sample at `place`/git, and at `place`/snapshot what its snapshot command makes of it."""
    import sample
    from llmhq_promptops import write_snapshot

    repository = Path(place, "git")
    (repository / ".promptops" / "prompts").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    for name in sample.names(entries):
        write_prompt(repository, name, 1)
    commit(repository)
    snapshot = Path(place, "snapshot", ".promptops", "snapshot.json")
    snapshot.parent.mkdir(parents=True)
    write_snapshot(str(repository), output_path=str(snapshot))


def write_prompt(repository: Path, name: str, version: int) -> None:
    import sample

    system, user = sample.messages(name, version)
    document = {  # JSON is YAML
        "metadata": {
            "id": name,
            "version": f"v{version}.0.0",
            "models": {"default": sample.MODEL},
            "tools": sample.tools(name),
        },
        "template": f"{system['content']}\n{user['content']}",
        "variables": {"text": {"type": "string", "required": True}},
    }
    (repository / ".promptops" / "prompts" / f"{name}.yaml").write_text(json.dumps(document, indent=1))


def commit(repository: Path) -> None:
    subprocess.run(["git", "-C", str(repository), "add", "--all"], check=True)
    subprocess.run(
        ["git", "-C", str(repository), *IDENTITY, "commit", "--quiet", "-m", "Publish"], check=True
    )
