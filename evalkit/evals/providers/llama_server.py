"""The process that `LocalServer` runs the model in: llama.cpp's OpenAI-compatible server on loopback.

A process of its own, because the engine cannot be stopped from inside while a request is under way, and because what
happens in native code must not end an evaluation. It is run as a file, imports nothing of evalkit, and speaks JSON: one
line of settings on standard input, one line back (`address`, or `error`), and it lives until standard input ends, which
it also does when the process that started it is killed.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def main() -> None:
    """Serve until standard input ends."""
    reply = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever native code prints is no reply
    settings = json.loads(sys.stdin.readline())
    server = None
    try:
        server = start(**settings)
        outcome = {"address": server.listening_address}
    except ImportError as error:  # the wheel expects the C runtime and OpenMP of the system
        outcome = {"error": f"xllamacpp cannot be loaded: {error}"}
    except Exception as error:  # noqa: BLE001 - whatever it is, the other process must hear of it
        outcome = {"error": f"the weights cannot be loaded: {error}"}
    print(json.dumps(outcome), file=reply, flush=True)
    sys.stdin.read()
    os._exit(0)  # the engine's destructor would wait for requests under way, and they for it


def start(*, weights: str, alias: str, api_key: str, slots: int, context_tokens: int) -> Any:
    """Load the weights and listen on a free port."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.model_alias = {alias}  # without one, answers carry the path as their model
    params.api_keys = [api_key]
    params.verbosity = -1
    params.ui = False
    params.endpoint_slots = False
    params.n_parallel = slots
    params.n_ctx = context_tokens * slots
    params.fit_params = False  # the size is given; nothing is to be guessed from the free memory
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = slots
        cpu.poll = 0
    # What makes an answer repeatable. A cached prefix was computed in other batches than the whole prompt is, and flash
    # attention splits a long context by the number of threads: both round differently, and near ties flip.
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
