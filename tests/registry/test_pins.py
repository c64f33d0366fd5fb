from __future__ import annotations

import csv
import os
import re
import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.registry.pins import (
    MAX_LENGTH,
    retiring,
    rules,
    shutdown_date,
    suggestion,
    verdict,
)
from evalkit.runtime.hosts import BARE, hosts, route
from evalkit.runtime.package_data import read_data

HERE = Path(__file__).parent
with (HERE / "model-ids.csv").open(encoding="utf-8", newline="") as lines:
    CATALOGUE = [(row["model_id"], row["verdict"]) for row in csv.DictReader(lines)]

SHA256 = "@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
COMMIT = "@4e20de362430cd3b72f300e6b0f18e50e7166e08"

# Written from the vendors' naming schemes, not from the rules: none of these is in the catalogue.
PINNED = [
    "gpt-4o-audio-preview-2025-06-03",
    "computer-use-preview-2025-03-11",
    "o1-preview-2024-09-12",
    "o3-deep-research-2025-06-26",
    "gpt-image-2-2026-04-21",
    "omni-moderation-2024-09-26",
    "gpt-4-32k-0613",
    "gpt-4-1106-vision-preview",
    "gpt-3.5-turbo-instruct-0914",
    "openai/gpt-4.1-nano-2025-04-14",
    "openai:gpt-5-nano-2025-08-07",
    "ft:gpt-3.5-turbo-0125:personal::AbCd1234",
    "ft:gpt-4o-mini-2024-07-18:acme:triage-v2:9aBcDeFg:ckpt-step-88",
    "claude-opus-4-8",
    "claude-haiku-5",
    "claude-fable-5-1",
    "claude-sonnet-4-10",
    "claude-opus-4-20250514",
    "claude-sonnet-4-6[1m]",
    "anthropic/claude-sonnet-5-5",
    "vertex_ai/claude-opus-4-6",
    "claude-sonnet-4@20250514",
    "projects/acme/locations/us-east5/publishers/anthropic/models/claude-haiku-4-5@20251001",
    "gemini-1.5-flash-8b-001",
    "gemini/gemini-2.0-flash-lite-001",
    "models/gemini-1.5-flash-002",
    "vertex_ai/text-embedding-005",
    "textembedding-gecko@003",
    "imagen-3.0-generate-002",
    "gemini-2.0-flash-thinking-exp-01-21",
    "gemini-1.5-pro-exp-0827",
    "gemini-2.5-flash-native-audio-preview-12-2025",
    "mistral/magistral-medium-2506",
    "mistral/open-mistral-nemo-2407",
    "mistral/ministral-3-8b-2512",
    "mistral/codestral-embed-2505",
    "pixtral-large-2411",
    "vertex_ai/codestral@2405",
    "vertex_ai/mistralai/mistral-medium-3@001",
    "eu.anthropic.claude-3-5-sonnet-20240620-v1:0",
    "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "jp.anthropic.claude-sonnet-5",
    "au.anthropic.claude-opus-4-6-v1",
    "anthropic.claude-v2:1",
    "anthropic.claude-3-haiku-20240307-v1:0:48k",
    "amazon.titan-embed-text-v2:0",
    "amazon.titan-text-express-v1",
    "meta.llama3-1-405b-instruct-v1:0",
    "apac.amazon.nova-2-pro-preview-20251202-v1:0",
    "openai.gpt-oss-120b-1:0",
    "cohere.rerank-v3-5:0",
    "us.deepseek.r1-v1:0",
    "mistral.magistral-small-2509",
    "bedrock/us-east-1/anthropic.claude-instant-v1",
    "bedrock/us-west-2/6-month-commitment/anthropic.claude-v2:1",
    "bedrock/*/1-month-commitment/cohere.command-light-text-v14",
    "bedrock/converse/us.amazon.nova-lite-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.nova-micro-v1:0",
    "xai/grok-code-fast-1-0825",
    "xai/grok-4.20-multi-agent-0309",
    "command-r7b-12-2024",
    "cohere_chat/command-a-reasoning-08-2025",
    "dashscope/qwen3-max-2026-01-23",
    "openai/gpt-oss-20b" + COMMIT,
    "huggingface/acme/triage-lora" + COMMIT,
    "hosted_vllm/meta-llama/Llama-3.2-1B" + COMMIT,
    "ollama/llama3.1:8b" + SHA256,
    "local/smollm2-135m-instruct" + SHA256,
    "smollm2-135m-instruct" + SHA256,
    "replicate/meta/llama-2-70b-chat:02e509c789964a7ea8736978a43525956ef40397be9033abf9fd2badfe68c9e3",
]
FLOATING = [
    "gpt-4.1-mini",
    "gpt-5.6-sol",
    "o4-mini",
    "o1-preview",
    "gpt-4.5-preview",
    "gpt-4-turbo-preview",
    "openai/text-embedding-3-large",
    "text-embedding-ada-002",
    "codex-mini-latest",
    "gpt-4o-2024-08-06-latest",
    "claude-opus-4-0",
    "claude-3-opus",
    "claude-opus-4-7-latest",
    "anthropic/claude-3-5-haiku-latest",
    "anthropic.claude-haiku-4-5",
    "opus",
    "haiku",
    "claude-sonnet",
    "vertex_ai/claude-3-5-sonnet",
    "vertex_ai/claude-sonnet-5@default",
    "gemini-1.5-flash",
    "gemini-pro",
    "gemini-2.0-flash-lite",
    "gemini-2.0-flash-exp",
    "gemini/learnlm-1.5-pro-experimental",
    "vertex_ai/mistral-large@latest",
    "mistral/mistral-tiny",
    "mistral/mistral-medium-3",
    "mistral/mistral-large-3",
    "mistral-medium-3",
    "deepseek/deepseek-v3.2",
    "openrouter/openrouter/free",
    "mistral/pixtral-large-latest",
    "mistral/labs-devstral-small-2512",
    "open-mixtral-8x22b",
    "xai/grok-3-mini",
    "xai/grok-beta",
    "grok-4",
    "command-nightly",
    "cohere/command-r",
    "deepseek/deepseek-v4-flash",
    "deepseek/deepseek-coder",
    "dashscope/qwen-max",
    "perplexity/sonar-pro",
    "azure_ai/model_router",
    "azure/gpt-chat-latest",
    "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/anthropic.claude:1",
    "hf:acme/triage-lora@refs/pr/3",
    "acme/triage-lora@main",
    "huggingface/meta-llama/Llama-3.1-8B",
    "ollama/qwen2.5-coder:7b-instruct-q4_K_M",
    "ollama_chat/mistral:latest",
    "llama3.1:8b",
    "hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M",
    "local/smollm2",
    "vllm/gpt-4o-2024-08-06",
    "openrouter/openai/gpt-4o",
    "openrouter/anthropic/claude-sonnet-4.5",
    "openrouter/deepseek/deepseek-r1-0528:free",
    "openrouter/auto",
    "openrouter/@preset/support",
    "vercel_ai_gateway/anthropic/claude-3.7-sonnet",
    "deepinfra/anthropic/claude-3-7-sonnet-latest",
    "default",
    "auto",
]
NEEDS_EVIDENCE = [
    "ft:gpt-4o-mini:acme::abc123",
    "ft:gpt-3.5-turbo",
    "gpt-oss-120b",
    "gpt-35-turbo-0613",
    "gpt-4o-2024-13-06",
    "gpt-4o-2024-08-06-custom",
    "gpt-4-9913",
    "gpt-neox-20b",
    "openai/my-proxy-model",
    "claude-2.1",
    "claude-sonnet-5-preview",
    "us.anthropic.claude-mythos-preview",
    "anthropic/claude-opus-4.6",
    "gemini-3.5-flash",
    "gemini-2.5-flash-preview-tts",
    "gemini/gemma-3-27b-it",
    "gemini-2.5-pro-preview-13-06",
    "vertex_ai/meta/llama-4-scout-17b-16e-instruct-maas",
    "vertex_ai/1234567890123456789",
    "mistral/mistral-medium-3-5",
    "mistral/mistral-large-2413",
    "mistral-large-instruct-2407",
    "deepseek.v3.2",
    "nvidia.nemotron-nano-9b-v2",
    "us.openai.gpt-5.4",
    "qwen.qwen3-coder-next",
    "arn:aws:bedrock:us-west-2:123456789012:provisioned-model/abcdef123456",
    "arn:aws:bedrock:us-west-2:123456789012:custom-model/amazon.nova-lite-v1:0/abcdef123456",
    "azure/eu/gpt-5-2025-08-07",
    "azure_ai/claude-opus-4-6",
    "azure/o3-mini",
    "embed-english-v3.0",
    "deepseek-r1-0528",
    "hf:acme/triage-lora@4e20de3",
    "groq/llama-3.3-70b-versatile",
    "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "fireworks_ai/accounts/acme/deployedModels/triage-9a8b",
    "accounts/fireworks/models/llama-v3p1-8b-instruct",
    "databricks/databricks-claude-sonnet-4-6",
    "replicate/meta/meta-llama-3-70b-instruct",
    "openrouter/google/gemini-2.0-flash-001",
    "openrouter/anthropic/claude-opus-4.6",
    "openrouter/qwen/qwen3-235b-a22b-2507",
    "github_copilot/gpt-4o-2024-08-06",
    "litellm_proxy/gpt-4o-2024-08-06",
    "sagemaker/my-endpoint",
    "https://models.example.com/v1/gpt-4o-2024-08-06",
    "moonshot/kimi-k2-0905-preview",
    "meta-llama/Llama-3.1-8B-Instruct",
    "triage-lora",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "smollm2@sha256:9f86d081",
    "smollm2" + SHA256.upper(),
    "GPT-4o-2024-08-06",
]
BY_SCHEME = (
    [(model, "pinned") for model in PINNED]
    + [(model, "floating") for model in FLOATING]
    + [(model, "needs_evidence") for model in NEEDS_EVIDENCE]
)
EVERY_PINNED = sorted({model for model, expected in CATALOGUE + BY_SCHEME if expected == "pinned"})

