"""Every error that evalkit raises on purpose.

    EvalkitError
    ├── UsageError            the command line, or an extra that is not installed
    ├── ConfigError           a file in the registry, in suites/, or evalkit.yaml
    │   ├── SchemaError       ... is not valid on its own
    │   └── UnresolvedReference  ... names something that does not exist
    ├── UnknownEntry          no such name, version or environment
    ├── BundleError           a bundle that is broken, ambiguous, or of a newer kind
    ├── SourceError           the place a bundle comes from does not give one
    ├── RenderError           a prompt and its variables do not fit
    ├── ProviderError         a model provider could not be used at all
    ├── WriteBackError        an edit was refused; nothing was touched
    └── Interrupted           Ctrl-C; what was done is kept

An error carries one or more `Problem`s: everything that is wrong, never only the first. Each has a stable code
(documented in docs/errors.md), a location where there is one, and the way to fix it.
"""

from __future__ import annotations

from evalkit.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import ClassVar

__all__ = [
    "BundleError",
    "ConfigError",
    "EvalkitError",
    "Interrupted",
    "Location",
    "Problem",
    "ProviderError",
    "RenderError",
    "SchemaError",
    "SourceError",
    "UnknownEntry",
    "UnresolvedReference",
    "UsageError",
    "WriteBackError",
]


class Location(Value):
    """A place in a file. `line` and `column` count from 1, in characters; 0 means the file as a whole."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.path
        return f"{self.path}:{self.line}:{self.column or 1}"


class Problem(Value):
    """One thing that is wrong, where, and how to put it right."""

    code: str
    message: str
    location: Location | None = None
    hint: str | None = None
    severity: str = "error"
    """`error`, or `warning` for what is reported and does not fail a check."""

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        kind = "" if self.severity == "error" else f"{self.severity} "
        text = f"{where}{kind}{self.code} {self.message}"
        return f"{text}\n  help: {self.hint}" if self.hint else text


class EvalkitError(Exception):
    """The root. `problems` is never empty."""

    exit_code: ClassVar[int] = 2

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        if not self.problems:
            raise ValueError("an EvalkitError needs at least one problem")
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[EvalkitError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class UsageError(EvalkitError):
    """The command line asks for something that cannot be done."""


class ConfigError(EvalkitError):
    """A file of the project is wrong."""


class SchemaError(ConfigError):
    """A file is not valid on its own: syntax, unknown keys, wrong types."""


class UnresolvedReference(ConfigError):
    """A file names a prompt, tools, class, suite or provider that does not exist."""


class UnknownEntry(EvalkitError):
    """No such entry name, version or environment."""


class BundleError(EvalkitError):
    """A bundle is not whole, contradicts itself, or is of a kind that this version cannot read."""


class SourceError(EvalkitError):
    """The place that a bundle comes from cannot be reached, or has none."""


class RenderError(EvalkitError):
    """A prompt cannot be rendered with the variables given."""


class ProviderError(EvalkitError):
    """A provider could not be used at all: no key, refused, unreachable."""

    exit_code = 3


class WriteBackError(EvalkitError):
    """An edit of a file was refused. Nothing was touched."""


class Interrupted(EvalkitError):
    """The user pressed Ctrl-C. What was done is kept."""

    exit_code = 130
