"""Langfuse: `get_client().get_prompt(name, type="chat")` from the stand-in of its server (loopback.py).

Langfuse caches for 60 s by default, counts in whole seconds, and answers with the old prompt while it fetches the new
one; 0 asks the server each time.
"""

from __future__ import annotations

import os

HITS = {"plain": 'it.get_prompt("svc-0001", type="chat")'}


def load():
    from langfuse import get_client

    return get_client


def connect(place: str, ttl_s: float | None, _cache: str | None):
    os.environ.update(
        LANGFUSE_BASE_URL=place, LANGFUSE_PUBLIC_KEY="pk-lf-bench", LANGFUSE_SECRET_KEY="sk-lf-bench"
    )
    if ttl_s is not None:
        os.environ["LANGFUSE_PROMPT_CACHE_DEFAULT_TTL_SECONDS"] = str(int(ttl_s))
    return load()()


def served(it, name: str) -> int:
    return it.get_prompt(name, type="chat").version


def asked(it, name: str) -> int:
    return it.get_prompt(name, type="chat", cache_ttl_seconds=0).version
