"""A server on this machine that answers as the test tells it, and a client of it that does not really wait."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from evalkit.github.api import GitHubForge
from evalkit.github.api.client import Client

TOKEN = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass
class Said:
    """What the server answers once: a status, headers and JSON; `drop` breaks the connection instead."""

    status: int = 200
    data: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    raw: bytes | None = None


@dataclass
class Asked:
    verb: str
    path: str
    body: Any
    authorization: str


class Script:
    """A server on this machine that answers what it is told, and writes down what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[tuple[str, str], list[Said]] = {}
        self.slept: list[float] = []
        self.now = 1_800_000_000.0
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    body = json.loads(raw) if raw else None
                except ValueError:
                    body = raw
                script.asked.append(
                    Asked(self.command, self.path, body, self.headers.get("Authorization", ""))
                )
                said = script.next(self.command, self.path.partition("?")[0])
                self.close_connection = True
                if said.drop:
                    self.connection.close()
                    return
                content = said.raw if said.raw is not None else json.dumps(said.data).encode()
                self.send_response(said.status)
                for name, value in {"Content-Type": "application/json", **said.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the base class names them

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def say(self, verb: str, path: str, *answers: Said) -> None:
        """In turn; the last one from then on. Paths are below the repository, or begin with two slashes."""
        full = path[1:] if path.startswith("//") else f"/repos/acme/llm{path}"
        self.answers[verb, full] = list(answers)

    def next(self, verb: str, path: str) -> Said:
        listed = self.answers.get((verb, path))
        if not listed:
            if (verb, path) == ("GET", "/repos/acme/llm"):
                return Said(data={"default_branch": "main"})
            return Said(404, {"message": "Not Found"})
        return listed.pop(0) if len(listed) > 1 else listed[0]

    def verbs(self) -> list[str]:
        return [
            f"{one.verb} {one.path.partition('?')[0].removeprefix('/repos/acme/llm')}" for one in self.asked
        ]

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def forge(self, *, is_app: bool = False) -> GitHubForge:
        client = Client("acme/llm", TOKEN, self.url, sleep=self.sleep, clock=lambda: self.now)
        return GitHubForge("acme/llm", TOKEN, self.url, is_app, client=client)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
