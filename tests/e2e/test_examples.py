"""The examples as their user runs them: real processes under load, while git says who serves."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest
from small_project import ROOT, Project

from evalkit.testing.model_server import ModelServer, RawReply

EXAMPLES = ROOT / "examples"
SERVICE = ["-m", "uvicorn", "app:app", "--app-dir", str(EXAMPLES / "service"), "--port=0", "--no-access-log"]
BATCH = [str(EXAMPLES / "batch" / "classify.py")]
WAIT_S = 20.0
LOGGED = {
    "ts", "feature", "registry_version", "digest", "variant", "unit", "env", "latency_ms", "input_tokens",
    "output_tokens", "cost_usd", "finish_reason", "served_model", "request_id",
}  # fmt: skip


class Shop(Project):
    """The example registry in a git repository, and the place where its bundle is published."""

    @classmethod
    def at(cls, folder: Path) -> Shop:
        return cls(
            folder / "shop", {"GIT_CONFIG_GLOBAL": os.devnull, "EVALKIT_CACHE_DIR": str(folder / "cache")}
        )

    @property
    def folder(self) -> Path:
        """Where applications run, and leave their logs."""
        return self.root.parent

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle.json"

    @property
    def document(self) -> dict:
        return json.loads(self.bundle.read_text())

    @property
    def call_log(self) -> list[dict]:
        """Every line of it: one that does not parse fails the test."""
        files = sorted((self.folder / "logs").glob("calls*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=Release", "-c", "user.email=release@example.com")
        subprocess.run(["git", *who, *arguments], cwd=self.root, env=self._env({}), check=True)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def set_status(self, status: str) -> None:
        """Of v14: the one line that a promotion or a rollback changes."""
        path = "registry/entries/support-triage/v14.yaml"
        text, count = re.subn(r"^status: \w+", f"status: {status}", self.read(path), flags=re.MULTILINE)
        assert count == 1
        self.write(path, text)

    def publish(self) -> None:
        ran = self.evalkit("bundle", "--ref", "HEAD", "-o", str(self.bundle))
        assert ran.code == 0, ran.err

    def promote(self) -> None:
        self.set_status("production")
        self.commit("Promote v14")
        self.publish()

    def roll_back(self) -> None:
        self.set_status("retired")
        self.commit("Roll back to v13")
        self.publish()


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A shop whose v13 is in production, committed and published."""
    shop = Shop.at(tmp_path_factory.mktemp("published"))
    shutil.copytree(EXAMPLES / "registry-project", shop.root)
    shop.git("init", "--quiet")
    shop.commit("v13 serves")
    shop.publish()
    return shop.folder


@pytest.fixture
def shop(published: Path, tmp_path: Path) -> Shop:
    shutil.copytree(published, tmp_path, dirs_exist_ok=True)
    return Shop.at(tmp_path)


class Model(ModelServer):
    """Answers as the stand-in of the examples does, each ticket with an id of its own; can be held up."""

    _answer_to = staticmethod(runpy.run_path(str(EXAMPLES / "model.py"))["answer"])

    def __init__(self, *, latency_s: float = 0.0, hold_after: int | None = None) -> None:
        super().__init__(self._reply_to, latency_s=latency_s)
        self.asked = 0
        self.go_on = threading.Event()
        self._hold_after = hold_after
        self._changed = threading.Condition()

    def wait_until_asked(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.asked >= count, WAIT_S), f"{self.asked} of {count}"

    def _reply_to(self, body: dict) -> RawReply:
        with self._changed:
            self.asked += 1
            number = self.asked
            self._changed.notify_all()
        if self._hold_after is not None and number > self._hold_after:
            self.go_on.wait(WAIT_S)
        ticket = body["messages"][-1]["content"]
        if "refuse me" in ticket:
            return RawReply(
                400, b'{"error": {"message": "no", "type": "invalid_request_error", "code": null}}'
            )
        content = "Billing, I think." if "babble" in ticket else self._answer_to(body)
        answer = {
            "id": id_of(ticket),
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
            ],
            "usage": {"prompt_tokens": 90, "completion_tokens": 12, "total_tokens": 102},
        }
        return RawReply(200, json.dumps(answer).encode())


def id_of(ticket: str) -> str:
    """By which the model's request, the answer and the line of the call log find each other."""
    return f"chatcmpl-{ticket.rpartition('#')[2]}"


def expected_request(document: dict, version: int, ticket: str) -> dict:
    """What a version sends, put together by hand from its bundle."""
    entry = document["entries"][f"support-triage@v{version}"]
    messages = [
        {"role": message["role"], "content": message["content"].replace("{{ ticket }}", ticket)}
        for message in document["prompts"][entry["prompt_ref"]]["messages"]
    ]
    return {
        "model": entry["model"],
        "messages": messages,
        "response_format": entry["response_format"],
        **entry["params"],
    }


