"""Commits by the git data API: what is read and written has git's own meaning, and nothing is forced.

The contents API is not used: it follows symbolic links, and it commits one file at a time.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from evalkit.github.api import refusals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalkit.github.api.client import Client

__all__ = ["Commits"]

_READ: Final = "contents: read"
_WRITE: Final = "contents: write"
_PLAIN: Final = frozenset({"100644", "100755"})
_INLINE_BYTES: Final = 256 * 1024
"""Larger files are uploaded as blobs of their own, so that the request for the tree stays small."""
_CHUNK_FILES: Final = 200
_CHUNK_BYTES: Final = 1024 * 1024
"""GitHub documents no limit for what makes a tree, but gives a request ten seconds. Larger trees are built in steps."""


class Commits:
    """The branches, trees and files of a repository."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._trees: dict[str, dict[str, tuple[str, str]]] = {}

    def head_of(self, branch: str) -> str | None:
        """See `Forge`."""
        reply = self._client.ask(
            f"read the branch {branch}", "GET", _ref("ref", branch), needs=_READ, accept=(404,)
        )
        return str(reply.data["object"]["sha"]) if reply.status == 200 else None

    def read(self, path: str, commit: str) -> bytes | None:
        """See `Forge`. Symbolic links and submodules are no files."""
        mode, blob = self._entry(path, commit) or ("", "")
        if mode not in _PLAIN:
            return None
        what = f"read {path} of {commit[:12]}"
        reply = self._client.ask(what, "GET", f"/git/blobs/{blob}", needs=_READ)
        return base64.b64decode(reply.data["content"])

    def commit(
        self, branch: str, message: str, files: Mapping[str, bytes | None], *, parents: Sequence[str]
    ) -> str:
        """See `Forge`. A file that is written is no executable one afterwards."""
        what = f"commit to the branch {branch}"
        before = self.head_of(branch)
        if before not in {None, parents[0]}:
            raise refusals.moved_on(what, f"it is at {before}, not at {parents[0]}")
        made = self._client.ask(
            what,
            "POST",
            "/git/commits",
            needs=_WRITE,
            # Without an author, it is whoever the token stands for; GitHub signs such a commit of an App's or a job's.
            body={"message": message, "tree": self._tree(what, parents[-1], files), "parents": list(parents)},
        )
        new = str(made.data["sha"])
        if before is None:
            self._make(what, branch, new)
        else:
            self._move(what, branch, new)
        return new

    def delete_branch(self, branch: str) -> None:
        """See `Forge`."""
        what = f"delete the branch {branch}"
        reply = self._client.ask(what, "DELETE", _ref("refs", branch), needs=_WRITE, accept=(404, 422))
        if reply.status == 422 and "does not exist" not in reply.reason.lower():
            raise refusals.refused(what, 422, reply.reason, _WRITE, self._client.repository)

    def _make(self, what: str, branch: str, commit: str) -> None:
        body = {"ref": f"refs/heads/{branch}", "sha": commit}
        reply = self._client.ask(what, "POST", "/git/refs", needs=_WRITE, body=body, accept=(409, 422))
        if reply.status < 300:
            return
        now = self.head_of(branch)
        if now == commit:
            return  # the answer to the first attempt was lost
        if now is not None:
            raise refusals.moved_on(what, f"it was made meanwhile, and is at {now}")
        raise refusals.refused(what, reply.status, reply.reason, _WRITE, self._client.repository)

    def _move(self, what: str, branch: str, commit: str) -> None:
        body = {"sha": commit, "force": False}
        reply = self._client.ask(
            what, "PATCH", _ref("refs", branch), needs=_WRITE, body=body, accept=(404, 409, 422)
        )
        if reply.status < 300:
            return
        reason = reply.reason.lower()
        if reply.status in {404, 409} or "fast forward" in reason or "fast-forward" in reason:
            raise refusals.moved_on(what, "it moved on meanwhile")
        if "does not exist" in reason and self.head_of(branch) is None:
            raise refusals.moved_on(what, "it was deleted meanwhile")
        raise refusals.refused(what, reply.status, reply.reason, _WRITE, self._client.repository)

    def _tree(self, what: str, base: str, files: Mapping[str, bytes | None]) -> str:
        """The tree of `base` with the files changed, built upon it step by step."""
        tree = self._tree_id(base)
        for chunk in _chunks(
            [self._change(what, path, content) for path, content in self._real(files, base)]
        ):
            body = {"base_tree": tree, "tree": chunk}
            tree = str(self._client.ask(what, "POST", "/git/trees", needs=_WRITE, body=body).data["sha"])
        return tree

    def _real(self, files: Mapping[str, bytes | None], base: str) -> Iterator[tuple[str, bytes | None]]:
        """Without the deletions of files that are not there: GitHub refuses a tree for these."""
        for path, content in sorted(files.items()):
            if content is not None or self._entry(path, base) is not None:
                yield path, content

    def _change(self, what: str, path: str, content: bytes | None) -> dict[str, Any]:
        entry: dict[str, Any] = {"path": path, "mode": "100644", "type": "blob"}
        if content is None:
            return {**entry, "sha": None}
        if len(content) <= _INLINE_BYTES and b"\0" not in content:
            try:
                return {**entry, "content": content.decode()}
            except UnicodeDecodeError:
                pass
        body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
        return {
            **entry,
            "sha": self._client.ask(what, "POST", "/git/blobs", needs=_WRITE, body=body).data["sha"],
        }

    def _tree_id(self, commit: str) -> str:
        what = f"read the commit {commit[:12]}"
        reply = self._client.ask(what, "GET", f"/git/commits/{commit}", needs=_READ)
        return str(reply.data["tree"]["sha"])

    def _entry(self, path: str, commit: str) -> tuple[str, str] | None:
        """Mode and id of what lies at a path; None if nothing does."""
        *folders, name = path.split("/")
        tree = commit
        for folder in folders:
            mode, tree = self._listed(tree).get(folder, ("", ""))
            if mode != "040000":
                return None
        return self._listed(tree).get(name)

    def _listed(self, tree: str) -> dict[str, tuple[str, str]]:
        """What lies directly in a tree or in a commit: mode and id by name. What never changes is asked for once."""
        if tree not in self._trees:
            reply = self._client.ask(f"list {tree[:12]}", "GET", f"/git/trees/{tree}", needs=_READ)
            if reply.data.get("truncated"):
                hint = "keep fewer files in one directory"
                reason = "it holds more files than GitHub lists"
                raise refusals.problem("EK879", f"list the directory {tree[:12]}", reason, hint)
            self._trees[tree] = {e["path"]: (e["mode"], e["sha"]) for e in reply.data["tree"]}
        return self._trees[tree]


def _ref(kind: str, branch: str) -> str:
    return f"/git/{kind}/heads/{quote(branch, safe='/')}"


def _chunks(changes: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    size = 0
    for change in changes:
        more = len(change.get("content") or "")
        if chunk and (len(chunk) == _CHUNK_FILES or size + more > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(change)
        size += more
    if chunk:
        yield chunk
