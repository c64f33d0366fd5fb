"""Read workflow files as far as the doctor looks at them. They are foreign text: parsed, never run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evalkit.runtime.yaml_source import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from evalkit.errors import Location, Problem
    from evalkit.runtime.yaml_source import Source

__all__ = ["FOLDER", "Job", "Uses", "Workflow", "read_workflows"]

FOLDER = ".github/workflows"


@dataclass(frozen=True, slots=True)
class Uses:
    """One `uses:`, of a step or of a job."""

    text: str
    place: Location

    @property
    def is_local(self) -> bool:
        """Of the same repository."""
        return self.text.startswith(("./", "$/"))

    @property
    def is_pinned(self) -> bool:
        """By a full commit id, or by an image's digest."""
        _, _, ref = self.text.rpartition("@")
        if self.text.startswith("docker://"):
            return ref.startswith("sha256:")
        return len(ref) == 40 and all(c in "0123456789abcdef" for c in ref)


@dataclass(frozen=True, slots=True)
class Job:
    """One job."""

    id: str
    name: str
    """What its check is called."""
    data: Mapping[str, Any]
    place: Location

    @property
    def environment(self) -> str | None:
        """The environment that it names."""
        found = self.data.get("environment")
        named = found.get("name") if isinstance(found, dict) else found
        return named if isinstance(named, str) else None

    def steps(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Its steps, by their place in the list."""
        steps = self.data.get("steps")
        for index, step in enumerate(steps if isinstance(steps, list) else ()):
            if isinstance(step, dict):
                yield index, step

    def commands(self) -> str:
        """All that its steps run."""
        return "\n".join(str(step["run"]) for _, step in self.steps() if "run" in step)

    def environment_names(self) -> set[str]:
        """The variables that it or a step of it sets."""
        blocks = [self.data.get("env"), *(step.get("env") for _, step in self.steps())]
        return {str(name) for block in blocks if isinstance(block, dict) for name in block}


@dataclass(slots=True)
class Workflow:
    """One file of `.github/workflows`."""

    path: str
    source: Source
    problems: list[Problem] = field(default_factory=list)

    @property
    def data(self) -> Mapping[str, Any]:
        """The whole file; empty if it is none."""
        return self.source.data if isinstance(self.source.data, dict) else {}

    @property
    def triggers(self) -> Mapping[str, Any]:
        """By event name."""
        found = self.data.get("on")
        if isinstance(found, str):
            return {found: None}
        if isinstance(found, list):
            return {str(name): None for name in found}
        return found if isinstance(found, dict) else {}

    def jobs(self) -> Iterator[Job]:
        """Its jobs."""
        found = self.data.get("jobs")
        for name, job in found.items() if isinstance(found, dict) else ():
            if isinstance(job, dict):
                shown = job.get("name")
                title = shown if isinstance(shown, str) and "${{" not in shown else str(name)
                yield Job(str(name), title, job, self.source.locate(["jobs", name], key=True))

    def uses(self) -> Iterator[Uses]:
        """Every `uses:` in it."""
        for job in self.jobs():
            if isinstance(job.data.get("uses"), str):
                yield Uses(job.data["uses"], self.source.locate(["jobs", job.id, "uses"]))
            for index, step in job.steps():
                if isinstance(step.get("uses"), str):
                    place = self.source.locate(["jobs", job.id, "steps", index, "uses"])
                    yield Uses(step["uses"], place)

    def is_ours(self) -> bool:
        """Whether it runs evalkit, or calls a workflow that does."""
        called = any("/evalkit/" in use.text or "/.github/actions/install" in use.text for use in self.uses())
        return called or any("evalkit " in job.commands() for job in self.jobs())


def read_workflows(root: Path) -> list[Workflow]:
    """Every workflow file of a project, by name."""
    found = []
    for path in sorted((root / FOLDER).glob("*.y*ml")):
        if path.suffix in {".yml", ".yaml"}:
            shown = f"{FOLDER}/{path.name}"
            source, problems = read_yaml(path, shown)
            found.append(Workflow(shown, source, problems))
    return found
