"""A temporary tree that is written to for a while, and is as it was afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Scratch"]


class Scratch:
    """Files below a directory, by their path with forward slashes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._originals: dict[str, bytes | None] = {}

    def read(self, path: str) -> bytes | None:
        """A file as it is now; None if there is none."""
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def original(self, path: str) -> bytes | None:
        """A file as it was before anything was written."""
        return self._originals[path] if path in self._originals else self.read(path)

    def write(self, path: str, content: bytes | None) -> None:
        """Write a file, or delete it."""
        self._originals.setdefault(path, self.read(path))
        target = self.root / path
        if content is None:
            target.unlink(missing_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """What is written inside is gone afterwards."""
        try:
            yield
        finally:
            for path, content in list(self._originals.items()):
                self.write(path, content)
            self._originals.clear()
