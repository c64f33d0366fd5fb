"""The temporary copies of workflow files that act reads: one job of a file, among replays of those that are done."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .model import JobRun

if TYPE_CHECKING:
    pass

__all__ = ["COLLECTOR", "Chain", "temporary_copies"]

COLLECTOR = "standin-collector"
UNKNOWN_TO_ACT = {
    "concurrency": ("queue",),
    "environment": ("deployment",),
    "permissions": ("artifact-metadata",),
}
"""Keys that act refuses; they are left out of the temporary copies."""
Chain = list[tuple[Any, str | None, str]]
"""Of callers and the called: the `WorkflowFile`, the job of it that is meant, and what goes before the names of its jobs."""


def for_act(job: dict[str, Any]) -> dict[str, Any]:
    """A job, or a whole file, without the keys that act refuses."""
    job = dict(job)
    for key, refused in UNKNOWN_TO_ACT.items():
        if isinstance(job.get(key), dict):
            job[key] = {name: value for name, value in job[key].items() if name not in refused}
    return job


def temporary_copies(
    folder: Path, chain: Chain, done: dict[str, JobRun], instead: dict[str, Any] | None = None
) -> dict[str, str]:
    """Path to content, for every file of a chain of calls. `instead`: another job in the place of the last one."""
    files: dict[str, str] = {}
    for depth, (file, wanted, before) in enumerate(chain):
        ready = list(file.jobs) if wanted is None else file.ancestors(wanted)
        jobs = {
            other: replay(folder, before + other, done[before + other], file.needs(other)) for other in ready
        }
        is_last = depth == len(chain) - 1
        if wanted is not None:
            jobs[wanted] = instead if is_last and instead else for_act(file.jobs[wanted])
            jobs[COLLECTOR] = collector(folder, f"{COLLECTOR}-{depth}" if depth else COLLECTOR, [wanted])
        if wanted is not None and not is_last:
            jobs[wanted] = {**jobs[wanted], "uses": f"./.github/workflows/standin-copy-{depth + 1}.yml"}
        path = f".github/workflows/standin-copy-{depth}.yml" if depth else file.path
        files[path] = json.dumps({**for_act(file.document), "jobs": jobs})  # JSON is YAML
    return files


def needs_file(folder: Path, name: str) -> Path:
    """Where a collector writes what its job came to."""
    return folder / f"{name}.json"


def collector(folder: Path, name: str, jobs: list[str]) -> dict[str, Any]:
    """A job that writes the `needs` context to a file: how results and outputs are read."""
    return {
        "runs-on": "ubuntu-latest",
        "needs": jobs,
        "if": "always()",
        "permissions": {},
        "steps": [
            {
                "run": 'printf "%s" "$STANDIN_NEEDS" > "$STANDIN_FILE"',
                "shell": "bash",
                "env": {
                    "STANDIN_NEEDS": "${{ toJSON(needs) }}",
                    "STANDIN_FILE": str(needs_file(folder, name)),
                },
            }
        ],
    }


def replay(folder: Path, name: str, job: JobRun, needs: list[str]) -> dict[str, Any]:
    """A job in the place of one that is done: it ends as that one did, with its outputs."""
    if job.result == "skipped":
        return {"runs-on": "ubuntu-latest", "needs": needs, "if": False, "steps": [{"run": "true"}]}
    file = folder / f"replay-{re.sub(r'[^A-Za-z0-9_-]', '_', name)}.txt"
    mark = "standin-" + os.urandom(8).hex()
    file.write_text(
        "".join(f"{key}<<{mark}\n{value}\n{mark}\n" for key, value in job.outputs.items()), encoding="utf-8"
    )
    ending = "true" if job.result == "success" else "false"
    return {
        "runs-on": "ubuntu-latest",
        "needs": needs,
        "if": "always()",
        "outputs": {key: f"${{{{ steps.replay.outputs['{key}'] }}}}" for key in job.outputs},
        "steps": [{"id": "replay", "shell": "bash", "run": f"cat '{file}' >> \"$GITHUB_OUTPUT\"\n{ending}"}],
    }
