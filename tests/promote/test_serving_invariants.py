"""Plans made on parallel branches and merged by git, in any order: at every commit of the main line it is clear who
serves, and the bundle, `resolve --at` and an application say the same.

Where two changes cannot be joined, or what comes out is no legal transition, the later one is planned again on what is
there now, as a person would; if it is refused then, it is dropped.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_material import NAME, plant

from evalkit import Registry
from evalkit.promote.apply import apply_plans
from evalkit.promote.exposure import plan_pause, plan_retire, plan_split
from evalkit.promote.gather import production_spans
from evalkit.promote.history import Repository
from evalkit.promote.promotion import plan_promotion
from evalkit.promote.rebuild import bundle_then
from evalkit.promote.rollback import plan_rollback
from evalkit.registry.bundling import bundle_of_commit
from evalkit.registry.lifecycle import violations
from evalkit.registry.writeback import apply
from evalkit.runtime.freshness import Freshness
from evalkit.runtime.serving import conflicts, serving
from evalkit.runtime.snapshot import Snapshot

STARTS = datetime(2026, 1, 1, 12, tzinfo=UTC)
ENVIRONMENTS = ("production", "staging")

CHANGE = st.tuples(
    st.sampled_from(["draft", "promote", "promote", "promote", "canary", "rollback", "retire", "split", "pause"]),
    st.integers(0, 9),
)  # fmt: skip
PARALLEL = st.lists(CHANGE, min_size=1, max_size=3)
"""Branches that begin at the same commit, in the order in which they are merged."""


class Home:
    """A repository with one name, and the people who work in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        plant(root, {1: "production"}, gate="eval")
        (root / ".gitignore").write_text(".evalkit/\n")
        self.clock = STARTS
        self.git("init", "-q", "-b", "main")
        self.commit("Begin")
        self.tree = plant(root, {2: "production", 3: "staging", 4: "draft"}, gate="eval")
        self.commit("Go on")

    def git(self, *args: str) -> str:
        done = self.attempt(*args)
        assert done.returncode == 0, (args, done.stdout, done.stderr)
        return done.stdout.strip()

    def attempt(self, *args: str) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        env = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        for role in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{role}_NAME": "Ann", f"GIT_{role}_EMAIL": "ann@example.org"}
            env[f"GIT_{role}_DATE"] = self.clock.isoformat()
        return subprocess.run(
            ["git", "-C", str(self.root), *args],
            env={**kept, **env}, capture_output=True, text=True, encoding="utf-8", check=False,
        )  # fmt: skip

    def commit(self, message: str) -> None:
        self.clock += timedelta(days=2)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def states(self):
        return dict(self.tree.facts(only=[]).states)

    def change(self, kind: str, pick: int) -> bool:
        """What somebody does in the tree as it is; False if the plan is refused, or there is nothing to do."""
        states = self.states()
        version = sorted(states)[pick % len(states)]
        if kind == "draft":
            self.tree.entry(max(states) + 1, "draft", tokens=400 + pick)
            return True
        if kind == "canary":
            return self.canary(version, 10 * pick)
        plan = self.plan(kind, version, pick, states)
        if plan.outcome != "possible":
            return False
        apply_plans(self.root, [plan], lock_dir=self.root / ".evalkit/locks")
        return True

    def canary(self, version: int, percent: int) -> bool:
        if self.states()[version].status != "staging":
            return False
        path = self.root / f"registry/entries/{NAME}/v{version}.yaml"
        keys = {"rollout": {"percent": percent}}
        return apply(path, keys, display=path.name, lock_dir=self.root / ".evalkit/locks")

    def plan(self, kind: str, version: int, pick: int, states):
        self.tree.spans = production_spans(self.root, NAME)
        facts, today = self.tree.facts(only=[version]), self.clock.date()
        match kind:
            case "promote":
                return plan_promotion(facts, version, None, today)
            case "rollback":
                return plan_rollback(facts, None, "it was bad", "Ann", self.clock)
            case "retire":
                return plan_retire(facts, version, "it is old")
            case "pause":
                return plan_pause(facts, "it is slow")
        live = serving(states.values(), "production")
        others = sorted(v for v, state in states.items() if state.status == "production")
        named = {*(live.weights if live else ()), others[pick % len(others)] if others else version}
        return plan_split(facts, {v: 10.0 * (1 + (v + pick) % 3) for v in named}, None, "compare them")

    def branch(self, name: str, base: str, change: tuple[str, int]) -> bool:
        self.git("checkout", "-q", "-B", name, base)
        made = self.change(*change)
        self.commit("Change it")
        return made

    def merge(self, name: str, change: tuple[str, int]) -> str:
        """`merged`, `again` (planned again on what is there now) or `dropped`."""
        self.git("checkout", "-q", "main")
        tip, before = self.git("rev-parse", "HEAD"), self.states()
        self.clock += timedelta(days=2)
        joined = self.attempt("merge", "-q", "--no-ff", "-m", f"Merge {name}", name).returncode == 0
        if joined and self.is_legal(before):
            return "merged"
        self.git("reset", "-q", "--hard", tip)
        self.git("clean", "-qfd")
        if not self.change(*change) or not self.is_legal(before):
            self.git("reset", "-q", "--hard", tip)
            self.git("clean", "-qfd")
            return "dropped"
        self.commit("Change it, planned again")
        return "again"

    def together(self, changes: list[tuple[str, int]]) -> list[str]:
        """Branches from where main is, one for each change that can be planned there, then merged one by one."""
        base = self.git("rev-parse", "main")
        made = [
            (f"branch-{n}", change)
            for n, change in enumerate(changes)
            if self.branch(f"branch-{n}", base, change)
        ]
        ended = [self.merge(name, change) for name, change in made]
        self.git("checkout", "-q", "main")
        return ended

    def is_legal(self, before) -> bool:
        """What the required check asks of the result of a merge."""
        after = self.states()
        return not conflicts(after.values()) and not list(violations(before, after))


