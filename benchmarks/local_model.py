"""The local model: seconds for a call, and whether an answer depends on anything but its request.

    python benchmarks/local_model.py                            # every message of the shipped task, as order-extract@v2
    python benchmarks/local_model.py --limit 24 --slots 1 2 4   # a quicker look

The same messages are asked with each number of slots, forwards and backwards. Exits 1 if one answer differs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path

from evalkit.evals.providers.base import Request
from evalkit.evals.providers.local import LocalProvider
from evalkit.registry.project import Project
from evalkit.registry.resolve import resolve_config

ROOT = Path(__file__).resolve().parents[1]


async def ask(config, messages, slots):
    """The answers, the seconds until the server was up, and the seconds that they took."""
    provider = LocalProvider("local", config.model, slots=slots, timeout_s=600)
    started = time.perf_counter()
    await provider.open()
    opened = time.perf_counter()
    try:
        requests = [Request(config.request({"message": text}), {}, text) for text in messages]
        answers = await asyncio.gather(*(provider.complete(request) for request in requests))
    finally:
        await provider.close()
    return [a.output for a in answers], opened - started, time.perf_counter() - opened


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=int)
    parser.add_argument("--slots", type=int, nargs="+", default=sorted({1, os.cpu_count() or 1}))
    arguments = parser.parse_args()
    project = Project(ROOT)
    config = resolve_config(project, project.target("order-extract@v2"))
    lines = (ROOT / "suites/order-extract-eval/v1/cases.jsonl").read_text("utf-8").splitlines()
    messages = [json.loads(line)["vars"]["message"] for line in lines][: arguments.limit]
    reference, same = None, True
    print(f"{'slots':>5} {'order':<9} {'start s':>8} {'s a call':>9}  differing answers")
    for slots in arguments.slots:
        for order, step in (("forwards", 1), ("backwards", -1)):
            answers, start_s, took_s = asyncio.run(ask(config, messages[::step], slots))
            answers = answers[::step]
            reference = reference or answers
            differing = sum(a != b for a, b in zip(answers, reference, strict=True))
            same = same and not differing
            print(
                f"{slots:>5} {order:<9} {start_s:>8.2f} {took_s / len(messages):>9.3f}  {differing}",
                flush=True,
            )
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
