"""What `Registry.open("…")` and EVALKIT_REGISTRY mean."""

from __future__ import annotations

import os
import re

from evalkit.errors import Problem, SourceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evalkit.runtime.sources.base import BundleSource

__all__ = ["open_source"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)
"""Two letters at least: `C:` is a drive."""

_SCHEMES = ("http", "https", "s3", "package", "git")
_ACCEPTED = "a registry directory, a bundle file, package:NAME/FILE, git:REF, git+URL@REF, or an http(s):// or s3:// URL"


def open_source(text: str | os.PathLike[str]) -> BundleSource:
    """The source that a text names; nothing is read yet but whether a path is a file or a directory.

    Raises:
        SourceError: EK708, it names no source; EK704, there is no such path.
    """
    written = os.fspath(text)
    if not written:
        raise SourceError(Problem("EK708", "the name of the source is empty", hint=f"it may be {_ACCEPTED}"))
    match = _SCHEME.match(written)
    scheme = match[1].lower() if match else ""
    if scheme in ("http", "https"):
        from evalkit.runtime.sources.http import HttpSource

        return HttpSource(written)
    if scheme == "s3":
        from evalkit.runtime.sources.s3 import S3Source

        return S3Source(written)
    if scheme == "package":
        from evalkit.runtime.sources.package import PackageSource

        return PackageSource(written)
    if scheme == "git" or written.startswith("git+"):
        from evalkit.runtime.sources.git import GitSource

        return GitSource.parse(written)
    if scheme and not os.path.exists(written):
        import difflib

        guess = difflib.get_close_matches(scheme, _SCHEMES, n=1)
        said = f"did you mean '{guess[0]}:'? " if guess else ""
        hint = f"{said}it may be {_ACCEPTED}"
        raise SourceError(Problem("EK708", f"no source begins with '{scheme}:'", hint=hint))
    return _local(written)


def _local(path: str) -> BundleSource:
    if os.path.isdir(path):
        from evalkit.runtime.sources.directory import DirectorySource

        return DirectorySource(path)
    if os.path.exists(path) or path.endswith(".json"):  # one that is not there (yet) says so when it is read
        from evalkit.runtime.sources.file import FileSource

        return FileSource(path)
    from evalkit.runtime.sources.file import similar

    guess = similar(path)
    hint = f"{f'did you mean {guess}? ' if guess else ''}name {_ACCEPTED}; or set EVALKIT_REGISTRY"
    raise SourceError(Problem("EK704", f"there is no {os.path.abspath(path)}", hint=hint))
