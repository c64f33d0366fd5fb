from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from promotion_world import NAME, SUITE, Died, World

from evalkit.errors import Problem
from evalkit.evals.evidence import Evidence
from evalkit.evals.pool import verdict_of
from evalkit.github.checkout import at, fetch
from evalkit.github.forge import ForgeError
from evalkit.github.marker import parse
from evalkit.promote.base.check import check_change
from evalkit.registry.project import Project
from evalkit.runtime.refs import Ref

CALLS = (
    "head_of", "read", "login", "pulls", "artifacts", "run", "download", "login_of", "commits_of", "comments", "commit",
    "open_pull", "add_labels", "update_pull", "comment", "delete_branch", "close_pull",
)  # fmt: skip


class Promotions(RuleBasedStateMachine):
    """Whatever people, CI and a forge that fails do in whatever order, what is open has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="evalkit-machine-"))
        self.world = World(self.folder)
        self.versions: dict[int, int] = {}
        self.genuine: list = []
        self.touched: dict[str, str] = {}
        self.is_held = False
        self.opened = self.world.forge.open_pull
        self.world.forge.open_pull = self.opening

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # What happens

    @initialize()
    def begin(self) -> None:
        self.draft("pass")

    @rule(kind=st.sampled_from(["pass", "pass", "none"]))
    @precondition(lambda self: len(self.versions) < 5)
    def draft(self, kind) -> None:
        version = len(self.versions) + 1
        self.world.draft(version)
        self.versions[version] = 0
        if kind == "pass":
            self.genuine.append(self.world.evaluated(version))

    @rule(data=st.data(), kind=st.sampled_from(["pass", "pass", "pass", "fail", "inconclusive"]))
    @precondition(lambda self: self.versions)
    def evaluate(self, data, kind) -> None:
        self.genuine.append(self.world.evaluated(self._any(data), kind))

    @rule(data=st.data(), source=st.sampled_from(["ci", "ci", "local", "replay"]))
    @precondition(lambda self: self.versions)
    def forge_evidence(self, data, source) -> None:
        version = self._any(data)
        self.world.committed(version, self.world.evidence_run(version, "pass", source))

    @rule(data=st.data())
    @precondition(lambda self: any("status: draft" in self.world.entry(v) for v in self.versions))
    def make_stale(self, data) -> None:
        drafts = [v for v in self.versions if "status: draft" in self.world.entry(v)]
        version = data.draw(st.sampled_from(drafts))
        self.versions[version] += 1
        path = f"registry/prompts/triage-prompt/v{version}.yaml"
        text = self.world.text(path)
        line = next(one for one in text.splitlines() if "Rule" in one)
        self.world.push({path: text.replace(line, f"      Rule {version}.{self.versions[version]} holds.")})

    @rule()
    def hold_or_lift(self) -> None:
        if self.is_held:
            self.world.unhold()
        else:
            self.world.hold()
            self.world.sync()  # what is open is closed: else hardly a sequence would come to see it
            assert self._untouched() == []
        self.is_held = not self.is_held

    @rule(data=st.data())
    @precondition(lambda self: self._untouched())
    def merge(self, data) -> None:
        pull = data.draw(st.sampled_from(self._untouched()))
        try:
            self.world.forge.merge(pull.number, method=data.draw(st.sampled_from(["merge", "squash"])))
        except ForgeError:
            return  # in conflict: the next synchronisation plans it anew

    @rule(data=st.data())
    @precondition(lambda self: self.world.open())
    def close(self, data) -> None:
        pull = data.draw(st.sampled_from(self.world.open()))
        with self.world.forge.acting("ana"):
            self.world.forge.close_pull(pull.number)
            if self.touched.pop(pull.head, None):
                self.world.forge.delete_branch(pull.head)

    @rule(data=st.data())
    @precondition(lambda self: self._untouched() and not self.touched)
    def commit_by_hand(self, data) -> None:
        pull = data.draw(st.sampled_from(self._untouched()))
        self.touched[pull.head] = self.world.push({"notes.txt": "mine"}, by="ana", branch=pull.head)

    @rule(number=st.integers(0, 99))
    def move_on(self, number) -> None:
        self.world.push({"README.md": f"{number}"})

    @rule(data=st.data(), place=st.integers(0, 4), died=st.booleans())
    @precondition(lambda self: self.versions)
    def interrupted_sync(self, data, place, died) -> None:
        name = data.draw(st.sampled_from(CALLS))
        original, forge, count = getattr(self.world.forge, name), self.world.forge, -1

        def failing(*args, **keys):
            nonlocal count
            count += 1
            if count == place:
                raise Died if died else ForgeError(Problem("EK871", "no answer"))
            return original(*args, **keys)

        setattr(forge, name, failing)
        try:
            self.world.sync()
        except (Died, ForgeError):
            pass
        finally:
            setattr(forge, name, original)
        self._check_count()

    @rule()
    @precondition(lambda self: self.versions)
    def sync_again(self) -> None:
        self.sync()

    @rule()
    @precondition(lambda self: self.versions)
    def sync(self) -> None:
        for outcome in self.world.sync():
            assert outcome.action != "failed", outcome
        self._check_count()
        self._check_open()
        self.world.forge.writes.clear()
        self.world.sync()
        assert self.world.forge.writes == []

    # What holds

    def opening(self, **keys):
        """At the very moment at which a pull request is opened, its gate passes."""
        version = int(parse(keys["body"]).version)
        if keys["head"] not in self.touched:
            assert self._admitted_verdict(keys["head"], version) == "pass"
            assert not self.is_held
        return self.opened(**keys)

    def _check_count(self) -> None:
        subjects = [(m.entry, m.version, m.target) for m in (parse(pull.body) for pull in self.world.open())]
        assert len(subjects) == len(set(subjects))
        for branch, head in self.touched.items():
            assert self.world.forge.head_of(branch) == head

    def _check_open(self) -> None:
        for pull in self._untouched():
            version = int(parse(pull.body).version)
            assert not self.is_held
            assert self._admitted_verdict(pull.head, version) == "pass"
            assert self.world.tree_verdict(pull.head, version) == "pass"
            fetch(self.world.clone, ["main", pull.head], {})
            report = check_change(self.world.root, "origin/main", pull.head_sha)
            assert [problem for problem in report.problems if problem.severity == "error"] == []

    def _admitted_verdict(self, branch: str, version: int) -> str:
        """By the runs alone that CI really made, whatever the files say."""
        fetch(self.world.clone, [branch], {})
        with at(self.world.root, self.world.forge.git.head_of(branch)) as tree:
            shutil.rmtree(tree / "registry/evidence", ignore_errors=True)
            path = tree / f"registry/evidence/{NAME}/v{version}/{SUITE}.json"
            path.parent.mkdir(parents=True)
            file = Evidence(entry=NAME, version=version, suite=str(SUITE), runs=self.genuine)
            path.write_bytes(file.to_bytes())
            return verdict_of(Project(tree), Ref(NAME, version), SUITE).verdict

    def _any(self, data) -> int:
        return data.draw(st.sampled_from(sorted(self.versions)))

    def _untouched(self):
        return [pull for pull in self.world.open() if pull.head not in self.touched]


TestPromotions = Promotions.TestCase
TestPromotions.settings = settings(
    max_examples=8,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=list(__import__("hypothesis").HealthCheck),
)
