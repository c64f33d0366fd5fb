"""A bundle server on loopback that can be told how to fail."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class BundleServer:
    """Answers `/bundle.json` with `body` and `etag`, as far as `mode` lets it.

    Modes: `ok`; `error`, a 503; `gone`, a 404; `drop`, the connection ends without an answer; `cut`, it ends in the
    middle of the body; `hang`, nothing comes until `go_on`; `trickle`, a byte now and then until `go_on`; `unasked`, a
    304 whether or not the client knows anything.
    """

    def __init__(self) -> None:
        self.mode = "ok"
        self.body = b""
        self.etag: str | None = None
        self.requests = 0
        self.asked = threading.Event()
        """Set by each request."""
        self._released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_GET(self) -> None:
                with contextlib.suppress(OSError):  # the client gave up
                    server._answer(self)

            def finish(self) -> None:
                with contextlib.suppress(OSError):  # what is left to send goes nowhere
                    super().finish()
                self.rfile.close()

            def log_message(self, *arguments) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *arguments) -> None:
                pass  # a client that went away

        self._http = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/bundle.json"
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self.go_on()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)

    def hang(self, mode: str = "hang") -> None:
        """From now on, answer nobody before `go_on`."""
        self._released = threading.Event()
        self.mode = mode

    def go_on(self) -> None:
        """Let those go that hang."""
        self._released.set()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        mode, body, etag, released = self.mode, self.body, self.etag, self._released
        self.requests += 1
        self.asked.set()
        request.close_connection = mode != "ok" or request.close_connection
        if mode == "hang":
            released.wait(60)
            mode, body, etag = self.mode if self.mode != "hang" else "ok", self.body, self.etag
        if mode == "drop":
            return
        if mode in ("error", "gone"):
            request.send_error(503 if mode == "error" else 404)
            return
        known = request.headers.get("If-None-Match")
        if mode == "unasked" or (etag is not None and known == etag):
            request.send_response(304)
            request.end_headers()
            return
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        if etag is not None:
            request.send_header("ETag", etag)
        request.end_headers()
        if mode == "cut":
            body = body[: len(body) // 2]
        if mode == "trickle":
            for index in range(len(body)):
                request.wfile.write(body[index : index + 1])
                request.wfile.flush()
                if released.wait(0.004):
                    return
        request.wfile.write(body)
