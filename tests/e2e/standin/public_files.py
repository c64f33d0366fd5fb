"""What anybody may fetch without a token: artifacts by their signed address, files of releases, and the pages."""

from __future__ import annotations

import hashlib
import re

from .model import Refused
from .rest_actions import artifact_of, signature
from .routes import Answer, Call, route

__all__ = ["is_public"]

PUBLIC = re.compile(r"/_standin/(?:open|site)/.*|/[^/]+/[^/]+/releases/download/.+")


def is_public(path: str) -> bool:
    """Whether a path is one of these."""
    return PUBLIC.fullmatch(path) is not None


def served(call: Call, content: bytes, kind: str) -> Answer:
    """With an ETag, and 304 for who has it."""
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    if call.headers.get("if-none-match") == tag:
        return Answer(None, 304, {"ETag": tag})
    return Answer(content, headers={"Content-Type": kind, "ETag": tag})


@route("GET", "/_standin/open/{id}/{key}")
def artifact(call: Call) -> Answer:
    found = artifact_of(call)
    if "authorization" in call.headers:
        raise Refused(400, "Only one auth mechanism allowed: the address carries the signature already")
    if call.params["key"] != signature(found):
        raise Refused(403, "Server failed to authenticate the request")
    return Answer(found.content, headers={"Content-Type": "application/zip"})


@route("GET", "/{owner}/{repo}/releases/download/{tag}/{name}")
def release_file(call: Call) -> Answer:
    """Of a private repository only the REST API gives files, to those with a token."""
    for release in call.state.releases.values():
        for held in release.assets.values():
            if (release.tag, held["name"]) == (
                call.params["tag"],
                call.params["name"],
            ) and not call.state.settings.private:
                return served(call, held["content"], held["content_type"])
    raise Refused(404, "Not Found")


@route("GET", "/_standin/site/{path:path}")
def page(call: Call) -> Answer:
    content = (call.state.pages or {}).get(call.params["path"])
    if content is None:
        raise Refused(404, "Not Found")
    return served(call, content, "application/octet-stream")
