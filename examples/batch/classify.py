"""Triage a file of tickets, the last one by the same version as the first.

python classify.py tickets.jsonl > results.jsonl

A ticket is a line {"id": …, "ticket": …}; the file "-" is stdin. Results come in the order in which they are done.
Exit codes: 0 every ticket has its queue, 1 some have an error instead, 2 usage, 130 interrupted (what is done is kept).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openai import OpenAI, OpenAIError

from evalkit import EvalkitError, JsonlHandler, Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit import ResolvedConfig

THREADS = 8


def main() -> int:
    parser = argparse.ArgumentParser(description="Triage a file of tickets.")
    parser.add_argument("file", help="of JSON lines; - is stdin")
    try:
        tickets = read_tickets(parser.parse_args().file)
    except (OSError, ValueError) as error:  # better before the first call than after the last
        parser.error(str(error))

    calls = logging.getLogger("evalkit.calls")
    calls.setLevel(logging.INFO)
    calls.addHandler(JsonlHandler("logs/calls.jsonl"))

    try:
        registry = Registry.open()
    except EvalkitError as error:
        print(error, file=sys.stderr)
        return 2
    stopping = stop_on_ctrl_c()
    done = failed = 0
    with registry, OpenAI() as model:
        # A service starts at once with the last good set. A job has time to ask for the newest one, and to do without it.
        with contextlib.suppress(EvalkitError):
            registry.refresh()
        # One set for the whole job: a promotion half way through would leave results that cannot be compared.
        snapshot = registry.snapshot()
        cfg = snapshot.resolve("support-triage", env="production")
        for result in classify_all(tickets, cfg, model, stopping):
            print(json.dumps(result), flush=True)
            done += 1
            failed += "error" in result
            if done % 100 == 0 or done == len(tickets):
                print(f"v{cfg.version}: {done} of {len(tickets)}, {failed} failed", file=sys.stderr)
    if stopping.is_set():
        print(f"interrupted: {done} of {len(tickets)} are done", file=sys.stderr)
        return 130
    return 1 if failed else 0


def read_tickets(path: str) -> list[dict[str, str]]:
    text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    tickets = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            ticket = json.loads(line)
            tickets.append({"id": str(ticket["id"]), "ticket": str(ticket["ticket"])})
        except (ValueError, KeyError, TypeError):
            raise ValueError(f'{path}:{number} is no ticket: write {{"id": …, "ticket": …}}') from None
    return tickets


def classify_all(
    tickets: list[dict[str, str]], cfg: ResolvedConfig, model: OpenAI, stopping: threading.Event
) -> Iterator[dict[str, Any]]:
    """No more tickets are handed out than there are threads, so that stopping waits only for what is under way."""
    running: set[Future[dict[str, Any]]] = set()
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = iter(tickets)
        while True:
            while len(running) < THREADS and not stopping.is_set() and (ticket := next(waiting, None)):
                running.add(pool.submit(classify, ticket, cfg, model))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


def classify(ticket: dict[str, str], cfg: ResolvedConfig, model: OpenAI) -> dict[str, Any]:
    result = {"id": ticket["id"], "registry_version": cfg.version}
    try:
        with cfg.call() as call:  # logged when the block ends, however it ends
            call.response = model.chat.completions.create(**cfg.request(ticket=ticket["ticket"]))
            try:
                answer = json.loads(call.response.choices[0].message.content or "")
                return {**result, "queue": answer["queue"], "reason": answer["reason"]}
            except (ValueError, KeyError, TypeError):
                call.fail("malformed")  # an answer came, and it is of no use
    except OpenAIError:
        pass  # in the log and in the result, like every other failure
    return {**result, "error": call.fields["error"]}


def stop_on_ctrl_c() -> threading.Event:
    """Set by the first Ctrl-C; the second one ends the process at once."""
    stopping = threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # Not print: this may come in the middle of one.
        os.write(2, b"stopping: waiting for the calls that are under way\n")

    signal.signal(signal.SIGINT, stop)
    return stopping


if __name__ == "__main__":
    sys.exit(main())
