"""One measurement of one library, in a process of its own and by the library's own Python.

    python probe.py '{"peer": "evalkit_registry", "do": "hits", "place": "bundle.json", …}'

Prints JSON, a line a result. Where a benchmark publishes something in between, it answers a line with a line.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import resource
import sys
import threading
import time
import timeit
from pathlib import Path
from typing import Any

import sample

SECONDS = 3.0
THREADS = 8
POLL_S = 0.001
PACE_S = 0.001
"""How long a thread pauses between two hits whose delay is measured: threads that never pause wait for each other."""


def say(**result: Any) -> None:
    print(json.dumps(result), flush=True)


def heard() -> bool:
    """Wait for a line; False when there will be none."""
    return bool(sys.stdin.readline())


def peak_kib() -> int:
    """The peak of this program alone. `ru_maxrss` would count the parent that it was forked from."""
    try:
        with Path("/proc/self/status").open() as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def scope(it: Any) -> dict[str, Any]:
    """What an expression of HITS may use."""
    return {"it": it, "keys": itertools.cycle([f"conversation-{number}" for number in range(10_000)])}


def hits(peer: Any, it: Any) -> None:
    """Nanoseconds a hit, by expression: the best of nine, each at least 0.1 s long."""
    found = {}
    for label, expression in peer.HITS.items():
        timer = timeit.Timer(expression, globals=scope(it))
        count, _ = timer.autorange()
        count = max(1, count // 2)
        found[label] = min(timer.repeat(9, count)) / count * 1e9
    say(**found)


def watch(peer: Any, it: Any) -> None:
    """Say when the version that is served has changed, as often as it does."""
    last = peer.served(it, sample.FLIPPED)
    say(ready=last)
    while True:
        now = peer.served(it, sample.FLIPPED)
        if now != last:
            say(version=now, at=time.monotonic())
            last = now
        time.sleep(POLL_S)


def ask(peer: Any, it: Any) -> None:
    """For each line read: tell the library to look, and say how long it took until the answer."""
    say(ready=peer.served(it, sample.FLIPPED))
    while heard():
        began = time.perf_counter()
        version = peer.asked(it, sample.FLIPPED)
        say(version=version, ms=(time.perf_counter() - began) * 1000)


def memory(peer: Any, it: Any, entries: int) -> None:
    held = [peer.served(it, name) for name in sample.names(entries)]
    say(kib=peak_kib(), entries=len(held))


def threads(peer: Any, it: Any) -> None:
    """Hits a second of eight threads; then the longest delay of a paced hit, and, after a line, the same amid changes."""
    rate = in_threads(COUNTING, peer, it, 1.0)
    before = peer.served(it, sample.FLIPPED)
    calm = in_threads(TIMING, peer, it, SECONDS)
    say(rate=sum(rate), calm_ms=max(calm) / 1e6)
    if heard():
        changing = in_threads(TIMING, peer, it, SECONDS)
        say(changing_ms=max(changing) / 1e6, flips=peer.served(it, sample.FLIPPED) - before)


# The expression stands inside the loop, so that no call of ours is counted. A thread returns one number. The delay counts
# from when the thread wanted to go on: a library that holds the interpreter delays a hit before it begins.
COUNTING = """
def run(it, keys, over):
    count = 0
    while not over():
        for _ in range(32):
            {hit}
        count += 32
    return count
"""
TIMING = """
def run(it, keys, over, clock=clock, sleep=sleep, pace=pace):
    longest = 0
    while not over():
        began = clock()
        sleep(pace)
        {hit}
        longest = max(longest, clock() - began - pace * 1_000_000_000)
    return longest
"""


def in_threads(code: str, peer: Any, it: Any, seconds: float) -> list[int]:
    names: dict[str, Any] = {"clock": time.perf_counter_ns, "sleep": time.sleep, "pace": PACE_S}
    exec(code.format(hit=peer.HITS["plain"]), names)
    over = threading.Event()
    results: list[int] = []

    def work() -> None:
        results.append(names["run"](over=over.is_set, **scope(it)))

    workers = [threading.Thread(target=work) for _ in range(THREADS)]
    gc.collect()
    for worker in workers:
        worker.start()
    time.sleep(seconds)
    over.set()
    for worker in workers:
        worker.join()
    return results


def down(peer: Any, place: str, cache: str | None) -> None:
    """How long import and first request take, and what comes of it, when the source does not answer."""
    began = time.perf_counter()
    peer.load()
    say(ready=True)
    try:
        outcome = f"served version {peer.served(peer.connect(place, None, cache), sample.FLIPPED)}"
    except Exception as error:  # noqa: BLE001 - whatever a library raises is reported
        outcome = f"raised {type(error).__name__}"
    say(s=time.perf_counter() - began, outcome=outcome)


def main() -> None:
    task = json.loads(sys.argv[1])
    peer = importlib.import_module(task["peer"])
    do, place, cache = task["do"], task["place"], task.get("cache")
    if do == "prepare":
        peer.prepare(place, task["entries"], task["versions"])
        say(done=True)
    elif do == "down":
        down(peer, place, cache)
    else:
        it = peer.connect(place, task.get("ttl_s"), cache)
        extra = {"entries": task["entries"]} if do == "memory" else {}
        {"hits": hits, "watch": watch, "ask": ask, "memory": memory, "threads": threads}[do](
            peer, it, **extra
        )


if __name__ == "__main__":
    main()
