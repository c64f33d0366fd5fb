"""The table of REST endpoints, and what a handler gets and gives back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .model import Refused, Token

if TYPE_CHECKING:
    from collections.abc import Callable

    from .state import State

__all__ = ["Answer", "Call", "Page", "find", "route"]

REPO = "/repos/{owner}/{repo}"


@dataclass(slots=True)
class Call:
    """A request on its way to a handler."""

    state: State
    token: Token
    method: str
    path: str
    params: dict[str, str]
    query: dict[str, str]
    body: Any
    raw: bytes
    headers: dict[str, str]

    def need(self, *names: str) -> None:
        """Raises Refused (422) for fields that the body lacks."""
        if missing := [name for name in names if self.body.get(name) in (None, "")]:
            raise Refused(
                422,
                "Invalid request.\n\n" + ", ".join(f'"{name}" wasn\'t supplied' for name in missing) + ".",
            )

    def number(self, name: str) -> int:
        try:
            return int(self.params[name])
        except ValueError:
            raise Refused(404, "Not Found") from None


@dataclass(slots=True)
class Answer:
    """What goes back: a JSON value, or bytes of another type."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Page:
    """A list that the server cuts into pages; with `key`, inside an object with `total_count`."""

    items: list[Any]
    key: str | None = None
    rest: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Route:
    method: str
    template: str
    pattern: re.Pattern[str]
    scopes: tuple[tuple[str, str], ...]
    handler: Callable[[Call], Any]


ROUTES: list[Route] = []


def route(method: str, template: str, *scopes: str) -> Callable[[Any], Any]:
    """Register a handler. `scopes`: `contents:read`; one of several is enough. `{name:path}` takes slashes.

    A template that does not start with `/repos/`, `/users` … is one below the repository.
    """
    whole = (
        template
        if template.startswith(("/users", "/user", "/app", "/_standin", "/{owner}"))
        else REPO + template
    )
    pattern = re.sub(
        r"\\\{(\w+)(:path)?\\\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", re.escape(whole)
    )
    pairs = tuple((scope.partition(":")[0], scope.partition(":")[2]) for scope in scopes)

    def register(handler: Callable[[Call], Any]) -> Callable[[Call], Any]:
        ROUTES.append(Route(method, whole, re.compile(pattern), pairs, handler))
        return handler

    return register


def find(state: State, method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Raises Refused (404) for an unknown path or another repository."""
    matches = [
        (one, match) for one in ROUTES if one.method == method and (match := one.pattern.fullmatch(path))
    ]
    if matches:
        one, match = max(matches, key=lambda pair: len(re.sub(r"\{.*?\}", "", pair[0].template)))
        params = {name: unquote(value) for name, value in match.groupdict().items()}
        if "owner" not in params or f"{params['owner']}/{params['repo']}".lower() == state.repository.lower():
            return one, params
    raise Refused(404, "Not Found")


def check_permission(call_token: Token, found: Route) -> None:
    """Raises Refused (403) when the token may not do this."""
    if found.scopes and not any(call_token.allows(scope, level) for scope, level in found.scopes):
        text = "Resource not accessible by integration"
        raise Refused(403, text if call_token.kind != "user" else "Must have write access to Repository.")
