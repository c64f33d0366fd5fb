"""Peak memory of a run against the number of cases: it must not grow with them, beyond a few bytes a case.

    python benchmarks/memory.py [--cases 10000 100000 1000000]

Replays a recording, so that nothing but reading, scoring and reporting is measured; then the engine with a server that
answers at once would add the same constant. A million cases take some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from throughput import ROOT, measure, write_project

MAX_BYTES_A_CASE = 400  # the id and place of each recorded answer, and two numbers for each score


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, nargs="+", default=[10_000, 100_000])
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    command = [sys.executable, "-c", "from evalkit.cli import main; main()"]
    peaks: list[tuple[int, float]] = []
    print(f"{'cases':>10}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}")
    for count in parser.parse_args().cases:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_project(folder, [], "http://127.0.0.1:9")
            with (
                (folder / "suites/triage/v1/cases.jsonl").open("w") as cases,
                (folder / "answers.jsonl").open("w") as answers,
            ):
                for i in range(count):
                    row = {
                        "id": f"t{i}",
                        "vars": {"ticket": f"ticket {i}"},
                        "expected": "billing",
                        "tags": ["a"],
                    }
                    cases.write(json.dumps(row) + "\n")
                    answers.write(
                        json.dumps({"id": f"t{i}", "output": "billing" if i % 10 else "other"}) + "\n"
                    )
            run = [
                *command,
                "run",
                "triage@v1",
                "--suite",
                "triage@v1",
                "--replay",
                "answers.jsonl",
                "--quiet",
                "--format",
                "json",
            ]
            one = measure(run, folder, env)
        peaks.append((count, one.peak_mb))
        print(f"{count:10,}{one.wall_s:9.1f}{one.cpu_s:9.1f}{one.peak_mb:9.0f}")
    (small, low), (large, high) = peaks[0], peaks[-1]
    grown = (high - low) * 1024 * 1024 / max(1, large - small)
    print(f"{grown:.0f} bytes a case (budget {MAX_BYTES_A_CASE})")
    if grown > MAX_BYTES_A_CASE:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
