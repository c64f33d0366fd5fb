"""A bundle by http(s), asked for with ETag, by the standard library alone."""

from __future__ import annotations

import os
import re

from evalkit.errors import Location, Problem, SourceError
from evalkit.runtime.bundle import read_bundle
from evalkit.runtime.forking import import_now
from evalkit.runtime.sources.deadline import within
from evalkit.runtime.sources.fetched import Fetched

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from email.message import Message
    from typing import Any
    from urllib.request import OpenerDirector, Request

    from evalkit.runtime.sources.base import Stop

__all__ = ["MAX_BYTES", "TOKEN_VARIABLE", "HttpSource"]

INTERVAL_S = 30.0
MAX_BYTES = 64 * 1024 * 1024
"""Of a bundle, unpacked."""

TOKEN_VARIABLE = "EVALKIT_REGISTRY_TOKEN"  # noqa: S105 - its name
"""The environment variable that holds a bearer token."""

_CHUNK = 64 * 1024
_MAX_REDIRECTS = 5
_SECRET = re.compile(r"(?i)([?&][^=&#]*(?:key|token|secret|sig|signature|password|credential)[^=&#]*=)[^&#]*")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HINTS = {
    401: f"set {TOKEN_VARIABLE} to a token that may read it",
    403: f"set {TOKEN_VARIABLE} to a token that may read it",
    404: "check the URL, and that the bundle is published",
}


class HttpSource:
    """One URL. A connection is made for each question and closed after it."""

    is_local = False
    interval_s: float | None = INTERVAL_S

    def __init__(self, url: str) -> None:
        """A user and password in the URL are sent as such, and never shown.

        Raises:
            SourceError: EK708, it is no such URL.
        """
        from urllib.parse import urlsplit, urlunsplit

        self.identity = url
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host:
            raise SourceError(Problem("EK708", "no URL with a host", Location(_without_secrets(url))))
        place = f"[{host}]" if ":" in host else host
        netloc = place if port is None else f"{place}:{port}"
        self._url = urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))
        self.display = _without_secrets(self._url)
        self._user = (parts.username, parts.password or "") if parts.username is not None else None
        self._is_loopback = host in _LOOPBACK
        self._may_send_secrets = parts.scheme == "https" or self._is_loopback

    def prepare(self) -> None:
        """As `BundleSource.prepare`."""
        import_now("base64", "urllib.error", "urllib.request", "zlib", "evalkit.runtime.sources.deadline")

    def fetch(self, known: str | None, timeout_s: float) -> Fetched | None:
        """As `BundleSource.fetch`."""
        from http.client import HTTPException
        from urllib.error import HTTPError

        request = self._request(known)

        def ask(given_up: threading.Event) -> tuple[bytes, str | None]:
            opener = _opener(direct=self._is_loopback)
            with opener.open(request, timeout=timeout_s) as response:
                return _read(response, given_up), _tag(response.headers)

        try:
            body, tag = within(timeout_s, ask)
        except HTTPError as error:
            error.close()
            if error.code == 304 and known is not None:
                return None
            hint = _HINTS.get(
                error.code, "check that it is up; an application that runs already tries again by itself"
            )
            said = _printable(str(error.reason).splitlines()[0] if error.reason else "")
            raise self._failed(f"the server answers {error.code} {said}".rstrip(), hint) from None
        except TimeoutError:
            raise self._failed(
                f"no whole answer within {timeout_s:g} s",
                "check that it is up; an application that runs already tries again by itself",
            ) from None
        except (OSError, HTTPException, EOFError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, TimeoutError):
                reason = f"no answer within {timeout_s:g} s"
            raise self._failed(
                f"cannot be reached: {reason}",
                "check that it is up; an application that runs already tries again by itself",
            ) from None
        return Fetched(read_bundle(body, self.display), tag)

    def wait(self, seconds: float, stop: Stop) -> None:
        """As `BundleSource.wait`."""
        stop.wait(seconds)

    def _request(self, known: str | None) -> Request:
        from urllib.request import Request

        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "evalkit"}
        kind, _, value = (known or "").partition(" ")
        if value:
            headers["If-None-Match" if kind == "etag" else "If-Modified-Since"] = value
        request = Request(self._url, headers=headers)  # noqa: S310 - the scheme is http or https
        secret = self._authorization()
        if secret is not None:
            # Unredirected: a server that sends us elsewhere does not send our token there.
            request.add_unredirected_header("Authorization", secret)
        return request

    def _authorization(self) -> str | None:
        from base64 import b64encode
        from urllib.parse import unquote

        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not token and self._user is None:
            return None
        if not self._may_send_secrets:
            hint = "use https"
            raise self._failed("a token or password is not sent unencrypted", hint, "EK708")
        if self._user is not None:
            user, password = map(unquote, self._user)
            return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
        if not token.isascii() or not token.isprintable():
            raise self._failed(
                f"{TOKEN_VARIABLE} holds a character that no token has", "set it again", "EK708"
            )
        return f"Bearer {token}"

    def _failed(self, message: str, hint: str, code: str = "EK704") -> SourceError:
        return SourceError(Problem(code, message, Location(self.display), hint))


