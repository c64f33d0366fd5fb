"""A model server on this machine: chat completions and Messages over real HTTP, with faults to order.

    with ModelServer(lambda body: "billing", faults=Faults(rate_limited_every=10)) as server:
        provider = OpenAIProvider("test", server.base_url)

It counts and records what it is asked, so that a test can say which request was sent twice, and with which headers. A
chat completion with `stream: true` comes as server-sent events; Messages are not streamed, and refused with 400.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Faults", "ModelServer", "RawReply", "RecordedRequest"]

_NUMBERS = itertools.count(1)
"""Of the answers of this process: each has an id of its own."""


@dataclass(frozen=True, slots=True)
class RawReply:
    """An answer sent as it is: for errors, and for bodies that no server should send."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Faults:
    """Every k-th request goes wrong in this way; 0: none does. Where several apply, the first of them happens."""

    rate_limited_every: int = 0
    """429, with `retry_after`."""
    retry_after: str | None = "1"
    """The header `Retry-After` of a 429; None leaves it out."""
    error_every: int = 0
    """500."""
    drop_every: int = 0
    """The connection is closed without an answer."""
    malformed_every: int = 0
    """200 with half a JSON document."""
    slow_every: int = 0
    slow_s: float = 1.0
    """How much later a slow answer comes."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request, as it came."""

    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any


