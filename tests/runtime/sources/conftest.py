from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def a_quiet_environment(monkeypatch, tmp_path):
    """Nothing of this machine decides: no proxy, no token, no user's git or AWS settings."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in (
        "EVALKIT_REGISTRY",
        "EVALKIT_REGISTRY_TOKEN",
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EVALKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
