"""The four questions, asked of three months that were written down independently: `audit_journal.py`."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import pytest
from audit_journal import ANN, DAN, DEE, FAQ, TRIAGE, line_of, tell

from evalkit import Registry
from evalkit.cli.main import run
from evalkit.runtime.compile import compile_registry
from evalkit.runtime.serving import conflicts

NAMES = (FAQ, TRIAGE)
ENVIRONMENTS = ("production", "staging")
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GITHUB_ACTIONS", raising=False)
        patch.setenv("TZ", "UTC")
        yield tell(tmp_path_factory.mktemp("story"))


@pytest.fixture
def story(told, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(told.root)
    return told


def text(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S}Z"


def moments(journal, count: int) -> list[datetime]:
    """Before the start, on every commit's second and one second beside it in part, and anywhere."""
    draw = random.Random(4)
    start, end = journal.commits[0].at, journal.commits[-1].at
    near = [landed.at + step for landed in journal.commits for step in (-SECOND, timedelta(), SECOND)]
    before = [start - timedelta(days=draw.randint(1, 30), seconds=draw.randint(0, 9999)) for _ in range(8)]
    chosen = [*before, start - SECOND, start, end, end + SECOND, *draw.sample(near, count // 2)]
    span = int((end - start).total_seconds())
    return [
        *chosen,
        *(start + timedelta(seconds=draw.randrange(span)) for _ in range(count - len(chosen))),
    ]


def expected_rows(journal, when: datetime, names=NAMES) -> list[tuple]:
    found = []
    for name in names:
        served = journal.at(when, name)
        if served is None:
            continue
        for env, rows in (("production", served.production), ("staging", served.staging)):
            found += [(name, env, *row) for row in rows] or [(name, env, None, None, None)]
    return found


def rows_of(data) -> list[tuple]:
    return [
        (row["name"], row["env"], row["version"], row["role"], row["share"] and pytest.approx(row["share"]))
        for row in data["serving"]
    ]


def test_the_story_is_as_rich_as_it_claims(story):
    shifts = [
        (before, after)
        for name in NAMES
        for before, after in pairwise([row for row in story.journal.served if row.name == name])
    ]
    changed = [
        after for before, after in shifts
        if (before.production, before.staging) != (after.production, after.staging)
    ]  # fmt: skip
    assert len(changed) >= 30
    assert sum("rolled back" in change.says for change in story.journal.changes) == 2
    assert sum(any(role == "arm" for _, role, _ in row.production) for row in changed) == 2
    assert story.git("ls-files", "registry/overrides").split() == [f"registry/overrides/{FAQ}.yaml"]
    assert story.journal.commits[-1].at - story.journal.commits[0].at > timedelta(days=85)
    parents = story.git("rev-list", "--first-parent", "--parents", "main").splitlines()
    assert {len(line.split()) for line in parents} == {1, 2, 3}


def test_at_is_the_journal_at_200_moments(story):
    asked = moments(story.journal, 200)
    assert len(asked) == 200
    for when in asked:
        wanted = expected_rows(story.journal, when)
        nobody = all(version is None for _, _, version, _, _ in wanted)
        data = story.evalkit("at", text(when), code=1 if nobody else 0)
        assert data["moment"] == text(when)
        landed = story.journal.commit_at(when)
        assert (data["commit"] and data["commit"]["id"]) == (landed and landed.commit), when
        assert rows_of(data) == wanted, when


def test_at_for_one_name_says_since_when_and_by_which_commit(story):
    for when, name in product(moments(story.journal, 60)[-25:], NAMES):
        wanted = expected_rows(story.journal, when, [name])
        nobody = all(row[2] is None for row in wanted)
        data = story.evalkit("at", text(when), name, code=1 if nobody else 0)
        assert rows_of(data) == wanted, (when, name)
        for row in data["serving"]:
            if row["version"] is not None:
                since = since_when(story.journal, name, row["env"], row["version"], row["role"], when)
                assert (row["since"], row["since_commit"]) == since


def since_when(journal, name, env, version, role, when):
    """When it last came into this role, whatever its share was since."""
    start = None
    for served in (row for row in journal.served if row.name == name and row.at <= when):
        has = any((v, r) == (version, role) for v, r, _ in getattr(served, env))
        start = (start or served) if has else None
    commits = {row.landed.at: row.landed.commit for row in journal.changes if row.name == name}
    return text(start.at), commits[start.at]


def test_what_served_then_is_the_bundle_of_that_commit_and_what_an_application_gets(story, tmp_path):
    draw = random.Random(40)
    known = [row.at for row in story.journal.served]
    span = int((known[-1] - known[0]).total_seconds())
    asked = [
        *draw.sample(known, 15),
        *(known[0] + timedelta(seconds=draw.randrange(span)) for _ in range(25)),
    ]
    assert len(asked) == 40
    for number, when in enumerate(asked):
        landed = story.journal.commit_at(when)
        bundle = tmp_path / f"{number}.json"
        story.evalkit("bundle", "--ref", landed.commit, "-o", str(bundle))
        applications = Registry.open(f"git+{story.root}@{landed.commit}")
        from_file = Registry.open(bundle)
        for name, env in ((name, env) for name in NAMES for env in ENVIRONMENTS):
            served = story.journal.at(when, name)
            rows = getattr(served, env) if served else ()
            if not rows:
                story_refuses(story, name, env, when)
                continue
            then = story.evalkit("resolve", name, "--env", env, "--at", text(when))
            primary = rows[0][0]
            assert then["version"] == primary
            assert then["commit"] == landed.commit
            said = [message["content"].strip() for message in then["messages"]]
            assert said == [line_of(name, primary), "{{ ticket }}"]
            for registry in (applications, from_file):
                got = registry.resolve(name, env=env)
                assert (got.version, got.digest, got.model) == (primary, then["digest"], then["model"])
                assert got.messages(ticket="T")[0]["content"].strip() == line_of(name, primary)
                shares = {v.version: v.weight for v in registry.variants(name, env)}
                assert shares == pytest.approx({version: share for version, _, share in rows})


def story_refuses(story, name, env, when):
    assert run(["resolve", name, "--env", env, "--at", text(when)]) == 2


@pytest.mark.parametrize("name", NAMES)
def test_log_is_the_journal(story, name):
    told = story.evalkit("log", name, "--all")["transitions"][::-1]
    assert [
        (one["time"], one["version"], one["change"].partition("; OVERRIDE")[0], one["commit"], one["pr"]) for one in told
    ] == [
        (text(c.landed.at), c.version, c.says, c.landed.commit, c.landed.pr)
        for c in story.journal.changes if c.name == name
    ]  # fmt: skip
    for one, written in zip(told, [c for c in story.journal.changes if c.name == name], strict=True):
        assert one["authors"] == list(written.landed.authors), written
        assert (one["approver"], one["score"], one["reason"]) == (
            written.approver, written.score, written.reason,
        ), written  # fmt: skip
    shown = story.evalkit("log", name)["transitions"][::-1]
    notable = [one["change"].partition("; OVERRIDE")[0] for one in shown]
    overridden = [(one["version"], one["override"]) for one in shown if one["override"]]
    assert overridden == ([(3, "evidence")] if name == FAQ else [])
    assert notable == [c.says for c in story.journal.changes if c.name == name and not c.is_minor]


WHO = {
    f"{TRIAGE}@v1": ("cleo", [ANN], [1, 2, 29], None, 0.91),
    f"{TRIAGE}@v2": ("ben", [ANN], [4, 5, 6, 7, 8, 9, 10], 1, 0.93),
    f"{TRIAGE}@v3": ("cleo", [ANN, DEE], [11, 12], 1, 0.94),
    f"{TRIAGE}@v4": ("cleo", [ANN], [16, 18, 20, 22, 23], 3, 0.95),
    f"{FAQ}@v2": ("ann", [DAN], [14, 15, 17], 1, 0.98),
    f"{FAQ}@v3": ("ann", [DAN], [24, 25, 26], 2, 0.99),
    f"{TRIAGE}@v7": ("cleo", [DAN], [30, 31, 32, 35, 36], 5, 0.98),
}
"""Who approved, who wrote it, pull requests, whom it followed, and its score."""


@pytest.mark.parametrize("target", WHO)
def test_who_knows_writers_approver_and_time_served(story, target):
    data = story.evalkit("who", target)
    approver, writers, requests, replaced, score = WHO[target]
    assert data["approver"] == approver
    assert sorted(one["person"] for one in data["writers"]) == sorted(writers)
    assert data["pull_requests"] == requests
    assert data["replaced"] == replaced
    assert data["evaluation"]["score"] == score
    name, _, version = target.partition("@v")
    assert data["served"] == served_times(story.journal, name, int(version))


@pytest.mark.parametrize("asked", [("log", FAQ), ("who", f"{FAQ}@v3")])
def test_an_override_is_loud_in_the_history_too(story, asked, capsys):
    assert run(asked) == 0
    assert "override" in capsys.readouterr().out.lower()


def served_times(journal, name: str, version: int) -> list[dict]:
    """The spans in which a version had one role in production, by their beginning."""
    commits = {row.landed.at: row.landed.commit for row in journal.changes if row.name == name}
    spans, current = [], None
    for served in (row for row in journal.served if row.name == name):
        role = next((role for v, role, _ in served.production if v == version), None)
        if current and current["role"] != role:
            current |= {"until": text(served.at), "until_commit": commits[served.at]}
            current = None
        if role and current is None:
            current = {
                "role": role, "since": text(served.at), "until": None,
                "since_commit": commits[served.at], "until_commit": None,
            }  # fmt: skip
            spans.append(current)
    return spans


def test_every_commit_of_the_main_line_has_exactly_one_serving_set(story):
    from evalkit.promote.history import Repository

    repository = Repository.of(story.root)
    seen = set()
    ids = story.git("rev-list", "--first-parent", "--reverse", "main").split()
    assert ids == [landed.commit for landed in story.journal.commits]
    for landed in story.journal.commits:
        document = compile_registry(repository.files(landed.commit), None, where=landed.commit).document
        for name, envs in document["serving"].items():
            if envs["production"] is not None:
                seen.add(name)
            assert (envs["production"] is not None) == (name in seen), "never empty once served"
    for name in NAMES:
        for one in repository.history(name).moments:
            assert not one.broken
            assert not conflicts(version.state for version in one.versions.values())


def test_a_promotion_and_its_rollback_restore_what_served(story, tmp_path):
    """From any commit of the story: what may be promoted is, and is taken back."""
    draw = random.Random(7)
    checked = 0
    ids = [landed.commit for landed in story.journal.commits]
    for number, commit in enumerate(draw.sample(ids[8:], 6)):
        copy = type(story)(tmp_path / str(number))
        copy.git("fetch", "-q", str(story.root), commit)
        copy.git("checkout", "-q", "-B", "main", "FETCH_HEAD")
        for name in copy.evalkit("at", "now")["serving"]:
            if name["env"] == "production" and name["role"] == "primary":
                checked += back_and_forth(copy, name["name"])
    assert checked >= 6


def back_and_forth(copy, name: str) -> int:
    def served():
        return Registry.open(copy.root).resolve(name, env="production")

    before = served()
    version = max(p["version"] or 0 for p in copy.evalkit("log", name, "--all")["transitions"]) + 1
    copy.draft(name, version)
    copy.measure(name, version, 99)
    copy.do("promote", f"{name}@v{version}")
    copy.put(name, version, canary={"verdict": "clean", "run": "c"})
    is_split = len(Registry.open(copy.root).variants(name, "production")) > 1 or None
    if is_split:
        return 0
    copy.do("promote", f"{name}@v{version}")
    copy.land("Promote", "2025-12-01 10:00")
    assert served().version == version
    copy.do("rollback", name, "--reason", "test", "--by", "Ann")
    after = served()
    assert (after.version, after.digest) == (before.version, before.digest)
    copy.land("Roll back", "2025-12-02 10:00")
    return 1


def test_a_moment_that_has_not_come_is_no_answer(story):
    assert run(["at", text(datetime.now(UTC) + timedelta(days=2))]) == 2
