"""The HTTP servers of the benchmark, on 127.0.0.1; the first line of output is the port.

    python loopback.py bundle FILE     serves FILE with an ETag; publishing is replacing the file
    python loopback.py langfuse FILE   stands in for Langfuse's GET /api/public/v2/prompts/{name}, which see below
    python loopback.py silent -        takes connections and never answers

`--port` names a port; otherwise a free one is taken.

The stand-in answers in the shape of Langfuse's own server, with the prompt in full, and asks for the same credentials.
Behind it is no database, so that it answers sooner than the real one. FILE holds the version that the flipped entry has
now; the other entries have version 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sample

PROMPTS = "/api/public/v2/prompts/"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one segment: two would wait for each other's acknowledgement
    file: Path

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        pass

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class BundleHandler(Handler):
    def do_GET(self) -> None:
        body = self.file.read_bytes()
        tag = f'"{hashlib.sha256(body).hexdigest()}"'
        known = self.headers.get("If-None-Match")
        self.answer(304 if known == tag else 200, b"" if known == tag else body, ETag=tag)


class LangfuseHandler(Handler):
    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if not (self.headers.get("Authorization") or "").startswith("Basic "):
            self.answer(401, b'{"message": "Invalid credentials"}')
        elif not path.startswith(PROMPTS):
            self.answer(404, b'{"message": "Not found"}')
        else:
            name = unquote(path.removeprefix(PROMPTS))
            version = int(self.file.read_text()) if name == sample.FLIPPED else 1
            self.answer(200, json.dumps(prompt(name, version)).encode())


def prompt(name: str, version: int) -> dict[str, object]:
    moment = "2026-11-24T12:00:00.000Z"
    return {
        "id": hashlib.sha256(f"{name}{version}".encode()).hexdigest()[:25],
        "createdAt": moment,
        "updatedAt": moment,
        "projectId": "bench",
        "createdBy": "bench",
        "prompt": sample.messages(name, version),
        "name": name,
        "version": version,
        "type": "chat",
        "isActive": None,
        "config": {"model": sample.MODEL, "tools": sample.tools(name)},
        "tags": [],
        "labels": ["production", "latest"],
        "commitMessage": None,
        "resolutionGraph": None,
    }


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def serve_nothing(port: int) -> None:
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            time.sleep(3600)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["bundle", "langfuse", "silent"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    if args.what == "silent":
        serve_nothing(args.port)
    base = BundleHandler if args.what == "bundle" else LangfuseHandler
    server = Server(("127.0.0.1", args.port), type("Bound", (base,), {"file": args.file}))
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
