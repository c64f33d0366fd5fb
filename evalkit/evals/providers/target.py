"""A whole application as the candidate: it is given a case's id and variables, and answers as it would a user.

The registry does not hold what decides its answers, so nothing measured here promotes an entry.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
from typing import TYPE_CHECKING, Any

from evalkit.errors import Problem
from evalkit.evals.case import Answer, ToolCall
from evalkit.evals.providers.base import CandidateFailed, Fatal, Unavailable
from evalkit.evals.providers.failures import failure
from evalkit.evals.providers.wire import (
    MAX_BODY_BYTES,
    JsonEndpoint,
    count,
    excerpt,
    parse_arguments,
    parse_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalkit.evals.providers.base import Request

__all__ = ["CommandTarget", "HttpTarget"]

_STDERR_KEPT = 2000
_LAST_WORDS_S = 2.0


class HttpTarget:
    """POSTs `{"id", "vars"}` as JSON and reads the output from the answer."""

    kind = "http"
    promotable = False
    slots = None

    def __init__(
        self,
        name: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        output: str | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        """`output` is where the text stands in the JSON answer, as `reply.text` or `choices.0.text`.

        Without it, the answer is read as `CommandTarget` reads its output. `secrets` are kept out of messages, beside
        the values of headers that are named like one.
        """
        self.name = name
        self._output = output
        self._http = JsonEndpoint(url, headers=headers or {}, timeout_s=timeout_s, secrets=secrets)
        self.endpoint = self._http.key_url

    async def open(self) -> None:
        """Make the connection pool."""
        await self._http.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    async def complete(self, request: Request) -> Answer:
        """Ask the application once. Raises as `Provider.complete` does."""
        reply = await self._http.post({"id": request.case_id, "vars": request.vars})
        if not 200 <= reply.status < 300:
            raise failure(reply, self._http, provider=self.name, key_env=None)
        if self._output is None:
            return _answer(reply.body)
        try:
            value = parse_json(reply.body)
            for step in self._output.split("."):
                value = value[int(step)] if isinstance(value, list) else value[step]
        except (ValueError, LookupError, TypeError):
            shown = excerpt(reply.body[:400].decode("utf-8", "replace"), 120)
            raise CandidateFailed("malformed", f"the answer has no '{self._output}': {shown}") from None
        return Answer(output=_as_text(value))


class CommandTarget:
    """Runs a program for each case: `{"id", "vars"}` on its standard input, the output on its standard output.

    What it prints is the output, or a JSON object `{"output", "tool_calls"?, "tokens"?: {"in", "out"}}`. The program
    and all that it started are killed when the time is up or the run is interrupted.
    """

    kind = "command"
    promotable = False
    slots = None

    def __init__(self, name: str, argv: Sequence[str], *, timeout_s: float = 60.0) -> None:
        self.name = name
        self.endpoint = shlex.join(argv)
        self._argv = tuple(argv)
        self._timeout_s = timeout_s

    async def open(self) -> None:
        """Nothing is kept between cases."""

    async def close(self) -> None:
        """Nothing is kept between cases."""

    async def complete(self, request: Request) -> Answer:
        """Run the program once. Raises as `Provider.complete` does."""
        starting = asyncio.ensure_future(self._start())
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:  # never in mid-start: what has begun by then would be left behind
            await _end(await starting)
            raise
        case = {"id": request.case_id, "vars": dict(request.vars)}
        try:
            async with asyncio.timeout(self._timeout_s):
                printed, said = await _converse(process, json.dumps(case, default=str).encode() + b"\n")
                status = await process.wait()
        except TimeoutError:
            message = f"`{self.endpoint}` did not end within {self._timeout_s:g} s"
            raise Unavailable("timeout", message, retryable=False) from None
        finally:
            await _end(process)
        if len(printed) > MAX_BODY_BYTES:
            raise CandidateFailed("malformed", f"it printed more than {MAX_BODY_BYTES // 2**20} MiB")
        if status:
            last = excerpt(said[-_STDERR_KEPT:].decode("utf-8", "replace").strip().rpartition("\n")[2])
            how = f"was ended by signal {-status}" if status < 0 else f"exits {status}"
            raise CandidateFailed(
                "process_failed", f"`{self.endpoint}` {how}" + (f": {last}" if last else "")
            )
        return _answer(printed)

    async def _start(self) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # its own process group, to be killed as one
            )
        except OSError as error:
            message = f"provider '{self.name}' cannot run `{self.endpoint}`: {error.strerror}"
            hint = "check `command` in evalkit.yaml; it is run without a shell"
            raise Fatal(Problem("EK505", message, hint=hint)) from None


async def _converse(process: asyncio.subprocess.Process, text: bytes) -> tuple[bytes, bytes]:
    """Write all, read all: standard output whole, of standard error the end."""
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    if stdin is None or stdout is None or stderr is None:
        raise RuntimeError("the process was started without pipes")

    async def write() -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it need not read its input
            stdin.write(text)
            await stdin.drain()
        stdin.close()

    async def read_output() -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := await stdout.read(65536):
            if size <= MAX_BODY_BYTES:
                parts.append(part)
                size += len(part)
            else:
                _kill_group(process)  # and read on: a process ends only when its pipes are empty
        return b"".join(parts)

    async def read_error() -> bytes:
        tail = b""
        while part := await stderr.read(65536):
            tail = (tail + part)[-_STDERR_KEPT:]
        return tail

    output, error, _ = await asyncio.gather(read_output(), read_error(), write())
    return output, error


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what still runs, and empty the pipes. A child that left the group may keep them open: it is not waited for."""
    _kill_group(process)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORDS_S):
            await process.communicate()


def _kill_group(process: asyncio.subprocess.Process) -> None:
    """Kill the program and its children; a child may outlive its parent in the group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _answer(printed: bytes) -> Answer:
    """A JSON object with `output` or `tool_calls`, or else plain text."""
    text = printed.decode("utf-8", "replace")
    try:
        value = parse_json(printed) if text.lstrip().startswith("{") else None
    except ValueError:
        value = None
    if not isinstance(value, dict) or not ("output" in value or "tool_calls" in value):
        return Answer(output=text.removesuffix("\n").removesuffix("\r"))
    try:
        tokens = value.get("tokens") or {}
        return Answer(
            output=None if value.get("output") is None else _as_text(value["output"]),
            tool_calls=tuple(
                ToolCall(str(call["name"]), parse_arguments(call.get("arguments")))
                for call in value.get("tool_calls") or ()
            ),
            input_tokens=count(tokens.get("in")),
            output_tokens=count(tokens.get("out")),
        )
    except (LookupError, TypeError, AttributeError):
        message = f"not {{output, tool_calls, tokens}}: {excerpt(text, 120)}"
        raise CandidateFailed("malformed", message) from None


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
