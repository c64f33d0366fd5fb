"""How long the questions about a registry's history take, on a repository of the size that the budget names.

    python benchmarks/history_repo.py                  # builds it, measures, removes it; exits 1 over a budget
    python benchmarks/history_repo.py --keep DIR       # builds it in DIR (or takes what is there), measures, keeps it
    python benchmarks/history_repo.py --peers DIR      # beside gto, from a virtual environment in DIR

The repository is the same for the same arguments: 500 names with 20 versions each, and 50,000 commits. Every version is
created as a draft, evaluated, promoted to staging and to production, and retired when its successor's successor serves.
An eighth of the changes come by merge commits, the others are squashed; what remains of the commits changes the
application beside the registry. `git fast-import` writes it in half a minute, as one pack without a commit-graph: a
clone has no less.

Each figure is the whole process of a command, the best of several. gto keeps a registry in annotated tags: it is asked on
a smaller repository of its own size, in which each transition is a commit, a change of an entry, and a tag.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
GTO = "gto==1.10.1"
BEGAN = 1_700_000_000
PACE_S = 600
SUITE = (
    "name: {name}-eval\nversion: 1\ncases: cases.jsonl\nscorers: [exact_match]\ngate: {{ min_score: 0.8 }}\n"
)
STATES = ("draft", "evaluated", "staging", "production")
PEOPLE = [f"Author {letter} <{letter.lower()}@example.com>" for letter in "ABCDEFGH"]


def entry(name: str, version: int, state: str) -> str:
    """An entry file as its author and evalkit leave it in a state."""
    lines = [
        f"name: {name}",
        f"version: {version}",
        "model: gpt-5-mini-2025-08-07     # pinned snapshot",
        "provider: openai",
        f"prompt_ref: {name}-prompt@v1",
        f"params: {{ max_tokens: 300, temperature: 0.{version % 10} }}",
    ]
    if state != "draft":
        lines += [
            f"eval: {{ suite: {name}-eval@v1, score: 0.{80 + version % 20}, run: run-{name}-{version} }}",
        ]
    if state in {"production", "retired"}:
        lines += ["approved_by: reviewer"]
    status = {"evaluated": "draft"}.get(state, state)
    lines += [f"status: {status}                    # draft | staging | production | retired"]
    return "\n".join(lines) + "\n"


def shared(name: str) -> dict[str, str]:
    """The prompt and the suite that every version of a name uses."""
    return {
        f"registry/prompts/{name}-prompt/v1.yaml": (
            f"name: {name}-prompt\nversion: 1\nvariables: {{ticket: {{type: string}}}}\n"
            "messages:\n  - {role: user, content: 'Classify: {{ ticket }}'}\n"
        ),
        f"suites/{name}-eval/v1/suite.yaml": SUITE.format(name=name),
        f"suites/{name}-eval/v1/cases.jsonl": "".join(
            f'{{"id": "c{number}", "vars": {{"ticket": "broken {number}"}}, "expected": "bug"}}\n'
            for number in range(10)
        ),
    }


def changes(names: list[str], versions: int, rng: random.Random) -> Iterator[tuple[str, dict[str, str]]]:
    """Every change of the registry in order: a subject, and the files it writes."""
    progress = dict.fromkeys(names, (1, 0))
    going = list(names)
    while progress:
        name = rng.choice(going)
        version, step = progress[name]
        state = STATES[step]
        files = {f"registry/entries/{name}/v{version}.yaml": entry(name, version, state)}
        if state == "production" and version > 2:
            files[f"registry/entries/{name}/v{version - 2}.yaml"] = entry(name, version - 2, "retired")
        if version == 1 and step == 0:
            files |= shared(name)
        yield f"{name} v{version}: {state}", files
        step += 1
        if step == len(STATES):
            version, step = version + 1, 0
        progress[name] = (version, step)
        if version > versions:
            del progress[name]
            going.remove(name)


class _Stream:
    """The commands of `git fast-import`."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self.count = 0

    def commit(self, ref: str, message: str, files: dict[str, str], parents: list[int], who: str) -> int:
        """Write a commit; its mark."""
        self.count += 1
        when = f"{BEGAN + self.count * PACE_S} +0000"
        text = message.encode()
        parts = [f"commit {ref}\nmark :{self.count}\nauthor {who} {when}\ncommitter {who} {when}\n".encode()]
        parts += [b"data %d\n%s\n" % (len(text), text)]
        parts += [f"{'merge' if i else 'from'} :{mark}\n".encode() for i, mark in enumerate(parents)]
        for path, content in files.items():
            raw = content.encode()
            parts += [f"M 100644 inline {path}\ndata {len(raw)}\n".encode(), raw, b"\n"]
        self._out.write(b"".join(parts))
        return self.count


