"""How long the questions about a registry's history take, on a repository of the size that the budget names.

    python benchmarks/history_repo.py                  # builds it, measures, removes it; exits 1 over the budget
    python benchmarks/history_repo.py --keep DIR       # builds it in DIR (or takes what is there), measures, keeps it

The repository is the same for the same arguments: 500 names with 20 versions each, and 50,000 commits. Every version is
created as a draft, evaluated, promoted to staging and to production, and retired when its successor's successor serves.
An eighth of the changes come by merge commits, the others are squashed; what remains of the commits changes the
application beside the registry. `git fast-import` writes it in half a minute, as one pack without a commit-graph: a
clone has no less.

Each question is asked in a process of its own, as a command does it, and the figure is the best of several.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
BUDGET_S = 1.0
BEGAN = 1_700_000_000
PACE_S = 600
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


def prompt(name: str) -> str:
    """The prompt that every version of a name uses."""
    return (
        f"name: {name}-prompt\nversion: 1\nvariables: {{ticket: {{type: string}}}}\n"
        "messages:\n  - {role: user, content: 'Classify: {{ ticket }}'}\n"
    )


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
            files[f"registry/prompts/{name}-prompt/v1.yaml"] = prompt(name)
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
    """Make the repository in an empty or new `folder`; its work tree stays empty, `main` is what HEAD names."""
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


QUESTIONS = {
    "history(name)": "len(repository.history('feature-010').transitions())",
    "commit_at(when)": "repository.commit_at(datetime(2024, 6, 1, tzinfo=UTC)).id",
    "files(commit)": "len(repository.files('main'))",
}


def best_s(folder: Path, question: str, rounds: int) -> float:
    """Seconds of the fastest of several processes, the start of Python and the imports included."""
    code = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path; "
        "from evalkit.promote.history import Repository; "
        f"repository = Repository.of(Path(sys.argv[1])); print({question})"
    )
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        argv = [sys.executable, "-c", code, str(folder)]
        subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return min(times)


def measure(folder: Path, rounds: int) -> bool:
    """Ask everything as the repository is, then with a commit-graph that knows changed paths; whether all is in time."""
    print(f"{'':20}{'plain clone':>14}{'commit-graph':>14}   budget {BUDGET_S:g} s")
    plain = {name: best_s(folder, question, rounds) for name, question in QUESTIONS.items()}
    graph = folder / ".git" / "objects" / "info" / "commit-graph"
    write = [
        "git",
        "-C",
        str(folder),
        "commit-graph",
        "write",
        "--reachable",
        "--changed-paths",
        "--no-progress",
    ]
    subprocess.run(write, check=True)
    for name, question in QUESTIONS.items():
        print(f"{name:20}{plain[name]:12.2f} s{best_s(folder, question, rounds):12.2f} s")
    graph.chmod(0o644)
    graph.unlink()
    return max(plain.values()) <= BUDGET_S


def main() -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, metavar="DIR")
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
        return 0 if measure(folder, given.rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
