"""The HTTP face: REST by the table of routes, git by `git http-backend`, faults and rate limits on demand."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
import traceback
import zlib
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from . import rest_actions, rest_checks, rest_contents, rest_git, rest_pulls, rest_releases, rest_repository  # noqa: F401 - routes
from .contract import Contract
from .git_http import serve_git
from .model import Account, Refused, Token
from .public_files import is_public
from .routes import Answer, Call, Page, check_permission, find

if TYPE_CHECKING:
    from .state import State

__all__ = ["Fault", "Request", "Server"]

DOCUMENTATION = "https://docs.github.com/rest"
GIT = re.compile(r"/([^/]+/[^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)")
NOBODY = Token("", Account("", 0, "none"))
SECRET = re.compile(r"\b(gh[ps]_)[0-9a-f]{36}\b")


@dataclass(slots=True)
class Request:
    """One request as it was answered, without credentials."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int
    answer: Any
    login: str | None
    run_id: int | None
    job: str | None
    agent: str


@dataclass(slots=True)
class Fault:
    """What the next matching requests get instead of an answer."""

    method: str
    pattern: re.Pattern[str]
    status: int | str
    """A status; `drop`: the connection breaks before anything is done; `drop-after`: after it was done."""
    times: int
    headers: dict[str, str]
    message: str


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1; `state.url` tells where."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, state: State) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = state
        state.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.contract = Contract()
        self.used: dict[str, int] = {}
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self.state.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.method in {method, "*"} and fault.pattern.search(path):
                    fault.times -= 1
                    return fault
        return None


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server
    timeout = 60

    def log_message(self, *_: Any) -> None:
        """Say nothing: the log of requests is for the tests."""

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return zlib.decompress(body, 31) if self.headers.get("Content-Encoding") == "gzip" else body

    def credential(self) -> str | None:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "basic":
            return base64.b64decode(value).decode(errors="replace").partition(":")[2]
        return value.strip() or None

    def answer(self) -> None:
        state = self.server.state
        parts = urlsplit(self.path)
        raw = self.read_body()
        path = parts.path.removeprefix("/api/v3") or "/"
        fault = self.server.fault_for(self.command, path)
        if fault and fault.status == "drop":
            self.close_connection = True
            self.connection.close()
            return
        if git_path := GIT.fullmatch(path):
            if fault and isinstance(fault.status, int):
                self.send(
                    fault.status, fault.message.encode(), {"Content-Type": "text/plain", **fault.headers}
                )
                return
            serve_git(self, state, git_path[1], git_path[2], parts.query, raw)
            return
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        token: Token | None = None
        body: Any = None
        try:
            if "json" in self.headers.get("Content-Type", "json") and raw:
                try:
                    body = json.loads(raw)
                except ValueError:
                    if not path.endswith("/assets"):
                        raise Refused(400, "Problems parsing JSON") from None
            if fault and isinstance(fault.status, int):
                raise Refused(fault.status, fault.message)  # noqa: TRY301 - answered like any other refusal
            with state.lock:
                token = NOBODY if is_public(path) else state.token(self.credential())
                found, params = find(state, self.command, path)
                if token is not NOBODY:
                    self.limit(token)
                    check_permission(token, found)
                call = Call(
                    state, token, self.command, path, params, query, body if body is not None else {}, raw,
                    {name.lower(): value for name, value in self.headers.items()},
                )  # fmt: skip
                given = found.handler(call)
            result = self.page(given, path, query) if isinstance(given, Page) else given
            result = result if isinstance(result, Answer) else Answer(result)
        except Refused as refused:
            shape: dict[str, Any] = {
                "message": refused.message,
                "documentation_url": DOCUMENTATION,
                "status": str(refused.status),
            }
            if refused.errors is not None:
                shape["errors"] = refused.errors
            result = Answer(shape, refused.status, dict(fault.headers) if fault else {})
        except Exception:  # noqa: BLE001 - a mistake of the stand-in's own: told to the test, and to the client
            self.server.contract.violations.append(traceback.format_exc())
            result = Answer({"message": "The stand-in itself failed"}, 500)
        if fault and fault.status == "drop-after":
            self.close_connection = True
            self.connection.close()
            return
        self.note(path, query, body, result, token)
        self.send_answer(result, token)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815 - the names are the base class's

    def limit(self, token: Token) -> None:
        used = self.server.used[token.value] = self.server.used.get(token.value, 0) + 1
        if used > self.server.state.settings.rate_limit:
            raise Refused(403, f"API rate limit exceeded for {token.account.login}.")

    def page(self, given: Page, path: str, query: dict[str, str]) -> Answer:
        size = min(max(int(query.get("per_page") or 30), 1), 100)
        number = max(int(query.get("page") or 1), 1)
        last = max(-(-len(given.items) // size), 1)
        part = given.items[(number - 1) * size : number * size]
        targets = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        wanted = {
            rel: page
            for rel, page in targets.items()
            if (number < last and rel in {"next", "last"}) or (number > 1 and rel in {"prev", "first"})
        }
        links = [
            f'<{self.server.state.url}{path}?{urlencode({**query, "page": page})}>; rel="{rel}"'
            for rel, page in wanted.items()
        ]
        body = part if given.key is None else {"total_count": len(given.items), **given.rest, given.key: part}
        return Answer(body, headers={"Link": ", ".join(links)} if links else {})

    def note(self, path: str, query: dict[str, str], body: Any, result: Answer, token: Token | None) -> None:
        if path.startswith("/_standin/") or is_public(path):
            return
        server = self.server
        hidden = json.loads(SECRET.sub(r"\1***", json.dumps(body)))
        answer = None if isinstance(result.body, bytes) else result.body
        with server.state.lock:
            server.requests.append(
                Request(
                    self.command, unquote(path), query, hidden, result.status, answer,
                    token.account.login if token else None, token.run_id if token else None, token.job if token else None,
                    self.headers.get("User-Agent", ""),
                )
            )  # fmt: skip
            server.contract.check(self.command, path, query, body, result.status, answer)

    def send_answer(self, result: Answer, token: Token | None) -> None:
        limit = self.server.state.settings.rate_limit
        used = self.server.used.get(token.value, 0) if token else 0
        headers = {
            "X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(max(limit - used, 0)),
            "X-RateLimit-Used": str(used), "X-RateLimit-Reset": str(int(time.time()) + 3600),
            "X-RateLimit-Resource": "core", "X-GitHub-Request-Id": "STANDIN",
        }  # fmt: skip
        if isinstance(result.body, bytes):
            content, kind = result.body, "application/octet-stream"
        else:
            content = b"" if result.body is None else json.dumps(result.body).encode()
            kind = "application/json; charset=utf-8"
        self.send(result.status, content, {"Content-Type": kind, **headers, **result.headers})

    def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status not in {204, 304}:
            self.wfile.write(content)
