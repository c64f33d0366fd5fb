from __future__ import annotations

import pytest
from small_registry import entry, files

from evalkit.runtime.bundle import Bundle, Commit
from evalkit.runtime.compile import compile_registry


@pytest.fixture
def make_bundle():
    """`make_bundle(order, *entries)`: what commit number `order` compiles to; None is no commit at all."""

    def make(order: int | None, *entries) -> Bundle:
        commit = None if order is None else Commit(f"{order:040x}", order, 1_760_000_000 + order)
        return compile_registry(files(*entries), commit, where="here")

    return make


@pytest.fixture
def v13(make_bundle) -> Bundle:
    return make_bundle(1, entry(13, "production"))


@pytest.fixture
def v14(make_bundle) -> Bundle:
    return make_bundle(2, entry(13, "production"), entry(14, "production"))