def _opener(*, direct: bool) -> OpenerDirector:
    """Redirects are followed a few times, and never from https to http. `direct`: past any proxy."""
    from urllib.error import URLError
    from urllib.parse import urlsplit
    from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

    class Redirects(HTTPRedirectHandler):
        max_redirections = max_repeats = _MAX_REDIRECTS

        def redirect_request(
            self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Request | None:
            if not newurl.lower().startswith("https://" if req.full_url.startswith("https://") else "http"):
                fp.close()
                shown = _printable(_without_secrets(newurl)[:200])
                raise URLError(f"it redirects to {shown}, which is not followed")
            followed = super().redirect_request(req, fp, code, msg, headers, newurl)
            secret = req.unredirected_hdrs.get("Authorization")
            if followed is not None and secret and urlsplit(newurl)[:2] == urlsplit(req.full_url)[:2]:
                followed.add_unredirected_header("Authorization", secret)
            return followed

    return build_opener(Redirects, *([ProxyHandler({})] if direct else []))


def _read(response: Any, given_up: threading.Event) -> bytes:
    """The body, within the time, however slowly it comes, and within the size, however small it is packed."""
    import zlib

    unpack = None
    if response.headers.get("Content-Encoding", "").strip().lower() == "gzip":
        unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    parts: list[bytes] = []
    received = size = 0
    while chunk := response.read1(_CHUNK):
        received += len(chunk)
        try:
            part = unpack.decompress(chunk, MAX_BYTES - size + 1) if unpack else chunk
        except zlib.error as error:
            raise ValueError(f"its gzip is broken: {error}") from None
        size += len(part)
        if size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
        if given_up.is_set():
            raise TimeoutError
        parts.append(part)
    announced = response.headers.get("Content-Length")
    if announced is not None and announced.isdigit() and received != int(announced):
        raise ValueError(f"it was cut: {received:,} of {int(announced):,} bytes came")
    if unpack and not unpack.eof:
        raise ValueError("it was cut: its gzip does not end")
    return b"".join(parts)


def _tag(headers: Message) -> str | None:
    if headers["ETag"]:
        return f"etag {headers['ETag']}"
    if headers["Last-Modified"] and _is_settled(headers):
        return f"modified {headers['Last-Modified']}"
    return None


def _is_settled(headers: Message) -> bool:
    """Whether the time of modification tells states apart: it has whole seconds (RFC 9110, 8.8.2.2)."""
    from email.utils import parsedate_to_datetime

    try:
        now, modified = map(parsedate_to_datetime, (headers["Date"], headers["Last-Modified"]))
        return (now - modified).total_seconds() > 1
    except (TypeError, ValueError):
        return False


def _printable(text: str) -> str:
    """What a server wrote, without what would write to a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)[:300]


def _without_secrets(url: str) -> str:
    """As shown: without user, password, and the values of parameters that are named like secrets."""
    return _SECRET.sub(r"\1…", re.sub(r"//[^/?#]*@", "//", url))