def build(folder: Path, names: int = 500, versions: int = 20, commits: int = 50_000) -> None:
    """Make the repository in an empty or new `folder`; `main` is what HEAD names."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True, env=env)
    rng = random.Random(5)
    all_names = [f"feature-{number:03d}" for number in range(names)]
    argv = ["git", "-C", str(folder), "fast-import", "--quiet", "--depth=50"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, env=env) as process:
        if process.stdin is None:
            raise RuntimeError("git fast-import takes no input")
        _write(_Stream(process.stdin), changes(all_names, versions, rng), commits, rng)
        process.stdin.close()
        if process.wait():
            raise SystemExit("git fast-import failed")


def edit(folder: Path) -> None:
    """Add a version to one name on disk, for `check --base main` to judge."""
    path = folder / "registry" / "entries" / "feature-010" / "v1000.yaml"
    path.write_text(entry("feature-010", 1_000, "draft"), encoding="utf-8")


def _write(
    stream: _Stream, steps: Iterator[tuple[str, dict[str, str]]], commits: int, rng: random.Random
) -> None:
    main = "refs/heads/main"
    tip = stream.commit(
        main, "Begin", {"README.md": "x\n", "evalkit.yaml": "default_provider: openai\n"}, [], PEOPLE[0]
    )
    for number, (subject, files) in enumerate(steps, 1):
        who = rng.choice(PEOPLE)
        if number % 8 == 0:
            side = stream.commit("refs/heads/side", subject, files, [tip], who)
            message = f"Merge pull request #{number} from example/change-{number}\n\n{subject}\n\nReviewed-by: B <b@example.com>"
            tip = stream.commit(main, message, files, [tip, side], PEOPLE[1])
        else:
            tip = stream.commit(main, f"{subject} (#{number})", files, [tip], who)
    while stream.count < commits:
        path = f"src/package{rng.randrange(40)}/module{rng.randrange(50)}.py"
        tip = stream.commit(
            main, "Change the application", {path: f"x = {stream.count}\n" * 20}, [tip], rng.choice(PEOPLE)
        )


COMMANDS: dict[str, tuple[list[str], float | None]] = {
    "at WHEN": (["at", "2024-06-01"], 1),
    "at now": (["at", "now"], 1),
    "at WHEN NAME": (["at", "2024-06-01", "feature-010"], 1),
    "log NAME": (["log", "feature-010"], 1),
    "who NAME": (["who", "feature-010"], 1),
    "resolve NAME --at": (["resolve", "feature-010", "--env", "production", "--at", "2024-06-01"], 1),
    "check": (["check"], 5),
    "check --base": (["check", "--base", "main"], 5),
    "check --history": (["check", "--history"], 5),
    "bundle --ref HEAD": (["bundle", "--ref", "HEAD", "--output", "-"], 3),
}
"""What is asked, and within how many seconds."""

EVALKIT = [sys.executable, "-c", "from evalkit.cli import main; main()"]


def best_s(argv: list[str], folder: Path, rounds: int) -> float:
    """Seconds of the fastest of several processes; an answer may be 0 or 1, anything else ends the benchmark."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)} if argv[0] == sys.executable else None
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        done = subprocess.run(argv, cwd=folder, env=env, check=False, capture_output=True)
        times.append(time.perf_counter() - began)
        if done.returncode not in (0, 1):
            raise SystemExit(f"{argv}: {done.stderr.decode()}")
    return min(times)


def measure(folder: Path, rounds: int) -> bool:
    """Ask everything as the repository is, then with a commit-graph that knows changed paths; whether all is in time."""
    print(f"{'':20}{'plain clone':>14}{'commit-graph':>14}{'budget':>10}{'plain/budget':>14}", flush=True)
    plain = {name: best_s([*EVALKIT, *args], folder, rounds) for name, (args, _) in COMMANDS.items()}
    graph = folder / ".git" / "objects" / "info" / "commit-graph"
    write = ["commit-graph", "write", "--reachable", "--changed-paths", "--no-progress"]
    subprocess.run(["git", "-C", str(folder), *write], check=True)
    try:
        for name, (args, budget) in COMMANDS.items():
            quick = best_s([*EVALKIT, *args], folder, rounds)
            limit = f"{budget:8g} s{plain[name] / budget:12.2f} x" if budget else f"{'-':>10}"
            print(f"{name:20}{plain[name]:12.2f} s{quick:12.2f} s{limit}", flush=True)
    finally:
        graph.chmod(0o644)
        graph.unlink()
    return all(budget is None or plain[name] <= budget for name, (_, budget) in COMMANDS.items())


