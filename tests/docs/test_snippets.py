"""The Python that the runtime's pages show runs, page by page, against a registry and a model server on this machine."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
from openai import OpenAI

from evalkit import Registry
from evalkit.testing.model_server import ModelServer, RawReply

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "docs/runtime.md", "docs/variants.md", "docs/call-log.md"]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def answer(body):
    """A queue; as a stream of three chunks where that is asked for, the tokens in the last."""
    text = '{"queue": "shipping", "reason": "a late parcel"}'
    if not body.get("stream"):
        return text
    base = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    chunks = [
        {**base, "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}]},
        {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**base, "choices": [], "usage": {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42}},
    ]
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return RawReply(
        200, "".join([*lines, "data: [DONE]\n\n"]).encode(), {"Content-Type": "text/event-stream"}
    )


@pytest.fixture
def calls():
    """The logger of calls, as it was afterwards."""
    logger = logging.getLogger("evalkit.calls")
    level, handlers = logger.level, list(logger.handlers)
    logger.setLevel(logging.INFO)
    yield logger
    for handler in logger.handlers:
        if handler not in handlers:
            handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch, calls, caplog):
    snippets = [
        body for body in FENCE.findall((ROOT / page).read_text(encoding="utf-8")) if "load_run" not in body
    ]
    assert snippets
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVALKIT_REGISTRY", str(ROOT / "examples" / "registry-project"))
    monkeypatch.setenv("EVALKIT_CACHE_DIR", str(tmp_path / "cache"))
    with ModelServer(answer) as server, Registry.open() as registry:
        client = OpenAI(base_url=server.base_url, api_key="none", max_retries=0)
        scope = {
            "registry": registry,
            "cfg": registry.resolve("support-triage", "production"),
            "client": client,
            "ticket": "Where is my parcel?",
        }
        for number, snippet in enumerate(snippets, 1):
            exec(compile(snippet, f"{page} snippet {number}", "exec"), scope)
        if "triage" in scope:
            scope["triage"]("Where is my parcel?")
            assert [record for record in caplog.records if record.name == "evalkit.calls"]
        opened = scope["registry"]
        if opened is not registry:
            opened.close()
        client.close()
