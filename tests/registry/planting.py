"""A small valid project, and mistakes to plant in it. Each uses names of its own, so that all fit into one project."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

FAR = "2999-01-01"
PAST = "2020-01-01"


@dataclass(frozen=True)
class Mistake:
    """Files to write, and where `check` must report what: (path, text of the line or None for the file, code)."""

    name: str
    files: dict[str, str | bytes] = field(default_factory=dict)
    expected: tuple[tuple[str, str | None, str], ...] = ()
    provider: str = ""
    rule: str = ""
    scorer: str = ""
    links: dict[str, str] = field(default_factory=dict)


def entry(name: str, version: int = 1, extra: str = "", **changes: str | None) -> str:
    keys: dict[str, str | None] = {
        "name": name,
        "version": str(version),
        "model": "gpt-5-mini-2025-08-07",
        "provider": "openai",
        "prompt_ref": "base-prompt@v1",
        "params": "{ max_tokens: 300 }",
        "status": "draft",
    } | changes
    return "".join(f"{key}: {value}\n" for key, value in keys.items() if value is not None) + extra


def prompt(name: str, content: str = "{{ ticket }}", variables: str = "{ticket: {type: string}}") -> str:
    body = "\n".join(f"      {line}" if line else "" for line in content.split("\n"))
    return f"name: {name}\nversion: 1\nvariables: {variables}\nmessages:\n  - role: user\n    content: |\n{body}\n"


def tools(name: str, tool: str = "", formats: str = "") -> str:
    text = f"name: {name}\nversion: 1\n"
    if tool:
        text += f"tools:\n{tool}"
    return text + (f"response_formats:\n{formats}" if formats else "")


def suite(name: str, cases: str = "cases.jsonl", extra: str = "", **changes: str | None) -> str:
    keys: dict[str, str | None] = {
        "name": name,
        "version": "1",
        "cases": cases,
        "scorers": "[exact_match]",
        "gate": "{ min_score: 0.9 }",
    } | changes
    return "".join(f"{key}: {value}\n" for key, value in keys.items() if value is not None) + extra


def case(number: int, **changes: object) -> str:
    row = {"id": f"c{number}", "vars": {"ticket": "help"}, "expected": "billing", "tags": ["easy"]} | changes
    return json.dumps({key: value for key, value in row.items() if value is not None})


def cases(*last: str, count: int = 40) -> str:
    """So many good cases, and then these lines."""
    return "".join(f"{line}\n" for line in (*map(case, range(count)), *last))


BASE: dict[str, str] = {
    "registry/entries/base/v1.yaml": entry("base"),
    "registry/prompts/base-prompt/v1.yaml": prompt("base-prompt"),
    "registry/tools/base-tools/v1.yaml": tools(
        "base-tools", "  - name: look_up\n    parameters: {type: object, properties: {a: {type: string}}}\n"
    ),
    "registry/classes/base-class/v1.yaml": (
        "name: base-class\nversion: 1\nmembers: [{model: gpt-5-mini-2025-08-07, provider: openai}]\n"
    ),
    "suites/base-eval/v1/suite.yaml": suite("base-eval"),
    "suites/base-eval/v1/cases.jsonl": cases(),
}


def config(mistakes: list[Mistake]) -> str:
    """An evalkit.yaml with the lines that these mistakes add to it."""
    providers = "".join(f"  {m.provider}\n" for m in mistakes if m.provider)
    rules = "".join(f"    {m.rule}\n" for m in mistakes if m.rule)
    scorers = "".join(f"  {m.scorer}\n" for m in mistakes if m.scorer)
    text = "default_provider: openai\nproviders:\n  openai: {kind: openai}\n" + providers
    text += "policy:\n  entries:\n    base: {suites: [base-eval@v1]}\n" + rules
    return text + (f"scorers:\n{scorers}" if scorers else "")


def plant(root: Path, mistakes: list[Mistake]) -> None:
    files: dict[str, str | bytes] = {**BASE, "evalkit.yaml": config(mistakes)}
    for mistake in mistakes:
        clash = files.keys() & mistake.files.keys()
        assert not clash, f"{mistake.name} writes {clash}, which another writes too"
        files |= mistake.files
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    for mistake in mistakes:
        for name, target in mistake.links.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)


def line_of(root: Path, path: str, marker: str | None) -> int:
    """The line that contains the marker; 0 for a file as a whole."""
    if marker is None:
        return 0
    lines = (root / path).read_bytes().decode("utf-8", "replace").splitlines()
    found = [number for number, line in enumerate(lines, 1) if marker in line]
    assert found, f"{path} has no line with {marker!r}"
    return found[-1]
