"""A bundle inside an installed package: `package:myapp/registry.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import Location, Problem, SourceError
from evalkit.runtime.bundle import read_bundle
from evalkit.runtime.forking import import_now
from evalkit.runtime.sources.fetched import Fetched

if TYPE_CHECKING:
    from evalkit.runtime.sources.base import Stop

__all__ = ["PackageSource"]


class PackageSource:
    """It never changes while a process lives."""

    is_local = True
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

    def prepare(self) -> None:
        """As `BundleSource.prepare`."""
        import_now("importlib.util", "importlib.machinery", "importlib.resources")

    def fetch(self, known: str | None, timeout_s: float) -> Fetched | None:
        """As `BundleSource.fetch`."""
        del timeout_s
        if known is not None:
            return None
        try:
            data = self._read()
        except (ImportError, OSError, TypeError, ValueError) as error:
            message = f"cannot be read: {type(error).__name__}: {error}"
            hint = "is the package installed, and the file among its package data?"
            raise SourceError(Problem("EK704", message, Location(self.display), hint)) from None
        return Fetched(read_bundle(data, self.display), "installed")

    def _read(self) -> bytes:
        """The file, without running the package: this thread may be what an import of it is waiting for."""
        from importlib.machinery import PathFinder
        from importlib.resources import files
        from importlib.util import find_spec, module_from_spec

        top, *below = self._package.split(".")
        spec, name = find_spec(top), top
        for part in below:
            name = f"{name}.{part}"
            spec = PathFinder.find_spec(name, spec.submodule_search_locations) if spec else None
        if spec is None:
            raise ModuleNotFoundError(f"no package is called {self._package}")
        return files(module_from_spec(spec)).joinpath(self._path).read_bytes()

    def wait(self, seconds: float, stop: Stop) -> None:
        """As `BundleSource.wait`."""
        stop.wait(seconds)