model_like = st.text("abcdefgh0123456789-_.:/@~*[]", max_size=80)
pieces = st.lists(
    st.sampled_from(
        [piece for model, _ in CATALOGUE + BY_SCHEME for piece in re.split(r"(?<=[-/:@.])", model)]
        + [name + "/" for host in hosts() for name in host.names]
    ),
    max_size=8,
).map("".join)
ids = st.one_of(st.text(), model_like, pieces)
providers = st.one_of(
    st.none(), st.text(), st.sampled_from([name for host in hosts() for name in host.names])
)


@pytest.mark.parametrize(("model", "expected"), CATALOGUE)
def test_the_catalogue_of_model_ids_comes_out_right(model, expected):
    assert verdict(model).verdict == expected, verdict(model)


@pytest.mark.parametrize(("model", "expected"), BY_SCHEME)
def test_ids_outside_of_the_catalogue_follow_their_vendors_scheme(model, expected):
    assert verdict(model).verdict == expected, verdict(model)


def test_no_id_is_tested_twice():
    models = [model for model, _ in CATALOGUE + BY_SCHEME]
    assert len(models) == len(set(models))


def test_the_catalogue_is_the_public_one(shared_data):
    assert (shared_data / "model-ids.csv").read_bytes() == (HERE / "model-ids.csv").read_bytes()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_no_rule_is_dead_and_each_says_why_and_since_when(rule):
    found = verdict(rule.example)
    assert found.rule == rule.id, f"{rule.example} is decided by {found.rule} already"
    assert found.verdict == rule.verdict
    assert rule.reason.startswith("'{model}' ")
    assert not rule.reason.endswith(".")
    assert rule.verdict == "pinned" or rule.hint
    assert isinstance(rule.as_of, date)
    assert rule.source.startswith("https://")


