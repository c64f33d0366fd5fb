"""A bundle inside an installed package: `package:myapp/registry.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import Location, Problem, SourceError
from evalkit.runtime.bundle import read_bundle
from evalkit.runtime.sources.fetched import Fetched

if TYPE_CHECKING:
    from evalkit.runtime.sources.base import Stop

__all__ = ["PackageSource"]


class PackageSource:
    """It never changes while a process lives."""

    interval_s: float | None = None

    def __init__(self, text: str) -> None:
        """`text` is `package:dotted.name/path/in/it.json`.

        Raises:
            SourceError: EK708, it is not written like that.
        """
        self.display = self.identity = text
        self._package, _, self._path = text.removeprefix("package:").partition("/")
        parts = self._path.split("/")
        if not self._package.replace(".", "_").isidentifier() or not all(parts) or ".." in parts:
            hint = "write package:NAME/FILE, such as package:myapp/registry.json"
            raise SourceError(Problem("EK708", "no file of a package", Location(text), hint))

    def fetch(self, known: str | None, timeout_s: float) -> Fetched | None:
        """As `BundleSource.fetch`."""
        del timeout_s
        if known is not None:
            return None
        from importlib.resources import files

        try:
            data = files(self._package).joinpath(self._path).read_bytes()
        except (ImportError, OSError, TypeError) as error:
            message = f"cannot be read: {type(error).__name__}: {error}"
            hint = "is the package installed, and the file among its package data?"
            raise SourceError(Problem("EK704", message, Location(self.display), hint)) from None
        return Fetched(read_bundle(data, self.display), "installed")

    def wait(self, seconds: float, stop: Stop) -> None:
        """As `BundleSource.wait`."""
        stop.wait(seconds)