class Process:
    """An application, with what it says on stderr as it comes."""

    def __init__(self, shop: Shop, command: list[str], *, registry: object, model: str, **env: str) -> None:
        self.said: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        settings = {
            "EVALKIT_REGISTRY": str(registry),
            "OPENAI_BASE_URL": model,
            "OPENAI_API_KEY": "none",
            **env,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-u", *command],
            cwd=shop.folder,
            env=shop._env(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            with self._changed:
                self.said.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, text: str, times: int = 1) -> str:
        """The last line with this text, once so many have been said."""

        def found() -> list[str]:
            return [line for line in self.said if text in line]

        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(found()) >= times, WAIT_S)
            assert len(found()) >= times, "".join(self.said)
            return found()[-1]

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Exit code and stdout, after a signal."""
        self.process.send_signal(number)
        return self.result()

    def result(self) -> tuple[int, str]:
        out = self.process.stdout.read()
        code = self.process.wait(WAIT_S)
        self._reader.join()
        assert "Traceback" not in "".join(self.said), "".join(self.said)
        return code, out

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()  # the supervisor of several workers ends them too
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(WAIT_S)
        self.process.kill()
        self._reader.join(WAIT_S)
        self.process.stdout.close()
        self.process.stderr.close()


@contextlib.contextmanager
def service(shop: Shop, registry: object, model: str, workers: int = 1):
    """The address of the running service; when the block ends it has shut down by itself."""
    command = [*SERVICE, "--workers", str(workers)]
    with Process(shop, command, registry=registry, model=model, REFRESH_S="0.2") as running:
        running.wait_for("Application startup complete", workers)
        yield re.search(r"http://\S+", running.wait_for("Uvicorn running on"))[0]
        running.end()
        running.wait_for("Application shutdown complete", workers)


@dataclass(frozen=True)
class Answered:
    ticket: str
    status: int
    body: dict


class Load:
    """Clients that ask without a pause, each over one connection, and so each one worker."""

    def __init__(self, url: str, *, clients: int = 8, workers: int = 1) -> None:
        self.answers: list[list[Answered]] = [[] for _ in range(clients)]
        self.failures: list[BaseException] = []
        self._changed = threading.Condition()
        self._stop = False
        connections = connect_evenly(url, clients, workers)
        self._threads = [
            threading.Thread(target=self._ask, args=(number, connection))
            for number, connection in enumerate(connections)
        ]

    @property
    def all(self) -> list[Answered]:
        return [answer for answers in self.answers for answer in answers]

    def wait_until_everybody_gets(self, version: int, *, times: int = 7) -> None:
        """So often in a row, over each connection."""

        def settled() -> bool:
            return all(
                len(answers) >= times and all(a.body.get("version") == version for a in answers[-times:])
                for answers in self.answers
            )

        with self._changed:
            assert self._changed.wait_for(lambda: self.failures or settled(), WAIT_S)
        assert self.failures == []

    def _ask(self, number: int, connection: http.client.HTTPConnection) -> None:
        try:
            while not self._stop:
                ticket = f"Where is my parcel? #{number}-{len(self.answers[number])}"
                # Every second client talks to the service in one conversation.
                body = {"ticket": ticket, **({"conversation": f"c{number}"} if number % 2 else {})}
                answer = Answered(ticket, *ask(connection, "POST", "/triage", body))
                with self._changed:
                    self.answers[number].append(answer)
                    self._changed.notify_all()
        except (OSError, ValueError, http.client.HTTPException) as failure:
            with self._changed:
                self.failures.append(failure)
                self._changed.notify_all()
        finally:
            connection.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        for thread in self._threads:
            thread.join()


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: dict | None = None
) -> tuple[int, dict]:
    connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    is_json = response.headers["Content-Type"] == "application/json"
    return response.status, json.loads(text) if is_json else {"detail": text.decode()}


def connect_evenly(url: str, clients: int, workers: int) -> list[http.client.HTTPConnection]:
    """Connections that stay open, as many to each worker: which one has accepted is chance, and /health says it."""
    by_worker: dict[int, list[http.client.HTTPConnection]] = {}
    for _ in range(500):
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=WAIT_S)
        status, health = ask(connection, "GET", "/health")
        if status != 200:
            connection.close()
            raise AssertionError(health)
        mine = by_worker.setdefault(health["pid"], [])
        if len(mine) < clients // workers:
            mine.append(connection)
        else:
            connection.close()
        if sum(map(len, by_worker.values())) == clients:
            return [connection for connections in by_worker.values() for connection in connections]
    raise AssertionError(f"{len(by_worker)} of {workers} workers answer")


def wait_until(is_so) -> None:
    """For what nobody announces: a file, or another process's answer."""
    pause = threading.Event()
    for _ in range(int(WAIT_S / 0.05)):
        if is_so():
            return
        pause.wait(0.05)
    raise AssertionError("it does not happen")


