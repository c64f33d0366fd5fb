"""A small project whose versions stand as a test says, and the facts of it, with evidence and history as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from evalkit.promote.facts import NameFacts, SuiteVerdict
from evalkit.promote.gather import gather
from evalkit.registry.project import Project

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TODAY = NOW.date()
MODEL = "gpt-5-mini-2025-08-07"
NAME = "triage"

CONFIG = """\
default_provider: openai
providers:
  openai: {{ kind: openai }}
policy:
  standby: {standby}
  entries:
    triage: {{ suites: [{suites}], production_gate: {gate} }}
"""
ENTRY = """\
# {name}, version {version}
name: {name}
version: {version}
model: {model}   # pinned
prompt_ref: {name}-prompt@v{prompt}
params: {{ max_tokens: {tokens} }}
{extra}status: {status}   # draft | staging | production | retired
"""
PROMPT = """\
name: {name}-prompt
version: {version}
variables: {{ ticket: {{ type: string }} }}
messages:
  - role: system
    content: |
      You sort tickets.
      {line}
  - role: user
    content: "{{{{ ticket }}}}"
"""
LINES = ("Answer with one word.", "Answer with one word, in lower case.", "Answer as JSON.")


@dataclass(frozen=True)
class Span:
    version: int
    since: datetime
    until: datetime | None = None


def days(version: int, start: float, end: float | None = None) -> Span:
    """Served production from so many days before now, until so many (or still)."""
    until = None if end is None else NOW - timedelta(days=end)
    return Span(version, NOW - timedelta(days=start), until)


def passed(suite: str = "triage-eval@v1", **changes: Any) -> SuiteVerdict:
    values: dict[str, Any] = {
        "suite": suite, "verdict": "pass", "score": 0.9312, "lower": 0.9, "upper": 0.95, "runs": 2,
    }  # fmt: skip
    return SuiteVerdict(**(values | changes))


@dataclass
class Tree:
    """`versions` maps a number to its status, or to keys of the entry over these defaults."""

    root: Path
    spans: list[Span] | None = field(default_factory=list)
    evidence: dict[int, tuple[SuiteVerdict, ...]] = field(default_factory=dict)

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def entry(self, version: int, status: str, name: str = NAME, *, model: str = MODEL, **keys: Any) -> None:
        prompt = keys.pop("prompt", version)
        tokens = keys.pop("tokens", 300)
        extra = "".join(f"{key}: {value}\n" for key, value in keys.items())
        self.write(
            f"registry/entries/{name}/v{version}.yaml",
            ENTRY.format(
                name=name,
                version=version,
                model=model,
                prompt=prompt,
                tokens=tokens,
                extra=extra,
                status=status,
            ),
        )
        line = LINES[prompt % len(LINES)]
        self.write(
            f"registry/prompts/{name}-prompt/v{prompt}.yaml",
            PROMPT.format(name=name, version=prompt, line=line),
        )

    def hold(self, text: str) -> None:
        self.write(f"registry/holds/{NAME}.yaml", text)

    def project(self) -> Project:
        return Project(self.root)

    def facts(self, name: str = NAME, only: list[int] | None = None) -> NameFacts:
        def judge(ref, suite):
            known = {one.suite: one for one in self.evidence.get(ref.version, (passed(),))}
            return known.get(str(suite), SuiteVerdict(str(suite), "none"))

        return gather(self.project(), name, spans=self.spans, judge=judge, only=only)

    def snapshot(self) -> dict[str, bytes]:
        files = (path for path in sorted((self.root / "registry").rglob("*")) if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in files}


def plant(
    root: Path,
    versions: dict[int, str | dict[str, Any]],
    *,
    gate: str = "canary",
    suites: str = "triage-eval@v1",
    standby: int = 2,
    spans: list[Span] | None = None,
    model: str = MODEL,
) -> Tree:
    """A project with one name. Every version has its own prompt, so each has its own digest."""
    tree = Tree(root, spans=spans if spans is not None else [])
    tree.write("evalkit.yaml", CONFIG.format(gate=gate, suites=suites, standby=standby))
    for version, keys in versions.items():
        given = {"status": keys} if isinstance(keys, str) else dict(keys)
        tree.entry(version, given.pop("status"), **({"tokens": 300 + version, "model": model} | given))
    return tree


def day(text: str) -> date:
    return date.fromisoformat(text)
