"""Whatever a change writes into the files, it is judged or left to the check of files: nothing ends in a traceback."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from base_material import Run, Step, World, config, entry, tools
from catalogue import before, evidence, override, own_suite, path, prompt_path
from hypothesis import HealthCheck, given, settings

from evalkit.promote.base import audit_history, check_change

PATHS = (
    "evalkit.yaml",
    path("triage", 1),
    path("triage", 2),
    path("triage", 3),
    prompt_path("triage"),
    "registry/tools/triage-tools/v1.yaml",
    "registry/overrides/triage.yaml",
    "registry/overrides/No Name.yaml",
    "registry/entries/No Name/v1.yaml",
    evidence("triage", 2),
    "registry/evidence/triage/v2/x.json",
    "suites/own/v1/suite.yaml",
    "suites/own/v1/cases.jsonl",
    "suites/common-eval/v1/suite.yaml",
)
KEYS = (
    "status",
    "traffic",
    "rollout",
    "control",
    "params",
    "model",
    "prompt_ref",
    "tools_ref",
    "provider",
    "eval",
    "canary",
    "approved_by",
    "version",
    "name",
    "artifact",
    "response_format",
    "messages",
    "variables",
    "tools",
    "cases",
    "scorers",
    "gate",
    "overrides",
    "policy",
    "providers",
    "default_provider",
)
VALUES = (
    "",
    "[]",
    "{}",
    "3",
    "-1",
    "1e400",
    "true",
    "production",
    "staging",
    "[[[]]]",
    "{a: {b: [1]}}",
    "{ percent: x }",
    "{ suite: 3 }",
    "'@'",
    "[{}]",
    "[null]",
    "openai",
    "x@v1",
    "{ verdict: 3 }",
)
GARBAGE = (
    b"",
    b"[]",
    b"status: [",
    b"a: &a [*a]\n",
    b"\xff\xfe",
    b"\x00",
    b"- 1\n- 2\n",
    b"{}",
    b'{"runs": [{}]}',
    b"null",
    b"3",
    b"a: 1\na: 2\n",
)

EDITS = st.one_of(
    st.tuples(st.sampled_from(PATHS), st.sampled_from((None, *GARBAGE))),
    st.tuples(st.sampled_from(PATHS), st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES))),
    st.tuples(st.sampled_from(PATHS), st.integers(0, 400)),
)


@pytest.fixture(scope="module")
def broken_ground():
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "repository")
        world.write(
            {
                "evalkit.yaml": config("triage: { suites: [common-eval@v1, own@v1] }"),
                "registry/tools/triage-tools/v1.yaml": tools("triage"),
                **own_suite("own"),
            }
        )
        step = before(
            "triage",
            entry(
                "triage",
                1,
                "production",
                tools_ref="triage-tools@v1",
                traffic=3,
                eval="{ suite: own@v1, score: 1.0 }",
            ),
            entry(
                "triage",
                2,
                "staging",
                rollout="{ percent: 5 }",
                params="{ max_tokens: 2 }",
                approved_by="dora",
            ),
            entry("triage", 3),
            runs=(Run("triage", 2), Run("triage", 2, suite="own@v1")),
        )
        world.commit(Step({**step.files, **override("triage", (1, "below"))}, step.runs))
        world.story.branch("change")
        yield world


def write(world, edits) -> None:
    """The files as they were, and then as the edits leave them."""
    world.story.git("checkout", "-q", "-f", "-B", "change", "main")
    world.story.git("clean", "-qfd")
    for place, edit in edits:
        file = world.root / place
        raw = file.read_bytes() if file.is_file() else b""
        if edit is None:
            file.unlink(missing_ok=True)
            continue
        if isinstance(edit, tuple):
            key, value = edit
            lines = [line for line in raw.split(b"\n") if not line.startswith(key.encode() + b":")]
            raw = b"\n".join([f"{key}: {value}".encode(), *lines])
        else:
            raw = raw[:edit] if isinstance(edit, int) else edit
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(raw)


def assert_well_told(problems) -> None:
    for problem in problems:
        assert problem.message
        assert problem.severity in {"error", "warning"}


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=150, suppress_health_check=QUIET)
@given(st.lists(EDITS, min_size=1, max_size=4))
def test_no_edit_ends_in_a_traceback(broken_ground, edits):
    write(broken_ground, edits)
    assert_well_told(check_change(broken_ground.root, "main").problems)


@settings(max_examples=50, suppress_health_check=QUIET)
@given(st.lists(EDITS, min_size=1, max_size=4))
def test_no_repair_ends_in_a_traceback_nor_does_the_audit_of_it(broken_ground, edits):
    write(broken_ground, edits)
    broken_ground.story.commit("Break it")
    broken_ground.story.git("checkout", "-q", "main", "--", ".")
    assert_well_told(check_change(broken_ground.root, "HEAD").problems)
    broken_ground.story.commit("Repair it")
    assert_well_told(audit_history(broken_ground.root, "HEAD").problems)
