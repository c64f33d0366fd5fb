"""Reading a bundle: whole or not at all."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_registry import entry, files

from evalkit.errors import BundleError
from evalkit.runtime.bundle import Bundle, Commit, encode_bundle, read_bundle
from evalkit.runtime.compile import compile_registry
from evalkit.runtime.refs import Ref
from evalkit.runtime.verify import problems_of_bundle

COMMIT = Commit("a" * 40, 12, 1_760_000_000)
REF = "support-triage@v13"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return compile_registry(
        files(
            entry(12, "production"),
            entry(13, "production"),
            entry(14, "staging", extra="rollout: { percent: 5, unit: key }\n"),
        ),
        COMMIT,
        where="here",
    )


def refused(document_or_bytes):
    data = (
        document_or_bytes if isinstance(document_or_bytes, bytes) else json.dumps(document_or_bytes).encode()
    )
    with pytest.raises(BundleError) as raised:
        read_bundle(data, "b.json")
    (problem,) = raised.value.problems
    assert problem.location.path == "b.json"
    assert problem.hint
    return problem


def test_what_is_written_is_what_is_read(bundle):
    again = read_bundle(bundle.encode(), "b.json")
    assert again.document == bundle.document
    assert again.encode() == bundle.encode()
    assert again.commit == COMMIT
    assert again.serving("support-triage", "production") == bundle.serving("support-triage", "production")
    assert again.config(Ref("support-triage", 13)).digest == bundle.document["entries"][REF]["digest"]


def test_numbers_keep_their_type_on_the_way(bundle):
    path, data = entry(13, "production")
    content = files((path, data.replace(b"max_tokens: 13", b"temperature: 1.0, top_k: 1")))
    again = read_bundle(compile_registry(content, None, where="here").encode(), "b.json")
    params = again.config(Ref("support-triage", 13)).params
    assert [type(params[key]) for key in ("temperature", "top_k")] == [float, int]
    assert not list(problems_of_bundle(again))


def test_a_newer_minor_version_with_keys_of_its_own_is_read(bundle):
    document = copy.deepcopy(bundle.document)
    document["schema_version"] = "1.7"
    document["signatures"] = {"by": "somebody"}
    document["entries"][REF]["adapters"] = [1, 2]
    document["serving"]["support-triage"]["production"]["shadow"] = {"version": 15}
    document["serving"]["support-triage"]["preview"] = {"primary": 99}
    again = read_bundle(encode_bundle(document), "b.json")
    assert again.serving("support-triage", "production").primary == 13


def test_a_newer_major_version_says_to_upgrade(bundle):
    problem = refused(encode_bundle({**bundle.document, "schema_version": "2.0"}))
    assert problem.code == "EK703"
    assert "upgrade evalkit" in problem.hint


@given(st.data())
def test_a_file_that_was_cut_or_changed_anywhere_is_refused(bundle, data):
    raw = bundle.encode().rstrip(b"\n")
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    else:
        at = data.draw(st.integers(0, len(raw) - 1))
        other = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[at]))
        raw = raw[:at] + bytes([other]) + raw[at + 1 :]
    try:
        found = read_bundle(raw, "b.json")
    except BundleError:
        return
    assert found.document == bundle.document


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"[]", b"{}", b'"x"', b"{", b"\xff\xfe", b"[" * 100_000, b'{"format": NaN}']
)
def test_what_is_no_bundle_is_refused(raw):
    assert refused(raw).code == "EK701"


BREAKAGES = [
    (("serving", "support-triage", "production", "primary"), 99),
    (("serving", "support-triage", "production", "primary"), "13"),
    (("serving", "support-triage", "production", "primary"), True),
    (("serving", "support-triage", "production", "weights"), {}),
    (("serving", "support-triage", "production", "weights"), {"13": 0}),
    (("serving", "support-triage", "production", "weights"), {"13": -1}),
    (("serving", "support-triage", "production", "weights"), {"13": True}),
    (("serving", "support-triage", "production", "weights"), {"thirteen": 1}),
    (("serving", "support-triage", "production", "canary"), {"version": 13, "percent": 5}),
    (("serving", "support-triage", "production", "canary"), {"version": 14, "percent": 101}),
    (("serving", "support-triage", "production", "canary"), {"version": 14}),
    (("serving", "support-triage", "production", "standby"), [1]),
    (("serving", "support-triage", "production"), []),
    (("serving", "support-triage"), None),
    (("serving",), None),
    (("entries", REF), None),
    (("entries", REF, "digest"), None),
    (("entries", REF, "params"), None),
    (("entries", REF, "model"), 5),
    (("entries", REF, "model"), None),
    (("entries", REF, "prompt_ref"), "triage-prompt@v1"),
    (("entries", REF, "tools_ref"), "triage-tools@v1"),
    (("entries", REF, "price"), {"input": "1"}),
    (("entries", REF, "response_format"), "json"),
    (("prompts", "triage-prompt@v9", "messages"), []),
    (("prompts", "triage-prompt@v9", "messages"), [{"role": "user"}]),
    (("prompts", "triage-prompt@v9", "variables"), {"ticket": {"type": "text"}}),
    (("tools", "triage-tools@v3", "tools"), {"a": 1}),
    (("commit",), {"id": "x"}),
    (("commit", "time"), "yesterday"),
]


@pytest.mark.parametrize(
    ("at", "value"), BREAKAGES, ids=lambda value: ".".join(value) if isinstance(value, tuple) else None
)
def test_a_bundle_that_contradicts_itself_is_refused_though_its_digest_is_right(bundle, at, value):
    document = copy.deepcopy(bundle.document)
    inner = document
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = value
    problem = refused(encode_bundle(document))
    assert problem.code == "EK701"
    assert at[0] in problem.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_whatever_a_sealed_bundle_holds_resolving_from_it_has_no_way_to_fail(bundle, data):
    document = copy.deepcopy(bundle.document)
    inner, path = document, []
    while isinstance(inner, dict | list) and inner and (not path or data.draw(st.booleans())):
        step = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        path.append((inner, step))
        inner = inner[step]
    parent, step = path[-1]
    parent[step] = data.draw(JSON)
    try:
        found = read_bundle(encode_bundle(document), "b.json")
    except (BundleError, ValueError):
        return
    for name in found.names:
        for env in ("production", "staging"):
            serving = found.serving(name, env)
            for version in serving.weights if serving else ():
                config = found.config(Ref(name, version))
                assert config.frozen().digest == config.digest


def test_verifying_computes_the_digests_again(bundle):
    document = copy.deepcopy(bundle.document)
    document["entries"][REF]["params"]["max_tokens"] = 4000
    document["prompts"]["triage-prompt@v9"]["messages"][1]["content"] = "{{ ticket"
    wrong = [str(p) for p in problems_of_bundle(read_bundle(encode_bundle(document), "b.json"))]
    assert any(f"EK702 {REF} names the digest" in line for line in wrong)
    assert any("EK702 triage-prompt@v9 has another content" in line for line in wrong)
    assert any("EK301 triage-prompt@v9 message 2, line 1: not a valid template" in line for line in wrong)
    assert not list(problems_of_bundle(bundle))
