"""evalkit: evaluate, promote and roll back the generation configs of LLM applications.

What an application uses is here; each name is imported when it is first touched.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evalkit.errors import EvalkitError
    from evalkit.runtime.holder import Change
    from evalkit.runtime.jsonl import JsonlHandler
    from evalkit.runtime.registry import Registry, Status
    from evalkit.runtime.resolved import ResolvedConfig, Variant
    from evalkit.runtime.snapshot import Snapshot

__all__ = [
    "Change",
    "EvalkitError",
    "JsonlHandler",
    "Registry",
    "ResolvedConfig",
    "Snapshot",
    "Status",
    "Variant",
    "__version__",
]

__version__ = "0.1.0"

_HOMES = {
    "Change": "evalkit.runtime.holder",
    "EvalkitError": "evalkit.errors",
    "JsonlHandler": "evalkit.runtime.jsonl",
    "Registry": "evalkit.runtime.registry",
    "ResolvedConfig": "evalkit.runtime.resolved",
    "Snapshot": "evalkit.runtime.snapshot",
    "Status": "evalkit.runtime.registry",
    "Variant": "evalkit.runtime.resolved",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'evalkit' has no attribute '{name}'")
    import importlib  # noqa: PLC0415 - most programs that import evalkit touch one name

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
