"""The audit judges each step by the few versions that matter to it: it finds what it would find by all of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evalkit.promote.base.said import read
from evalkit.promote.base.versions import Step, Versions
from evalkit.promote.history.states import read_state
from evalkit.registry.lifecycle import violations
from evalkit.runtime.serving import EntryState

STATUSES = st.sampled_from(["draft", "staging", "production", "retired"])
NUMBERS = st.integers(1, 6)


@st.composite
def steps(draw) -> Step:
    written = draw(st.dictionaries(NUMBERS, st.none() | STATUSES, max_size=3))
    gone = draw(st.sets(NUMBERS, max_size=2)) - written.keys()
    shares = st.sampled_from([None, 5.0])
    states = {
        version: None
        if status is None
        else EntryState(version, status, percent=draw(shares) if status == "staging" else None)
        for version, status in written.items()
    }
    return Step(states, sorted(gone))


@given(st.lists(steps(), max_size=12))
def test_what_a_step_breaks_is_found_among_the_versions_that_it_may_affect(story):
    versions = Versions()
    whole: dict[int, EntryState] = {}
    for step in story:
        after = whole | {version: state for version, state in step.states.items() if state is not None}
        after = {version: state for version, state in after.items() if version not in step.gone}
        # A step that changes nothing breaks nothing, whatever an earlier one has left.
        expected = violations(whole, after, versions.used) if whole != after else []
        few_before, few_after = versions.take(step)
        assert violations(few_before, few_after, versions.used) == expected
        assert versions.states == after
        assert (few_before != few_after) == (whole != after)
        whole = after
        versions.used |= step.states.keys()


LINES = st.sampled_from(
    [
        "status: draft",
        "status: production   # draft | staging | production | retired",
        "status: nonsense",
        "status: { a: b }",
        "model: m",
        "params: { max_tokens: 3 }",
        "params:",
        "  max_tokens: 3",
        "rollout: { percent: 5 }",
        "rollout: { percent: 500 }",
        "rollout: null",
        "traffic: 30",
        "control: true",
        "control: 3",
        "description: 'x: y'",
        "owner: a",
        "# a comment",
        "",
        "\tx",
    ]
)


@given(st.lists(LINES, max_size=8))
def test_a_file_says_the_same_read_line_by_line_as_read_as_a_whole(lines):
    raw = "\n".join(lines).encode()
    whole = read_state(raw, 3, "", "v3.yaml")
    assert read(raw, 3, "v3.yaml").state == (whole.state if whole else None)


@given(st.lists(LINES, max_size=8), st.lists(LINES, max_size=8))
def test_files_with_the_same_lines_of_config_differ_in_nothing_else_that_counts(one, other):
    free = {"", "status", "rollout", "traffic", "control", "description", "owner"}
    first, second = (read("\n".join(lines).encode(), 3, "v3.yaml") for lines in (one, other))
    if first.config is not None and first.config == second.config:
        kept = [[line for line in lines if line.partition(":")[0] not in free] for lines in (one, other)]
        first_kept, second_kept = ([line for line in lines if not line.startswith("#")] for lines in kept)
        assert first_kept == second_kept
