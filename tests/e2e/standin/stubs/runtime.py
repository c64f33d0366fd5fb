"""What the stubs share: inputs, outputs, and requests to the stand-in as the job."""

# ruff: noqa: T201 - a step of a job speaks by printing

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import NoReturn


def given(name: str) -> str:
    return os.environ.get("INPUT_" + name.upper().replace("-", "_"), "").strip()


def output(name: str, value: object) -> None:
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.write(f"{name}={value}\n")


def fail(message: str) -> NoReturn:
    print(f"::error::{message}", flush=True)
    sys.exit(1)


def request(method: str, tail: str, body: bytes | None = None, token: str = "", **query: str) -> bytes:
    """To the stand-in; the answer's content. Ends the step with the stand-in's message if it refuses."""
    address = os.environ["GITHUB_API_URL"] + tail
    if query:
        address += "?" + urllib.parse.urlencode(query)
    headers = {
        "Authorization": f"Bearer {token or os.environ['STANDIN_TOKEN']}",
        "Content-Type": "application/octet-stream",
    }
    call = urllib.request.Request(address, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(call, timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        try:
            message = json.loads(error.read())["message"]
        except (ValueError, KeyError):
            message = str(error)
        fail(message)