def test_rules_and_hosts_have_distinct_names_and_refer_to_each_other():
    assert len({rule.id for rule in rules()}) == len(rules())
    names = [name for host in hosts() for name in host.names]
    assert len(set(names)) == len(names)
    known = {BARE, *(host.id for host in hosts())}
    used = {where for rule in rules() for where in rule.hosts}
    assert used == known
    for row in read_data("evalkit.registry", "pins.yaml")["snapshots"]:
        assert set(row["hosts"]) <= known
    for row in read_data("evalkit.registry", "lifecycles.yaml")["lifecycles"]:
        assert set(row["hosts"]) <= known


@given(ids, providers)
def test_every_string_gets_a_verdict_with_a_reason(model, provider):
    found = verdict(model, provider)
    assert found.verdict in {"pinned", "floating", "needs_evidence"}
    assert found.reason.isprintable()
    assert found.verdict == "pinned" or found.hint
    if found.verdict == "pinned":
        assert found.rule in {rule.id for rule in rules() if rule.verdict == "pinned"}


@given(ids, providers)
def test_what_is_left_for_the_rules_is_the_end_of_the_id(model, provider):
    _, rest = route(model, provider)
    assert model.endswith(rest)
    assert bool(rest) == bool(model)


@pytest.mark.parametrize("model", EVERY_PINNED)
def test_adding_latest_to_a_pinned_id_unpins_it(model):
    assert verdict(f"{model}-latest").verdict != "pinned"
    assert verdict(f"{model}:latest").verdict != "pinned"
    assert verdict(f"{model}@latest").verdict != "pinned"


