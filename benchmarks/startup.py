"""Start-up: how long the command and the runtime take before they do anything.

    python benchmarks/startup.py

Each figure is the best of several processes; budgets are those of docs/performance.md. Exits 1 when one is missed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).resolve().parent))
COMMAND = "from evalkit.cli import main; main()"


def best_ms(argv: list[str], cwd: Path, rounds: int = 9) -> float:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(argv, cwd=cwd, env=env, check=True, capture_output=True)
        times.append((time.perf_counter() - began) * 1000)
    return min(times)


def cached_rerun_ms(folder: Path, cases: int) -> float:
    """1,000 cases whose answers are all in the cache, reports written: the whole process."""
    from throughput import PROMPT, write_project

    from evalkit.evals.cache import AnswerCache
    from evalkit.evals.case import Answer
    from evalkit.evals.providers.openai import OpenAIProvider

    rows = [{"id": f"t{i}", "input": f"{PROMPT}ticket {i}", "target": "billing"} for i in range(cases)]
    write_project(folder, rows, "http://127.0.0.1:9")
    (folder / ".evalkit").mkdir()
    endpoint = OpenAIProvider("mock", "http://127.0.0.1:9/v1").endpoint
    cache = AnswerCache(folder / ".evalkit" / "cache.sqlite")
    for row in rows:
        body = {
            "model": "mock-1",
            "messages": [{"role": "user", "content": row["input"]}],
            "temperature": 0,
            "max_tokens": 16,
        }
        answer = Answer(
            output="billing", served_model="mock-1", latency_ms=50.0, input_tokens=40, output_tokens=2
        )
        cache.put(cache.key(endpoint, body, 0), answer)
    cache.close()
    return best_ms(
        [sys.executable, "-c", COMMAND, "run", "triage@v1", "--suite", "triage@v1", "--quiet"], folder, 5
    )


def main() -> None:
    python = best_ms([sys.executable, "-c", "pass"], ROOT)
    with tempfile.TemporaryDirectory() as name:
        rows = [
            ("bare Python", python, None),
            (
                "import evalkit, over bare Python",
                best_ms([sys.executable, "-c", "import evalkit"], ROOT) - python,
                50,
            ),
            ("evalkit --help", best_ms([sys.executable, "-c", COMMAND, "--help"], ROOT), 150),
            ("evalkit list", best_ms([sys.executable, "-c", COMMAND, "list"], ROOT), 300),
            ("evalkit run, 1,000 cases from the cache", cached_rerun_ms(Path(name), 1000), 700),
        ]
    missed = False
    for label, ms, budget in rows:
        note = "" if budget is None else f"   budget {budget} ms{'' if ms <= budget else '   MISSED'}"
        missed |= budget is not None and ms > budget
        print(f"{label:42}{ms:8.0f} ms{note}")
    if missed:
        raise SystemExit(1)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