class ModelServer:
    """Serves on a port of 127.0.0.1, a free one by default, between `start` and `stop`; a context manager."""

    def __init__(
        self,
        answer: Callable[[dict[str, Any]], str | Mapping[str, Any] | RawReply] | str = "ok",
        *,
        faults: Faults | None = None,
        api_key: str | None = None,
        models: frozenset[str] | None = None,
        case_id: Callable[[dict[str, Any]], str] | None = None,
        served_model: str | None = None,
        latency_s: float = 0.0,
        port: int = 0,
    ) -> None:
        """What it answers, and whom.

        Args:
            answer: a text, or a function of the request's body to a text, to a message (`content`, and `tool_calls` as
                a list of `{"name", "arguments"}`, and `finish_reason`), or to a `RawReply`.
            faults: what goes wrong.
            api_key: with any other, 401.
            models: with any other, 404. None: every model is known.
            case_id: tells cases apart in `answered`; by default, the text of the last message.
            served_model: the model id in the answer; by default, the one asked for.
            latency_s: of every answer.
            port: of 127.0.0.1 to listen on; 0 takes a free one.
        """
        self.faults = faults or Faults()
        self.requests: list[RecordedRequest] = []
        """Every request to a known path, in the order in which they came."""
        self.answered: Counter[str] = Counter()
        """How often each case got an answer with status 200 that was meant to be one."""
        self._answer = answer if callable(answer) else lambda _: answer
        self._api_key = api_key
        self._models = models
        self._case_id = case_id or _last_text
        self._served_model = served_model
        self._latency_s = latency_s
        self._port = port
        self._lock = threading.Lock()
        self._errors: list[Exception] = []
        self._http: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`: the `base_url` of an Anthropic provider."""
        if self._http is None:
            raise RuntimeError("the server is not running")
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT/v1`: the `base_url` of an OpenAI-compatible provider."""
        return f"{self.url}/v1"

    def start(self) -> None:
        """Listen, on a thread."""
        self._http = _Server(("127.0.0.1", self._port), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection.

        Raises:
            Exception: the first that `answer` or `case_id` raised; its request was left without an answer.
        """
        if self._http is not None and self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._http.drop_connections()
            self._http.server_close()
            self._http = self._thread = None
        if self._errors:
            raise self._errors[0]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def reply(self, request: RecordedRequest) -> RawReply | None:
        """What a request is answered with; None: the connection is closed."""
        try:
            return self._reply(request)
        except Exception as error:  # noqa: BLE001 - whatever a test's function raises is told by `stop`
            self._errors.append(error)
            return None

    def _reply(self, request: RecordedRequest) -> RawReply | None:
        with self._lock:
            self.requests.append(request)
            number = len(self.requests)
        time.sleep(self._latency_s)
        faults, anthropic = self.faults, request.path.endswith("/messages")
        sent = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix(
            "Bearer "
        )
        if self._api_key is not None and sent != self._api_key:
            return _error(401, "authentication_error", f"Incorrect API key provided: {sent}")
        if _is_nth(number, faults.rate_limited_every):
            wait = {} if faults.retry_after is None else {"Retry-After": faults.retry_after}
            return _error(429, "rate_limit_error", "Rate limit reached", wait)
        if _is_nth(number, faults.error_every):
            return _error(500, "server_error", "internal error")
        if _is_nth(number, faults.drop_every):
            return None
        if self._models is not None and request.body.get("model") not in self._models:
            return _error(404, "not_found_error", f"The model '{request.body.get('model')}' does not exist")
        streams = bool(request.body.get("stream"))
        if streams and anthropic:
            return _error(
                400, "invalid_request_error", "this server does not stream Messages; leave out 'stream'"
            )
        if _is_nth(number, faults.slow_every):
            time.sleep(faults.slow_s)
        answer = self._answer(request.body)
        if isinstance(answer, RawReply):
            return answer
        message = {"content": answer} if isinstance(answer, str) else answer
        model = self._served_model or str(request.body.get("model"))
        body = (_message if anthropic else _completion)(message, model, len(json.dumps(request.body)) // 4)
        text = _events(body, request.body) if streams else json.dumps(body).encode()
        if _is_nth(number, faults.malformed_every):
            return RawReply(200, text[: len(text) // 2])
        with self._lock:
            self.answered[self._case_id(request.body)] += 1
        return RawReply(200, text, {"Content-Type": "text/event-stream"} if streams else {})


def _is_nth(number: int, every: int) -> bool:
    return every > 0 and number % every == 0


def _last_text(body: dict[str, Any]) -> str:
    messages = body.get("messages") or [{}]
    return str(messages[-1].get("content"))


def _error(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> RawReply:
    body = {"type": "error", "error": {"type": kind, "message": message, "code": None}}
    return RawReply(status, json.dumps(body).encode(), headers or {})


def _completion(message: Mapping[str, Any], model: str, prompt_tokens: int) -> dict[str, Any]:
    calls = [
        {
            "id": f"call_{i}",
            "type": "function",
            "function": {
                "name": call["name"],
                "arguments": call["arguments"]
                if isinstance(call["arguments"], str)
                else json.dumps(call["arguments"]),
            },
        }
        for i, call in enumerate(message.get("tool_calls") or ())
    ]
    said = {
        "role": "assistant",
        "content": message.get("content"),
        **({"tool_calls": calls} if calls else {}),
    }
    finish_reason = message.get("finish_reason") or ("tool_calls" if calls else "stop")
    return {
        "id": f"chatcmpl-{next(_NUMBERS)}",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": said, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": 2, "total_tokens": prompt_tokens + 2},
    }


def _events(completion: dict[str, Any], asked: dict[str, Any]) -> bytes:
    """A completion as the chunks of a stream: what is said word by word, why it ends, and the tokens if asked for."""
    head = {key: completion[key] for key in ("id", "model")} | {"object": "chat.completion.chunk"}
    (choice,) = completion["choices"]
    said = dict(choice["message"])
    words = (said.pop("content") or "").split(" ")
    if "tool_calls" in said:
        said["tool_calls"] = [{"index": index, **call} for index, call in enumerate(said["tool_calls"])]
    deltas = [said, *({"content": f" {word}" if number else word} for number, word in enumerate(words))]
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if (asked.get("stream_options") or {}).get("include_usage"):
        chunks.append({"choices": [], "usage": completion["usage"]})
    lines = [*(json.dumps(head | chunk) for chunk in chunks), "[DONE]"]
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def _message(message: Mapping[str, Any], model: str, prompt_tokens: int) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if message.get("content") is not None:
        content.append({"type": "text", "text": message["content"]})
    content.extend(
        {"type": "tool_use", "id": f"toolu_{i}", "name": call["name"], "input": call["arguments"]}
        for i, call in enumerate(message.get("tool_calls") or ())
    )
    stop_reason = message.get("finish_reason") or ("tool_use" if message.get("tool_calls") else "end_turn")
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop_reason,
        "usage": {"input_tokens": prompt_tokens, "output_tokens": 2},
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    owner: ModelServer

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        for connection in list(self._open):
            _hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what many tests are about."""


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner = cast("_Server", self.server).owner
        reply = owner.reply(RecordedRequest(self.path, headers, json.loads(raw)))
        if reply is None:
            self.close_connection = True
            _hang_up(self.connection)
            return
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        if "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Nothing: the tests read `requests`."""
