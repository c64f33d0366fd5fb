"""The libraries that are measured: their Python, where each finds what it serves, and how a new version is published."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import sample
from processes import Child, loopback, probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

PINNED = ["mlflow==3.17.2", "langfuse==5.0.4", "llmhq-promptops==0.6.1"]
SIZES = (1, 1000)
VERSIONS = 24
"""Of the flipped entry, more than are published in one run."""


@dataclass
class Publisher:
    """What brings the next version of the flipped entry into a source."""

    publish: Callable[[int], None]
    version: int = 1

    def next(self) -> int:
        self.version += 1
        self.publish(self.version)
        return self.version


@dataclass
class Library:
    title: str
    peer: str
    """Its module here."""
    python: str
    places: dict[tuple[str, int], str]
    """By kind (file, tree, http) and number of entries."""
    publishers: dict[str, Publisher] = field(default_factory=dict)
    """By kind; they publish into the largest."""
    cache: str | None = None


def make_venv(folder: Path) -> str:
    """The Python of the peers, installed unless it is there."""
    python = str(folder / "bin" / "python")
    if not Path(python).exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PINNED], check=True, stdout=sys.stderr)
    return python


def prepare(python: str, peer: str, place: str, entries: int, versions: int) -> None:
    with probe(python, peer=peer, do="prepare", place=place, entries=entries, versions=versions) as child:
        child.read(600)


def replace(target: Path, content: bytes) -> None:
    """As whoever publishes a file must do it: it is never half there."""
    fresh = target.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(target)


def evalkit(stack: ExitStack, work: Path) -> Library:
    places: dict[tuple[str, int], str] = {}
    folders = {size: work / f"evalkit-{size}" for size in SIZES}
    for size, folder in folders.items():
        folder.mkdir()
        prepare(sys.executable, "evalkit_registry", str(folder), size, VERSIONS if size == max(SIZES) else 1)
        for kind in ("file", "http"):
            (folder / kind).mkdir()
            shutil.copy(folder / "bundle-1.json", folder / kind / "bundle.json")
        server, port = loopback(sys.executable, "bundle", folder / "http" / "bundle.json")
        stack.enter_context(server)
        places["file", size] = str(folder / "file" / "bundle.json")
        places["tree", size] = str(folder / "tree")
        places["http", size] = f"http://127.0.0.1:{port}/bundle.json"
    largest = folders[max(SIZES)]

    def publisher(kind: str) -> Publisher:
        target = largest / kind / "bundle.json"
        return Publisher(lambda version: replace(target, (largest / f"bundle-{version}.json").read_bytes()))

    return Library(
        "evalkit",
        "evalkit_registry",
        sys.executable,
        places,
        {kind: publisher(kind) for kind in ("file", "http")},
        cache=str(work / "evalkit-cache"),
    )


def mlflow(stack: ExitStack, work: Path, python: str, data: Path) -> Library:
    seeded = data / "mlflow.db"
    if not seeded.exists():
        prepare(python, "mlflow_prompts", f"sqlite:///{data / 'unfinished.db'}", max(SIZES), VERSIONS)
        (data / "unfinished.db").rename(seeded)
    for copy in ("served.db", "direct.db"):
        shutil.copy(seeded, work / copy)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    store = f"sqlite:///{work / 'served.db'}"
    command = [
        python,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        store,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += ["--artifacts-destination", str(work / "artifacts")]
    stack.enter_context(Child(command))
    wait_until_answering(f"{url}/health")

    def publish(version: int) -> None:
        alias = {"name": sample.FLIPPED, "alias": "production", "version": str(version)}
        request = urllib.request.Request(
            f"{url}/api/2.0/mlflow/registered-models/alias",
            json.dumps(alias).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=20).close()

    direct = f"sqlite:///{work / 'direct.db'}"
    places = {(kind, size): place for kind, place in (("http", url), ("tree", direct)) for size in SIZES}
    return Library("MLflow", "mlflow_prompts", python, places, {"http": Publisher(publish)})


def langfuse(stack: ExitStack, work: Path, python: str) -> Library:
    version = work / "langfuse-version"
    version.write_text("1")
    server, port = loopback(sys.executable, "langfuse", version)
    stack.enter_context(server)
    publisher = Publisher(lambda number: replace(version, str(number).encode()))
    places = {("http", size): f"http://127.0.0.1:{port}" for size in SIZES}
    return Library("Langfuse", "langfuse_prompts", python, places, {"http": publisher})


def promptops(work: Path, python: str, data: Path) -> Library:
    from promptops_git import commit, write_prompt

    places: dict[tuple[str, int], str] = {}
    for size in SIZES:
        seeded = data / f"promptops-{size}"
        if not (seeded / "snapshot").exists():
            shutil.rmtree(seeded, ignore_errors=True)
            prepare(python, "promptops_git", str(seeded), size, 1)
        shutil.copytree(seeded, work / seeded.name)
        places["file", size] = str(work / seeded.name / "snapshot")
        places["tree", size] = str(work / seeded.name / "git")
    repository = Path(places["tree", max(SIZES)])

    def publish(version: int) -> None:
        write_prompt(repository, sample.FLIPPED, version)
        commit(repository)

    return Library("promptops", "promptops_git", python, places, {"tree": Publisher(publish)})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def wait_until_answering(url: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
