"""Whatever commands are given in whatever order, on one line or merged from branches: production stays clear and served."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from plan_material import Span, passed

from evalkit.promote.edits import rendered, states_after
from evalkit.promote.exposure import plan_pause, plan_retire, plan_split
from evalkit.promote.facts import HoldFacts, NameFacts, VersionFacts
from evalkit.promote.holding import plan_hold, plan_unhold
from evalkit.promote.plan import Force, digest_of
from evalkit.promote.promotion import plan_promotion
from evalkit.promote.records import records_in
from evalkit.promote.rollback import PROVEN, plan_rollback, time_served
from evalkit.registry.lifecycle import violations
from evalkit.registry.writeback import edit
from evalkit.runtime.serving import EntryState, conflicts, serving
from evalkit.runtime.yaml_source import parse_bytes

START = datetime(2026, 1, 1, tzinfo=UTC)
HOLDS = "registry/holds/triage.yaml"
Files = dict[str, bytes]


def path_of(version: int) -> str:
    return f"registry/entries/triage/v{version}.yaml"


def digest(version: int) -> str:
    return f"sha256:{version:064x}"


def read(files: Files) -> dict[int, dict]:
    parsed = [data_of(text) for path, text in files.items() if "/entries/" in path]
    return {data["version"]: data for data in parsed}


@cache
def data_of(text: bytes) -> dict:
    return parse_bytes(text, "entry")[0].data


def states(files: Files) -> dict[int, EntryState]:
    return {
        version: EntryState(
            version,
            data["status"],
            data.get("traffic"),
            bool(data.get("control")),
            percent=data.get("rollout", {}).get("percent"),
            unit=data.get("rollout", {}).get("unit", "request"),
        )
        for version, data in read(files).items()
    }


def production(files: Files):
    return serving(states(files).values(), "production")


def applied(files: Files, plan) -> Files:
    """As `apply_plans` does on disk: what a plan was made from must be there, or what it leaves."""
    for change in plan.changes:
        assert digest_of(files.get(change.path)) in {digest_of(change.before), digest_of(change.after)}
    changed = {**files, **{change.path: change.after for change in plan.changes}}
    return {path: text for path, text in changed.items() if text is not None}


@settings(max_examples=100, stateful_step_count=50)
class Lifecycle(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.main: Files = {}
        self.branches: list[tuple[Files, Files]] = []
        self.now = START
        self.used: set[int] = set()
        self.retired: set[int] = set()
        self.spans: list[Span] = []
        self.was_served = False
        self.emptied_on_purpose = False

    def facts(self, files: Files) -> NameFacts:
        versions = {
            version: VersionFacts(
                state,
                digest=digest(version),
                rollout=read(files)[version].get("rollout"),
                canary="clean",
                evidence=(passed(),),
            )
            for version, state in states(files).items()
        }
        records = records_in(files.get(HOLDS), "holds", HOLDS)
        holds = tuple(HoldFacts(r, r.get("digest"), r["reason"], r["by"]) for r in records)
        return NameFacts(
            "triage", versions, suites=("triage-eval@v1",), holds=holds, spans=self.spans,
            files={HOLDS: None, "registry/overrides/triage.yaml": None, **files},
        )  # fmt: skip

    def commit(self, files: Files) -> None:
        """A first-parent commit on the main line."""
        before, after = states(self.main), states(files)
        assert not {v for v in after if v not in before} & self.used, "a number was used twice"
        self.main = files
        self.used |= after.keys()
        self.now += timedelta(hours=1)
        live = production(files)
        primary = live.primary if live else None
        if self.spans and self.spans[-1].until is None and self.spans[-1].version != primary:
            self.spans = [*self.spans[:-1], Span(self.spans[-1].version, self.spans[-1].since, self.now)]
        if primary is not None and (not self.spans or self.spans[-1].until is not None):
            self.spans = [*self.spans, Span(primary, self.now)]

    def carry_out(self, files: Files, plan) -> Files:
        """A plan's files, after checks of what is true of every plan."""
        if plan.outcome != "possible":
            assert (plan.changes, plan.edits) == ((), ())
            return files
        once = applied(files, plan)
        assert applied(once, plan) == once, "twice is not once"
        assert states(once) == states_after(states(files), plan.edits), "the bytes say something else"
        assert rendered(self.facts(once), plan.edits) == {}, "the edits are not idempotent"
        if not plan.overridden:
            assert violations(states(files), states(once), self.used) == []
        assert {s.env: s.after for s in plan.shifts}["production"] == production(once)
        self.check_the_stamps(files, once, plan.command)
        before, after = production(files), production(once)
        if plan.command == "promote" and plan.title.endswith("production"):
            assert plan.version in after.weights, "it was promoted and does not serve"
            assert set(after.weights) <= {plan.version, *(before.weights if before else ())}, (
                "another came back"
            )
        if plan.command in {"rollback", "retire", "pause"} and after is not None and after.canary:
            assert after.canary in ((before.canary,) if plan.command == "retire" else (None,)), "it came back"
        return once

    def check_the_stamps(self, files: Files, once: Files, command: str) -> None:
        """An approval is of one step: what is raised awaits its own, and what is lowered keeps what it has."""
        was, now = read(files), read(once)
        for version, data in now.items():
            moved = {
                key for key in ("status", "traffic", "control") if data.get(key) != was[version].get(key)
            }
            raised = moved and command in {"promote", "split"} and data["status"] != "retired"
            kept = None if raised else was[version].get("approved_by")
            assert data.get("approved_by") == kept, (command, version)

    @initialize(released=st.integers(0, 3), drafts=st.integers(1, 3))
    def begin(self, released, drafts) -> None:
        files: Files = {}
        for number in range(1, released + 1):
            files = {**files, path_of(number): entry(number, "production")}
            self.commit(files)
            self.now += timedelta(days=3)
        for number in range(released + 1, released + drafts + 1):
            files = {**files, path_of(number): entry(number, "draft")}
        self.commit(files)

    def do(self, planner, on_branch: bool = False) -> None:
        if on_branch:
            self.branches.append((self.main, self.carry_out(self.main, planner(self.main))))
        else:
            self.commit(self.carry_out(self.main, planner(self.main)))

    def pick(self, number: int, *wanted: str) -> int:
        """Mostly one in a status where a command does something, else any."""
        known = states(self.main)
        fitting = [v for v, state in sorted(known.items()) if state.status in wanted and number % 10]
        return (fitting or sorted(known))[number % len(fitting or known)]

    @rule(number=st.integers(0, 99))
    def take_a_number_again(self, number) -> None:
        """A person's mistake; `check` sees it."""
        if gone := sorted(self.used - states(self.main).keys()):
            version = gone[number % len(gone)]
            files = {**self.main, path_of(version): entry(version, "draft")}
            if not violations(states(self.main), states(files), self.used):
                self.commit(files)

    @rule(branch=st.booleans(), traffic=st.sampled_from([None, None, 30]))
    def draft(self, branch, traffic) -> None:
        number = max([*self.used, *(v for _, files in self.branches for v in states(files))]) + 1
        extra = f"traffic: {traffic}\n" if traffic else ""
        files = {**self.main, path_of(number): entry(number, "draft", extra)}
        if branch:
            self.branches.append((self.main, files))
        else:
            self.commit(files)

    @rule(traffic=st.sampled_from([None, None, 30]), hours=st.integers(0, 60))
    def release(self, traffic, hours) -> None:
        """A new version on its way to production, as far as it comes."""
        self.draft(branch=False, traffic=traffic)
        version = max(states(self.main))
        for _ in ("staging", "production"):
            self.do(lambda files: plan_promotion(self.facts(files), version, None, self.now.date()))
        self.now += timedelta(hours=hours)

    @rule(percent=st.sampled_from([1, 25]), branch=st.booleans())
    def start_a_canary(self, percent, branch) -> None:
        self.draft(branch=False, traffic=None)
        version = max(states(self.main))
        self.do(lambda files: plan_promotion(self.facts(files), version, "staging", self.now.date()))
        self.canary(percent=percent, branch=branch, version=version)

    @rule(weights=st.tuples(st.integers(1, 9), st.integers(1, 9)))
    def start_an_ab(self, weights) -> None:
        """Between what serves and the newest standby, or the newest in staging."""
        live = production(self.main)
        staged = serving(states(self.main).values(), "staging")
        if live is None or len(live.weights) > 1 or staged is None:
            return
        other = staged.primary if staged.primary != live.primary else next(iter(live.standby), None)
        if other is not None:
            shares = dict(zip((live.primary, other), weights, strict=True))
            self.do(lambda files: plan_split(self.facts(files), shares, None, None))

    @rule(number=st.integers(0, 99))
    def delete(self, number) -> None:
        files = dict(self.main)
        if len(states(files)) == 1:
            return
        del files[path_of(self.pick(number, "draft"))]
        if not violations(states(self.main), states(files), self.used):
            self.commit(files)

    @rule(
        number=st.integers(0, 99), to=st.sampled_from(["staging", "production", None]), branch=st.booleans()
    )
    def promote(self, number, to, branch) -> None:
        version = self.pick(number, "draft", "staging")

        def planner(files):
            plan = plan_promotion(self.facts(files), version, to, self.now.date())
            if plan.outcome == "possible" and plan.title.endswith("production"):
                self.check_that_a_rollback_restores(files, plan)
            return plan

        self.do(planner, branch)

    def check_that_a_rollback_restores(self, files: Files, plan) -> None:
        before = production(files)
        if before is None or before.primary not in {span.version for span in self.spans}:
            return
        later = self.now + timedelta(days=2)
        spans = self.spans
        if spans[-1].until is None and spans[-1].version == before.primary:
            promoted = applied(files, plan)
            facts = self.facts(promoted)
            primary = production(promoted).primary
            self.spans = [
                *spans[:-1],
                Span(before.primary, spans[-1].since, self.now),
                Span(primary, self.now),
            ]
            facts = self.facts(promoted)
            proven = (time_served(facts, before.primary, later) or timedelta()) >= PROVEN
            back = plan_rollback(facts, None if proven else before.primary, "bad", "Ada", later)
            restored = production(self.carry_out(promoted, back))
            self.spans = spans
            assert restored.primary == before.primary
            assert dict(restored.weights) == dict(before.weights)

    @rule(number=st.integers(0, 99), named=st.booleans(), branch=st.booleans())
    def rollback(self, number, named, branch) -> None:
        to = self.pick(number, "production") if named else None
        self.do(lambda files: plan_rollback(self.facts(files), to, "bad", "Ada", self.now), branch)

    @rule(branch=st.booleans())
    def pause(self, branch) -> None:
        self.do(lambda files: plan_pause(self.facts(files), None), branch)

    @rule(number=st.integers(0, 99), branch=st.booleans())
    def retire(self, number, branch) -> None:
        if number % 3:
            return
        version = self.pick(number, "staging", "production")
        self.do(lambda files: plan_retire(self.facts(files), version, None), branch)

    @rule(
        numbers=st.lists(st.integers(0, 99), min_size=1, max_size=3),
        weights=st.lists(st.sampled_from([0, 1, 30, 70.5]), min_size=3, max_size=3),
        branch=st.booleans(),
    )
    def split(self, numbers, weights, branch) -> None:
        shares = {
            self.pick(number, "production", "staging"): weight
            for number, weight in zip(numbers, weights, strict=False)
        }
        self.do(lambda files: plan_split(self.facts(files), shares, None, None), branch)

    @rule(number=st.integers(0, 99), percent=st.sampled_from([0, 1, 25, 100]), branch=st.booleans())
    def some_canary(self, number, percent, branch) -> None:
        self.canary(percent=percent, branch=branch, version=self.pick(number, "staging"))

    def canary(self, percent, branch, version) -> None:
        """A person's edit; `check` judges it."""
        path = path_of(version)
        text = edit(self.main[path], {"rollout": {"percent": percent}}, path=path)
        files = {**self.main, path: text}
        if not violations(states(self.main), states(files), self.used):
            if branch:
                self.branches.append((self.main, files))
            else:
                self.commit(files)

    @rule(number=st.integers(0, 99), lift=st.booleans())
    def hold(self, number, lift) -> None:
        version = self.pick(number)
        if lift:
            self.do(lambda files: plan_unhold(self.facts(files), digest(version), "fine", "Ada"))
        else:
            self.do(lambda files: plan_hold(self.facts(files), digest(version), "wait", "Ada", None))

    @rule(number=st.integers(0, 99))
    def approve(self, number) -> None:
        """The stamp of what was merged, always by the same reviewer."""
        path = path_of(self.pick(number, "staging", "production"))
        if read({path: self.main[path]}).popitem()[1]["status"] != "draft":
            self.commit({**self.main, path: edit(self.main[path], {"approved_by": "kim"}, path=path)})

    @rule(hours=st.integers(1, 100))
    def wait(self, hours) -> None:
        self.now += timedelta(hours=hours)

    @precondition(lambda self: self.branches)
    @rule(which=st.integers(0, 9))
    def merge(self, which) -> None:
        """As git merges: files that both sides changed conflict. What the merge adds up to is judged by `check`."""
        base, files = self.branches.pop(which % len(self.branches))
        merged = dict(self.main)
        for path in {*base, *files}:
            ours, theirs, old = self.main.get(path), files.get(path), base.get(path)
            if theirs in (old, ours):
                continue
            if ours != old:
                return
            merged.pop(path, None)
            if theirs is not None:
                merged[path] = theirs
        if not violations(states(self.main), states(merged), self.used):
            self.commit(merged)

    @rule()
    def retire_the_last_by_override(self) -> None:
        live = production(self.main)
        if live is None or len(live.weights) > 1 or live.standby:
            return
        refused = plan_retire(self.facts(self.main), live.primary, "no")
        assert [one.kind for one in refused.refusals] in (["empties"], [])
        force = Force("the feature is gone", "Ada", self.now.date())
        plan = plan_retire(self.facts(self.main), live.primary, "gone", force)
        if plan.overridden:
            self.emptied_on_purpose = True
        self.commit(self.carry_out(self.main, plan))
        assert production(self.main) is None

    @invariant()
    def it_is_clear_who_serves(self) -> None:
        assert conflicts(states(self.main).values()) == []

    @invariant()
    def production_is_never_empty_again(self) -> None:
        live = production(self.main)
        self.was_served = self.was_served or live is not None
        assert live is not None or not self.was_served or self.emptied_on_purpose
        self.emptied_on_purpose = self.emptied_on_purpose and live is None

    @invariant()
    def nothing_retired_serves_again(self) -> None:
        now = states(self.main)
        assert all(now[version].status == "retired" for version in self.retired & now.keys())
        self.retired |= {version for version, state in now.items() if state.status == "retired"}
        for env in ("production", "staging"):
            live = serving(now.values(), env)
            assert not (live and set(live.weights) & self.retired)


def entry(version: int, status: str, extra: str = "") -> bytes:
    return f"# mine\nname: triage\nversion: {version}\nmodel: m\n{extra}status: {status}  # now\n".encode()


TestLifecycle = Lifecycle.TestCase
