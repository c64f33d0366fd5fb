"""Files that GitHub keeps beside git: artifacts of runs, assets of releases. Both come from other hosts than the API."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from evalkit.github.api import records, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests import PreparedRequest

    from evalkit.github.api.client import Client
    from evalkit.github.forge import Artifact, ForgeError

__all__ = ["Files"]

_TIMEOUT_S: Final = 60
_RELEASE: Final = "Kept by evalkit: what running applications fetch. Each file here is replaced in place."
_ASSET_BYTES: Final = 256 * 1024 * 1024
"""The largest asset that is read. A bundle is text: megabytes at most."""


class Files:
    """Artifacts and assets of one repository."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def artifacts(self, name: str) -> Iterator[Artifact]:
        """See `Forge`."""
        what = f"list the artifacts {name}"
        found = self._client.pages(
            what, "/actions/artifacts", needs="actions: read", query={"name": name}, key="artifacts"
        )
        listed = [records.artifact(raw) for raw in found]
        yield from sorted(listed, key=lambda artifact: (artifact.created, artifact.id), reverse=True)

    def download(self, artifact: Artifact, max_bytes: int) -> bytes:
        """See `Forge`."""
        what = f"download the artifact {artifact.name}"
        if artifact.is_expired:
            raise _gone(what, "it has expired")
        if artifact.size_bytes > max_bytes:
            raise _too_large(what, max_bytes)
        path = f"/actions/artifacts/{artifact.id}/zip"
        reply = self._client.ask(what, "GET", path, needs="actions: read", accept=(302, 404, 410))
        if reply.status in {404, 410}:
            raise _gone(what, "GitHub has it no more")
        return self._fetch(what, reply.headers.get("location", ""), max_bytes)

    def release_asset(self, tag: str, name: str) -> bytes | None:
        """See `Forge`."""
        what = f"read {name} of the release {tag}"
        release = self._release(what, tag)
        asset = self._assets(what, release).get(name) if release else None
        if asset is None:
            return None
        address = f"{self._client.api_url}/repos/{self._client.repository}/releases/assets/{asset['id']}"
        return self._fetch(
            what, address, _ASSET_BYTES, {"Accept": "application/octet-stream", **self._auth()}
        )

    def put_release_asset(self, tag: str, name: str, content: bytes) -> str:
        """See `Forge`.

        GitHub cannot replace an asset. The new one is uploaded under another name first, so that the time in which
        there is none is that of two small requests and not that of an upload.
        """
        what = f"upload {name} to the release {tag}"
        needs = "contents: write"
        release = self._release(what, tag)
        if release is None:
            body = {"tag_name": tag, "name": tag, "body": _RELEASE, "make_latest": "false"}
            made = self._client.ask(what, "POST", "/releases", needs=needs, body=body, accept=(422,))
            release = made.data if made.status < 300 else self._release(what, tag)
            if release is None:
                raise refusals.refused(what, made.status, made.reason, needs, self._client.repository)
        assets = self._assets(what, release)
        digest = hashlib.sha256(content).hexdigest()
        before = assets.get(name)
        if before and before.get("digest") == f"sha256:{digest}":
            return str(before["browser_download_url"])
        waiting = f"{name}.{digest[:12]}.new"
        if waiting in assets:  # of an upload that broke off
            self._delete(what, assets[waiting])
        new = self._upload(what, release, waiting, content)
        if before:
            self._delete(what, before)
        path = f"/releases/assets/{new['id']}"
        return str(
            self._client.ask(what, "PATCH", path, needs=needs, body={"name": name}).data[
                "browser_download_url"
            ]
        )

    def _release(self, what: str, tag: str) -> Mapping[str, Any] | None:
        path = f"/releases/tags/{quote(tag, safe='')}"
        reply = self._client.ask(what, "GET", path, needs="contents: read", accept=(404,))
        found: Mapping[str, Any] | None = reply.data if reply.status == 200 else None
        return found

    def _assets(self, what: str, release: Mapping[str, Any]) -> dict[str, Any]:
        found = self._client.pages(what, f"/releases/{release['id']}/assets", needs="contents: read")
        return {asset["name"]: asset for asset in found}

    def _delete(self, what: str, asset: Mapping[str, Any]) -> None:
        path = f"/releases/assets/{asset['id']}"
        self._client.ask(what, "DELETE", path, needs="contents: write", accept=(404,))

    def _upload(self, what: str, release: Mapping[str, Any], name: str, content: bytes) -> Mapping[str, Any]:
        import requests

        address = str(release["upload_url"]).partition("{")[0]
        api = urlsplit(self._client.api_url).hostname or ""
        if urlsplit(address).hostname not in {api, f"uploads.{api.removeprefix('api.')}"}:
            reason = f"it names a host of somebody else ({urlsplit(address).hostname})"
            raise refusals.lost(what, reason, self._client.api_url)
        try:
            done = requests.post(
                address,
                params={"name": name},
                data=content,
                headers={"Content-Type": "application/octet-stream", **self._auth()},
                auth=_as_is,
                timeout=_TIMEOUT_S,
                allow_redirects=False,
            )
            answer: Mapping[str, Any] = done.json()
        except requests.RequestException as error:
            raise refusals.lost(what, type(error).__name__, address) from None
        if done.status_code != 201:
            reason = self._client.clean(str(answer.get("message") or done.status_code))
            raise refusals.refused(what, done.status_code, reason, "contents: write", self._client.repository)
        return answer

    def _fetch(
        self, what: str, address: str, max_bytes: int, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """What lies at an address, from a host that gets no token when the address leads elsewhere."""
        import requests

        for pause in (1.0, 2.0, 4.0, None):
            try:
                # requests leaves out the token when a redirect leads to another host.
                with requests.get(
                    address, headers=dict(headers or {}), auth=_as_is, stream=True, timeout=_TIMEOUT_S
                ) as answer:
                    if answer.status_code in {404, 410}:
                        raise _gone(what, f"its store answers with status {answer.status_code}")
                    answer.raise_for_status()
                    return _limited(answer.iter_content(64 * 1024), what, max_bytes)
            except requests.RequestException as error:
                if pause is None:
                    raise refusals.lost(
                        what, type(error).__name__, urlsplit(address).hostname or ""
                    ) from None
                self._client.wait(what, pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._client.token}"}


def _as_is(request: PreparedRequest) -> PreparedRequest:
    """Keeps requests from putting the credentials of a `.netrc` in the place of the token."""
    return request


def _limited(chunks: Iterator[bytes], what: str, max_bytes: int) -> bytes:
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > max_bytes:
            raise _too_large(what, max_bytes)
    return bytes(content)


def _gone(what: str, reason: str) -> ForgeError:
    hint = "run the evaluation again: what it measures is uploaded anew"
    return refusals.problem("EK876", what, reason, hint)


def _too_large(what: str, max_bytes: int) -> ForgeError:
    hint = "evalkit writes none that large: look at the run that uploaded it"
    return refusals.problem("EK877", what, f"it has more than {max_bytes:,} bytes", hint)