@given(st.lists(PARALLEL, min_size=2, max_size=4))
@settings(
    max_examples=6, suppress_health_check=[HealthCheck.too_slow]
)  # each is a repository and its branches
def test_every_commit_serves_one_thing_and_everybody_agrees_what(batches):
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        for batch in batches:
            home.together(batch)
        commits = home.git("rev-list", "--first-parent", "--reverse", "main").split()
        repository = Repository.of(home.root)
        for commit in commits:
            agreed(home.root, repository, commit)


def agreed(root: Path, repository: Repository, commit: str) -> None:
    application = Registry.open(f"git+{root}@{commit}")
    bundle = Snapshot(bundle_of_commit(root, commit), "bundle", Freshness(0.0))
    then = Snapshot(bundle_then(repository, commit, NAME), "then", Freshness(0.0))
    moment = repository.history(NAME, commit).moments[-1]
    for env in ENVIRONMENTS:
        told = [said(place, env) for place in (application, bundle, then)]
        assert told[0] == told[1] == told[2]
        live = moment.serving(env)
        assert live is not None, "production was served from the first commit on"
        assert told[0]["version"] == live.primary
        canary = {live.canary.version} if live.canary else set()
        assert set(told[0]["shares"]) == {*live.weights, *canary}


def said(place, env: str) -> dict:
    config = place.resolve(NAME, env=env)
    shares = {one.version: (one.variant, one.digest, one.weight) for one in place.variants(NAME, env)}
    messages = config.messages(ticket="help")
    return {"version": config.version, "digest": config.digest, "messages": messages, "shares": shares}


def test_what_is_right_alone_and_wrong_together_is_planned_again(tmp_path):
    home = Home(tmp_path)
    # both numbers are v5: git cannot join them, and the later one becomes v6
    assert home.together([("draft", 1), ("draft", 2)]) == ["merged", "again"]
    assert home.together([("promote", 4), ("promote", 5)]) == ["merged", "merged"]  # v5, v6 to staging
    # git joins both canaries; only one may be live
    assert home.together([("canary", 4), ("canary", 5)]) == ["merged", "dropped"]
    # each leaves somebody to serve, both together nobody
    assert home.together([("rollback", 0), ("retire", 0)]) == ["merged", "dropped"]
    repository = Repository.of(home.root)
    for commit in home.git("rev-list", "--first-parent", "main").split():
        agreed(home.root, repository, commit)
