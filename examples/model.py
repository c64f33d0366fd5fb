"""A stand-in for a model, so that the examples run without a key: it sorts tickets by their words.

python examples/model.py
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from typing import Any

from evalkit.testing.model_server import ModelServer

PORT = int(os.environ.get("PORT", "8100"))
WORDS = {
    "shipping": ("parcel", "deliver", "arrive", "courier"),
    "returns": ("return", "exchange", "warranty", "send back"),
    "account": ("password", "sign in", "log in", "address"),
}


def answer(request: dict[str, Any]) -> str:
    """What a model would say to a chat request: the queue, and why."""
    ticket = request["messages"][-1]["content"].lower()
    for queue, words in WORDS.items():
        for word in words:
            if word in ticket:
                return json.dumps({"queue": queue, "reason": f"the message says '{word}'"})
    return json.dumps({"queue": "billing", "reason": "nothing else fits"})


if __name__ == "__main__":
    with ModelServer(answer, port=PORT) as server:
        print(f"a stand-in for a model listens: OPENAI_BASE_URL={server.base_url}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
