"""What every library is given to serve: entries svc-0001, svc-0002, …, each a prompt and tools of about 1 KB."""

from __future__ import annotations

from typing import Any

MODEL = "gpt-5-mini-2025-08-07"
FLIPPED = "svc-0001"
"""The entry whose version changes while a benchmark runs."""
CANARY_BY_REQUEST = "svc-0002"
CANARY_BY_KEY = "svc-0003"

_RULES = (
    "You sort the first message of a customer into exactly one queue. What the customer wants done decides, not what "
    "the message mentions first. If two queues fit, choose the one that must act first. Answer with one JSON object."
)


def names(count: int) -> list[str]:
    return [f"svc-{number:04}" for number in range(1, count + 1)]


def messages(name: str, version: int) -> list[dict[str, str]]:
    rules = "\n".join(f"{number}. {_RULES}" for number in range(1, 5))
    return [
        {"role": "system", "content": f"{name}, version {version}.\n{rules}"},
        {"role": "user", "content": "{{ text }}"},
    ]


def tools(name: str) -> list[dict[str, Any]]:
    """In the shape of OpenAI's chat completions."""
    return [
        {
            "type": "function",
            "function": {
                "name": f"look_up_{kind.split()[1]}",
                "description": f"The state of {kind} that the message of {name} names, if the queue depends on it.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string", "description": f"The {kind} as the customer writes it."}
                    },
                    "required": ["id"],
                    "additionalProperties": False,
                },
            },
        }
        for kind in ("an order", "a parcel", "an account")
    ]
