"""Requests to GitHub's REST API: the token, waiting, repeating; every answer is data or a `ForgeError`.

PyGithub carries the request (authentication, connections, redirects). When to repeat it is decided here, because a
request that makes something must not be sent twice unseen: PyGithub repeats a POST whose answer was lost, waits for
as long as `Retry-After` says, and does not know status 429.

GitHub's rules (docs.github.com, "Rate limits for the REST API"): wait for `retry-after`; else until
`x-ratelimit-reset` if `x-ratelimit-remaining` is 0; else at least a minute, and longer each time. Writes that are
many are to lie a second apart.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from evalkit.errors import Problem, UsageError
from evalkit.github.api import refusals
from evalkit.github.api.replies import Reply, innermost, is_unsent, rate_limit, reason
from evalkit.runtime.install import install_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from github import Github

__all__ = ["Client"]

PATIENCE_S: Final = 900.0
"""How long one client waits in all, over all requests. A job that needs more is better run again."""

_TIMEOUT_S: Final = 30
_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before a lost request is sent again."""
_FREE_WRITES: Final = 20
"""So many writes go at once; the ones after them lie a second apart."""
_LOCAL: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Client:
    """One repository's door to the API."""

    def __init__(
        self,
        repository: str,
        token: str,
        api_url: str,
        *,
        patience_s: float = PATIENCE_S,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives seconds since 1970.

        Raises:
            UsageError: EK870, the token or the address cannot be used; EK904, PyGithub is not installed.
        """
        self.repository = repository
        self.api_url = api_url.rstrip("/")
        self._token = token.strip()
        if not self._token or any(not "!" <= c <= "~" for c in self._token):
            hint = "set GITHUB_TOKEN to it, without spaces, quotes or line breaks"
            raise UsageError(Problem("EK870", "the token for GitHub is empty or no token", hint=hint))
        if not _is_address(self.api_url):
            hint = "GITHUB_API_URL is https://api.github.com, or https://HOST/api/v3; a token goes over https only"
            raise UsageError(Problem("EK870", f"{api_url!r} is no address of an API", hint=hint))
        self._github = _connect(self._token, self.api_url)
        self._patience_s = patience_s
        self._sleep = sleep
        self._clock = clock
        self._writes = 0
        self._last_write = 0.0
        self._is_visible = False

    @property
    def token(self) -> str:
        """For a request that does not go through `ask`, to a host of the same site."""
        return self._token

    def ask(
        self,
        what: str,
        verb: str,
        path: str,
        *,
        needs: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        accept: Collection[int] = (),
        repeat: bool = True,
    ) -> Reply:
        """Send one request.

        Args:
            what: it is to do, for messages: `read the branch main`.
            verb: of HTTP.
            path: below `/repos/OWNER/NAME`, or with two slashes at its start below the API's root.
            needs: the permission it takes, as a job names it: `contents: read`.
            query: of the address.
            body: as JSON.
            accept: refusals that are answers to the caller, by status.
            repeat: whether it may be sent again when the answer was lost. Requests that GitHub refused because of a
                rate limit were not carried out, and are always sent again.

        Raises:
            ForgeError: EK871, EK873, EK874, EK875, EK879; `refusals.Lost` if the answer was lost and `repeat` is not
                given.
        """
        lost = limited = 0
        while True:
            is_last = lost == len(_PAUSES)
            reply = self._once(what, verb, path, query, body, repeat=repeat, is_last=is_last)
            if reply is None:
                self.wait(what, _PAUSES[lost])
                lost += 1
                continue
            wait = rate_limit(reply, self._clock(), limited)
            if wait is not None:
                self.wait(what, wait)
                limited += 1
                continue
            if reply.status == 404 and path:
                self._see(what)
            if reply.status < 300 or reply.status in accept:
                return reply
            raise refusals.refused(what, reply.status, reply.reason, needs, self.repository)

    def pages(
        self,
        what: str,
        path: str,
        *,
        needs: str,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
        accept: Collection[int] = (),
    ) -> Iterator[Any]:
        """The items of a list, page by page as they are read; `key` if the list is inside an object.

        Raises:
            ForgeError: as `ask`.
        """
        page = 1
        while True:
            asked = {"per_page": 100, **(query or {}), "page": page}
            reply = self.ask(what, "GET", path, needs=needs, query=asked, accept=accept)
            if reply.status >= 300:
                return
            yield from reply.data[key] if key else reply.data
            if 'rel="next"' not in reply.headers.get("link", ""):
                return
            page += 1

    def viewer(self) -> str:
        """The login that the token stands for, asked by GraphQL: an App's token may not ask for `/user`."""
        what, address = "ask who the token stands for", self._github.requester.graphql_url
        reply = self.ask(what, "POST", address, needs="metadata: read", body={"query": "{viewer{login}}"})
        viewer = (reply.data.get("data") or {}).get("viewer")
        if not viewer:
            hint = "use a token of a person, of an App, or the job's own"
            raise refusals.problem("EK873", what, f"GitHub does not say ({reply.reason})", hint)
        return str(viewer["login"])

    def wait(self, what: str, seconds: float) -> None:
        """Wait, out of the patience that all requests share.

        Raises:
            ForgeError: EK875, it does not last so long.
        """
        if seconds > self._patience_s:
            raise refusals.limited(what, self._clock() + seconds)
        self._patience_s -= seconds
        self._sleep(seconds)

    def clean(self, text: str) -> str:
        """A text of somebody else's without the token."""
        return text.replace(self._token, "***")

    def _once(
        self,
        what: str,
        verb: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        *,
        repeat: bool,
        is_last: bool,
    ) -> Reply | None:
        """The answer; None if it was lost and the request may be sent again."""
        from requests import RequestException

        if verb != "GET":
            self._space_writes()
        try:
            status, found, text = self._github.requester.requestJson(
                verb, self._url(path), dict(query or {}), None, body
            )
        except (
            RequestException,
            RuntimeError,
        ) as error:  # a RuntimeError is PyGithub's word for a bad redirect
            if not is_last and (repeat or is_unsent(error)):
                return None
            raise refusals.lost(what, self.clean(innermost(error)), self.api_url) from None
        try:
            data = json.loads(text) if text else None
        except ValueError:
            if status < 300:
                said = "what answers is not GitHub's API: its answer is no JSON"
                raise refusals.lost(what, said, self.api_url) from None
            data = None  # a proxy's page in HTML
        if status >= 500:
            if repeat and not is_last:
                return None
            raise refusals.lost(what, f"it answers with status {status}", self.api_url)
        return Reply(status, found, data, self.clean(reason(status, data)))

    def _url(self, path: str) -> str:
        if path.startswith("//"):
            return path[1:]
        return path if "://" in path else f"/repos/{self.repository}{path}"

    def _see(self, what: str) -> None:
        """Once: a 404 means "there is none" only if the repository itself can be seen.

        Raises:
            ForgeError: EK873, it cannot.
        """
        if not self._is_visible:
            reply = self.ask(what, "GET", "", needs="metadata: read", accept=(404,))
            if reply.status == 404:
                raise refusals.invisible(what, self.repository)
            self._is_visible = True

    def _space_writes(self) -> None:
        self._writes += 1
        if self._writes > _FREE_WRITES:
            self._sleep(max(0.0, min(1.0, self._last_write + 1.0 - self._clock())))
        self._last_write = self._clock()


def _is_address(url: str) -> bool:
    try:
        where = urlsplit(url)
    except ValueError:
        return False
    return bool(where.hostname) and (
        where.scheme == "https" or (where.scheme == "http" and where.hostname in _LOCAL)
    )


def _connect(token: str, api_url: str) -> Github:
    try:
        from github import Auth, Github
    except ModuleNotFoundError as error:
        hint = install_hint("github")
        raise UsageError(Problem("EK904", f"speaking to GitHub needs {error.name}", hint=hint)) from None
    return Github(
        auth=Auth.Token(token),
        base_url=api_url,
        timeout=_TIMEOUT_S,
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=None,
        user_agent="evalkit",
    )