@given(st.sampled_from(EVERY_PINNED), st.text(min_size=1, max_size=3), st.integers(0, 600))
def test_a_space_or_an_invisible_character_anywhere_unpins(model, noise, position):
    noise = "".join(c if not c.isprintable() or c == " " else " " for c in noise)
    at = position % (len(model) + 1)
    found = verdict(model[:at] + noise + model[at:])
    assert (found.verdict, found.rule) == ("needs_evidence", "malformed")


@pytest.mark.parametrize("noise", ["\u200b", "\u00a0", "\u202e", "\ud800", "\x00", "\n", "\x1b[31m"])
def test_an_invisible_character_is_shown_escaped(noise):
    found = verdict(f"gpt-4o-2024-08-06{noise}")
    assert found.rule == "malformed"
    assert found.reason.isprintable()
    assert found.reason.isascii()


def test_full_width_digits_are_no_date():
    assert verdict("gpt-4o-\uff12\uff10\uff12\uff14-08-06").verdict == "needs_evidence"


def test_an_endless_or_empty_id_needs_evidence():
    assert verdict("a" * (MAX_LENGTH + 1)).rule == "malformed"
    assert verdict("a" * (MAX_LENGTH - len(SHA256)) + SHA256).verdict != "floating"
    assert verdict("").rule == "malformed"
    assert len(verdict("a" * 100_000).reason) < 300


HEADS = [
    "bedrock/",
    "vertex_ai/",
    "hf:",
    "gemini-",
    "claude-",
    "gpt-",
    "mistral-",
    "grok-",
    "command-",
    "amazon.",
    "ft:gpt-",
]
UNITS = [
    "a",
    "-",
    "1",
    "0",
    "a-",
    "1-",
    "a.",
    "a/",
    "a@",
    ":",
    "@",
    "openai/",
    "openrouter/",
    "preview-",
    "exp-",
    "latest",
    "router-",
    "auto-",
    "claude-",
    "us.",
    "2024-",
    "0613-",
    "-v1",
    "1-month-commitment/",
]


@pytest.mark.parametrize("head", ["", *HEADS])
@pytest.mark.parametrize("unit", UNITS)
def test_no_id_takes_long_to_judge(head, unit):
    model = (head + unit * MAX_LENGTH)[: MAX_LENGTH - 1] + "!"
    started = time.perf_counter()
    verdict(model)
    assert time.perf_counter() - started < 1.0


BEDROCK = [
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-opus-4-7",
    "anthropic.claude-haiku-4-5",
    "anthropic.claude-mythos-preview",
    "amazon.nova-pro-v1:0",
    "meta.llama3-3-70b-instruct-v1:0",
    "mistral.pixtral-large-2502-v1:0",
    "deepseek.v3.2",
    "writer.palmyra-vision-7b",
]