class BundleHost(ThreadingHTTPServer):
    """A place that bundles are fetched from: one file, with its ETag."""

    daemon_threads = True

    def __init__(self, file: Path, *, latency_s: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _BundleHandler)
        self.file = file
        self.latency_s = latency_s
        self.statuses: Counter[int] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/bundle.json"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _BundleHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(self.server.latency_s)
        content = self.server.file.read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        status = 304 if self.headers.get("If-None-Match") == tag else 200
        self.server.statuses[status] += 1
        self.send_response(status)
        self.send_header("ETag", tag)
        if status == 200:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status == 200:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: the tests read `statuses`."""


def flip_there_and_back(shop: Shop, load: Load) -> None:
    with load:
        load.wait_until_everybody_gets(13)
        shop.promote()
        load.wait_until_everybody_gets(14)
        shop.roll_back()
        load.wait_until_everybody_gets(13)


def check_every_request(shop: Shop, load: Load, model: Model, document: dict) -> None:
    """None failed; each was answered, sent and logged by one and the same version; versions came in order."""
    assert [answer for answer in load.all if answer.status != 200] == []
    for answers in load.answers:
        assert [version for version, _ in groupby(a.body["version"] for a in answers)] == [13, 14, 13]

    log = shop.call_log
    by_id = {line["request_id"]: line for line in log}
    sent = {id_of(request.body["messages"][-1]["content"]): request.body for request in model.requests}
    assert len(log) == len(by_id) == len(sent) == len(model.requests) == len(load.all) >= 150
    for answer in load.all:
        line = by_id[id_of(answer.ticket)]
        version = line["registry_version"]
        entry = document["entries"][f"support-triage@v{version}"]
        assert answer.body["version"] == version
        assert answer.body["queue"] == "shipping"
        assert sent[id_of(answer.ticket)] == expected_request(document, version, answer.ticket)
        assert line.keys() == LOGGED
        assert (line["feature"], line["digest"], line["served_model"]) == (
            "support-triage",
            entry["digest"],
            entry["model"],
        )
        assert (line["env"], line["variant"]) == ("production", "primary")
        assert (line["input_tokens"], line["output_tokens"]) == (90, 12)
        assert line["latency_ms"] > 0
    # A conversation is one unit, a ticket without one is a unit of its own.
    units = [{by_id[id_of(answer.ticket)]["unit"] for answer in answers} for answers in load.answers]
    assert [len(found) for found in units[1::2]] == [1] * len(units[1::2])
    assert [len(found) for found in units[::2]] == [len(answers) for answers in load.answers[::2]]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_service_flips_under_load_when_its_bundle_file_is_replaced(shop, workers):
    document = shop.document
    with Model(latency_s=0.07) as model:
        with service(shop, shop.bundle, model.base_url, workers) as url:
            load = Load(url, workers=workers)
            flip_there_and_back(shop, load)
        check_every_request(shop, load, model, document)


def test_the_service_flips_under_load_when_the_bundle_at_its_url_changes(shop):
    document = shop.document
    with BundleHost(shop.bundle) as host, Model(latency_s=0.07) as model:
        with service(shop, host.url, model.base_url) as url:
            load = Load(url)
            flip_there_and_back(shop, load)
        check_every_request(shop, load, model, document)
    assert host.statuses[200] == 3, "each bundle is sent once"
    assert host.statuses[304] > 0


def test_the_three_commands_of_the_readme_need_no_bundle_and_no_key(shop):
    with Process(shop, [str(EXAMPLES / "model.py")], registry="", model="", PORT="0") as stand_in:
        address = re.search(r"http://\S+", stand_in.process.stdout.readline())[0]
        with (
            service(shop, shop.root, address) as url,
            contextlib.closing(connect_evenly(url, 1, 1)[0]) as client,
        ):

            def version() -> int:
                status, body = ask(client, "POST", "/triage", {"ticket": "My parcel has not arrived."})
                assert (status, body["queue"]) == (200, "shipping")
                return body["version"]

            assert version() == 13
            shop.set_status("production")  # by hand, without a commit
            wait_until(lambda: version() == 14)
            shop.set_status("retired")
            wait_until(lambda: version() == 13)
            assert not ask(client, "GET", "/health")[1]["stale"]
        assert stand_in.end()[0] == 0


def test_the_service_says_that_the_model_fails_and_logs_it(shop):
    with Model() as model, service(shop, shop.bundle, model.base_url) as url:
        tickets = ("refuse me #1", "babble #2", "fine #3")
        with contextlib.closing(connect_evenly(url, 1, 1)[0]) as client:
            answers = [ask(client, "POST", "/triage", {"ticket": ticket}) for ticket in tickets]
    assert [status for status, _ in answers] == [502, 502, 200]
    assert [line.get("error") for line in shop.call_log] == ["BadRequestError", "malformed", None]
    assert {line["registry_version"] for line in shop.call_log} == {13}


def write_tickets(shop: Shop, texts: list[str]) -> str:
    lines = [json.dumps({"id": f"t{i}", "ticket": f"{text} #t{i}"}) + "\n" for i, text in enumerate(texts)]
    (shop.folder / "tickets.jsonl").write_text("".join(lines))
    return "tickets.jsonl"


def batch(shop: Shop, file: str, model: Model, registry: object = None) -> Process:
    return Process(shop, [*BATCH, file], registry=registry or shop.bundle, model=model.base_url)


def results(out: str) -> dict[str, dict]:
    found = [json.loads(line) for line in out.splitlines()]
    by_id = {result["id"]: result for result in found}
    assert len(by_id) == len(found)
    return by_id


def test_the_batch_gives_a_result_for_each_ticket_and_counts_the_failed(shop):
    texts = ["My parcel is late.", "babble", "refuse me", *["I forgot my password."] * 117]
    file = write_tickets(shop, texts)
    with Model() as model, batch(shop, file, model) as running:
        code, out = running.result()
    found = results(out)
    assert code == 1
    assert found["t0"] == {
        "id": "t0", "registry_version": 13, "queue": "shipping", "reason": "the message says 'parcel'",
    }  # fmt: skip
    assert found["t1"] == {"id": "t1", "registry_version": 13, "error": "malformed"}
    assert found["t2"] == {"id": "t2", "registry_version": 13, "error": "BadRequestError"}
    queues = Counter(result.get("queue") for result in found.values())
    assert queues == {"account": 117, "shipping": 1, None: 2}
    assert "120 of 120, 2 failed" in running.said[-1]
    errors = Counter(line.get("error") for line in shop.call_log)
    assert errors == {None: 118, "malformed": 1, "BadRequestError": 1}


def test_the_batch_keeps_its_version_when_a_promotion_arrives_half_way(shop):
    document = shop.document
    file = write_tickets(shop, ["I was charged twice."] * 60)
    with Model(hold_after=10) as model, batch(shop, file, model) as running:
        model.wait_until_asked(18)
        shop.promote()
        promoted = shop.document["commit"]["id"]
        # A process keeps on disk what it has taken over: so the promotion has arrived in it.
        kept = shop.folder / "cache"
        wait_until(lambda: any(promoted in file.read_text() for file in kept.glob("*.bundle")))
        model.go_on.set()
        code, out = running.result()
    assert code == 0
    assert [result["registry_version"] for result in results(out).values()] == [13] * 60
    for request in model.requests:
        assert request.body == expected_request(document, 13, request.body["messages"][-1]["content"])
    assert [line["registry_version"] for line in shop.call_log] == [13] * 60


def test_the_batch_takes_the_newest_set_although_the_one_of_its_last_run_is_at_hand_sooner(shop):
    file = write_tickets(shop, ["I was charged twice."])
    with BundleHost(shop.bundle, latency_s=0.3) as host, Model() as model:
        with batch(shop, file, model, host.url) as running:
            assert results(running.result()[1])["t0"]["registry_version"] == 13
        shop.promote()
        with batch(shop, file, model, host.url) as running:
            assert results(running.result()[1])["t0"]["registry_version"] == 14


def test_an_interrupted_batch_keeps_what_is_done_and_what_is_under_way(shop):
    file = write_tickets(shop, ["I was charged twice."] * 400)
    with Model(hold_after=10) as model, batch(shop, file, model) as running:
        model.wait_until_asked(18)
        running.process.send_signal(
            signal.SIGINT
        )  # it waits for eight answers, and there are none before it knows
        model.go_on.set()
        code, out = running.result()
        running.wait_for("stopping: waiting for the calls that are under way")
    assert code == 130
    assert len(results(out)) == len(shop.call_log) == len(model.requests) == 18
    assert "18 of 400" in running.said[-1]


def test_the_batch_names_the_line_that_is_no_ticket_before_it_asks_anybody(shop):
    (shop.folder / "tickets.jsonl").write_text('{"id": "t1", "ticket": "Hello"}\n{"id": "t2"}\n')
    with Model() as model, batch(shop, "tickets.jsonl", model) as running:
        code, out = running.result()
    assert (code, out, model.requests) == (2, "", [])
    assert "tickets.jsonl:2 is no ticket" in running.said[-1]
