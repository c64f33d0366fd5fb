"""`evalkit run` against the bare client, in the same run, on the same server.

    python benchmarks/throughput.py [--kit ../shared/bench] [--cases 10000] [--latency 50] [--concurrency 64]

The kit has the server (`mock.c`, compiled here with cc) and the floor (`raw.py aiohttp`: send, parse, compare, write
nothing). Prints seconds of wall and CPU, memory, and the ratios that docs/performance.md promises. Exits 1 when a
budget is missed. CPU is that of the client process alone; start-up is measured by a run of one case.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROMPT = "Classify the support ticket into one of: billing, technical, account, shipping, refund, other. Answer with one word.\n\n"


@dataclass
class Measured:
    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str


def measure(argv: list[str], cwd: Path, env: dict[str, str], ok: tuple[int, ...] = (0,)) -> Measured:
    began = time.perf_counter()
    process = subprocess.Popen(
        argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    out, err = process.stdout.read(), ""
    _, status, usage = os.wait4(process.pid, 0)
    err = process.stderr.read()
    wall = time.perf_counter() - began
    code = os.waitstatus_to_exitcode(status)
    if code not in ok:
        raise SystemExit(f"{argv} exited {code}\n{out[-2000:]}\n{err[-2000:]}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out)


def build(kit: Path, folder: Path) -> Path:
    mock = folder / "mock"
    subprocess.run(["cc", "-O2", "-o", str(mock), str(kit / "mock.c")], check=True, capture_output=True)
    return mock


def write_project(folder: Path, cases: list[dict[str, str]], url: str) -> None:
    def put(name: str, text: str) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    put(
        "evalkit.yaml",
        f"providers:\n  mock: {{ kind: openai, base_url: '{url}/v1' }}\nprices:\n  mock-1: {{ input: 1, output: 1 }}\n",
    )
    put(
        "registry/entries/triage/v1.yaml",
        "name: triage\nversion: 1\nmodel: mock-1\nprompt_ref: triage@v1\nparams: { temperature: 0, max_tokens: 16 }\nstatus: draft\n",
    )
    prompt = PROMPT.replace("\n", "\\n")
    put(
        "registry/prompts/triage/v1.yaml",
        f'name: triage\nversion: 1\nvariables: {{ ticket: {{}} }}\nmessages:\n  - role: user\n    content: "{prompt}{{{{ ticket }}}}"\n',
    )
    put(
        "suites/triage/v1/suite.yaml",
        "name: triage\nversion: 1\ncases: cases.jsonl\nscorers: [exact_match]\ngate: { min_score: 0.8 }\n",
    )
    rows = (
        json.dumps({"id": c["id"], "vars": {"ticket": c["input"][len(PROMPT) :]}, "expected": c["target"]})
        for c in cases
    )
    put("suites/triage/v1/cases.jsonl", "\n".join(rows) + "\n")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kit", type=Path, default=ROOT.parent / "shared" / "bench")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--latency", type=int, default=50)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    evalkit = [sys.executable, "-c", "from evalkit.cli import main; main()"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [sys.executable, str(arguments.kit / "gen.py"), str(arguments.cases)], cwd=folder, check=True
        )
        plain = folder / "data" / str(arguments.cases) / "plain.jsonl"
        cases = [json.loads(line) for line in plain.open()]
        port = free_port()
        server = subprocess.Popen(
            [str(build(arguments.kit, folder)), str(port), f"lat={arguments.latency}"],
            stdout=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            env["MOCK"] = url
            project = folder / "project"
            write_project(project, cases, url)
            run = [*evalkit, "run", "triage@v1", "--suite", "triage@v1", "--quiet", "--format", "json"]
            run += ["--concurrency", str(arguments.concurrency)]
            raw = [
                sys.executable,
                str(arguments.kit / "raw.py"),
                "aiohttp",
                str(plain),
                str(arguments.concurrency),
            ]
            startup = min(
                (measure([*run, "--limit", "1", "--cache", "off"], project, env, (0, 3)) for _ in range(3)),
                key=lambda m: m.cpu_s,
            )
            raw_startup = startup_of_raw(raw, folder, env)
            floors, ours = [], []
            for _ in range(arguments.rounds):
                floors.append(measure(raw, folder, env))
                shutil.rmtree(project / ".evalkit", ignore_errors=True)
                urllib.request.urlopen(f"{url}/reset").read()
                ours.append(measure(run, project, env))
                stats = json.loads(urllib.request.urlopen(f"{url}/stats").read())
                assert stats["repeats"] == 0 if "repeats" in stats else True
            floor, our = min(floors, key=lambda m: m.wall_s), min(ours, key=lambda m: m.wall_s)
            rerun = min((measure(run, project, env) for _ in range(3)), key=lambda m: m.wall_s)
        finally:
            server.kill()
    right = json.loads(our.output)["score"]
    floor_right = int(re.search(r"(\d+)/\d+", floor.output)[1]) / len(cases)
    asking_s = json.loads(our.output)["duration_s"]
    wall = (floor.wall_s - raw_startup.wall_s) / asking_s
    whole = (floor.wall_s - raw_startup.wall_s) / (our.wall_s - startup.wall_s)
    cpu = (our.cpu_s - startup.cpu_s) / (floor.cpu_s - raw_startup.cpu_s)
    print(
        f"{len(cases):,} cases, concurrency {arguments.concurrency}, {arguments.latency} ms answers, best of {arguments.rounds}"
    )
    print(f"{'':24}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}")
    for label, one in (
        ("raw aiohttp", floor),
        ("evalkit run", our),
        ("  start-up of it", startup),
        ("evalkit, all cached", rerun),
    ):
        print(f"{label:24}{one.wall_s:8.2f}{one.cpu_s:8.2f}{one.peak_mb:9.0f}")
    print(f"throughput {wall:.1%} of raw while asking (budget 95 %), {whole:.1%} with validation and reports")
    print(f"CPU {cpu:.2f} x raw without start-up (budget 2.5), validation and reports included")
    print(f"score {right} (raw counts {floor_right})")
    if right != floor_right or wall < 0.95 or cpu > 2.5:
        raise SystemExit(1)


def startup_of_raw(raw: list[str], folder: Path, env: dict[str, str]) -> Measured:
    one = folder / "one.jsonl"
    one.write_text(Path(raw[3]).read_text().partition("\n")[0])
    return min((measure([*raw[:3], str(one), "1"], folder, env) for _ in range(3)), key=lambda m: m.cpu_s)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    main()
