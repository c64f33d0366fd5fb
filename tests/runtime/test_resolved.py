"""What an application holds."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from small_registry import entry, files

from evalkit.errors import RenderError, UnknownEntry
from evalkit.runtime.bundle import Commit
from evalkit.runtime.compile import compile_registry
from evalkit.runtime.config import GenerationConfig
from evalkit.runtime.freshness import Freshness
from evalkit.runtime.refs import Ref
from evalkit.runtime.snapshot import Snapshot

NAME = "support-triage"


def snapshot(*entries, **changed) -> Snapshot:
    content = {**files(*entries), **changed}
    bundle = compile_registry(content, Commit("c" * 40, 7, 1_760_000_000), where="here")
    return Snapshot(bundle, "the source", Freshness(1_760_000_000.0))


@pytest.fixture
def cfg():
    return snapshot(entry(12, "production"), entry(13, "production")).resolve(NAME, "production")


def test_it_has_everything_that_a_call_needs(cfg):
    assert cfg.model == "gpt-5-mini-2025-08-07"
    assert cfg.params == {"max_tokens": 13}
    assert cfg.tools[0]["function"]["name"] == "route"
    assert cfg.response_format is None
    assert cfg.messages(ticket="My parcel is late") == [
        {"role": "system", "content": "Prompt 9. Sort the ticket, be calm.\n"},
        {"role": "user", "content": "My parcel is late"},
    ]
    assert str(cfg.prompt) == "triage-prompt@v9"
    assert cfg.prompt.messages[1].content == "{{ ticket }}"
    assert set(cfg.prompt.variables) == {"ticket", "tone"}


def test_it_says_where_it_comes_from(cfg):
    assert (cfg.name, cfg.env, cfg.version, cfg.variant, cfg.unit) == (
        NAME,
        "production",
        13,
        "primary",
        None,
    )
    assert cfg.digest.startswith("sha256:")
    assert (cfg.source, cfg.commit) == ("the source", "c" * 40)
    assert cfg.age >= 0
    assert not cfg.stale
    assert cfg.reason == "v13 serves production"
    assert (cfg.provider, cfg.provider_kind) == ("openai", "openai")
    assert cfg.price["input"] > 0
    assert repr(cfg) == "<support-triage@v13 production primary gpt-5-mini-2025-08-07>"


def test_the_request_served_is_the_request_evaluated(cfg):
    content = files(entry(13, "production"))
    bundle = compile_registry(content, None, where="here")
    evaluated: GenerationConfig = bundle.config(Ref(NAME, 13))
    assert cfg.request(ticket="x") == evaluated.request({"ticket": "x"})
    assert cfg.digest == evaluated.digest


def test_for_the_messages_api_the_system_text_and_the_tools_have_its_shape(cfg):
    request = cfg.messages_request(ticket="x")
    assert request["system"] == "Prompt 9. Sort the ticket, be calm.\n"
    assert request["messages"] == [{"role": "user", "content": "x"}]
    assert request["tools"][0]["input_schema"]["required"] == ["queue"]
    assert request["max_tokens"] == 13


def test_a_variable_may_be_called_self(cfg):
    with pytest.raises(RenderError, match="declares no variable 'self'"):
        cfg.messages(ticket="x", self=1)


def test_missing_extra_and_mistyped_variables_are_all_said_with_the_prompts_name(cfg):
    with pytest.raises(RenderError) as raised:
        cfg.messages(tone=3, tickt="x")
    assert [(p.code, p.message) for p in raised.value.problems] == [
        ("EK306", "variable 'ticket' of triage-prompt@v9 is missing"),
        ("EK306", "variable 'tone' is integer, triage-prompt@v9 declares string"),
        ("EK306", "triage-prompt@v9 declares no variable 'tickt'"),
    ]


def test_nothing_that_is_handed_out_can_be_changed(cfg):
    for change in (
        lambda: cfg.params.update(temperature=2),
        lambda: cfg.params.__setitem__("max_tokens", 1),
        lambda: cfg.tools.append({}),
        lambda: cfg.tools[0]["function"]["parameters"]["required"].clear(),
        lambda: cfg.price.pop("input"),
        lambda: cfg.prompt.variables.clear(),
    ):
        with pytest.raises(TypeError, match="cannot be changed"):
            change()
    for name in ("version", "unit", "anything"):
        with pytest.raises(AttributeError, match="frozen"):
            setattr(cfg, name, 1)
    with pytest.raises(AttributeError, match="frozen"):
        del cfg.unit
    cfg.messages(ticket="x").clear()
    cfg.request(ticket="x").clear()
    assert cfg.params == {"max_tokens": 13}
    assert len(cfg.messages(ticket="x")) == 2


def test_a_copy_of_what_is_handed_out_is_plain_and_yours(cfg):
    tools = copy.deepcopy(cfg.tools)
    tools[0]["function"]["strict"] = True
    assert type(tools) is list
    assert type(tools[0]) is dict
    assert "strict" not in cfg.tools[0]["function"]
    assert json.loads(json.dumps(cfg.tools)) == cfg.tools


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_the_same_after_pickling(protocol):
    held = snapshot(
        entry(13, "production", extra="traffic: 3\ncontrol: true\n"),
        entry(14, "production", extra="traffic: 1\n"),
        entry(15, "staging", extra="rollout: { percent: 10 }\n"),
    ).resolve(NAME, "production")
    again = pickle.loads(pickle.dumps(held, protocol))
    assert again == held
    assert hash(again) == hash(held)
    assert again.request(ticket="x") == held.request(ticket="x")
    assert again.for_key("k") == held.for_key("k")
    assert again.for_request().version in {13, 14, 15}
    with pytest.raises(TypeError, match="cannot be changed"):
        again.params.clear()


def test_a_pickled_config_stays_stale_and_goes_on_ageing():
    freshness = Freshness(1_000.0, max_age_s=60.0, age_s=10.0)
    young = pickle.loads(pickle.dumps(freshness))
    assert young.age > 60  # by the wall clock: it was confirmed long ago
    assert young.stale
    freshness.doubt("the server is down")
    assert pickle.loads(pickle.dumps(freshness)).problem == "the server is down"


def test_copying_gives_the_same_object(cfg):
    assert copy.copy(cfg) is cfg
    assert copy.deepcopy(cfg) is cfg


def test_it_is_only_made_by_resolving():
    from evalkit import ResolvedConfig

    with pytest.raises(TypeError, match="resolve"):
        ResolvedConfig()


def test_an_unknown_name_is_an_error_with_the_nearest_one():
    held = snapshot(entry(13, "production"))
    with pytest.raises(UnknownEntry) as raised:
        held.resolve("suport-triage", "production")
    (problem,) = raised.value.problems
    assert (problem.code, problem.hint) == ("EK202", "did you mean 'support-triage'?")


@pytest.mark.parametrize("env", ["prod", "", None, 3, "Production"])
def test_an_unknown_environment_is_an_error_and_never_a_default(env):
    with pytest.raises(UnknownEntry, match="EK707 there is no environment"):
        snapshot(entry(13, "production")).resolve(NAME, env)


@pytest.mark.parametrize("name", [None, 3, ["support-triage"], ("a", "b")])
def test_what_is_no_name_at_all_is_an_unknown_name(name):
    with pytest.raises(UnknownEntry, match="EK202"):
        snapshot(entry(13, "production")).resolve(name, "production")


def test_an_environment_that_nobody_serves_is_an_error():
    with pytest.raises(UnknownEntry, match="EK707 nobody serves support-triage in production"):
        snapshot(entry(1, "draft")).resolve(NAME, "production")


def test_the_plain_result_is_the_primary_and_never_the_canary():
    held = snapshot(entry(13, "production"), entry(14, "staging", extra="rollout: { percent: 100 }\n"))
    cfg = held.resolve(NAME, "production")
    assert (cfg.version, cfg.variant) == (13, "primary")
    drawn = cfg.for_request()
    assert (drawn.version, drawn.variant, drawn.reason) == (14, "canary", "v14 was drawn for this request")
    assert drawn.unit.startswith("r1-")
    keyed = cfg.for_key("conversation-1")
    assert (keyed.version, keyed.variant) == (14, "canary")
    assert keyed.unit == cfg.for_key("conversation-1").unit != cfg.for_key("conversation-2").unit
    assert held.resolve(NAME, "staging").version == 14


def test_drawing_again_from_what_was_drawn_draws_from_all():
    cfg = snapshot(entry(13, "production"), entry(14, "staging", extra="rollout: { percent: 50 }\n")).resolve(
        NAME, "production"
    )
    drawn = {cfg.for_request().for_request().version for _ in range(64)}
    assert drawn == {13, 14}


def test_variants_have_shares_that_sum_to_one_with_the_canary_first_served():
    held = snapshot(
        entry(12, "production", extra="traffic: 1\n"),
        entry(13, "production", extra="traffic: 3\ncontrol: true\n"),
        entry(14, "staging", extra="rollout: { percent: 20 }\n"),
    )
    found = held.variants(NAME, "production")
    assert [(v.id, v.variant, round(v.weight, 9)) for v in found] == [
        ("support-triage@v13", "primary", 0.6),
        ("support-triage@v12", "v12", 0.2),
        ("support-triage@v14", "canary", 0.2),
    ]
    chosen = found[1].config.with_unit("experiment-7")
    assert (chosen.version, chosen.unit) == (12, "experiment-7")
    assert chosen.log_fields()["unit"] == "experiment-7"
    assert [v.version for v in held.variants(NAME, "staging")] == [14]


def test_what_is_logged_names_the_version_the_variant_and_the_unit():
    cfg = snapshot(entry(13, "production")).resolve(NAME, "production").for_request()
    logged = cfg.log_fields(
        {"model": "gpt-5-mini-2025-08-07", "usage": {"prompt_tokens": 1000, "completion_tokens": 10}}
    )
    assert logged["feature"] == NAME
    assert logged["registry_version"] == 13
    assert logged["digest"] == cfg.digest
    assert logged["unit"] == cfg.unit
    assert logged["cost_usd"] == pytest.approx((1000 * cfg.price["input"] + 10 * cfg.price["output"]) / 1e6)
    assert cfg.otel_attributes()["evalkit.registry_version"] == 13
    with cfg.call() as call:
        pass
    assert call.fields["registry_version"] == 13
