from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from report_material import hostile_run, order_run

from evalkit.evals.record import Sample, SampleError
from evalkit.report.cases import TEXT_LIMIT, collect


def sample(index, score, *, repeat=0, error=None, must_pass=False, **changes):
    fields = {
        "id": f"case-{index}", "index": index, "repeat": repeat, "input": {"q": f"question {index}"},
        "expected": "x", "output": "y", "tool_calls": None, "score": score, "scores": {}, "reasons": {},
        "error": SampleError(error, "timeout", "") if error else None, "must_pass": must_pass,
    }  # fmt: skip
    return Sample(**(fields | changes))


SAMPLES = st.lists(
    st.builds(
        lambda kind, score, must: sample(
            0,
            None if kind == "unscored" else 0.0 if kind == "candidate" else score,
            error=kind,
            must_pass=must,
        ),
        st.sampled_from([None, None, None, "unscored", "candidate"]),
        st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        st.booleans(),
    ),
    max_size=40,
)


def numbered(samples, cases):
    for place, item in enumerate(samples):
        item.index, item.repeat = place % cases, place // cases
        item.id = f"case-{item.index}"
    return samples


@given(SAMPLES, st.integers(1, 8), st.integers(0, 5), st.integers(0, 12), st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order_in_which_answers_arrived(
    samples, cases, worst, listed, draw
):
    samples = numbered(samples, cases)
    shuffled = samples[:]
    draw.shuffle(shuffled)
    assert collect(samples, worst=worst, listed=listed) == collect(shuffled, worst=worst, listed=listed)


@given(SAMPLES, st.integers(1, 8), st.integers(0, 5), st.integers(0, 12))
def test_streaming_chooses_what_sorting_everything_would(samples, cases, worst, listed):
    samples = numbered(samples, cases)
    whole = collect(samples, worst=len(samples), listed=len(samples))
    part = collect(samples, worst=worst, listed=listed)
    assert part.worst == whole.worst[:worst]
    assert part.unscored == whole.unscored[:worst]
    assert part.listed == whole.listed[:listed]
    assert part.counts == whole.counts
    assert part.total == len(samples)
    assert part.left_out == len(samples) - len(part.listed)
    assert len({view.id for view in whole.worst}) == len(whole.worst)


def test_the_worst_are_own_failures_then_must_pass_then_low_scores_in_suite_order():
    chosen = collect([
        sample(0, 0.5), sample(1, 0.0), sample(2, 0.5, must_pass=True), sample(3, 0.0, error="candidate"),
        sample(4, None, error="unscored"), sample(5, 1.0), sample(6, 0.0),
    ])  # fmt: skip
    assert [view.index for view in chosen.worst] == [3, 2, 1, 6, 0]
    assert [view.index for view in chosen.unscored] == [4]
    assert [view.index for view in chosen.listed] == [3, 2, 1, 6, 0, 4, 5]
    assert chosen.counts == {"failed": 5, "error": 1, "passed": 1}


def test_a_case_is_among_the_worst_once_by_its_worst_repeat():
    chosen = collect(
        [sample(0, 0.5, repeat=0), sample(0, 0.0, repeat=1), sample(0, 0.2, repeat=2), sample(1, 0.3)]
    )
    assert [(view.id, view.repeat) for view in chosen.worst] == [("case-0", 1), ("case-1", 0)]


def test_a_mean_of_ones_that_missed_one_by_rounding_has_passed():
    assert collect([sample(0, sum([0.1] * 10))]).counts == {"passed": 1}


def test_long_texts_are_cut_and_say_by_how_much():
    long = "x" * (TEXT_LIMIT + 5)
    (view,) = collect([sample(0, 0.0, output=long, input={"q": long}, expected=[long])]).listed
    assert (len(view.output.text), view.output.left_out) == (TEXT_LIMIT, 5)
    assert view.inputs[0][1].left_out == 5
    assert view.expected.left_out == 9
    assert view.clip(100).output.left_out == TEXT_LIMIT + 5 - 100


def test_a_million_samples_are_never_held_at_once():
    draw = random.Random(1)
    alive = 0

    class Tracked(Sample):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def stream():
        nonlocal alive
        for index in range(20_000):
            alive += 1
            assert alive < 10
            yield Tracked(
                **{name: getattr(template, name) for name in Sample.__slots__}
                | {"id": f"c{index}", "index": index, "score": draw.random()}
            )

    template = sample(0, 0.5)
    chosen = collect(stream(), worst=5, listed=50)
    assert len(chosen.listed) == 50
    assert chosen.left_out == 19_950


def test_a_redacted_list_holds_no_text_that_a_model_wrote_or_was_given():
    _, samples = hostile_run()
    for index, item in enumerate(samples):
        item.id, item.tags, item.location, item.served_model = f"case-{index}", [], None, None
        item.scores = dict.fromkeys(["scorer"] * len(item.scores), item.score)
        item.input, item.expected, item.output, item.got = {"q": "SECRET"}, "SECRET", "SECRET", "SECRET"
        item.tool_calls, item.reasons = [{"name": "SECRET", "arguments": {}}], {"scorer": "SECRET"}
        if item.error:
            item.error = SampleError(item.error.kind, "timeout", "SECRET")
    chosen = collect(samples)
    assert "SECRET" in repr(chosen)
    assert "SECRET" not in repr(chosen.redacted())
    assert chosen.redacted().counts == chosen.counts


def test_a_reader_sees_data_as_json_and_texts_as_they_are():
    (view,) = collect(
        [
            sample(
                0,
                0.0,
                expected={"a": "é"},
                got=None,
                output=None,
                tool_calls=[{"name": "f", "arguments": {"x": 1}}],
            )
        ]
    ).listed
    assert view.expected.text == '{"a": "é"}'
    assert view.answer.text == 'f({"x": 1})'


def test_a_realistic_run_is_chosen_from():
    _, samples = order_run()
    chosen = collect(samples, worst=3)
    assert [view.id for view in chosen.worst] == ["order-050", "order-008", "order-003"]
    assert chosen.worst[0].why == "context_overflow: the prompt has 2,310 tokens, the model takes 2,048"
