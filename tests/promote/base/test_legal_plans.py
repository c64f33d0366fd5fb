"""Whatever the planners plan, on one line or merged from branches, is no error; and tampering with it is."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
from base_material import CAT, COMMON, Run, Step, World, config, entry
from catalogue import before, path
from git_story import hour
from hypothesis import HealthCheck, given, settings

from evalkit.promote.apply import apply_plans
from evalkit.promote.base import audit_history, check_change
from evalkit.promote.exposure import plan_pause, plan_retire, plan_split
from evalkit.promote.gather import gather, pooled_judge, production_spans
from evalkit.promote.holding import plan_hold, plan_unhold
from evalkit.promote.plan import Force
from evalkit.promote.promotion import plan_promotion
from evalkit.promote.rollback import plan_rollback
from evalkit.registry.project import Project
from evalkit.runtime.refs import Ref

COMMANDS = (
    "draft",
    "promote",
    "promote",
    "promote",
    "override",
    "rollback",
    "retire",
    "split",
    "pause",
    "canary",
    "hold",
    "unhold",
    "stamp",
    "give up",
)


class Life:
    """One name, led by plans alone."""

    def __init__(self, root: Path) -> None:
        self.world = World(root)
        self.world.write({"evalkit.yaml": config(f"triage: {{ suites: [{COMMON}] }}")})
        first = before("triage", entry("triage"), runs=(Run("triage", block=True),))
        self.world.commit(first)
        self.used = 1

    @property
    def now(self) -> datetime:
        return hour(self.world.story.clock) + timedelta(days=2)

    def act(self, command: str, number: int) -> None:
        """Carry a plan out in the tree; nothing where it is refused."""
        project = Project(self.world.root)
        versions = project.versions("triage")
        version = versions[number % len(versions)]
        if command == "draft":
            self.used += 1
            self.world.do(
                Step(
                    {
                        path("triage", self.used): entry(
                            "triage",
                            self.used,
                            params=f"{{ max_tokens: {self.used} }}",
                            canary="{ verdict: clean, run: r }",
                        )
                    }
                )
            )
            self.world.add(Run("triage", self.used, passed=60 if number % 3 else 30, block=True))
            return
        if command == "give up":
            if project.states("triage")[versions.index(version)].status == "draft" and len(versions) > 1:
                (self.world.root / path("triage", version)).unlink()
            return
        if command == "stamp":
            self.stamp(version)
            return
        if command == "canary":
            if project.states("triage")[versions.index(version)].status == "staging":
                self.world.edit("triage", version, rollout={"percent": number % 30})
            return
        plan = self.plan(project, command, version, number)
        if plan.outcome == "possible":
            apply_plans(self.world.root, [plan], lock_dir=self.world.root.parent / "locks")

    def plan(self, project, command, version, number):
        spans = production_spans(project.root, "triage")
        facts = gather(
            project, "triage", spans=spans, judge=pooled_judge(project), only=project.versions("triage")
        )
        digest = facts.versions[version].digest
        force = Force("It has to be", "Ann", self.now.date())
        match command:
            case "promote":
                return plan_promotion(facts, version, None, self.now.date())
            case "override":
                return plan_promotion(
                    facts, version, "production" if number % 2 else None, self.now.date(), force
                )
            case "rollback":
                return plan_rollback(facts, None if number % 2 else version, "bad", "Ann", self.now)
            case "retire":
                return plan_retire(facts, version, "old", force if number % 5 == 0 else None)
            case "split":
                live = facts.serving("production")
                arms = {*(live.weights if live else ()), version}
                return plan_split(facts, dict.fromkeys(arms, 10 + number % 7), None, "try")
            case "pause":
                return plan_pause(facts, "slow")
            case "hold":
                return plan_hold(facts, digest, "wait", "Ann", None)
            case _:
                return plan_unhold(facts, digest, "fine", "Ann")

    def stamp(self, version: int) -> None:
        """As the stamping job does: what is merged and not stamped yet, by a reviewer."""
        model = Project(self.world.root).entry(Ref("triage", version)).model
        if model.status in {"staging", "production"} and model.approved_by is None:
            self.world.edit("triage", version, approved_by="zoe")

    def errors(self, ref: str) -> list[str]:
        return [
            str(problem)
            for problem in check_change(self.world.root, ref).problems
            if problem.severity == "error"
        ]


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(COMMANDS), st.integers(0, 99)), min_size=4, max_size=14))
def test_a_life_led_by_plans_has_no_error(steps):
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder) / "repository")
        life.world.story.git("branch", "beginning")
        for command, number in [("draft", 1), ("promote", 0), ("promote", 0), ("promote", 1), *steps]:
            life.act(command, number)
            assert life.errors("main") == [], command
            life.world.story.commit(f"{command} {number}", by=CAT)
        assert [str(problem) for problem in audit_history(life.world.root).problems] == []


def test_a_story_is_no_error_step_by_step_nor_as_a_whole(tmp_path):
    life = Life(tmp_path / "repository")
    story = [
        ("promote", 0),
        ("stamp", 0),
        ("promote", 0),
        ("draft", 1),
        ("promote", 1),
        ("canary", 1),
        ("pause", 0),
        ("promote", 1),
        ("stamp", 1),
        ("rollback", 0),
        ("unhold", 1),
        ("draft", 2),
        ("override", 5),
    ]
    life.world.story.git("branch", "beginning")
    for command, number in story:
        before_it = life.world.story.git("status", "--porcelain")
        life.act(command, number)
        assert life.world.story.git("status", "--porcelain") != before_it, (command, number)
        assert life.errors("main") == [], command
        life.world.story.commit(f"{command} {number}", by=CAT)
    assert audit_history(life.world.root).problems == ()
