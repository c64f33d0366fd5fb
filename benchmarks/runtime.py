"""The runtime: what an application pays to start with evalkit, for each request, and until a new version serves.

    python benchmarks/runtime.py [--peers DIR] [--only evalkit MLflow …] [--rounds 9] [--cap 120] [--format json]

With --peers, MLflow, Langfuse and promptops are measured in the same run. DIR is a virtual environment of theirs: it is
made and filled if it is not there (880 MB). Every figure comes from a process of its own; how each is measured, and what
the peers are given, is said in benchmarks/README.md. Exits 1 when a budget of docs/performance.md is missed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))
import libraries
from libraries import SIZES, Library
from processes import HERE, READY, Child, best_ms, loopback, probe
from table import Cell, Row, as_json, print_table

LARGE = max(SIZES)
FLIPS = 5
TTL_S = 1
"""How often evalkit looks for a change, and how long the peers keep what they hold, while flips are measured."""
PUBLISH_EVERY_S = 0.5
KINDS = {"file": "a compiled file", "tree": "a directory, store or repository", "http": "HTTP on loopback"}


class Bench:
    def __init__(self, measured: list[Library], rounds: int) -> None:
        self.measured = measured
        self.rounds = rounds
        self.bare = {library.python: best_ms(library.python, READY, rounds) for library in measured}

    def over_bare_ms(self, library: Library, code: str) -> float:
        prelude = f"import sys; sys.path.insert(0, {str(HERE)!r}); import {library.peer} as peer; "
        return best_ms(library.python, prelude + code + READY, self.rounds) - self.bare[library.python]

    def start_ms(self, library: Library, place: str, cache: str = "str(__import__('os').getpid())") -> float:
        """Without a last good set on disk, unless `cache`, an expression, names one."""
        folder = f"{library.cache!r} + {cache}" if library.cache else "None"
        return self.over_bare_ms(
            library, f"peer.served(peer.connect({place!r}, None, {folder}), 'svc-0001'); "
        )

    def imports(self) -> list[Row]:
        row = Row("import", "ms")
        for library in self.measured:
            row.cells[library.title] = Cell(self.over_bare_ms(library, "peer.load(); "))
        return [row]

    def starts(self) -> list[Row]:
        rows = []
        for kind, words in KINDS.items():
            for size in SIZES:
                budget = 50 if kind == "file" and size == 1 else None
                row = Row(f"import, open, first resolve: {words}, {size:,}", "ms", budget=budget)
                for library in self.measured:
                    if (kind, size) in library.places:
                        row.cells[library.title] = Cell(self.start_ms(library, library.places[kind, size]))
                rows.append(row)
        return rows

    def hits(self) -> list[Row]:
        rows = {label: Row(f"hit, {label}", "ns") for label in ("plain", "for_request", "for_key")}
        for library in self.measured:
            with self.ask(library, "hits") as child:
                for label, ns in child.read().items():
                    rows[label].cells[library.title] = Cell(ns)
        rows["plain"].budget = 1000
        return list(rows.values())

    def flips(self) -> list[Row]:
        rows = []
        for kind, words in KINDS.items():
            row = Row(f"flip by itself: {words}", "ms")
            asked = Row(f"flip when asked: {words}", "ms")
            for library in self.measured:
                if kind in library.publishers:
                    if library.title != "promptops":  # it never looks by itself
                        row.cells[library.title] = self.flip_by_itself(library, kind)
                    asked.cells[library.title] = self.flip_when_asked(library, kind)
            rows += [row for row in (row, asked) if row.cells]
        return rows

    def flip_by_itself(self, library: Library, kind: str) -> Cell:
        phase = random.Random(7)
        latencies = []
        with self.ask(library, "watch", kind, ttl_s=TTL_S) as child:
            child.read()
            for _ in range(FLIPS):
                time.sleep(TTL_S + phase.random())  # never in step with whoever looks
                version = library.publishers[kind].next()
                published = time.monotonic()
                seen = child.read(60)
                if seen is None or seen["version"] != version:
                    raise SystemExit(f"{library.title} serves {seen}, published is version {version}")
                latencies.append(max(0.0, seen["at"] - published) * 1000)
        return Cell(statistics.median(latencies), said=f"(≤ {max(latencies):,.0f})")

    def flip_when_asked(self, library: Library, kind: str) -> Cell:
        times = []
        with self.ask(library, "ask", kind, ttl_s=3600) as child:
            child.read()
            for _ in range(FLIPS):
                version = library.publishers[kind].next()
                child.go()
                answer = child.read()
                if answer["version"] != version:
                    raise SystemExit(f"{library.title} serves {answer}, published is version {version}")
                times.append(answer["ms"])
        return Cell(statistics.median(times), said=f"(≤ {max(times):,.0f})")

    def memory(self) -> list[Row]:
        peak = Row(f"peak memory with {LARGE:,} entries resolved", "MB")
        entries = Row(f"of it for {LARGE - 1:,} entries more than one", "MB")
        bare = {}
        for library in self.measured:
            if library.python not in bare:
                with Child([library.python, "-c", BARE_KIB]) as child:
                    bare[library.python] = child.read()["kib"]
            kib = {}
            for size in SIZES:
                with self.ask(library, "memory", size=size, entries=size) as child:
                    kib[size] = child.read(300)["kib"]
            peak.cells[library.title] = Cell((kib[LARGE] - bare[library.python]) / 1024)
            entries.cells[library.title] = Cell((kib[LARGE] - kib[1]) / 1024)
        return [peak, entries]

    def threads(self) -> list[Row]:
        rate = Row("eight threads, hits a second together", "1/s", more_is_better=True)
        calm = Row("eight threads, a hit each ms for 3 s: longest delay", "ms")
        changing = Row(f"the same, a flip published every {PUBLISH_EVERY_S} s", "ms")
        for library in self.measured:
            kind = "http" if ("http", LARGE) in library.places else "file"
            with self.ask(library, "threads", kind, ttl_s=TTL_S) as child:
                result = child.read()
                rate.cells[library.title] = Cell(result["rate"])
                calm.cells[library.title] = Cell(result["calm_ms"])
                if kind in library.publishers:
                    changing.cells[library.title] = self.while_publishing(library, kind, child)
        return [rate, calm, changing]

    def while_publishing(self, library: Library, kind: str, child: Child) -> Cell:
        child.go()
        result = None
        while result is None:
            library.publishers[kind].next()
            result = child.read(PUBLISH_EVERY_S)
        if not result["flips"]:
            raise SystemExit(f"{library.title} never served what was published")
        return Cell(result["changing_ms"])

    def ask(
        self, library: Library, do: str, kind: str | None = None, size: int = LARGE, **more: object
    ) -> Child:
        kind = kind or ("file" if ("file", size) in library.places else "http")
        place = library.places[kind, size]
        return probe(library.python, peer=library.peer, do=do, place=place, cache=library.cache, **more)


BARE_KIB = """
import json
with open("/proc/self/status") as status:
    print(json.dumps({"kib": next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))}), flush=True)
