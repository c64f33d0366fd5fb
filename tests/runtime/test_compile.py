"""From files to a bundle."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_registry import PROJECT, PROMPT, entry, files

from evalkit.errors import ConfigError
from evalkit.registry.schema import Entry, ModelClass, Prompt, Tools
from evalkit.runtime.bundle import Commit
from evalkit.runtime.compile import compile_registry
from evalkit.runtime.refs import Ref
from evalkit.runtime.shapes import CLASS, ENTRY, TOOLS
from evalkit.runtime.shapes import PROMPT as PROMPT_SHAPE

COMMIT = Commit("a" * 40, 12, 1_760_000_000)


def compiled(*entries, **changed):
    content = files(*entries)
    content.update({path.replace("__", "/"): data for path, data in changed.items()})
    return compile_registry(content, COMMIT, where="here")


def problems(content):
    with pytest.raises(ConfigError) as raised:
        compile_registry(content, None, where="here")
    return [str(problem).split("\n")[0] for problem in raised.value.problems]


def test_what_serves_and_what_stands_by_is_in_the_bundle_and_nothing_else():
    bundle = compiled(
        entry(9, "retired"),
        *(entry(v, "production") for v in (10, 11, 12, 13)),
        entry(14, "staging", extra="rollout: { percent: 5 }"),
        entry(15, "draft"),
        entry(1, "draft", name="faq"),
    )
    assert sorted(bundle.document["entries"]) == [f"support-triage@v{v}" for v in (11, 12, 13, 14)]
    assert bundle.document["serving"] == {
        "faq": {"production": None, "staging": None},
        "support-triage": {
            "production": {
                "primary": 13,
                "weights": {"13": 1.0},
                "canary": {"version": 14, "percent": 5, "unit": "request"},
                "standby": [12, 11],
            },
            "staging": {"primary": 14, "weights": {"14": 1.0}, "canary": None, "standby": []},
        },
    }
    assert bundle.document["commit"] == {
        "id": "a" * 40,
        "first_parent_count": 12,
        "time": "2025-10-09T08:53:20Z",
        "dirty": False,
    }


def test_policy_says_how_many_versions_stand_by():
    content = files(*(entry(v, "production") for v in range(1, 7)))
    content["evalkit.yaml"] = (PROJECT + "policy: { standby: 4 }\n").encode()
    bundle = compile_registry(content, None, where="here")
    assert bundle.document["serving"]["support-triage"]["production"]["standby"] == [5, 4, 3, 2]


def test_the_same_files_give_the_same_bytes_in_whatever_order_they_come():
    content = files(entry(13, "production"), entry(14, "staging"))
    backwards = dict(reversed(content.items()))
    first = compile_registry(content, COMMIT, where="here")
    assert first.encode() == compile_registry(backwards, COMMIT, where="there").encode()
    assert json.loads(first.encode())["digest"] == first.digest


def test_a_changed_prompt_changes_the_digests_and_a_comment_does_not():
    base = files(entry(13, "production"))
    one = compile_registry(base, COMMIT, where="here")
    path = "registry/prompts/triage-prompt/v9.yaml"
    commented = compile_registry({**base, path: b"# a word\n" + base[path]}, COMMIT, where="here")
    changed = compile_registry({**base, path: base[path].replace(b"Sort", b"Route")}, COMMIT, where="here")
    ref = "support-triage@v13"
    assert commented.encode() == one.encode()
    assert changed.digest != one.digest
    assert changed.document["entries"][ref]["digest"] != one.document["entries"][ref]["digest"]


def test_the_project_and_list_prices_are_in_it():
    content = files(entry(13, "production"))
    listed = compile_registry(content, None, where="here").entry(Ref("support-triage", 13))["price"]
    assert listed["input"] > 0
    content["evalkit.yaml"] = (
        PROJECT + "prices: { gpt-5-mini-2025-08-07: { input: 1, output: 2 } }\n"
    ).encode()
    own = compile_registry(content, None, where="here").entry(Ref("support-triage", 13))["price"]
    assert own == {"input": 1, "output": 2}


def test_a_named_response_format_is_resolved():
    bundle = compiled(entry(13, "production", extra="response_format: queue\n"))
    assert bundle.entry(Ref("support-triage", 13))["response_format"] == {"type": "json_object"}


def test_a_class_brings_its_members():
    path, data = entry(13, "production")
    data = data.replace(b"model: gpt-5-mini-2025-08-07", b"class_ref: fast@v2")
    content = files((path, data))
    content["registry/classes/fast/v2.yaml"] = (
        b"name: fast\nversion: 2\nmembers: [{ model: m-2025-01-01, weight: 2 }, { model: n-2025-02-02 }]\n"
    )
    bundle = compile_registry(content, None, where="here")
    found = bundle.entry(Ref("support-triage", 13))
    assert found["members"] == [{"model": "m-2025-01-01", "weight": 2}, {"model": "n-2025-02-02"}]
    assert "model" not in found


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"extra": "trafic: 30\n"}, "v13.yaml:9:1: EK104 unknown key 'trafic'"),
        ({"extra": "control: 1\n"}, "v13.yaml:9:10: EK106 control must be true or false"),
        (
            {"extra": "rollout: { percent: 150 }\n"},
            "v13.yaml:9:21: EK106 rollout.percent must be a number of at least 0 and at most 100",
        ),
        ({"extra": "traffic: -1\n"}, "v13.yaml:9:10: EK106 traffic must be a number of at least 0"),
        ({"extra": "rollout: { unit: day }\n"}, "EK105 the key 'percent' is missing in rollout"),
        ({"prompt": "triage-prompt@v7"}, "v13.yaml:5:13: EK201 no prompt triage-prompt@v7"),
        ({"prompt": "triage-prompt"}, "v13.yaml:5:13: EK106 prompt_ref must be a reference such as name@v3"),
        ({"extra": "response_format: other\n"}, "v13.yaml:9:18: EK201 no response format is called 'other'"),
        ({"status": "live"}, "v13.yaml:8:9: EK106 status must be one of draft, staging, production, retired"),
    ],
)
def test_what_is_wrong_with_a_serving_entry_is_said_with_its_place(change, expected):
    found = problems(files(entry(13, **{"status": "production", **change})))
    assert any(line.endswith(expected) or expected in line for line in found), found


def test_a_mistake_in_a_draft_does_not_stop_what_serves():
    bundle = compiled(entry(13, "production"), entry(14, "draft", prompt="none-such@v1", extra="trafic: 3\n"))
    assert list(bundle.document["entries"]) == ["support-triage@v13"]


def test_a_draft_that_is_not_yaml_stops_it_since_nobody_knows_what_it_is():
    path, _ = entry(14, "draft")
    found = problems({**files(entry(13, "production")), path: b"status: [\n"})
    assert len(found) == 1
    assert "v14.yaml:1:9: EK101" in found[0]


def test_every_problem_is_reported_at_once():
    content = files(
        entry(13, "production", prompt="none@v1"), entry(2, "production", name="faq", extra="colour: red\n")
    )
    content["registry/prompts/triage-prompt/v9.yaml"] = (
        PROMPT.format(version=9).replace("{{ tone }}", "{{ tone").encode()
    )
    found = problems(content)
    assert any("EK201 no prompt none@v1" in line for line in found)
    assert any("EK104 unknown key 'colour'" in line for line in found)


def test_a_template_that_does_not_compile_is_refused_at_its_line():
    content = files(entry(13, "production"))
    content["registry/prompts/triage-prompt/v9.yaml"] = (
        PROMPT.format(version=9).replace("be {{ tone }}", "be {{ tone").encode()
    )
    found = problems(content)
    assert "registry/prompts/triage-prompt/v9.yaml:9:7: EK301 not a valid template" in found[0]


def test_two_controls_of_an_ab_are_refused():
    arms = [entry(v, "production", extra="traffic: 1\ncontrol: true\n") for v in (13, 14)]
    assert "EK210 who serves support-triage is not clear" in problems(files(*arms))[0]


def test_two_live_canaries_are_refused():
    canaries = [entry(v, "staging", extra="rollout: { percent: 5 }\n") for v in (14, 15)]
    assert (
        "EK210 who serves support-triage is not clear"
        in problems(files(entry(13, "production"), *canaries))[0]
    )


def test_a_file_whose_number_differs_from_its_path_is_refused():
    _, data = entry(12, "production")
    found = problems(files(("registry/entries/support-triage/v13.yaml", data)))
    assert "v13.yaml:2:10: EK109 version is 12, and the path says 13" in found[0]


def test_a_provider_that_nobody_declares_is_refused():
    path, data = entry(13, "production")
    found = problems(files((path, data.replace(b"provider: openai", b"provider: gatway"))))
    assert "v13.yaml:4:11: EK201 no provider is called 'gatway'" in found[0]


@pytest.mark.parametrize(
    ("shape", "model"), [(ENTRY, Entry), (PROMPT_SHAPE, Prompt), (TOOLS, Tools), (CLASS, ModelClass)]
)
def test_the_runtime_knows_the_same_keys_as_the_authoring_schema(shape, model):
    assert {key.rstrip("!") for key in shape.keys} == set(model.model_fields)
    required = {key[:-1] for key in shape.keys if key.endswith("!")}
    assert required == {key for key, field in model.model_fields.items() if field.is_required()}


@given(
    st.dictionaries(
        st.sampled_from(sorted(files(entry(13, "production"), entry(14, "staging")))), st.binary(max_size=60)
    )
)
def test_whatever_the_files_hold_it_compiles_or_says_what_is_wrong(changes):
    content = {**files(entry(13, "production"), entry(14, "staging")), **changes}
    try:
        compile_registry(content, None, where="here")
    except ConfigError as error:
        unplaced = [problem for problem in error.problems if not problem.location]
    else:
        unplaced = []
    assert not unplaced


@pytest.mark.parametrize(
    ("before", "after"), [("be {{ tone }}", "be {{ tune }}"), ("{{ ticket }}", "{{ tikcet }}")]
)
def test_a_prompt_that_reads_what_it_does_not_declare_is_refused(before, after):
    """No call could render it."""
    content = files(entry(13, "production"))
    content["registry/prompts/triage-prompt/v9.yaml"] = (
        PROMPT.format(version=9).replace(before, after).encode()
    )
    (found,) = problems(content)
    assert "EK302 the variable" in found
    assert "is not declared" in found
    assert "registry/prompts/triage-prompt/v9.yaml:" in found


def test_a_prompt_may_set_a_variable_of_its_own():
    content = files(entry(13, "production"))
    content["registry/prompts/triage-prompt/v9.yaml"] = (
        PROMPT.format(version=9).replace("be {{ tone }}", "{% set mood = tone %}be {{ mood }}").encode()
    )
    assert compile_registry(content, None, where="here").names
