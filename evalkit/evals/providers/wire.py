"""JSON over HTTP, as every model API speaks it: one connection pool, one reading of what goes wrong.

What a server sends is hostile: bodies are bounded in size, text is made valid Unicode, redirects are not followed
(they would carry the key elsewhere), and no secret comes back in a message or in an answer.
"""

from __future__ import annotations

import errno
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from evalkit.errors import Problem, UsageError
from evalkit.evals.providers.base import Fatal, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import aiohttp

__all__ = [
    "MAX_BODY_BYTES",
    "JsonEndpoint",
    "Reply",
    "address_of",
    "count",
    "excerpt",
    "join_path",
    "parse_arguments",
    "parse_json",
]

MAX_BODY_BYTES = 32 * 1024 * 1024
"""Of one answer, after decompression."""

_COMPACT = json.JSONEncoder(separators=(",", ":"), default=str)
_CONNECT_TIMEOUT_S = 10.0
_SECRET_NAME = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)
_MIN_SECRET_IN_MESSAGE = 4
_MIN_SECRET_IN_ANSWER = (
    16  # shorter ones are placeholders of local servers ("ollama"), and words of honest answers
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server sent, secrets taken out."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes


class JsonEndpoint:
    """One URL that takes JSON by POST. aiohttp is imported by `open`."""

    def __init__(
        self, url: str, *, headers: Mapping[str, str], timeout_s: float, secrets: Iterable[str] = ()
    ) -> None:
        self.url = url
        self.address = address_of(url)
        """For messages."""
        self.key_url = _without_secrets(url)
        """For the cache key: the query, such as an API version, decides the answer too."""
        self._headers = {"Content-Type": "application/json", **headers}
        self._timeout_s = timeout_s
        known = {*secrets, *(value for name, value in headers.items() if _SECRET_NAME.search(name))}
        known |= {
            value.partition(" ")[2] for value in known if value.lower().startswith(("bearer ", "basic "))
        }
        self._secrets = sorted((s for s in known if len(s) >= _MIN_SECRET_IN_MESSAGE), key=len, reverse=True)
        self._long_secrets = [s.encode() for s in self._secrets if len(s) >= _MIN_SECRET_IN_ANSWER]
        self._session: aiohttp.ClientSession | None = None
        self._proxy: str | None = None

    async def open(self) -> None:
        """Make the connection pool; no connection yet.

        Raises:
            Fatal: a header, such as a key with a line break in it, cannot be sent.
        """
        import aiohttp

        for name, value in self._headers.items():
            if not (value.isascii() and value.isprintable()):
                problem = Problem(
                    "EK502",
                    f"the header {name} for {self.address} has a line break or other character "
                    "that HTTP cannot carry",
                    hint="look for it in the environment variable that holds the key",
                )
                raise Fatal(problem)
        self._proxy = _proxy_for(self.url)
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            # The engine bounds what is in flight; a second bound here would only hide it.
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=_CONNECT_TIMEOUT_S),
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, payload: Mapping[str, Any]) -> Reply:
        """Send one request and read its whole answer, whatever its status.

        Raises:
            Unavailable: no whole answer came.
            Fatal: the URL is none.
        """
        import aiohttp

        if self._session is None:
            raise RuntimeError("the endpoint is not open")
        try:
            async with self._session.post(
                self.url,
                data=_COMPACT.encode(payload).encode(),
                proxy=self._proxy,
                allow_redirects=False,
            ) as response:
                body = await _read(response)
                reply_headers = response.headers
                status = response.status
        except TimeoutError as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                message = f"no connection to {self.address} within {_CONNECT_TIMEOUT_S:g} s"
                raise Unavailable("network", message) from None
            raise Unavailable("timeout", f"no answer within {self._timeout_s:g} s") from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            hint = "write it as https://host/v1"
            raise Fatal(Problem("EK505", f"'{self.address}' is not a URL", hint=hint)) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._unavailable(error) from None
        if self._long_secrets:
            for secret in self._long_secrets:
                if secret in body:
                    body = body.replace(secret, b"[secret]")
        return Reply(status, reply_headers, body)

    def redact(self, text: str) -> str:
        """The text without any secret that this endpoint sends."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text

    def _unavailable(self, error: Exception) -> Unavailable:
        import aiohttp

        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
            message = f"no trusted TLS connection to {self.address}: {self.redact(excerpt(str(error)))}"
            return Unavailable("network", message, retryable=False)
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return Unavailable("network", f"the host name of {self.address} is not known")
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = error.os_error.strerror or str(error.os_error)
            return Unavailable("network", f"no connection to {self.address}: {excerpt(reason)}")
        dropped = isinstance(error, OSError) and error.errno in (errno.ECONNRESET, errno.EPIPE)
        if dropped or isinstance(error, aiohttp.ServerDisconnectedError):
            return Unavailable("network", f"{self.address} closed the connection without an answer")
        if isinstance(error, _TooLarge):
            return Unavailable("server_error", str(error), retryable=False)
        if isinstance(error, aiohttp.ClientPayloadError):
            return Unavailable("network", f"the answer of {self.address} broke off")
        if isinstance(error, aiohttp.ClientResponseError):
            return Unavailable("server_error", f"{self.address} does not answer with HTTP")
        reason = self.redact(excerpt(str(error))) or type(error).__name__
        return Unavailable("network", f"the connection to {self.address} failed: {reason}")


class _TooLarge(OSError):
    pass


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, bounded. A declared length bounds nothing where the body is compressed."""
    length = response.content_length
    if length is not None and length <= MAX_BODY_BYTES and "Content-Encoding" not in response.headers:
        return await response.read()
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MAX_BODY_BYTES:
            response.close()
            raise _TooLarge(f"the answer is longer than {MAX_BODY_BYTES // 2**20} MiB")
        parts.append(part)
    return b"".join(parts)


def _proxy_for(url: str) -> str | None:
    """The proxy that the environment names for this URL.

    Looked up once: aiohttp's `trust_env` looks for every request, on a thread, and would read ~/.netrc for a password.
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        problem = Problem(
            "EK505", f"a provider's URL cannot be read: {error}", hint="write it as https://host/v1"
        )
        raise UsageError(problem) from None


def join_path(base_url: str, path: str) -> str:
    """`base_url` with `path` added, before its query if it has one.

    Raises:
        UsageError: EK505, it is no URL.
    """
    parts = _split(base_url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path))


def address_of(url: str) -> str:
    """The URL for messages: without user, password, query and fragment, any of which may hold a secret."""
    parts = _split(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _without_secrets(url: str) -> str:
    parts = _split(url)
    query = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if not _SECRET_NAME.search(name)
    ]
    return address_of(url) + (f"?{urlencode(query)}" if query else "")


def parse_json(body: bytes) -> Any:
    """JSON as RFC 8259 has it: no NaN; what is no valid Unicode becomes U+FFFD.

    Raises:
        ValueError: not JSON, or nested too deeply to read.
    """
    text = body.decode("utf-8-sig", "replace")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        if "\\ud" in text or "\\uD" in text:  # a lone half of a pair can be read, and then written nowhere
            value = json.loads(_LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def parse_arguments(raw: Any) -> Any:
    """The arguments of a tool call: an object, or the text as it came where it is no JSON object."""
    if not isinstance(raw, str):
        return raw
    try:
        value = parse_json(raw.encode("utf-8", "replace"))
    except ValueError:
        return raw
    return value if isinstance(value, dict) else raw


def count(value: Any) -> int | None:
    """A token count, or None for anything that is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def excerpt(text: str, limit: int = 300) -> str:
    """One printable line for a message."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
