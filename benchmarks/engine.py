"""The engine against a bare aiohttp client, in the same run: throughput, CPU, memory against the number of cases.

    python benchmarks/engine.py                      # 10,000 cases, concurrency 64, 50 ms answers; a few minutes
    python benchmarks/engine.py --url http://127.0.0.1:8765/v1   # against a server of yours

Each figure comes from a process of its own. Without `--url`, a small server is started that answers from one event
loop: it shares the processor with what it measures, so that figures from different machines do not compare; the ratio
to the bare client does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONCURRENCY = 64


def body(i):
    text = (
        f"Classify the support ticket into one of: billing, technical.\n\nTICKET-{i}: Hello. (LABEL: billing)"
    )
    return {
        "model": "mock-1",
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "max_tokens": 16,
    }


async def raw(url, cases):
    """The floor: sends, parses, compares."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(
        headers={"Authorization": "Bearer none"}, connector=connector
    ) as session:
        numbers = iter(range(cases))

        async def work():
            for i in numbers:
                async with session.post(f"{url}/chat/completions", json=body(i)) as response:
                    (await response.json())["choices"][0]["message"]["content"].strip()

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


async def engine(url, cases, cache_path):
    """The engine with its cache."""
    from evalkit.evals.cache import AnswerCache
    from evalkit.evals.case import Case
    from evalkit.evals.engine import EngineOptions, Job, answer_all
    from evalkit.evals.limits import SystemClock
    from evalkit.evals.providers.base import Request
    from evalkit.evals.providers.openai import OpenAIProvider

    ended = 0

    def on_result(_job, _outcome):
        nonlocal ended
        ended += 1

    with AnswerCache(cache_path) as cache:
        stats = await answer_all(
            (Job(Case(f"t{i}", i, {}), 0, Request(body(i), {}, f"t{i}")) for i in range(cases)),
            OpenAIProvider("mock", url, "none"),
            options=EngineOptions(concurrency=CONCURRENCY),
            cache=cache,
            cache_mode="reuse",
            price=lambda _answer: None,
            on_result=on_result,
            stop=asyncio.Event(),
            clock=SystemClock(),
            rng=random.Random(0),
        )
    assert ended == cases
    return stats


async def serve(latency_s):
    """A server of few lines, for one route."""
    answer = {
        "model": "mock-1",
        "choices": [{"message": {"role": "assistant", "content": "billing"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 2},
    }
    payload = json.dumps(answer).encode()
    whole = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(payload)
        + payload
    )

    async def connected(reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                await asyncio.sleep(latency_s)
                writer.write(whole)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def child(what, url, cases, cache_path):
    """Measure one thing, imports aside for time and CPU; print it as JSON."""
    import aiohttp  # noqa: F401 - imports are start-up, measured by startup.py

    import evalkit.evals.engine
    import evalkit.evals.providers.openai  # noqa: F401 - the same

    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    stats = asyncio.run(raw(url, cases) if what == "raw" else engine(url, cases, Path(cache_path)))
    wall_s, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    measured = {
        "wall_s": wall_s,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": after.ru_maxrss / 1024,
    }
    if stats:
        measured |= {"requests": stats.requests, "cached": stats.cached}
    print(json.dumps(measured))


def measure(what, url, cases, cache_path=""):
    """`child` in a new process."""
    command = [sys.executable, __file__, "--child", what, url, str(cases), str(cache_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    measured = json.loads(result.stdout)
    print(
        f"{what:7} {cases:8,} cases  " + "  ".join(f"{k} {v:,.2f}" for k, v in measured.items()), flush=True
    )
    return measured


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument(
        "--memory", action="store_true", help="also 20,000 against 200,000 cases, without latency"
    )
    options = parser.parse_args()
    url, server = options.url, None
    if url is None:
        command = [sys.executable, __file__, "--serve", str(options.latency_ms / 1000)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        url = server.stdout.readline().strip()
    try:
        with tempfile.TemporaryDirectory() as folder:
            floor = measure("raw", url, options.cases)
            ours = measure("engine", url, options.cases, f"{folder}/a.db")
            floor = min(floor, measure("raw", url, options.cases), key=lambda m: m["wall_s"])
            measure("engine", url, 1_000, f"{folder}/a.db")
            measure("engine", url, options.cases, f"{folder}/a.db")
            print(
                f"throughput: {floor['wall_s'] / ours['wall_s']:.1%} of the bare client's (budget: at least 95 %)"
            )
            print(f"CPU: {ours['cpu_s'] / floor['cpu_s']:.2f} times the bare client's (budget: at most 2.5)")
            if options.memory:
                few = measure("engine", url, 20_000, f"{folder}/few.db")
                many = measure("engine", url, 200_000, f"{folder}/many.db")
                print(f"memory: {many['peak_mb'] - few['peak_mb']:+.1f} MB for ten times the cases")
    finally:
        if server:
            server.kill()
            server.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        what, url, cases, cache_path = sys.argv[2:]
        child(what, url, int(cases), cache_path)
    elif sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(float(sys.argv[2])))
    else:
        main()