"""


def wait_for_file(folder: Path, pattern: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not any(folder.glob(pattern)):
        if time.monotonic() > deadline:
            raise SystemExit(f"there is no {pattern} in {folder} after {seconds:.0f} s")
        time.sleep(0.05)


class Down:
    """The source refuses connections, or takes them and never answers. Peers wait while other things are measured."""

    WAYS = ("refuses", "never answers")

    def __init__(self, stack: ExitStack, work: Path, measured: list[Library], cap_s: float) -> None:
        self.cap_s = cap_s
        silent, port = loopback(sys.executable, "silent", "-")
        stack.enter_context(silent)
        self.waiting: dict[tuple[str, str], Child] = {}
        for library in measured:
            if library.title in ("MLflow", "Langfuse"):
                for way, at in zip(self.WAYS, (libraries.free_port(), port), strict=True):
                    child = probe(
                        library.python, peer=library.peer, do="down", place=f"http://127.0.0.1:{at}"
                    )
                    self.waiting[library.title, way] = stack.enter_context(child)
        for child in self.waiting.values():
            child.read()
        self.began = time.monotonic()
        self.work = work

    def rows(self, bench: Bench) -> list[Row]:
        rows = {
            (way, size): Row(
                f"import, open, first resolve: the source {way}, {size:,}",
                "ms",
                budget=100 if size == 1 else None,
            )
            for way in self.WAYS
            for size in SIZES
        }
        for library in bench.measured:
            if library.title == "evalkit":
                for size in SIZES:
                    for way, ms in self.from_last_good(bench, library, size).items():
                        rows[way, size].cells["evalkit"] = Cell(ms, said="from disk")
        for (title, way), child in self.waiting.items():
            result = child.read(max(0.1, self.cap_s - (time.monotonic() - self.began)))
            ended = result is not None
            value = result["s"] if ended else time.monotonic() - self.began
            said = result["outcome"] if ended else ""
            for size in SIZES:
                rows[way, size].cells[title] = Cell(value * 1000, more_than=not ended, said=said)
        return list(rows.values())

    def from_last_good(self, bench: Bench, library: Library, size: int) -> dict[str, float]:
        """The same address throughout: up for one start, then gone, then silent."""
        server, port = loopback(sys.executable, "bundle", library.places["file", size])
        url = f"http://127.0.0.1:{port}/bundle.json"
        kept = f"last-good-{size}"
        folder = Path(f"{library.cache}{kept}")
        with (
            server,
            probe(library.python, peer=library.peer, do="watch", place=url, cache=str(folder)) as child,
        ):
            child.read()
            wait_for_file(folder, "*.bundle")  # it is kept in the background, after the start
        found = {"refuses": bench.start_ms(library, url, repr(kept))}
        silent, _ = loopback(sys.executable, "silent", "-", port)
        with silent:
            found["never answers"] = bench.start_ms(library, url, repr(kept))
        return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=Path, metavar="DIR")
    parser.add_argument("--only", nargs="+", metavar="LIBRARY")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--cap",
        type=float,
        default=120,
        metavar="SECONDS",
        help="how long to wait, at least, for a peer whose source is down",
    )
    parser.add_argument("--format", choices=["table", "json"], default="table")
    args = parser.parse_args()
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        wanted = args.only or ["evalkit", "MLflow", "Langfuse", "promptops"]
        measured = [libraries.evalkit(stack, work)] if "evalkit" in wanted else []
        if args.peers is not None:
            python = libraries.make_venv(args.peers.absolute())
            data = args.peers.absolute() / "benchmark-data"
            data.mkdir(exist_ok=True)
            makers = {
                "MLflow": lambda: libraries.mlflow(stack, work, python, data),
                "Langfuse": lambda: libraries.langfuse(stack, work, python),
                "promptops": lambda: libraries.promptops(work, python, data),
            }
            measured += [make() for title, make in makers.items() if title in wanted]
        down = Down(stack, work, measured, args.cap)
        bench = Bench(measured, args.rounds)
        rows: list[Row] = []
        for part in (bench.imports, bench.starts, bench.hits, bench.flips, bench.memory, bench.threads):
            print(f"{part.__name__} …", file=sys.stderr)
            rows += part()
        print("down …", file=sys.stderr)
        rows += down.rows(bench)
    titles = [library.title for library in measured]
    if args.format == "json":
        print(as_json(rows))
    else:
        print_table(rows, titles)
    if any(row.missed for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