@pytest.mark.parametrize("model", BEDROCK)
def test_where_and_how_a_bedrock_model_is_served_does_not_change_its_verdict(model):
    expected = verdict(model).verdict
    regions = ("us.", "eu.", "apac.", "global.", "us-gov.", "jp.", "au.", "ca.", "in.", "sa.", "us-iso.")
    places = ("bedrock/", "bedrock/us-east-1/", "bedrock/us-gov-west-1/", "bedrock/converse/", "bedrock:", "")
    terms = ("", "1-month-commitment/", "6-month-commitment/")
    for region in ("", *regions):
        for place in places:
            for term in terms if place.startswith("bedrock/us") else ("",):
                assert verdict(f"{place}{term}{region}{model}").verdict == expected
        arn = f"arn:aws:bedrock:eu-west-1:123456789012:inference-profile/{region}{model}"
        assert verdict(arn).verdict == expected
        assert verdict(f"bedrock/{arn}").verdict == expected
        assert verdict(f"{region}{model}", "bedrock").verdict == expected


@pytest.mark.parametrize("host", hosts(), ids=lambda host: host.id)
@pytest.mark.parametrize(
    "model", ["gpt-4o-2024-08-06", "gpt-4o", "triage-lora", "claude-opus-4-6", "x" + SHA256]
)
def test_a_provider_means_the_same_as_its_prefix(host, model):
    for name in host.names:
        assert verdict(model, name).verdict == verdict(f"{name}/{model}").verdict
        assert verdict(f"{name}/{model}", name).verdict == verdict(f"{name}/{model}").verdict
        assert verdict(model, name.upper()).verdict == verdict(model, name).verdict


@pytest.mark.parametrize(
    ("model", "provider", "expected"),
    [
        ("gpt-4o-2024-08-06", "azure", "needs_evidence"),
        ("gpt-4o-2024-08-06", "openai", "pinned"),
        ("gpt-4o-2024-08-06", "my-own-name", "pinned"),
        ("openai/gpt-4o-2024-08-06", "openrouter", "needs_evidence"),
        ("anthropic/claude-sonnet-4.5", "openrouter", "floating"),
        ("openai/gpt-oss-120b", "groq", "needs_evidence"),
        ("us.anthropic.claude-sonnet-4-6", "bedrock", "pinned"),
        ("claude-opus-4-6", "vertex_ai", "pinned"),
        ("gpt-4o-2024-08-06", "local", "floating"),
        ("gpt-4o-2024-08-06", "http", "needs_evidence"),
        ("gpt-4o-2024-08-06", "command", "needs_evidence"),
        ("gpt-4o-2024-08-06", "anthropic", "needs_evidence"),
        # An OpenAI-compatible API may have anything behind it: what the id itself says is better.
        ("groq/openai/gpt-oss-120b", "openai", "needs_evidence"),
        ("azure/gpt-4o-2024-08-06", "openai", "needs_evidence"),
        ("anthropic/claude-sonnet-4-6", "openai", "pinned"),
        # Behind azure only Azure answers, whatever the id calls itself.
        ("openai/gpt-4o-2024-08-06", "azure", "needs_evidence"),
    ],
)
def test_the_provider_decides_where_the_id_does_not(model, provider, expected):
    assert verdict(model, provider).verdict == expected


def test_an_alias_is_told_which_snapshot_to_pin_with_its_own_prefix():
    assert suggestion("gpt-5-mini") == "gpt-5-mini-2025-08-07"
    assert suggestion("openai/gpt-5-mini") == "openai/gpt-5-mini-2025-08-07"
    assert suggestion("gpt-5-mini", "openai") == "gpt-5-mini-2025-08-07"
    assert suggestion("vertex_ai/claude-haiku-4-5") == "vertex_ai/claude-haiku-4-5@20251001"
    assert suggestion("gpt-5-mini", "azure") is None
    assert suggestion("triage-lora") is None
    found = verdict("gpt-5-mini")
    assert found.reason == "'gpt-5-mini' is an alias that OpenAI moves"
    assert found.hint == "pin a snapshot, such as gpt-5-mini-2025-08-07 (which ends on 2026-12-11)"