def build_tagged(folder: Path, transitions: int, names: int = 20) -> None:
    """A repository with so many transitions, half of them registrations: each a commit, an entry's change, and a tag."""
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    argv = ["git", "-C", str(folder), "fast-import", "--quiet"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        if process.stdin is None:
            raise RuntimeError("git fast-import takes no input")
        stream = _Stream(process.stdin)
        files = {"evalkit.yaml": "default_provider: openai\n"}
        tip = stream.commit("refs/heads/main", "Begin", files, [], PEOPLE[0])
        for number in range(transitions):
            name = f"feature-{number // 2 % names:03d}"
            version = number // 2 // names + 1
            state = "production" if number % 2 else "draft"
            files = {f"registry/entries/{name}/v{version}.yaml": entry(name, version, state)}
            files |= shared(name)
            if number % 2 and version > 1:
                files[f"registry/entries/{name}/v{version - 1}.yaml"] = entry(name, version - 1, "retired")
            tip = stream.commit("refs/heads/main", f"{name} v{version}: {state}", files, [tip], PEOPLE[0])
            tag = f"{name}#prod#{version}" if number % 2 else f"{name}@v{version}.0.0"
            when = f"{BEGAN + stream.count * PACE_S} +0000"
            process.stdin.write(
                f"tag {tag}\nfrom :{tip}\ntagger {PEOPLE[1]} {when}\ndata 4\nGo.\n\n".encode()
            )
        process.stdin.close()
        if process.wait():
            raise SystemExit("git fast-import failed")
    subprocess.run(["git", "-C", str(folder), "pack-refs", "--all"], check=True)  # as a clone has them
    check_out(folder)


def check_out(folder: Path) -> None:
    """Give the repository the files of its newest commit."""
    subprocess.run(["git", "-C", str(folder), "reset", "-q", "--hard"], check=True)


def compare(peers: Path, rounds: int) -> None:
    """gto beside evalkit, on the same transitions."""
    gto = peers / "bin" / "gto"
    if not gto.exists():
        venv.create(peers, with_pip=True)
        subprocess.run([peers / "bin" / "python", "-m", "pip", "install", "--quiet", GTO], check=True)
    asked = {
        "gto show": [str(gto), "show"],
        "gto history": [str(gto), "history"],
        "gto history NAME": [str(gto), "history", "feature-010"],
        "evalkit list": [*EVALKIT, "list"],
        "evalkit at WHEN": [*EVALKIT, "at", "yesterday"],
        "evalkit log NAME": [*EVALKIT, "log", "feature-010"],
    }
    sizes = (200, 2_000)
    found: dict[str, list[float]] = {name: [] for name in asked}
    with tempfile.TemporaryDirectory() as temporary:
        for size in sizes:
            folder = Path(temporary) / str(size)
            build_tagged(folder, size)
            for name, argv in asked.items():
                found[name].append(best_s(argv, folder, min(rounds, 3)))
    print(f"\n{'transitions':20}" + "".join(f"{size:>14,}" for size in sizes))
    for name, times in found.items():
        print(f"{name:20}" + "".join(f"{seconds:12.2f} s" for seconds in times))
    for theirs, ours in (("gto show", "evalkit at WHEN"), ("gto history NAME", "evalkit log NAME")):
        ratios = (a / b for a, b in zip(found[theirs], found[ours], strict=True))
        print(f"{theirs} / {ours}: " + ", ".join(f"{ratio:.1f} x" for ratio in ratios))


def main() -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, metavar="DIR")
    parser.add_argument("--peers", type=Path, metavar="DIR", help=f"where {GTO} is, or will be installed")
    parser.add_argument("--names", type=int, default=500)
    parser.add_argument("--versions", type=int, default=20)
    parser.add_argument("--commits", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary) / "repository"
        if not (folder / ".git").exists():
            began = time.perf_counter()
            build(folder, given.names, given.versions, given.commits)
            print(f"built in {time.perf_counter() - began:.0f} s")
        if not (folder / "evalkit.yaml").exists():
            check_out(folder)
        edit(folder)
        is_in_time = measure(folder, given.rounds)
        if given.peers:
            compare(given.peers, given.rounds)
        return 0 if is_in_time else 1


if __name__ == "__main__":
    sys.exit(main())