def test_no_hint_recommends_a_model_that_is_gone():
    for rule in rules():
        for word in re.findall(r"[\w.-]+", rule.hint or ""):
            ends = shutdown_date(word)
            assert ends is None or ends > rule.as_of, (rule.id, word)


def test_every_suggested_snapshot_is_pinned_and_still_served_and_every_alias_floats():
    for row in read_data("evalkit.registry", "pins.yaml")["snapshots"]:
        for where in row["hosts"]:
            provider = None if where == BARE else next(h.names[0] for h in hosts() if h.id == where)
            for alias, snapshot in row["ids"].items():
                assert verdict(alias, provider).verdict == "floating", (alias, provider)
                assert verdict(snapshot, provider).verdict == "pinned", (snapshot, provider)
                ends = shutdown_date(snapshot, provider)
                assert ends is None or ends > row["as_of"]


def test_a_shutdown_is_known_for_the_vendors_own_api_and_for_fine_tunes_of_the_model():
    assert shutdown_date("gpt-4o-2024-08-06") == date(2027, 1, 14)
    assert shutdown_date("openai/gpt-4o-2024-08-06") == date(2027, 1, 14)
    assert shutdown_date("ft:gpt-4o-2024-08-06:acme::abc123") == date(2027, 1, 14)
    assert shutdown_date("claude-3-opus-20240229", "anthropic") == date(2026, 1, 5)
    assert shutdown_date("azure/gpt-4o-2024-08-06") is None
    assert shutdown_date("anthropic.claude-3-opus-20240229-v1:0") is None
    assert shutdown_date("triage-lora") is None


@pytest.mark.parametrize(
    ("today", "warned"),
    [
        (date(2026, 12, 14), False),
        (date(2026, 12, 15), True),
        (date(2027, 1, 14), True),
        (date(2028, 1, 1), True),
    ],
)
def test_a_model_is_retiring_from_thirty_days_before_its_shutdown(today, warned):
    found = retiring("gpt-4o-2024-08-06", today)
    assert found == (date(2027, 1, 14) if warned else None)


def test_no_model_of_one_host_has_two_shutdown_dates():
    seen = [
        (host, model)
        for vendor in read_data("evalkit.registry", "lifecycles.yaml")["lifecycles"]
        for models in vendor["shutdowns"].values()
        for host in vendor["hosts"]
        for model in models
    ]
    assert len(seen) == len(set(seen))


@given(ids, st.dates())
def test_looking_up_a_lifecycle_never_fails(model, today):
    day = retiring(model, today, within_days=0)
    assert day is None or day <= today


def test_the_table_in_the_docs_is_current(project_root):
    page = project_root / "docs" / "pinning.md"
    begin, end = "<!-- rules: begin -->\n", "<!-- rules: end -->"
    head, _, rest = page.read_text(encoding="utf-8").partition(begin)
    shown, _, tail = rest.partition(end)
    if os.environ.get("UPDATE_GOLDEN"):
        page.write_text(head + begin + _table() + end + tail, encoding="utf-8")
    else:
        assert shown == _table(), "run again with UPDATE_GOLDEN=1 to rewrite the table"


def _table() -> str:
    titles = {host.id: host.title for host in hosts()} | {BARE: "ids without a prefix"}
    lines = ["| rule | verdict | served by | for example | because it |", "|---|---|---|---|---|"]
    for rule in rules():
        where = ", ".join(titles[host] for host in rule.hosts) or "anyone"
        example = rule.example if len(rule.example) <= 70 else rule.example[:67] + "…"
        reason = rule.reason.removeprefix("'{model}' ").replace("|", "\\|")
        lines.append(f"| `{rule.id}` | {rule.verdict} | {where} | `{example}` | {reason} |")
    return "\n".join(lines) + "\n"
